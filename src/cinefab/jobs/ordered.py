"""What each piece of a film was ordered to be: what checks hold it against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cinefab.assemble.cut import BodyPiece, Piece
from cinefab.core.plan import Plan, PlannedShot
from cinefab.review.figures import Ordered


def ordered_of(plan: Plan, piece: Piece) -> Ordered:
    """Return what a piece of the cut was to be."""
    if isinstance(piece, BodyPiece):
        return ordered_of_shots(plan, [plan.shots[piece.shot]], frames=piece.frames)
    shots = [plan.shots[piece.into - 1], plan.shots[piece.into]]
    return ordered_of_shots(plan, shots, frames=piece.frames, transition=piece.kind.value)


def ordered_of_shots(
    plan: Plan, shots: Sequence[PlannedShot], *, frames: int, transition: str = ""
) -> Ordered:
    """Return what so many frames of these shots were to be."""
    colours: dict[str, None] = {}
    shown: dict[str, None] = {}
    for shot in shots:
        given: Any = shot.input
        colours |= dict.fromkeys(given["colours"])
        shown |= dict.fromkeys(name for name in shot.references if name != given["logo"])
    return Ordered(
        shots=tuple(shot.index for shot in shots),
        frames=frames,
        transition=transition,
        colours=tuple(colours),
        references=tuple(each.picture for each in plan.references if each.name in shown),
    )
