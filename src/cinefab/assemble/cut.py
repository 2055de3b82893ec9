"""A plan's pieces in their order, and the cut that they become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

from cinefab.core.brief import TransitionKind
from cinefab.core.canonical import Sha256
from cinefab.core.errors import ContractMismatch
from cinefab.core.plan import Part, Plan, PlannedSegment, PlannedShot, PlannedTransition
from cinefab.media.join import Joined, join


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPiece:
    """A shot's body: the segment of that key, as it was generated."""

    key: Sha256
    shot: int
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionPiece:
    """A transition into shot `into`, to be made from the segments `tail` and `head`."""

    key: Sha256
    into: int
    frames: int
    kind: TransitionKind
    colour: str
    tail: Sha256
    head: Sha256


Piece: TypeAlias = BodyPiece | TransitionPiece


def cut_order(plan: Plan) -> tuple[Piece, ...]:
    """Return the pieces of the film in the order they are shown; they sum to its frames exactly."""
    into = {transition.into: transition for transition in plan.transitions}
    pieces: list[Piece] = []
    tail: PlannedSegment | None = None
    for shot in plan.shots:
        parts = {segment.part: segment for segment in shot.segments}
        transition = into.get(shot.index)
        if transition is not None:
            pieces.append(_transition_piece(transition, tail=tail, head=parts.get(Part.HEAD)))
        else:
            assert tail is None, f"a tail before shot {shot.index}, but no transition"
        tail = parts.get(Part.TAIL)
        pieces.extend(_body(shot, parts.get(Part.BODY)))
    total = sum(piece.frames for piece in pieces)
    assert total == plan.frames, f"the pieces are {total} frames, the film is {plan.frames}"
    return tuple(pieces)


def assemble_cut(
    pieces: Sequence[Path],
    path: Path,
    *,
    fps: Fraction,
    frames_wanted: int,
    sound: Path | None = None,
) -> Joined:
    """Join `pieces` and their `sound` into the cut at `path`, exactly `frames_wanted` frames long.

    Raises `ContractMismatch` when it has not, or when a piece does not fit, and
    `StorageUnavailable` when one is missing or the disk is full; nothing is left behind.
    """
    joined = join(pieces, path, fps=fps, sound=sound)
    if joined.frames != frames_wanted:
        path.unlink()
        raise ContractMismatch(
            attempted="assemble the cut",
            found=f"its pieces are {joined.frames} frames long together, planned were "
            f"{frames_wanted}",
            remedy="Make the segments again; another model may have to",
        )
    return joined


def _transition_piece(
    transition: PlannedTransition, *, tail: PlannedSegment | None, head: PlannedSegment | None
) -> TransitionPiece:
    assert tail is not None, f"the shot before {transition.into} has no tail for its transition"
    assert head is not None, f"shot {transition.into} has no head for its transition"
    assert tail.frames == head.frames == transition.frames, "handles are as long as transitions"
    return TransitionPiece(
        key=transition.key,
        into=transition.into,
        frames=transition.frames,
        kind=transition.kind,
        colour=transition.colour,
        tail=tail.key,
        head=head.key,
    )


def _body(shot: PlannedShot, body: PlannedSegment | None) -> Iterator[BodyPiece]:
    # Two transitions may meet in the middle of a shot, which then has no body.
    if body is not None:
        assert body.frames > 0, f"the body of shot {shot.index} is empty"
        yield BodyPiece(key=body.key, shot=shot.index, frames=body.frames)
