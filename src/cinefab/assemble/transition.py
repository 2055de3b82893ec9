"""The tail of one shot and the head of the next become the piece that lies between their bodies."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from cinefab.core.brief import Size, TransitionKind
from cinefab.core.errors import ContractMismatch
from cinefab.media.blend import dip, dissolve, eased, wipe
from cinefab.media.decode import decode, probe
from cinefab.media.encode import Encoded, EncoderSettings, encode, settings_between
from cinefab.media.frames import Frame


def make_transition(
    tail: Path,
    head: Path,
    path: Path,
    *,
    kind: TransitionKind,
    frames: int,
    colour: str,
    size: Size,
    fps: Fraction,
    settings: EncoderSettings,
) -> Encoded:
    """Write the transition from `tail` to `head`, both `frames` long, to `path`.

    The piece joins by its packets to bodies that were encoded with `settings`; `colour` is what a dip goes
    through. Raises `ContractMismatch`, naming the file, when a handle is not what was planned,
    and `StorageUnavailable` when one is missing or the disk is full; nothing is left behind.
    """
    for handle in (tail, head):
        _refuse_other(handle, frames=frames, size=size)
    mixed = _mixed(decode(tail), decode(head), kind=kind, frames=frames, colour=colour)
    return encode(mixed, path, size=size, fps=fps, settings=settings_between(settings))


def _mixed(
    tail: Iterator[Frame],
    head: Iterator[Frame],
    *,
    kind: TransitionKind,
    frames: int,
    colour: str,
) -> Iterator[Frame]:
    for index, (old, new) in enumerate(zip(tail, head, strict=True)):
        progress = eased(index, frames)
        match kind:
            case TransitionKind.DISSOLVE:
                yield dissolve(old, new, progress)
            case TransitionKind.WIPE:
                yield wipe(old, new, progress)
            case TransitionKind.DIP:
                yield dip(old, new, progress, colour=colour)
            case TransitionKind.CUT | TransitionKind.AUTO:
                raise AssertionError("the plan holds only transitions that need new pixels")


def _refuse_other(handle: Path, *, frames: int, size: Size) -> None:
    found = probe(handle)
    if (found.frames, found.size) != (frames, size):
        raise ContractMismatch(
            attempted="make a transition",
            found=f"{handle} is {found.frames} frames of {found.size}, planned were "
            f"{frames} of {size}",
            remedy="Make that segment again; another model may have to",
        )
