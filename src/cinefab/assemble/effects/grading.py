"""The arithmetic of a grade: one pass in float over each frame, compiled once.

Each pixel takes the chroma of its two by two block; the block's new chroma is the mean of its
four pixels'. The compiled code is kept beside this file, as the finisher's is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from cinefab.media.frames import Frame, empty_frame, planes
from cinefab.media.lut import Table

_STEPS: Final = 16_384
"""Samples of a channel's curve; between them it is read linearly, to far below a code value."""

_NO_CUBE: Final = np.zeros(24, np.float32)


class Grader:
    """Grades frames: slope, offset, power and saturation of a colour decision list, then a table."""

    def __init__(
        self,
        *,
        slope: Sequence[float],
        offset: Sequence[float],
        power: Sequence[float],
        saturation: float,
        table: Table | None,
    ) -> None:
        self._slope = np.array(slope, np.float32)
        self._offset = np.array(offset, np.float32)
        self._saturation = np.float32(saturation)
        axis = np.linspace(0, 1, _STEPS + 1)
        self._power = np.stack([axis**each for each in power]).astype(np.float32)
        self._curve, self._cube = _identity(), _NO_CUBE
        self._low, self._scale = np.zeros(3, np.float32), np.ones(3, np.float32)
        self._has_cube = table is not None and not table.is_curve
        self._has_curve = table is not None and table.is_curve
        if table is not None:
            self._set(table)

    def graded(self, frame: Frame) -> Frame:
        """Return `frame` graded, as a new frame."""
        luma, blue, red = planes(np.ascontiguousarray(frame))
        out = empty_frame(luma.shape[1], luma.shape[0])
        _grade(
            luma,
            blue,
            red,
            *planes(out),
            self._slope,
            self._offset,
            self._power,
            self._saturation,
            self._has_curve,
            self._curve,
            self._has_cube,
            self._cube,
            self._low,
            self._scale,
        )
        return out

    def _set(self, table: Table) -> None:
        low, high = np.array(table.low), np.array(table.high)
        if table.is_curve:
            at = np.clip((np.linspace(0, 1, _STEPS + 1)[:, None] - low) / (high - low), 0, 1)
            samples = np.arange(len(table.values))
            self._curve = np.stack(
                [
                    np.interp(at[:, k] * (len(samples) - 1), samples, table.values[:, k])
                    for k in range(3)
                ]
            ).astype(np.float32)
            return
        edge = table.edge
        self._cube = np.ascontiguousarray(table.values.reshape(-1))
        self._low = low.astype(np.float32)
        self._scale = ((edge - 1) / (high - low)).astype(np.float32)


def _identity() -> NDArray[np.float32]:
    return np.zeros((3, 2), np.float32)


@numba.njit(cache=True, fastmath=True, nogil=True, inline="always")
def _unit(value: np.float32) -> np.float32:
    return min(max(value, np.float32(0)), np.float32(1))


@numba.njit(cache=True, fastmath=True, nogil=True, inline="always")
def _on_curve(curve: NDArray[np.float32], value: np.float32) -> np.float32:
    place = value * np.float32(16_384)
    step = min(np.int32(place), np.int32(16_383))
    part = place - np.float32(step)
    return np.float32(curve[step] + part * (curve[step + 1] - curve[step]))


