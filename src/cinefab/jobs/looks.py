"""The looks of what a film shows: taken once of a picture and its mask, then found again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256
from cinefab.jobs.workshop import Workshop
from cinefab.media.look import LOOK
from cinefab.review.kept_figures import find_figures, record_figures

Pictures = Mapping[Sha256, Sha256 | None]
"""Pictures by their digests, each with its mask's if it has one."""


def find_looks(shop: Workshop, pictures: Pictures) -> dict[Sha256, Json]:
    """Return the looks that are kept of these pictures, by digest."""
    found: dict[Sha256, Json] = {}
    with shop.recorder.db.read() as connection:
        for measure, digests in _by_measure(pictures):
            found |= find_figures(connection, digests, tenant=shop.tenant, measure=measure)
    return found


def record_looks(
    shop: Workshop, connection: sa.Connection, looks: Mapping[Sha256, Json], pictures: Pictures
) -> None:
    """Keep looks that were taken of these pictures."""
    now_us = shop.recorder.clock.now_us()
    for measure, digests in _by_measure(pictures):
        record_figures(
            connection,
            {each: looks[each] for each in digests if each in looks},
            tenant=shop.tenant,
            measure=measure,
            now_us=now_us,
        )


def where_they_lie(shop: Workshop, pictures: Pictures) -> list[Json]:
    """Return each picture's digest, its path and its mask's, or None, for who looks at them."""
    local = shop.blobs.local_path
    return [
        [picture, str(local(picture)), None if mask is None else str(local(mask))]
        for picture, mask in pictures.items()
    ]


def _by_measure(pictures: Pictures) -> Iterator[tuple[str, list[Sha256]]]:
    # Through another mask, the same picture is another product.
    masks = dict.fromkeys(pictures.values())
    for mask in masks:
        measure = f"look/{LOOK}" if mask is None else f"look/{LOOK}/{mask}"
        yield measure, [picture for picture, own in pictures.items() if own == mask]
