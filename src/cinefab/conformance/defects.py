"""Faults to put into sound films: what a check must find, ours or a stranger's.

Each takes frames (I420) and returns new ones, the same number of the same size; which frames are
hit, and how hard, is drawn from a seeded generator. A fault that no viewer would see is not drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cinefab.media.frames import Frame

_SWAP_SEEN: Final = 12.0  # mean levels between the two

_COLOURFUL: Final = 5.0  # mean levels from grey: less of it may turn and nobody sees
_TINT: Final = 20  # levels of red added to what has no colour of its own

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """Frames with a fault in those of `hit`, and what was done to them."""

    frames: Sequence[Frame]
    hit: range
    what: str


Damage = Callable[[Sequence[Frame], Fraction, np.random.Generator], Damaged]


def freeze(frames: Sequence[Frame], fps: Fraction, rng: np.random.Generator) -> Damaged:
    """Hold one frame for more than two seconds."""
    hit = _stretch(len(frames), fps, rng, 2.2, 4.0)
    held = [frames[hit.start] if at in hit else frame for at, frame in enumerate(frames)]
    return Damaged(frames=held, hit=hit, what="held")


def stall(frames: Sequence[Frame], fps: Fraction, rng: np.random.Generator) -> Damaged:
    """Show a frame three to six times and drop those that should have come."""
    count = int(rng.integers(3, 7))
    start = int(rng.integers(3, max(4, len(frames) - count - 3)))
    hit = range(start, start + count)
    held = [frames[hit.start] if at in hit else frame for at, frame in enumerate(frames)]
    return Damaged(frames=held, hit=hit, what=f"shown {count} times")


def black(frames: Sequence[Frame], fps: Fraction, rng: np.random.Generator) -> Damaged:
    """Show black instead, for a tenth of a second to two seconds and a half."""
    hit = _stretch(len(frames), fps, rng, 0.1, 2.5)
    return _each(frames, hit, lambda frame, _: _levels(frame, 16, 128), "black")


def flicker(frames: Sequence[Frame], fps: Fraction, rng: np.random.Generator) -> Damaged:
    """Let the light go up and down by 6 to 20 %, every second to fourth frame."""
    hit = _stretch(len(frames), fps, rng, 0.7, 2.0)
    share, period = float(rng.uniform(0.06, 0.2)), int(rng.integers(2, 5))

    def lit(frame: Frame, at: int) -> Frame:
        up = (at % period) * 2 < period
        return _luma(frame, lambda luma: (luma - 16) * (1 + share if up else 1 - share) + 16)

    return _each(frames, hit, lit, f"{share:.0%} every {period} frames")


def blur(frames: Sequence[Frame], fps: Fraction, rng: np.random.Generator) -> Damaged:
    """Blur everything by three to six pixels of 720 lines, for half a second or longer."""
    hit = _stretch(len(frames), fps, rng, 0.5, 2.5)
    lines = min(frames[0].shape[0] * 2 // 3, frames[0].shape[1])
    sigma = max(1.5, float(rng.uniform(3.0, 6.0)) * lines / 720)
    weights = np.exp(-(np.arange(-int(3 * sigma), int(3 * sigma) + 1) ** 2) / (2 * sigma * sigma))
    kernel = (weights / weights.sum()).astype(np.float32)
    return _each(
        frames,
        hit,
        lambda frame, _: _planewise(frame, lambda p: _smooth(p, kernel)),
        f"{sigma:.1f} px",
    )


def blocks(frames: Sequence[Frame], fps: Fraction, rng: np.random.Generator) -> Damaged:
    """Let the coder's squares show: coarse ones, flat ones, or a tenth of them in wrong places."""
    hit = _stretch(len(frames), fps, rng, 0.3, 2.0)
    how = str(rng.choice(["coarse", "flat", "misplaced"]))
    if how == "coarse":
        step = float(rng.uniform(64, 120))
        return _each(frames, hit, lambda frame, _: _coarse(frame, step), f"coarse {step:.0f}")
    if how == "flat":
        side = int(rng.choice([8, 16]))
        return _each(
            frames,
            hit,
            lambda frame, _: _planewise(frame, lambda p: _flat(p, side, frame.shape[1])),
            f"flat {side}",
        )
    return _each(frames, hit, lambda frame, _: _misplaced(frame, rng, 0.1), "misplaced")