@numba.njit(cache=True, fastmath=True, nogil=True)
def _grade(
    luma: NDArray[np.uint8],
    blue: NDArray[np.uint8],
    red: NDArray[np.uint8],
    out_luma: NDArray[np.uint8],
    out_blue: NDArray[np.uint8],
    out_red: NDArray[np.uint8],
    slope: NDArray[np.float32],
    offset: NDArray[np.float32],
    power: NDArray[np.float32],
    saturation: np.float32,
    has_curve: bool,  # noqa: FBT001 - compiled code takes arguments by place
    curve: NDArray[np.float32],
    has_cube: bool,  # noqa: FBT001
    cube: NDArray[np.float32],
    low: NDArray[np.float32],
    scale: NDArray[np.float32],
) -> None:
    rows, columns = blue.shape
    last = np.int32(round((cube.size // 3) ** (1 / 3)) - 1)
    for y in range(rows):
        for x in range(columns):
            from_blue = (np.float32(blue[y, x]) - np.float32(128)) * np.float32(1 / 224)
            from_red = (np.float32(red[y, x]) - np.float32(128)) * np.float32(1 / 224)
            add_r = np.float32(1.5748) * from_red
            add_g = np.float32(-0.187324) * from_blue - np.float32(0.468124) * from_red
            add_b = np.float32(1.8556) * from_blue
            sum_blue = np.float32(0)
            sum_red = np.float32(0)
            for k in range(4):
                j, i = 2 * y + (k >> 1), 2 * x + (k & 1)
                grey = (np.float32(luma[j, i]) - np.float32(16)) * np.float32(1 / 219)
                r = _unit((grey + add_r) * slope[0] + offset[0])
                g = _unit((grey + add_g) * slope[1] + offset[1])
                b = _unit((grey + add_b) * slope[2] + offset[2])
                r = _on_curve(power[0], r)
                g = _on_curve(power[1], g)
                b = _on_curve(power[2], b)
                mean = np.float32(0.2126) * r + np.float32(0.7152) * g + np.float32(0.0722) * b
                r = _unit(mean + saturation * (r - mean))
                g = _unit(mean + saturation * (g - mean))
                b = _unit(mean + saturation * (b - mean))
                if has_curve:
                    r = _unit(_on_curve(curve[0], r))
                    g = _unit(_on_curve(curve[1], g))
                    b = _unit(_on_curve(curve[2], b))
                if has_cube:
                    r, g, b = _in_cube(cube, last, r, g, b, low, scale)
                mean = np.float32(0.2126) * r + np.float32(0.7152) * g + np.float32(0.0722) * b
                out_luma[j, i] = np.uint8(np.float32(16.5) + np.float32(219) * mean)
                sum_blue += b - mean
                sum_red += r - mean
            # 224 / (2 (1 - Kb)) and 224 / (2 (1 - Kr)), each of four pixels a quarter
            code = np.float32(128.5) + np.float32(30.178918) * sum_blue
            out_blue[y, x] = np.uint8(min(max(code, np.float32(16)), np.float32(240.9)))
            code = np.float32(128.5) + np.float32(35.560071) * sum_red
            out_red[y, x] = np.uint8(min(max(code, np.float32(16)), np.float32(240.9)))


@numba.njit(cache=True, fastmath=True, nogil=True)
def _in_cube(
    cube: NDArray[np.float32],
    last: np.int32,
    r: np.float32,
    g: np.float32,
    b: np.float32,
    low: NDArray[np.float32],
    scale: NDArray[np.float32],
) -> tuple[np.float32, np.float32, np.float32]:
    top = np.float32(last)
    at_r = min(max((r - low[0]) * scale[0], np.float32(0)), top)
    at_g = min(max((g - low[1]) * scale[1], np.float32(0)), top)
    at_b = min(max((b - low[2]) * scale[2], np.float32(0)), top)
    i = min(np.int32(at_r), last - 1)
    j = min(np.int32(at_g), last - 1)
    k = min(np.int32(at_b), last - 1)
    x, y, z = at_r - np.float32(i), at_g - np.float32(j), at_b - np.float32(k)
    edge = np.uint64(last + 1)
    along_x, along_y, along_z = np.uint64(3), np.uint64(3) * edge, np.uint64(3) * edge * edge
    corner = (np.uint64(k) * edge + np.uint64(j)) * edge + np.uint64(i)
    corner *= np.uint64(3)
    # From the corner nearest to black to the one nearest to white, along the largest part first;
    # without branches, which noise would make the processor guess wrong.
    x_first, y_first = (x >= y) & (x >= z), (y > x) & (y >= z)
    x_last, y_last = (x < y) & (x < z), (y <= x) & (y < z)
    largest, least = max(x, y, z), min(x, y, z)
    middle = x + y + z - largest - least
    first = along_x if x_first else (along_y if y_first else along_z)
    final = along_x if x_last else (along_y if y_last else along_z)
    second = corner + first
    fourth = corner + along_x + along_y + along_z
    third = fourth - final
    w0, w1, w2, z = np.float32(1) - largest, largest - middle, middle - least, least
    one, two = np.uint64(1), np.uint64(2)
    out_r = w0 * cube[corner] + w1 * cube[second] + w2 * cube[third] + z * cube[fourth]
    out_g = w0 * cube[corner + one] + w1 * cube[second + one]
    out_g += w2 * cube[third + one] + z * cube[fourth + one]
    out_b = w0 * cube[corner + two] + w1 * cube[second + two]
    out_b += w2 * cube[third + two] + z * cube[fourth + two]
    return (
        min(max(out_r, np.float32(0)), np.float32(1)),
        min(max(out_g, np.float32(0)), np.float32(1)),
        min(max(out_b, np.float32(0)), np.float32(1)),
    )
