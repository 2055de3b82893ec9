"""What each piece of a film was ordered to be: what checks hold it against."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cinefab.assemble.cut import BodyPiece, Piece
from cinefab.core.canonical import Json
from cinefab.core.plan import MediaKind, Part, Plan, PlannedShot
from cinefab.core.sound import first_frame_from
from cinefab.jobs.models import model_of
from cinefab.jobs.stages import Order
from cinefab.jobs.workshop import Workshop
from cinefab.review.figures import Ordered

_KEEP_COLOURS: Final = frozenset(
    {"captions", "denoise", "interpolate", "overlay", "sharpen", "stabilise", "upsample"}
)
"""Effects that leave hues alone; of any other, a stranger's too, nothing is known."""

_CAPTIONS: Final = "captions"


def ordered_of(shop: Workshop, order: Order, plan: Plan, piece: Piece) -> Ordered:
    """Return what a piece of the cut was to be."""
    if isinstance(piece, BodyPiece):
        return ordered_of_shots(shop, order, plan, [plan.shots[piece.shot]], frames=piece.frames)
    shots = [plan.shots[piece.into - 1], plan.shots[piece.into]]
    kind = piece.kind.value
    return ordered_of_shots(shop, order, plan, shots, frames=piece.frames, transition=kind)


def ordered_of_shots(
    shop: Workshop,
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
    over: dict[str, None] = {}
    for shot in shots:
        given: Any = shot.input
        colours |= dict.fromkeys(given["colours"])
        shown |= dict.fromkeys(name for name in shot.references if name != given["logo"])
        over |= dict.fromkeys(name for name in shot.references if name == given["logo"])
        over |= dict.fromkeys(name for each in shot.effects for _, name in each.references)
    graded = any(each.name not in _KEEP_COLOURS for shot in shots for each in shot.effects)
    laid_over = [each.picture for each in plan.references if each.name in over]
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
        masks={each.picture: each.mask for each in pictures if each.mask is not None},
        laid_over=tuple(laid_over),
        words=_has_words(shop, order, shots),
        graded=graded or order.brief.brand.lut is not None,
        filmed=any(shot.shows_clip for shot in shots),
        quality=plan.quality,
    )


def _has_words(shop: Workshop, order: Order, shots: Sequence[PlannedShot]) -> bool:
    """Say whether their models write a caption into all of these shots."""
    return all(
        not shot.shows_clip
        and _caption(shot.input)
        and _CAPTIONS in model_of(shop, order, shot).card.capabilities
        for shot in shots
    )


def _caption(given: Json) -> Json:
    assert isinstance(given, Mapping), "a shot's input is an object"
    return given.get("caption")


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
