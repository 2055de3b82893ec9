"""One pass over a decoded film: a row of whole numbers for every frame, and little else.

The numbers are what checks judge by. Most are taken from luma averaged over squares of eight
pixels, which grain and codec noise cannot move; blocks, edges and clipping show only at native
size and are taken from every eighth row of every other frame. All of it costs a sixth of what the
decoding costs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cinefab.core.brief import Size
from cinefab.core.canonical import Sha256
from cinefab.media.decode import opened
from cinefab.media.frames import Mask
from cinefab.media.packet_digest import PacketDigest, coded_picture

INSPECTION: Final = "2"
"""Changes whenever the same film might give other numbers."""

STILL_MAX: Final = 8
"""Levels by which a square may differ in one picture standing still: what a keyframe may shift.

The slowest of moves shifts some square by far more within two seconds.
"""

UNSEEN: Final = -1
"""Stands in a series where the picture has nothing to take that number from."""

THUMB_LEVELS: Final = 2
"""Levels by which a square of two thumbs may differ for both to be of one picture."""

SERIES: Final = (
    "luma",
    "peak",
    "step",
    "step_peak",
    "still",
    "blue",
    "red",
    "sharp",
    "detail",
    "blocks",
    "white",
    "dark",
)
"""What is known of every frame, in this order; `FilmInspection.series` says what each means."""

_SQUARE: Final = 8
_THUMB_SQUARE: Final = 4  # squares to a square of a thumb, each way
_ROWS_EVERY: Final = 8
_FIRST_ROW: Final = 3
_NATIVE_EVERY: Final = 2
_CHROMA_EVERY: Final = 8
_CHROMA_BINS: Final = 32
_CHROMA_FRAMES_EVERY: Final = 6

_EDGE_RANGE_MIN: Final = 40  # levels between the two sides of what counts as an edge
_EDGE_WINDOW: Final = 17  # pixels that an edge may be spread over
_EDGES_MIN: Final = 24
_STEP_MIN: Final = 6  # levels by which a block's border stands out from the pixels beside it
_COLUMNS_LEFT_OUT: Final = 3
_WHITE: Final = 235
_BLACK: Final = 16
_RAMP: Final = 24  # levels below white, or above black, that a ramp passes through
_RAMP_PIXELS_MIN: Final = 3  # an edge is narrower than a ramp
_RAMP_REACH: Final = 9
_CLIPPED_SHARE_MIN: Final = 50  # of the rows' pixels, one in so many, before ramps are looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmInspection:
    """What one pass over a film saw.

    `series` has a number for every frame that was decoded, in the order they are shown:

    - `luma`: mean luma, in hundredths of a level; `peak`: the brightest square's level,
    - `step`: mean difference of the squares to the frame before, in hundredths of a level (0 for
      the first); `step_peak`: the largest one, in levels,
    - `still`: how many frames this one looks like, counted backwards (0: like none before it),
    - `blue`, `red`: mean Cb and Cr, in hundredths of a level,
    - `sharp`: how much of its height a sharp edge climbs from one pixel to the next, in thousandths;
      `UNSEEN` without edges,
    - `detail`: mean difference between pixels beside each other, in hundredths of a level,
    - `blocks`: by how much more often than elsewhere pixels step at every eighth column, in
      hundredths of a per cent,
    - `white`, `dark`: pixels at the end of the range that a ramp leads up to, in hundredths of a
      per cent: light or shade that was cut off, and not a flat white or black that was meant.

    `first` and `last` are the squares of the first and last frame, averaged once more; `chroma` is
    the share of every pair of 32 x 32 levels of Cb and Cr, in millionths, by `cb * 32 + cr`.
    `broken` is the frame that could not be decoded, and why.
    """

    size: Size
    fps: Fraction
    frames: int
    codec: str
    colours: str
    packets: Sha256
    series: Mapping[str, list[int]]
    chroma: Mapping[int, int]
    first: bytes
    last: bytes
    broken: tuple[int, str] | None


def inspect_film(path: Path) -> FilmInspection:
    """Decode `path` once and return what was seen; a damaged film is a result, up to the damage.

    Raises `StorageUnavailable` when the file cannot be read, and `ContractMismatch` when it is no
    MP4 with video in it.
    """
    eye = _Eye()
    packets = PacketDigest()
    broken: tuple[int, str] | None = None
    with opened(path) as (container, stream):
        fps = Fraction(stream.average_rate or 1)
        try:
            for packet in container.demux(stream):
                coded = coded_picture(packet, fps)
                if coded is not None:
                    packets.add(coded)
                for picture in packet.decode():
                    if picture.is_corrupt:
                        broken = broken or (eye.frames, "a broken picture")
                    eye.see(picture)
        except FFmpegError as error:
            if isinstance(error, OSError):
                raise
            broken = broken or (eye.frames, error.strerror or str(error))
        return FilmInspection(
            size=Size(stream.width, stream.height),
            fps=fps,
            frames=packets.pictures,
            codec=stream.codec_context.name,
            colours=_colours_of(stream),
            packets=packets.digest(),
            series=eye.series,
            chroma=eye.chroma(),
            first=eye.first,
            last=eye.last,
            broken=broken,
        )


class _Eye:
    """Sees a film picture by picture and keeps the numbers of each."""

    def __init__(self) -> None:
        self.series: dict[str, list[int]] = {name: [] for name in SERIES}
        self.frames = 0
        self.first = b""
        self._before: Mask | None = None
        self._anchor: Mask | None = None
        self._anchored_at = 0
        self._chroma = np.zeros(_CHROMA_BINS * _CHROMA_BINS, np.int64)

    def see(self, picture: VideoFrame) -> None:
        """Take in the next picture, 4:2:0 in eight bits."""
        luma, blue, red = _planes(picture)
        self._see_squares(averaged(luma, _SQUARE))
        self._see_colours(
            blue[_CHROMA_EVERY // 2 :: _CHROMA_EVERY, _CHROMA_EVERY // 2 :: _CHROMA_EVERY],
            red[_CHROMA_EVERY // 2 :: _CHROMA_EVERY, _CHROMA_EVERY // 2 :: _CHROMA_EVERY],
        )
        if self.frames % _NATIVE_EVERY == 0:
            self._see_rows(sample_rows(luma))
        else:
            for name in ("sharp", "detail", "blocks", "white", "dark"):
                self.series[name].append(self.series[name][-1])
        self.frames += 1

    @property
    def last(self) -> bytes:
        """The squares of the last picture, averaged once more."""
        return b"" if self._before is None else _thumb(self._before)

    def chroma(self) -> dict[int, int]:
        """Return the share of every pair of Cb and Cr that was seen, in millionths."""
        return chroma_shares(self._chroma)

    def _see_squares(self, squares: Mask) -> None:
        series = self.series
        series["luma"].append(round(cv2.mean(squares)[0] * 100))
        series["peak"].append(int(squares.max()))
        if self._before is None:
            self.first = _thumb(squares)
            series["step"].append(0)
            series["step_peak"].append(0)
        else:
            total = cv2.norm(squares, self._before, cv2.NORM_L1)
            series["step"].append(round(total * 100 / squares.size))
            series["step_peak"].append(int(cv2.norm(squares, self._before, cv2.NORM_INF)))
        if self._anchor is None or cv2.norm(squares, self._anchor, cv2.NORM_INF) > STILL_MAX:
            self._anchor, self._anchored_at = squares, self.frames
        series["still"].append(self.frames - self._anchored_at)
        self._before = squares

    def _see_colours(self, blue: Mask, red: Mask) -> None:
        self.series["blue"].append(round(float(blue.mean()) * 100))
        self.series["red"].append(round(float(red.mean()) * 100))
        if self.frames % _CHROMA_FRAMES_EVERY == 0:
            self._chroma += chroma_pairs(blue, red)

    def _see_rows(self, rows: Mask) -> None:
        for name, number in rows_of(rows).items():
            self.series[name].append(number)


def sample_rows(luma: Mask) -> Mask:
    """Return the rows of a picture that are looked at in full."""
    return np.ascontiguousarray(luma[_FIRST_ROW::_ROWS_EVERY])


def rows_of(rows: Mask) -> dict[str, int]:
    """Return what is taken from rows at native size, by its series' name."""
    climbs = cv2.absdiff(rows[:, 1:], rows[:, :-1]).astype(np.uint8, copy=False)
    return {
        "sharp": _sharpness(rows, climbs),
        "detail": round(cv2.mean(climbs)[0] * 100),
        "blocks": _blockiness(climbs),
        "white": _clipped(rows, (_WHITE, 255), (_WHITE - _RAMP, _WHITE - 1)),
        "dark": _clipped(rows, (0, _BLACK), (_BLACK + 1, _BLACK + _RAMP)),
    }