def clipping(frames: Sequence[Frame], fps: Fraction, rng: np.random.Generator) -> Damaged:
    """Raise the light by 1.6 to 2.4 times, so that it is cut off at white."""
    hit = _stretch(len(frames), fps, rng, 0.4, 3.0)
    gain = float(rng.uniform(1.6, 2.4))

    def raised(frame: Frame, _: int) -> Frame:
        return _luma(frame, lambda luma: (luma - 16) * gain + 16)

    return _each(frames, hit, raised, f"{gain:.1f} times")


def wrong_colour(frames: Sequence[Frame], fps: Fraction, rng: np.random.Generator) -> Damaged:
    """Swap red and blue, or turn every hue by 45 to 180 degrees, in part of a shot."""
    return _recoloured(frames, _stretch(len(frames), fps, rng, 0.4, 2.5), rng)


def wrong_colour_throughout(
    frames: Sequence[Frame], fps: Fraction, rng: np.random.Generator
) -> Damaged:
    """Do the same to all of a shot: only what it was to show tells that it is wrong."""
    return _recoloured(frames, range(len(frames)), rng)


PICTURE_FAULTS: Final[Mapping[str, Damage]] = MappingProxyType(
    {
        "freeze": freeze,
        "stall": stall,
        "black": black,
        "flicker": flicker,
        "blur": blur,
        "blocks": blocks,
        "clipping": clipping,
        "wrong colour": wrong_colour,
        "wrong colour throughout": wrong_colour_throughout,
    }
)
"""Faults of the picture, by name."""


def _recoloured(frames: Sequence[Frame], hit: range, rng: np.random.Generator) -> Damaged:
    _, blue, red = _planes(frames[len(frames) // 2])
    # Greens and purples lie where red and blue are equal: a swap would not be seen.
    apart = float(np.abs(blue.astype(np.int16) - red).mean())
    if rng.random() < 0.5 and apart >= _SWAP_SEEN:
        return _each(frames, hit, lambda frame, _: _turned(frame, None), "red and blue swapped")
    if float(np.hypot(blue - 128.0, red - 128.0).mean()) < _COLOURFUL:
        return _each(frames, hit, lambda frame, _: _tinted(frame, _TINT), "tinted")
    angle = float(rng.uniform(45, 180)) * (1 if rng.random() < 0.5 else -1)
    return _each(frames, hit, lambda frame, _: _turned(frame, angle), f"turned by {angle:.0f}")


def _stretch(
    count: int, fps: Fraction, rng: np.random.Generator, least_s: float, most_s: float
) -> range:
    length = min(count - 1, int(float(rng.uniform(least_s, most_s)) * fps) + 1)
    start = int(rng.integers(1, max(2, count - length)))
    return range(start, start + length)


def _each(
    frames: Sequence[Frame], hit: range, change: Callable[[Frame, int], Frame], what: str
) -> Damaged:
    changed = [change(frame, at) if at in hit else frame for at, frame in enumerate(frames)]
    return Damaged(frames=changed, hit=hit, what=what)


def _planes(frame: Frame) -> tuple[Plane, Plane, Plane]:
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    flat, luma, quarter = frame.reshape(-1), width * height, width * height // 4
    half = height // 2, width // 2
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + quarter].reshape(half),
        flat[luma + quarter :].reshape(half),
    )


def _planewise(frame: Frame, change: Callable[[Plane], NDArray[np.float32]]) -> Frame:
    changed = frame.copy()
    for plane in _planes(changed):
        plane[:] = np.clip(np.rint(change(plane)), 0, 255)
    return changed


