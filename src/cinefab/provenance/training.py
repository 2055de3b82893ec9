"""What a model version was trained on: which sets, in which shares, under which licences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.errors import ContractMismatch
from cinefab.core.units import WHOLE_BP, BasisPoints
from cinefab.provenance.tables import model_training, training_set


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedOn:
    """One training set of a model: its share in the whole, and its licence."""

    name: str
    licence: str
    share_bp: BasisPoints


def record_training(connection: sa.Connection, model_ref: str, sets: Sequence[TrainedOn]) -> None:
    """Store what `name@version` was trained on; storing the same again changes nothing.

    No sets at all is a statement too: nothing was trained. Raises `ContractMismatch` if the
    shares do not sum to 10,000, a set is named twice, or something else is stored already.
    """
    if sets and (
        sum(s.share_bp for s in sets) != WHOLE_BP
        or any(s.share_bp < 0 for s in sets)
        or len({s.name for s in sets}) != len(sets)
    ):
        raise _mismatch(model_ref, f"shares that are no split of the whole: {list(sets)}")
    known = training_of(connection, model_ref)
    wanted = tuple(sorted(sets, key=lambda s: s.name))
    if known == wanted:
        return
    if known:
        raise _mismatch(model_ref, f"something else is stored: {list(known)}")
    for one in wanted:
        _record_set(connection, model_ref, one)
        connection.execute(
            model_training.insert().values(
                model_ref=model_ref, training_set=one.name, share_bp=one.share_bp
            )
        )


def training_of(connection: sa.Connection, model_ref: str) -> tuple[TrainedOn, ...]:
    """Return what the model version was trained on, by name; empty if nothing is stored."""
    rows = connection.execute(
        sa.select(training_set.c.name, training_set.c.licence, model_training.c.share_bp)
        .join_from(model_training, training_set)
        .where(model_training.c.model_ref == model_ref)
        .order_by(training_set.c.name)
    )
    return tuple(
        TrainedOn(name=row.name, licence=row.licence, share_bp=BasisPoints(row.share_bp))
        for row in rows
    )


def _record_set(connection: sa.Connection, model_ref: str, one: TrainedOn) -> None:
    licence = connection.execute(
        sa.select(training_set.c.licence).where(training_set.c.name == one.name)
    ).scalar_one_or_none()
    if licence is None:
        connection.execute(training_set.insert().values(name=one.name, licence=one.licence))
    elif licence != one.licence:
        raise _mismatch(model_ref, f"the training set {one.name!r} is known under {licence!r}")


def _mismatch(model_ref: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"record what {model_ref} was trained on",
        found=found,
        remedy="Name each set once, 10000 basis points in all; a new version says something new.",
    )
