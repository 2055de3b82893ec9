"""Drawing on a canvas: pictures with alpha, coverage in one colour, shapes with soft edges.

Everything here works in place on a `Canvas`, whose fourth channel says how far a pixel is
picture, and is compiled once (see `media/finish.py`). Shapes are computed from their distance, so
they move by fractions of a pixel without a step. The compiled loops see a pixel as one 32-bit
word: that is what lets the compiler work on many at a time.
"""

from __future__ import annotations

import math
from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from cinefab.generate.models.procedural.palette import Colour
from cinefab.media.finish import Canvas, Finisher, Look

NO_SWEEP: Final = (0.0, 0.0, 0.0, 1.0, 0.0)
"""A light sweep that does nothing; see `blend_picture`."""


def blend_picture(
    canvas: Canvas,
    picture: NDArray[np.uint8],
    corner: tuple[int, int],
    *,
    opacity: float = 1.0,
    sweep: tuple[float, float, float, float, float] = NO_SWEEP,
) -> None:
    """Lay `picture` (RGB and alpha) over the canvas with its left top at `corner` (x, y).

    It must lie within the canvas. `sweep` is a band of light: its normal (x, y), its middle along
    that from the picture's corner, its half width in pixels, its strength.
    """
    across, down, middle, reach, strength = sweep
    source = np.ascontiguousarray(picture).view(np.uint32)[..., 0]
    if strength > 0:
        args = np.array([across, down, middle, 1 / reach, strength], np.float32)
        _blend_lit(_words(canvas), source, corner[0], corner[1], np.float32(opacity / 255), args)
    else:
        _blend_plain(_words(canvas), source, corner[0], corner[1], np.float32(opacity / 255))


def blend_cover(
    canvas: Canvas,
    cover: NDArray[np.uint8],
    corner: tuple[int, int],
    colour: Colour,
    *,
    opacity: float,
    is_picture: bool,
) -> None:
    """Mix `colour` into the canvas by `cover`, whose left top is at `corner`, and `opacity`.

    It must lie within the canvas. A shadow or a scrim is picture: it leaves what it falls on as
    much picture as it was; type and shapes are not.
    """
    r, g, b = (np.float32(channel) for channel in colour)
    flat = np.float32(0.0 if is_picture else 1.0)
    weight = np.float32(opacity / 255)
    _blend_cover(_words(canvas), cover, corner[0], corner[1], r, g, b, weight, flat)


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
    r, g, b = (np.float32(channel) for channel in colour)
    limits = np.array(clip, np.float32)
    weight = np.float32(opacity / 255)
    _blend_glyphs(_words(canvas), cover, place[0], place[1], limits, r, g, b, weight)


def fill_convex(
    canvas: Canvas, corners: NDArray[np.float64], colour: Colour, opacity: float
) -> None:
    """Fill a convex polygon, `corners` of shape (n, 2) in clockwise order on the screen."""
    height, width = canvas.shape[:2]
    low, high = corners.min(axis=0), corners.max(axis=0)
    first_x, first_y = max(0, math.floor(low[0]) - 1), max(0, math.floor(low[1]) - 1)
    last_x, last_y = min(width, math.ceil(high[0]) + 1), min(height, math.ceil(high[1]) + 1)
    if last_x <= first_x or last_y <= first_y:
        return
    along = np.roll(corners, -1, axis=0) - corners
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
    edges = np.empty((len(corners), 3), np.float32)
    edges[:, 0], edges[:, 1] = -along[:, 1] / length, along[:, 0] / length
    edges[:, 2] = 0.5 - (edges[:, :2] * (corners - 0.5)).sum(axis=1)
    r, g, b = (np.float32(channel) for channel in colour)
    _fill_convex(
        _words(canvas), first_x, first_y, last_x, last_y, edges, r, g, b, np.float32(opacity)
    )


def fill_ring(
    canvas: Canvas,
    centre: tuple[float, float],
    radii: tuple[float, float],
    colour: Colour,
    opacity: float,
) -> None:
    """Fill between two circles, `radii` being (inner, outer); a disc where inner is below 0."""
    r, g, b = (np.float32(channel) for channel in colour)
    inner, outer = radii
    x, y = centre[0] - 0.5, centre[1] - 0.5
    _fill_ring(_words(canvas), x, y, inner, outer, r, g, b, np.float32(opacity))


