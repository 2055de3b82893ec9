"""The coded pictures of a piece as one digest: the same packets, shown in the same order.

Joining copies packets, so what was seen of a piece is true of the film exactly where the film
has the piece's packets. Comparing digests proves that without decoding anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from av.packet import Packet
from av.video.stream import VideoStream

from cinefab.core.canonical import Sha256
from cinefab.media.decode import opened


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedPicture:
    """A packet as it lies in a file: which frame it shows, for how long, and its bytes.

    `shown_at` and `length` are in frames of the film's rate, exactly; a sound film has whole ones.
    """

    shown_at: Fraction
    length: Fraction
    payload: memoryview


class PacketDigest:
    """Takes in coded pictures in the order of their packets; frames count from the piece's own."""

    def __init__(self) -> None:
        self.pictures = 0
        self._hash = hashlib.sha256()

    def add(self, coded: CodedPicture, *, start: int = 0) -> None:
        """Take in the next packet of a piece whose first frame is number `start` of the film."""
        place = f"{coded.shown_at - start} {coded.length} {len(coded.payload)} ".encode()
        self._hash.update(place)
        self._hash.update(coded.payload)
        self.pictures += 1

    def digest(self) -> Sha256:
        """Return the digest of what was taken in."""
        return Sha256(self._hash.hexdigest())


def coded_picture(packet: Packet[VideoStream], fps: Fraction) -> CodedPicture | None:
    """Return what `packet` shows, or None for the demuxer's farewell, which is empty."""
    if packet.pts is None or packet.time_base is None:
        return None
    return CodedPicture(
        shown_at=packet.pts * packet.time_base * fps,
        length=(packet.duration or 0) * packet.time_base * fps,
        payload=memoryview(packet),
    )


def coded_pictures(path: Path, *, fps: Fraction) -> Iterator[CodedPicture]:
    """Yield the coded pictures of `path` in the order of their packets; each is good until the next.

    Raises as `media.decode.decode` does.
    """
    with opened(path) as (container, stream):
        for packet in container.demux(stream):
            coded = coded_picture(packet, fps)
            if coded is not None:
                yield coded
