"""The last step of a picture: vignette, curve, grain and BT.709 in one pass in float.

A uint8 picture that is darkened towards its corners shows bands. Here everything after the
composition is computed in float, and the film grain that is added before rounding dithers it.
The compiled code is kept beside this file (`__pycache__`; where that cannot be written, in the
user's cache folder), so only the first run after an installation compiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

from cinefab.media.frames import Frame, Rgb

Canvas: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, 4): sRGB, and how far the pixel is picture (255) or flat colour (0).

Vignette and curve belong to pictures; a brand's colour stays what the brand says it is.
"""

_GRAIN_ROWS: Final = 256
_GRAIN_SPAN: Final = 256
_GRAIN_STEPS: Final = 32  # of the int8 grain to one code value


@dataclass(frozen=True, slots=True)
class Look:
    """How strongly a picture is finished; 0 leaves it alone.

    `vignette` is the share of light lost in the corners, `curve` the strength of the S-curve,
    the grains are standard deviations in code values of 8 bits, on pictures and on flat colour.
    """

    vignette: float = 0.28
    curve: float = 0.22
    grain: float = 1.1
    flat_grain: float = 0.45


class Finisher:
    """Finishes canvases of one size; the grain is a function of `seed` and the frame number."""

    def __init__(self, *, width: int, height: int, seed: int) -> None:
        assert width % 2 == 0, "4:2:0 needs an even width"
        assert height % 2 == 0, "4:2:0 needs an even height"
        self._seed = seed
        rng = np.random.default_rng([seed & 0xFFFFFFFF, 0x6A1])
        noise = rng.standard_normal((_GRAIN_ROWS, width + _GRAIN_SPAN), np.float32)
        self._grain = np.clip(noise * _GRAIN_STEPS, -127, 127).astype(np.int8)
        half_diagonal_sq = (width * width + height * height) / 4
        self._x_sq = _squares(width, half_diagonal_sq)
        self._y_sq = _squares(height, half_diagonal_sq)

    def finish(self, canvas: Canvas, *, frame: int, look: Look) -> Frame:
        """Return `canvas` as a new I420 frame; `canvas` has this finisher's size."""
        height, width = len(self._y_sq), len(self._x_sq)
        assert canvas.shape == (height, width, 4), "a finisher serves one size"
        out = np.empty((height * 3 // 2, width), np.uint8)
        chroma = out[height:].reshape(-1)
        quarter = width * height // 4
        rng = np.random.default_rng([self._seed & 0xFFFFFFFF, frame & 0xFFFFFFFF])
        first_row, shift = rng.integers(0, _GRAIN_SPAN, 2)
        _finish_rows(
            canvas.view(np.uint32).reshape(height, width),
            out[:height],
            chroma[:quarter].reshape(height // 2, width // 2),
            chroma[quarter:].reshape(height // 2, width // 2),
            self._x_sq,
            self._y_sq,
            self._grain,
            int(first_row),
            int(shift),
            np.float32(look.vignette),
            np.float32(look.curve),
            np.float32(look.grain / _GRAIN_STEPS),
            np.float32(look.flat_grain / _GRAIN_STEPS),
        )
        return out


def to_rgb(frame: Frame) -> Rgb:
    """Return a frame as full-range sRGB, shape (height, width, 3); chroma is repeated."""
    return part_to_rgb(frame, left=0, top=0, right=frame.shape[1], bottom=frame.shape[0] * 2 // 3)


def part_to_rgb(frame: Frame, *, left: int, top: int, right: int, bottom: int) -> Rgb:
    """Return a rectangle of a frame as sRGB; its sides must be even."""
    assert (left | top | right | bottom) % 2 == 0, "chroma has half the resolution"
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    rows, columns = slice(top // 2, bottom // 2), slice(left // 2, right // 2)
    planes = frame[height:].reshape(2, height // 2, width // 2)[:, rows, columns]
    chroma = (planes.astype(np.float32) - 128) * np.float32(255 / 224)
    blue, red = chroma.repeat(2, axis=1).repeat(2, axis=2)
    luma = (frame[top:bottom, left:right].astype(np.float32) - 16) * np.float32(255 / 219)
    rgb = np.empty((*luma.shape, 3), np.float32)
    rgb[..., 0] = luma + np.float32(1.5748) * red
    rgb[..., 1] = luma - np.float32(0.187324) * blue - np.float32(0.468124) * red
    rgb[..., 2] = luma + np.float32(1.8556) * blue
    return np.asarray(np.clip(np.round(rgb), 0, 255), np.uint8)


def _squares(length: int, whole: float) -> NDArray[np.float32]:
    off_centre = np.arange(length, dtype=np.float64) - (length - 1) / 2
    return (off_centre * off_centre / whole).astype(np.float32)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _finish_rows(
    pixels: NDArray[np.uint32],
    luma: NDArray[np.uint8],
    blue: NDArray[np.uint8],
    red: NDArray[np.uint8],
    x_sq: NDArray[np.float32],
    y_sq: NDArray[np.float32],
    grain: NDArray[np.int8],
    first_row: int,
    shift: int,
    vignette: np.float32,
    curve: np.float32,
    amount: np.float32,
    flat_amount: np.float32,
) -> None:
    height, width = pixels.shape
    one, two, three = np.float32(1), np.float32(2), np.float32(3)
    unit = np.float32(1 / 255)
    sum_blue = np.empty(width, np.float32)
    sum_red = np.empty(width, np.float32)
    for y in range(height):
        row = (first_row + y) & 255
        start = (shift + y * 97) & 255
        noise = grain[row, start : start + width]
        source = pixels[y]
        target = luma[y]
        y_here = y_sq[y]
        odd = y & 1
        for x in range(width):
            pixel = source[x]
            r = np.float32(np.int32(pixel & 255)) * unit
            g = np.float32(np.int32((pixel >> 8) & 255)) * unit
            b = np.float32(np.int32((pixel >> 16) & 255)) * unit
            picture = np.float32(np.int32(pixel >> 24)) * unit
            far = x_sq[x] + y_here
            light = one - vignette * picture * far * (np.float32(0.4) + np.float32(0.6) * far)
            r, g, b = r * light, g * light, b * light
            bend = curve * picture
            r += bend * (r * r * (three - two * r) - r)
            g += bend * (g * g * (three - two * g) - g)
            b += bend * (b * b * (three - two * b) - b)
            y_linear = np.float32(0.2126) * r + np.float32(0.7152) * g + np.float32(0.0722) * b
            speck = np.float32(noise[x]) * (flat_amount + (amount - flat_amount) * picture)
            code = np.float32(16.5) + np.float32(219) * y_linear + speck
            target[x] = np.uint8(np.int32(min(max(code, np.float32(16)), np.float32(235.9))))
            # 224 / (2 (1 - Kb)) and 224 / (2 (1 - Kr)), each of four pixels a quarter
            to_blue = np.float32(30.178918) * (b - y_linear)
            to_red = np.float32(35.560071) * (r - y_linear)
            if odd:
                sum_blue[x] += to_blue
                sum_red[x] += to_red
            else:
                sum_blue[x] = to_blue
                sum_red[x] = to_red
        if odd:
            for x in range(width // 2):
                speck = np.float32(noise[x]) * flat_amount
                code = np.float32(128.5) + sum_blue[2 * x] + sum_blue[2 * x + 1] + speck
                blue[y >> 1, x] = np.uint8(
                    np.int32(min(max(code, np.float32(16)), np.float32(240.9)))
                )
                code = np.float32(128.5) + sum_red[2 * x] + sum_red[2 * x + 1] - speck
                red[y >> 1, x] = np.uint8(
                    np.int32(min(max(code, np.float32(16)), np.float32(240.9)))
                )