def warm_up() -> None:
    """Load what every shot draws with, or compile it the first time; the rest follows on use."""
    canvas = np.zeros((8, 8, 4), np.uint8)
    blend_picture(canvas, canvas[:2, :2], (0, 0))
    Finisher(width=8, height=8, seed=0).finish(canvas, frame=0, look=Look())


def _words(canvas: Canvas) -> NDArray[np.uint32]:
    height, width = canvas.shape[:2]
    return canvas.view(np.uint32).reshape(height, width)


@numba.njit(cache=True, fastmath=True, nogil=True, inline="always")
def _mixed(
    pixel: np.uint32,
    r: np.float32,
    g: np.float32,
    b: np.float32,
    picture: np.float32,
    alpha: np.float32,
    fade: np.float32,
) -> np.uint32:
    """Mix colours by `alpha` into a packed pixel, and `picture` into its last channel by `fade`."""
    half, one = np.float32(0.5), np.float32(1)
    rest = one - alpha
    to_r = np.float32(np.int32(pixel & 255)) * rest + r * alpha + half
    to_g = np.float32(np.int32((pixel >> 8) & 255)) * rest + g * alpha + half
    to_b = np.float32(np.int32((pixel >> 16) & 255)) * rest + b * alpha + half
    to_p = np.float32(np.int32(pixel >> 24)) * (one - fade) + picture * fade + half
    return np.uint32(
        np.int32(to_r) | (np.int32(to_g) << 8) | (np.int32(to_b) << 16) | (np.int32(to_p) << 24)
    )


@numba.njit(cache=True, fastmath=True, nogil=True)
def _blend_plain(
    canvas: NDArray[np.uint32],
    picture: NDArray[np.uint32],
    left: int,
    top: int,
    weight: np.float32,
) -> None:
    height, width = picture.shape
    white = np.float32(255)
    for y in range(height):
        source = picture[y]
        target = canvas[top + y, left : left + width]
        for x in range(width):
            pixel = source[x]
            r = np.float32(np.int32(pixel & 255))
            g = np.float32(np.int32((pixel >> 8) & 255))
            b = np.float32(np.int32((pixel >> 16) & 255))
            alpha = np.float32(np.int32(pixel >> 24)) * weight
            target[x] = _mixed(target[x], r, g, b, white, alpha, alpha)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _blend_lit(
    canvas: NDArray[np.uint32],
    picture: NDArray[np.uint32],
    left: int,
    top: int,
    weight: np.float32,
    sweep: NDArray[np.float32],
) -> None:
    height, width = picture.shape
    across, down, middle, reach, strength = sweep[0], sweep[1], sweep[2], sweep[3], sweep[4]
    white, one, zero = np.float32(255), np.float32(1), np.float32(0)
    for y in range(height):
        source = picture[y]
        target = canvas[top + y, left : left + width]
        along_y = down * np.float32(y) - middle
        for x in range(width):
            pixel = source[x]
            r = np.float32(np.int32(pixel & 255))
            g = np.float32(np.int32((pixel >> 8) & 255))
            b = np.float32(np.int32((pixel >> 16) & 255))
            alpha = np.float32(np.int32(pixel >> 24)) * weight
            off = (across * np.float32(x) + along_y) * reach
            bump = max(zero, one - off * off)
            # Light lifts every colour in its own hue, and shines where it is bright already.
            glow = bump * bump * strength
            bright = (r + g + b) * np.float32(1 / 765)
            gain = one + np.float32(0.55) * glow
            shine = glow * (np.float32(0.03) + np.float32(0.9) * bright * bright)
            r = min(white, r * gain)
            g = min(white, g * gain)
            b = min(white, b * gain)
            r += shine * (white - r)
            g += shine * (np.float32(249) - g)
            b += shine * (np.float32(236) - b)
            target[x] = _mixed(target[x], r, g, b, white, alpha, alpha)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _blend_cover(
    canvas: NDArray[np.uint32],
    cover: NDArray[np.uint8],
    left: int,
    top: int,
    r: np.float32,
    g: np.float32,
    b: np.float32,
    weight: np.float32,
    flat: np.float32,
) -> None:
    height, width = cover.shape
    none = np.float32(0)
    for y in range(height):
        source = cover[y]
        target = canvas[top + y, left : left + width]
        for x in range(width):
            alpha = np.float32(source[x]) * weight
            target[x] = _mixed(target[x], r, g, b, none, alpha, alpha * flat)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _blend_glyphs(
    canvas: NDArray[np.uint32],
    cover: NDArray[np.uint8],
    place_x: float,
    place_y: float,
    clip: NDArray[np.float32],
    r: np.float32,
    g: np.float32,
    b: np.float32,
    weight: np.float32,
) -> None:
    rows, columns = cover.shape
    height, width = canvas.shape
    left, top = math.floor(place_x), math.floor(place_y)
    part_x, part_y = np.float32(place_x - left), np.float32(place_y - top)
    one, none = np.float32(1), np.float32(0)
    for y in range(max(0, top), min(height, top + rows + 1)):
        row_cover = min(np.float32(y) + one - clip[1], clip[3] - np.float32(y), one)
        if row_cover <= 0:
            continue
        for x in range(max(0, left), min(width, left + columns + 1)):
            column_cover = min(np.float32(x) + one - clip[0], clip[2] - np.float32(x), one)
            if column_cover <= 0:
                continue
            # Between four neighbours; outside of the glyph nothing is covered.
            row, column = y - top, x - left
            upper = _between(cover, row - 1, column, part_x)
            lower = _between(cover, row, column, part_x)
            value = lower + (upper - lower) * part_y
            if value > 0:
                alpha = value * weight * row_cover * column_cover
                canvas[y, x] = _mixed(canvas[y, x], r, g, b, none, alpha, alpha)


