"""Is a film made of exactly the pieces that were looked at? Proved by its packets, not decoded."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from cinefab.core.errors import ContractMismatch
from cinefab.core.verdict import Remark
from cinefab.media.packet_digest import CodedPicture, PacketDigest, coded_pictures
from cinefab.review.figures import Footage


def differences(path: Path, footage: Footage) -> tuple[Remark, ...]:
    """Return what in the film at `path` is not, packet for packet, what was looked at.

    Nothing if its packets are the pieces' own, in order, every frame shown once and for one
    frame's length. Raises `StorageUnavailable` when the file cannot be read.
    """
    try:
        return tuple(_differences(path, footage))
    except ContractMismatch as error:
        return (Remark(text=error.found, frame=0),)


def _differences(path: Path, footage: Footage) -> Iterator[Remark]:
    coded = coded_pictures(path, fps=footage.fps)
    shown: set[Fraction] = set()
    start = 0
    for stretch in footage.stretches:
        digest = PacketDigest()
        for picture in _take(coded, stretch.seen.frames):
            digest.add(picture, start=start)
            shown.add(picture.shown_at)
        if digest.pictures < stretch.seen.frames:
            yield Remark(text="it ends before its last piece does", frame=start + digest.pictures)
            break
        if digest.digest() != stretch.seen.packets:
            yield Remark(text="its pictures are not those of the piece made for it", frame=start)
        start += stretch.seen.frames
    else:
        surplus = sum(1 for _ in coded)
        if surplus:
            yield Remark(text=f"{surplus} pictures follow its last piece", frame=start)
    for frame in range(start):
        if Fraction(frame) not in shown:
            yield Remark(text="no picture is shown at its time: a frame is missing", frame=frame)
            break


def _take(coded: Iterator[CodedPicture], count: int) -> Iterator[CodedPicture]:
    for _ in range(count):
        picture = next(coded, None)
        if picture is None:
            return
        yield picture