def _luma(frame: Frame, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Frame:
    changed = frame.copy()
    luma = _planes(changed)[0]
    luma[:] = np.clip(np.rint(change(luma.astype(np.float32))), 16, 235)
    return changed


def _levels(frame: Frame, luma: int, chroma: int) -> Frame:
    changed = np.full_like(frame, chroma)
    _planes(changed)[0][:] = luma
    return changed


def _smooth(plane: Plane, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    smooth = plane.astype(np.float32)
    reach = len(kernel) // 2
    for axis in (0, 1):
        padded = np.pad(smooth, [(reach, reach) if k == axis else (0, 0) for k in (0, 1)], "edge")
        count = smooth.shape[axis]
        smooth = sum(
            (
                weight * (padded[at : at + count] if axis == 0 else padded[:, at : at + count])
                for at, weight in enumerate(kernel)
            ),
            np.zeros_like(smooth),
        )
    return smooth


def _flat(plane: Plane, side: int, width: int) -> NDArray[np.float32]:
    side = side * plane.shape[1] // width
    out = plane.astype(np.float32)
    height, width = plane.shape[0] // side * side, plane.shape[1] // side * side
    squares = out[:height, :width].reshape(height // side, side, width // side, side)
    out[:height, :width] = np.broadcast_to(
        squares.mean((1, 3), keepdims=True), squares.shape
    ).reshape(height, width)
    return out


def _coarse(frame: Frame, step: float) -> Frame:
    changed = frame.copy()
    luma = _planes(changed)[0]
    height, width = luma.shape[0] // 8 * 8, luma.shape[1] // 8 * 8
    places = np.arange(8)
    cosines = np.cos(np.pi * (2 * places[None] + 1) * places[:, None] / 16) / 2
    cosines[0] /= np.sqrt(2)
    squares = luma[:height, :width].astype(np.float64).reshape(height // 8, 8, width // 8, 8)
    waves = cosines @ (squares.transpose(0, 2, 1, 3) - 128) @ cosines.T
    coarse = cosines.T @ (np.rint(waves / step) * step) @ cosines + 128
    flat = coarse.transpose(0, 2, 1, 3).reshape(height, width)
    luma[:height, :width] = np.clip(np.rint(flat), 16, 235)
    return changed


def _misplaced(frame: Frame, rng: np.random.Generator, share: float) -> Frame:
    changed = frame.copy()
    rows, columns = frame.shape[0] * 2 // 3 // 16, frame.shape[1] // 16
    for _ in range(max(1, int(share * rows * columns))):
        to_row, from_row = (int(place) for place in rng.integers(0, rows, 2))
        to_column, from_column = (int(place) for place in rng.integers(0, columns, 2))
        for plane, source, side in zip(_planes(changed), _planes(frame), (16, 8, 8), strict=True):
            here = np.s_[
                to_row * side : (to_row + 1) * side, to_column * side : (to_column + 1) * side
            ]
            plane[here] = source[
                from_row * side : (from_row + 1) * side,
                from_column * side : (from_column + 1) * side,
            ]
    return changed


def _turned(frame: Frame, angle: float | None) -> Frame:
    changed = frame.copy()
    _, blue, red = _planes(changed)
    if angle is None:
        blue[:], red[:] = red.copy(), blue.copy()
        return changed
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    one, other = blue.astype(np.float32) - 128, red.astype(np.float32) - 128
    blue[:] = np.clip(np.rint(cosine * one - sine * other + 128), 16, 240)
    red[:] = np.clip(np.rint(sine * one + cosine * other + 128), 16, 240)
    return changed


def _tinted(frame: Frame, levels: int) -> Frame:
    changed = frame.copy()
    red = _planes(changed)[2]
    red[:] = np.clip(red.astype(np.int16) + levels, 16, 240)
    return changed
