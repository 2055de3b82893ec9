"""What each piece of a film was ordered to be: what checks hold it against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from cinefab.assemble.cut import BodyPiece, Piece
from cinefab.core.plan import MediaKind, Part, Plan, PlannedShot
from cinefab.core.sound import first_frame_from
from cinefab.jobs.stages import Order
from cinefab.review.figures import Ordered

_GRADES: Final = frozenset({"grade"})
"""Effects that change colours on purpose."""

_CAPTIONS: Final = "captions"


def ordered_of(order: Order, plan: Plan, piece: Piece) -> Ordered:
    """Return what a piece of the cut was to be."""
    if isinstance(piece, BodyPiece):
        return ordered_of_shots(order, plan, [plan.shots[piece.shot]], frames=piece.frames)
    shots = [plan.shots[piece.into - 1], plan.shots[piece.into]]
    return ordered_of_shots(order, plan, shots, frames=piece.frames, transition=piece.kind.value)


def ordered_of_shots(
    order: Order,
    plan: Plan,
    shots: Sequence[PlannedShot],
    *,
    frames: int,
    transition: str = "",
) -> Ordered:
    """Return what so many frames of these shots were to be."""
    colours: dict[str, None] = {}
    shown: dict[str, None] = {}
    for shot in shots:
        given: Any = shot.input
        colours |= dict.fromkeys(given["colours"])
        shown |= dict.fromkeys(name for name in shot.references if name != given["logo"])
    graded = any(each.name in _GRADES for shot in shots for each in shot.effects)
    pictures = [each for each in plan.references if each.name in shown]
    if any(each.kind is not MediaKind.PICTURE for each in pictures):
        pictures = []  # what a film shows from one moment to the next, no picture of it tells
    body = next((each for each in shots[0].segments if each.part is Part.BODY), None)
    return Ordered(
        shots=tuple(shot.index for shot in shots),
        frames=frames,
        transition=transition,
        colours=tuple(colours),
        changes=() if transition or body is None else _changes(plan, shots[0], body.first_frame),
        references=tuple(each.picture for each in pictures),
        cut_out=tuple(each.picture for each in pictures if each.mask is not None),
        graded=graded or order.brief.brand.lut is not None,
        filmed=any(shot.model is not None for shot in shots),
        quality=plan.quality,
    )


def _changes(plan: Plan, shot: PlannedShot, first_frame: int) -> tuple[int, ...]:
    """Return the frames, counted from a body's first, from which other words lie over it, or none."""
    times_ms = {
        cue[end]
        for effect in shot.effects
        if effect.name == _CAPTIONS
        for cue in json.loads(effect.settings)["cues"]
        for end in ("start_ms", "end_ms")
    }
    return tuple(sorted({first_frame_from(at_ms, plan.fps) - first_frame for at_ms in times_ms}))
