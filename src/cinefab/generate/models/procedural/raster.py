"""Drawing on a canvas: pictures with alpha, coverage in one colour, shapes with soft edges.

Everything here is compiled once (see `media/finish.py`) and works in place on a `Canvas`, whose
fourth channel says how far a pixel is picture. Shapes are computed from their distance, so they
move by fractions of a pixel without a step.
"""

from __future__ import annotations

from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from cinefab.generate.models.procedural.palette import Colour
from cinefab.media.finish import Canvas

NO_SWEEP: Final = (0.0, 0.0, 0.0, 1.0, 0.0)
"""A light sweep that does nothing; see `blend_picture`."""


@numba.njit(cache=True, fastmath=True, nogil=True, inline="always")
def _mix(
    canvas: Canvas,
    y: int,
    x: int,
    r: np.float32,
    g: np.float32,
    b: np.float32,
    alpha: np.float32,
) -> None:
    rest = np.float32(1) - alpha
    half = np.float32(0.5)
    canvas[y, x, 0] = np.uint8(np.float32(canvas[y, x, 0]) * rest + r * alpha + half)
    canvas[y, x, 1] = np.uint8(np.float32(canvas[y, x, 1]) * rest + g * alpha + half)
    canvas[y, x, 2] = np.uint8(np.float32(canvas[y, x, 2]) * rest + b * alpha + half)
    canvas[y, x, 3] = np.uint8(np.float32(canvas[y, x, 3]) * rest + half)


@numba.njit(cache=True, fastmath=True, nogil=True, inline="always")
def _between(cover: NDArray[np.uint8], row: int, column: int, part_x: np.float32) -> np.float32:
    rows, columns = cover.shape
    if row < 0 or row >= rows:
        return np.float32(0)
    here = np.float32(cover[row, column]) if column < columns else np.float32(0)
    before = np.float32(cover[row, column - 1]) if column > 0 else np.float32(0)
    return here + (before - here) * part_x


@numba.njit(cache=True, fastmath=True, nogil=True)
def blend_picture(
    canvas: Canvas,
    picture: NDArray[np.uint8],
    opacity: float,
    sweep: tuple[float, float, float, float, float],
) -> None:
    """Lay `picture` (RGB and alpha, same size as `canvas`) over the canvas by `opacity`, 0 to 1.

    `sweep` is a band of light: its normal (x, y), its middle along that, its half width in
    pixels, its strength.
    """
    height, width = picture.shape[:2]
    normal_x, normal_y = np.float32(sweep[0]), np.float32(sweep[1])
    middle, reach = np.float32(sweep[2]), np.float32(1.0 / sweep[3])
    strength = np.float32(sweep[4])
    lit = strength > 0
    one, zero, half = np.float32(1), np.float32(0), np.float32(0.5)
    weight, white = np.float32(opacity / 255), np.float32(255)
    for y in range(height):
        along_y = normal_y * np.float32(y) - middle
        for x in range(width):
            alpha = np.float32(picture[y, x, 3]) * weight
            r = np.float32(picture[y, x, 0])
            g = np.float32(picture[y, x, 1])
            b = np.float32(picture[y, x, 2])
            if lit:
                off = (normal_x * np.float32(x) + along_y) * reach
                bump = max(zero, one - off * off)
                # Shiny things answer light where they are already bright.
                glow = bump * bump * strength
                glow *= np.float32(0.14) + (r + g + b) * np.float32(0.86 / 765)
                r += glow * (white - r)
                g += glow * (white - g)
                b += glow * (white - b)
            rest = one - alpha
            canvas[y, x, 0] = np.uint8(np.float32(canvas[y, x, 0]) * rest + r * alpha + half)
            canvas[y, x, 1] = np.uint8(np.float32(canvas[y, x, 1]) * rest + g * alpha + half)
            canvas[y, x, 2] = np.uint8(np.float32(canvas[y, x, 2]) * rest + b * alpha + half)
            canvas[y, x, 3] = np.uint8(np.float32(canvas[y, x, 3]) * rest + white * alpha + half)


@numba.njit(cache=True, fastmath=True, nogil=True)
def blend_cover(
    canvas: Canvas,
    cover: NDArray[np.uint8],
    colour: Colour,
    opacity: float,
    picture: float,
) -> None:
    """Mix `colour` into the canvas by `cover` (same size) and `opacity`, 0 to 1.

    `picture` is 1 for a shadow or a scrim, which leave what they fall on as much picture as it
    was, and 0 for type and shapes.
    """
    height, width = cover.shape
    r, g, b = np.float32(colour[0]), np.float32(colour[1]), np.float32(colour[2])
    scale, half = np.float32(opacity / 255), np.float32(0.5)
    flat = np.float32(1 - picture)
    one = np.float32(1)
    for y in range(height):
        for x in range(width):
            alpha = np.float32(cover[y, x]) * scale
            rest = one - alpha
            canvas[y, x, 0] = np.uint8(np.float32(canvas[y, x, 0]) * rest + r * alpha + half)
            canvas[y, x, 1] = np.uint8(np.float32(canvas[y, x, 1]) * rest + g * alpha + half)
            canvas[y, x, 2] = np.uint8(np.float32(canvas[y, x, 2]) * rest + b * alpha + half)
            canvas[y, x, 3] = np.uint8(np.float32(canvas[y, x, 3]) * (one - alpha * flat) + half)


