"""What a cold start takes: seen here, or as the card says until it was.

A model that was cold is recorded with the take that waited for it. What is expected is the time
that three of the last four such starts did not pass: estimates err upwards.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cinefab.core.units import DeviceUs
from cinefab.generate.backend import ModelCard
from cinefab.generate.tables import model_load

_SEEN: Final = 20


def record_load(
    connection: sa.Connection, *, model: str, device_class: str, load_us: int, now_us: int
) -> None:
    """Keep how long a model took to get ready; nothing is kept of one that was warm."""
    if load_us > 0:
        connection.execute(
            model_load.insert().values(
                model=model, device_class=device_class, load_us=load_us, created_us=now_us
            )
        )


def expected_load(connection: sa.Connection, card: ModelCard, *, device_class: str) -> DeviceUs:
    """Return what a cold start of this very model is expected to take on a class of device."""
    last = sa.select(model_load.c.load_us).where(
        model_load.c.model == card.ref, model_load.c.device_class == device_class
    )
    seen = sorted(
        int(each)
        for each in connection.execute(last.order_by(model_load.c.id.desc()).limit(_SEEN)).scalars()
    )
    if not seen:
        return DeviceUs(card.load_us)
    return DeviceUs(seen[(len(seen) * 3 - 1) // 4])
