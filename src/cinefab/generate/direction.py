"""What a director decides where the brief leaves it open: camera moves and transitions.

Only frames are counted here; what the decisions look like is the renderer's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from cinefab.core.brief import Camera, Role, Shot, Transition, TransitionKind
from cinefab.generate.chance import pick

_MOVES: Final = tuple(camera for camera in Camera if camera is not Camera.AUTO)
# A dip is a full stop, so chance never sets one in the middle of a film.
_JOINS: Final = (TransitionKind.CUT, TransitionKind.DISSOLVE, TransitionKind.WIPE)


@dataclass(frozen=True, slots=True)
class Join:
    """How a shot takes over from the one before it; `frames` is even, and 0 for a cut."""

    kind: TransitionKind
    frames: int

    @property
    def half(self) -> int:
        """The frames on each side of the cut."""
        return self.frames // 2


CUT: Final = Join(TransitionKind.CUT, 0)


def choose_cameras(shots: Sequence[Shot], *, seed: int) -> tuple[Camera, ...]:
    """Return each shot's move; one that is left open differs from both of its neighbours."""
    chosen: list[Camera] = []
    for i, shot in enumerate(shots):
        if shot.camera is not Camera.AUTO:
            chosen.append(shot.camera)
            continue
        taken = {*chosen[-1:], *(following.camera for following in shots[i + 1 : i + 2])}
        free = [move for move in _MOVES if move not in taken]
        chosen.append(pick(free, seed=seed, what="camera", index=i))
    return tuple(chosen)


def choose_joins(
    shots: Sequence[Shot],
    *,
    frames: Sequence[int],
    fps: Fraction,
    roles: Mapping[str, str],
    seed: int,
) -> tuple[tuple[Join, ...], tuple[str, ...]]:
    """Return how each shot begins, and a note for every wish that could not be granted.

    `frames` are the shots' lengths. A transition takes an even number of frames, at least two, and
    at most half of the shorter of its shots, so a shot is never all transition.
    """
    joins: list[Join] = []
    notes: list[str] = []
    for i, shot in enumerate(shots):
        place = f"shots[{i}].transition"
        if i == 0:
            if shot.transition.kind not in (TransitionKind.AUTO, TransitionKind.CUT):
                notes.append(f"{place}: nothing comes before the first shot; made a cut")
            joins.append(CUT)
            continue
        kind = shot.transition.kind
        doubled = _double_exposes(shots[i - 1], shot, roles)
        if kind is TransitionKind.AUTO:
            kind = _chosen(i, before=joins[-1].kind, doubled=doubled, seed=seed)
        elif kind is TransitionKind.DISSOLVE and doubled:
            kind = TransitionKind.WIPE
            notes.append(f"{place}: a dissolve would show '{doubled}' twice; made a wipe")
        room = min(frames[i - 1], frames[i]) // 4 * 2
        wanted = _even_frames(shot.transition, fps)
        joins.append(_fitted(kind, wanted=wanted, room=room))
        asked = shot.transition.kind not in (TransitionKind.AUTO, TransitionKind.CUT)
        if asked and wanted > room:
            made = f"made it {room} frames" if room else "made a cut"
            notes.append(f"{place}.seconds: half of the shorter shot is {room} frames; {made}")
    return tuple(joins), tuple(notes)


def _double_exposes(before: Shot, after: Shot, roles: Mapping[str, str]) -> str | None:
    """Return the reference that a dissolve between the two shots would show twice."""
    for name in after.references:
        if name not in before.references:
            continue
        only = len(before.references) == 1 or len(after.references) == 1
        if only or roles[name] == Role.PRODUCT:
            return name
    return None


def _chosen(
    index: int, *, before: TransitionKind, doubled: str | None, seed: int
) -> TransitionKind:
    free = [
        kind
        for kind in _JOINS
        if kind is not before and not (doubled and kind is TransitionKind.DISSOLVE)
    ]
    return pick(free, seed=seed, what="transition", index=index)


def _fitted(kind: TransitionKind, *, wanted: int, room: int) -> Join:
    if kind is TransitionKind.CUT or room < 2:
        return CUT
    return Join(kind, min(wanted, room))


def _even_frames(transition: Transition, fps: Fraction) -> int:
    pairs = transition.length_ms * fps / 2000
    return max(2, 2 * int(pairs + Fraction(1, 2)))