@numba.njit(cache=True, fastmath=True, nogil=True, inline="always")
def _between(cover: NDArray[np.uint8], row: int, column: int, part_x: np.float32) -> np.float32:
    rows, columns = cover.shape
    if row < 0 or row >= rows:
        return np.float32(0)
    here = np.float32(cover[row, column]) if column < columns else np.float32(0)
    before = np.float32(cover[row, column - 1]) if column > 0 else np.float32(0)
    return here + (before - here) * part_x


@numba.njit(cache=True, fastmath=True, nogil=True)
def _fill_convex(
    canvas: NDArray[np.uint32],
    first_x: int,
    first_y: int,
    last_x: int,
    last_y: int,
    edges: NDArray[np.float32],
    r: np.float32,
    g: np.float32,
    b: np.float32,
    opacity: np.float32,
) -> None:
    one, none = np.float32(1), np.float32(0)
    width = last_x - first_x
    cover = np.empty(width, np.float32)
    for y in range(first_y, last_y):
        cover[:] = one
        for i in range(len(edges)):
            slope = edges[i, 0]
            start = edges[i, 1] * np.float32(y) + edges[i, 2] + slope * np.float32(first_x)
            for x in range(width):
                cover[x] = min(cover[x], start + slope * np.float32(x))
        target = canvas[y, first_x:last_x]
        for x in range(width):
            alpha = max(none, cover[x]) * opacity
            target[x] = _mixed(target[x], r, g, b, none, alpha, alpha)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _fill_ring(
    canvas: NDArray[np.uint32],
    centre_x: float,
    centre_y: float,
    inner: float,
    outer: float,
    r: np.float32,
    g: np.float32,
    b: np.float32,
    opacity: np.float32,
) -> None:
    height, width = canvas.shape
    none, one = np.float32(0), np.float32(1)
    out, into = np.float32(outer + 0.5), np.float32(inner - 0.5)
    for y in range(max(0, int(centre_y - outer) - 1), min(height, int(centre_y + outer) + 3)):
        off_y = np.float32(y - centre_y)
        reach_sq = (outer + 1) * (outer + 1) - off_y * off_y
        if reach_sq <= 0:
            continue
        reach = math.sqrt(reach_sq)
        first_x = max(0, int(centre_x - reach))
        last_x = min(width, int(centre_x + reach) + 2)
        for x in range(first_x, last_x):
            off_x = np.float32(x) - np.float32(centre_x)
            far = np.sqrt(off_x * off_x + off_y * off_y)
            alpha = max(none, min(one, out - far, far - into)) * opacity
            canvas[y, x] = _mixed(canvas[y, x], r, g, b, none, alpha, alpha)
