"""How much one film's picture is like another's: XPSNR, frame against frame."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Final

from av.filter import Graph
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from cinefab.core.brief import Size
from cinefab.media.decode import decode_pictures, probe

ALIKE_HUNDREDTHS: Final = 10_000
"""What equal frames are given, and the most that any are: 100 dB."""

_PIXELS: Final = "yuv420p"


def likeness(film: Path, reference: Path, *, every: int) -> Iterator[tuple[int, int]]:
    """Yield the number of every so many frames of `film`, and the XPSNR of its luma.

    In hundredths of a decibel against the same frame of `reference`, scaled to the film's size; the
    weights of what moves come from the frames that are compared, not those between. Ends with the
    shorter of the two. Raises `StorageUnavailable` when one cannot be read and `ContractMismatch`
    when it is not whole, sound video.
    """
    seen = probe(film)
    meter = _Meter(seen.size, seen.fps / every)
    pairs = zip(decode_pictures(film), decode_pictures(reference), strict=False)
    for place, (one, other) in enumerate(islice(pairs, 0, None, every)):
        yield place * every, meter.measure(place, one, other)


class _Meter:
    """FFmpeg's filter, fed one pair of frames after another; it remembers the one before."""

    def __init__(self, size: Size, fps: Fraction) -> None:
        self._size, self._time_base = size, 1 / fps
        self._graph = Graph()
        self._graph.threads = 1
        self._sources: list[Any] = [
            self._graph.add_buffer(
                width=size.width,
                height=size.height,
                format=VideoFormat(_PIXELS),
                time_base=self._time_base,
            )
            for _ in range(2)
        ]
        xpsnr = self._graph.add("xpsnr")
        self._sink: Any = self._graph.add("buffersink")
        for place, source in enumerate(self._sources):
            source.link_to(xpsnr, 0, place)
        xpsnr.link_to(self._sink)
        self._graph.configure()

    def measure(self, place: int, film: VideoFrame, reference: VideoFrame) -> int:
        # The filter's weights come from its first input: from what the film should be.
        for source, picture in zip(self._sources, (reference, film), strict=True):
            how = "AREA" if picture.width > self._size.width else "BICUBIC"
            frame = picture.reformat(
                self._size.width, self._size.height, format=_PIXELS, interpolation=how
            )
            frame.pts, frame.time_base = place, self._time_base
            source.push(frame)
        decibels = float(self._sink.pull().metadata["lavfi.xpsnr.xpsnr.y"])
        if not math.isfinite(decibels):
            return ALIKE_HUNDREDTHS
        return min(round(100 * decibels), ALIKE_HUNDREDTHS)