def chroma_pairs(blue: Mask, red: Mask) -> NDArray[np.int64]:
    """Return how often every pair of 32 x 32 levels of Cb and Cr is there, by `cb * 32 + cr`."""
    pairs = (blue >> 3).astype(np.int32) * _CHROMA_BINS + (red >> 3)
    return np.bincount(pairs.ravel(), minlength=_CHROMA_BINS * _CHROMA_BINS)


def chroma_shares(counts: NDArray[np.int64]) -> dict[int, int]:
    """Return those counts as shares in millionths, zeros left out."""
    total = max(1, int(counts.sum()))
    return {int(at): int(counts[at]) * 1_000_000 // total for at in np.flatnonzero(counts)}


def averaged(plane: Mask, square: int) -> Mask:
    """Return the averages of the squares of `square` pixels, a power of two, that are whole."""
    height, width = plane.shape
    plane = plane[: max(1, height - height % square), : max(1, width - width % square)]
    # Halving is the one scale that has a fast path: three halvings take a fifth of one by eight.
    while square > 1 and min(plane.shape) > 1:
        half = plane.shape[1] // 2, plane.shape[0] // 2
        plane = cv2.resize(plane, half, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        square //= 2
    return plane


def _thumb(squares: Mask) -> bytes:
    return averaged(squares, _THUMB_SQUARE).tobytes()


def _sharpness(rows: Mask, climbs: Mask) -> int:
    window = np.ones((1, _EDGE_WINDOW), np.uint8)
    every = slice(_EDGE_WINDOW // 2, None, _EDGE_WINDOW // 2)
    high, low = cv2.dilate(rows, window)[:, every], cv2.erode(rows, window)[:, every]
    steepest = cv2.dilate(climbs, window)[:, every]
    span = cv2.subtract(high, low)[:, : steepest.shape[1]]
    edges = span >= _EDGE_RANGE_MIN
    count = int(np.count_nonzero(edges))
    if count < _EDGES_MIN:
        return UNSEEN
    shares = steepest[edges].astype(np.float32) / span[edges]
    # Beside a product that is sharp, the plate behind it may be as soft as it likes.
    place = count * 19 // 20
    # A window of climbs reaches a pixel further, and may hold an edge that its levels do not.
    return min(1000, round(float(np.partition(shares, place)[place]) * 1000))


def _blockiness(climbs: Mask) -> int:
    beside = cv2.max(climbs[:, :-2], climbs[:, 2:])
    excess = cv2.subtract(climbs[:, 1:-1], beside)
    _, alone = cv2.threshold(excess, _STEP_MIN - 1, 1, cv2.THRESH_BINARY)
    columns = cv2.reduce(alone, 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0] / len(climbs)
    # Column n of these is the step between pixels n + 1 and n + 2.
    borders = np.sort(columns[6::8])
    others = np.delete(columns, np.s_[6::8])
    if len(borders) <= _COLUMNS_LEFT_OUT:
        return 0
    # The straight edge of a layout may lie on a border: a few columns never decide.
    borders = borders[:-_COLUMNS_LEFT_OUT]
    return round(float(borders.mean() - others.mean()) * 10_000)


def _clipped(rows: Mask, end: tuple[int, int], ramp: tuple[int, int]) -> int:
    clipped = cv2.inRange(rows, *end)
    if cv2.countNonZero(clipped) * _CLIPPED_SHARE_MIN < rows.size:
        return 0
    # An edge passes through the ramp's levels too, but in a pixel or two.
    slope = cv2.erode(cv2.inRange(rows, *ramp), np.ones((1, _RAMP_PIXELS_MIN), np.uint8))
    near = cv2.dilate(slope, np.ones((1, _RAMP_REACH), np.uint8))
    return round(cv2.countNonZero(cv2.bitwise_and(clipped, near)) * 10_000 / rows.size)


def _planes(picture: VideoFrame) -> Iterator[Mask]:
    for place, plane in enumerate(picture.planes[:3]):
        rows: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8)
        half = 1 if place == 0 else 2
        height, width = picture.height // half, picture.width // half
        yield rows.reshape(-1, plane.line_size)[:height, :width]


def _colours_of(stream: VideoStream) -> str:
    context = stream.codec_context
    matrix = "bt709" if context.colorspace == Colorspace.ITU709 else str(context.colorspace)
    span = "limited" if context.color_range == ColorRange.MPEG else str(context.color_range)
    return f"{matrix}/{span}/{context.pix_fmt}"