@numba.njit(cache=True, fastmath=True, nogil=True)
def blend_glyphs(
    canvas: Canvas,
    cover: NDArray[np.uint8],
    place: tuple[float, float],
    clip: tuple[float, float, float, float],
    colour: Colour,
    opacity: float,
) -> None:
    """Draw `cover` in `colour` with its corner at `place` (x, y), by fractions of a pixel.

    Nothing is drawn outside `clip` (left, top, right, bottom), whose edges are soft.
    """
    rows, columns = cover.shape
    height, width = canvas.shape[:2]
    left, top = int(np.floor(place[0])), int(np.floor(place[1]))
    part_x, part_y = np.float32(place[0] - left), np.float32(place[1] - top)
    r, g, b = np.float32(colour[0]), np.float32(colour[1]), np.float32(colour[2])
    one, weight = np.float32(1), np.float32(opacity / 255)
    first_y, last_y = max(0, top), min(height, top + rows + 1)
    first_x, last_x = max(0, left), min(width, left + columns + 1)
    for y in range(first_y, last_y):
        row_cover = min(np.float32(y + 1 - clip[1]), np.float32(clip[3] - y), one)
        if row_cover <= 0:
            continue
        for x in range(first_x, last_x):
            column_cover = min(np.float32(x + 1 - clip[0]), np.float32(clip[2] - x), one)
            if column_cover <= 0:
                continue
            # Between four neighbours; outside of the glyph nothing is covered.
            row, column = y - top, x - left
            upper = _between(cover, row - 1, column, part_x)
            lower = _between(cover, row, column, part_x)
            value = lower + (upper - lower) * part_y
            if value > 0:
                alpha = value * weight * row_cover * column_cover
                _mix(canvas, y, x, r, g, b, alpha)


@numba.njit(cache=True, fastmath=True, nogil=True)
def fill_convex(
    canvas: Canvas,
    corners: NDArray[np.float64],
    colour: Colour,
    opacity: float,
) -> None:
    """Fill a convex polygon, `corners` of shape (n, 2) in clockwise order on the screen."""
    height, width = canvas.shape[:2]
    count = len(corners)
    first_y = max(0, int(np.floor(corners[:, 1].min())) - 1)
    last_y = min(height, int(np.ceil(corners[:, 1].max())) + 1)
    first_x = max(0, int(np.floor(corners[:, 0].min())) - 1)
    last_x = min(width, int(np.ceil(corners[:, 0].max())) + 1)
    normals = np.empty((count, 3))
    for i in range(count):
        x0, y0 = corners[i]
        x1, y1 = corners[(i + 1) % count]
        length = max(np.hypot(x1 - x0, y1 - y0), 1e-9)
        normals[i, 0], normals[i, 1] = -(y1 - y0) / length, (x1 - x0) / length
        normals[i, 2] = 0.5 - normals[i, 0] * (x0 - 0.5) - normals[i, 1] * (y0 - 0.5)
    r, g, b = np.float32(colour[0]), np.float32(colour[1]), np.float32(colour[2])
    for y in range(first_y, last_y):
        for x in range(first_x, last_x):
            cover = 1.0
            for i in range(count):
                inside = normals[i, 0] * x + normals[i, 1] * y + normals[i, 2]
                cover = min(cover, inside)
            if cover > 0:
                alpha = np.float32(min(cover, 1.0) * opacity)
                _mix(canvas, y, x, r, g, b, alpha)


@numba.njit(cache=True, fastmath=True, nogil=True)
def fill_ring(
    canvas: Canvas,
    centre: tuple[float, float],
    radii: tuple[float, float],
    colour: Colour,
    opacity: float,
) -> None:
    """Fill between two circles, `radii` being (inner, outer); a disc where inner is below 0."""
    height, width = canvas.shape[:2]
    inner, outer = radii
    cx, cy = centre[0] - 0.5, centre[1] - 0.5
    first_y, last_y = max(0, int(cy - outer) - 1), min(height, int(cy + outer) + 3)
    r, g, b = np.float32(colour[0]), np.float32(colour[1]), np.float32(colour[2])
    for y in range(first_y, last_y):
        off_y = y - cy
        reach_sq = (outer + 1) * (outer + 1) - off_y * off_y
        if reach_sq <= 0:
            continue
        reach = np.sqrt(reach_sq)
        first_x, last_x = max(0, int(cx - reach)), min(width, int(cx + reach) + 2)
        for x in range(first_x, last_x):
            off_x = x - cx
            far = np.sqrt(off_x * off_x + off_y * off_y)
            cover = min(1.0, outer - far + 0.5, far - inner + 0.5)
            if cover > 0:
                _mix(canvas, y, x, r, g, b, np.float32(cover * opacity))
