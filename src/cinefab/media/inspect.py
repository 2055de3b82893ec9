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
from typing import Any, Final

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

INSPECTION: Final = "3"
"""Changes whenever the same film might give other numbers."""

STILL_MAX: Final = 8
"""Levels by which a square may differ in one picture standing still: what a keyframe may shift.

The slowest of moves shifts some square by far more within two seconds.
"""

HUES: Final = 24
"""Into how many hues the circle of colours is parted, 15 degrees each."""

LIGHTS: Final = 5
"""Into how many steps luma is parted, from 32 to 224: colour alone has many that look alike."""

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
    "colour_step",
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
_COLOURS_EVERY: Final = 8
_COLOURS_FRAMES_EVERY: Final = 6
_GREY: Final = 7.0  # levels from grey: less has no hue that grain and rounding would leave alone
_DARKEST: Final = 32.0
_LIGHT_STEP: Final = 48.0

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
    - `colour_step`: mean distance of Cb and Cr to those of the frame before, in hundredths of a
      level,
    - `sharp`: how much of its height a sharp edge climbs from one pixel to the next, in thousandths;
      `UNSEEN` without edges,
    - `detail`: mean difference between pixels beside each other, in hundredths of a level,
    - `blocks`: by how much more often than elsewhere pixels step at every eighth column, in
      hundredths of a per cent,
    - `white`, `dark`: pixels at the end of the range that a ramp leads up to, in hundredths of a
      per cent: light or shade that was cut off, and not a flat white or black that was meant.

    `first` and `last` are the squares of the first and last frame, averaged once more; `hues` is
    how much colour there is of each hue in each light, by `hue * LIGHTS + light`: its distance from
    grey as a mean over the picture, in thousandths of a level. `grey` is the share of the picture
    that has none, in thousandths. `broken` is the frame that could not be decoded, and why.
    """

    size: Size
    fps: Fraction
    frames: int
    codec: str
    colours: str
    packets: Sha256
    series: Mapping[str, list[int]]
    hues: list[int]
    grey: int
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
            hues=eye.hues,
            grey=eye.grey,
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
        self._colours_before: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self._hues = np.zeros(HUES * LIGHTS)
        self._grey = 0.0
        self._hues_of = 0

    def see(self, picture: VideoFrame) -> None:
        """Take in the next picture, 4:2:0 in eight bits."""
        luma, blue, red = _planes(picture)
        self._see_squares(averaged(luma, _SQUARE))
        few = slice(_COLOURS_EVERY // 2, None, _COLOURS_EVERY)
        beside = slice(_COLOURS_EVERY, None, 2 * _COLOURS_EVERY)
        self._see_colours(luma[beside, beside], blue[few, few], red[few, few])
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

    @property
    def hues(self) -> list[int]:
        """How much colour was seen of each hue in each light, in thousandths of a level."""
        return in_thousandths(self._hues / max(1, self._hues_of))

    @property
    def grey(self) -> int:
        """The share of what was seen that has no colour, in thousandths."""
        return round(1000 * self._grey / max(1, self._hues_of))

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

    def _see_colours(self, luma: Mask, blue: Mask, red: Mask) -> None:
        colours = blue.astype(np.float32), red.astype(np.float32)
        if self._colours_before is None:
            self.series["colour_step"].append(0)
        else:
            apart = [one - other for one, other in zip(colours, self._colours_before, strict=True)]
            self.series["colour_step"].append(round(float(np.hypot(*apart).mean()) * 100))
        self._colours_before = colours
        if self.frames % _COLOURS_FRAMES_EVERY == 0:
            hues, grey = hues_of(luma, *colours)
            self._hues += hues
            self._grey += grey
            self._hues_of += 1

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


def hues_of(
    luma: NDArray[Any],
    blue: NDArray[np.float32],
    red: NDArray[np.float32],
    weight: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float64], float]:
    """Return how much colour there is of each hue in each light, and the share of what is grey.

    How much is a mean in levels from grey. The planes are of one shape; with `weight` the mean is one of what counts. What lies between
    two hues, or two lights, is parted between them.
    """
    across, down = blue - np.float32(128), red - np.float32(128)
    far = np.hypot(across, down)
    counts = float(far.size if weight is None else weight.sum())
    coloured = far >= _GREY
    amount = far[coloured] if weight is None else far[coloured] * weight[coloured]
    turn = np.arctan2(down[coloured], across[coloured]) * (HUES / (2 * np.pi)) % HUES
    light = np.clip((luma[coloured] - _DARKEST) / _LIGHT_STEP, 0, LIGHTS - 1)
    hue, step = np.floor(turn).astype(np.intp), np.floor(light).astype(np.intp)
    beyond, above = turn - hue, light - step
    found = np.zeros(HUES * LIGHTS)
    for next_hue in (0, 1):
        for next_step in (0, 1):
            share = np.abs(1 - next_hue - beyond) * np.abs(1 - next_step - above)
            place = (hue + next_hue) % HUES * LIGHTS + np.minimum(step + next_step, LIGHTS - 1)
            found += np.bincount(place, weights=amount * share, minlength=HUES * LIGHTS)
    hidden = np.count_nonzero(coloured) if weight is None else float(weight[coloured].sum())
    return found / max(1.0, counts), 1 - hidden / max(1.0, counts)


def in_thousandths(hues: NDArray[np.float64]) -> list[int]:
    """Return amounts of colour as whole numbers, as they are kept."""
    return [round(float(each) * 1000) for each in hues]


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
