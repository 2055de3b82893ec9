"""What a shot is made of: layers that are prepared once and drawn at every moment."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.generate.models.procedural.motion import Moment
from cinefab.generate.models.procedural.palette import Colour
from cinefab.generate.models.procedural.raster import (
    NO_SWEEP,
    blend_cover,
    blend_picture,
    fill_convex,
    fill_ring,
)
from cinefab.generate.models.procedural.stage import Box
from cinefab.media.finish import Canvas
from cinefab.media.frames import Mask


class Layer(Protocol):
    """Draws itself onto a canvas; what it draws depends on the moment alone."""

    def draw(self, canvas: Canvas, at: Moment) -> None:
        """Draw over what is already on `canvas`."""
        ...


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a texture's middle lies in the frame (pixels), its scale, its turn in degrees."""

    x: float
    y: float
    scale: float
    turn: float = 0.0


@dataclass(frozen=True, slots=True)
class Sweep:
    """A band of light that passes once over a picture.

    Its half width is a share of the picture's diagonal, its angle in degrees from upright.
    """

    start_s: float
    length_s: float
    half_width: float = 0.16
    angle: float = 24.0
    strength: float = 0.62


@dataclass(frozen=True, slots=True)
class Ground:
    """A whole canvas, drawn once: what is behind everything."""

    canvas: Canvas

    def draw(self, canvas: Canvas, at: Moment) -> None:
        """Cover the canvas."""
        np.copyto(canvas, self.canvas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A texture (RGB and alpha) that moves; optionally seen through a window in the frame.

    The window's cover is a mask of the window's size; `sunk` says by how many pixels the window's
    shape still stands too low at a moment.
    """

    texture: NDArray[np.uint8]
    place: Callable[[Moment], Placement]
    sweep: Sweep | None = None
    window: Box | None = None
    window_cover: Mask | None = None
    sunk: Callable[[Moment], float] | None = None

    def draw(self, canvas: Canvas, at: Moment) -> None:
        """Warp the texture to its place and blend it."""
        placement = self.place(at)
        matrix = _matrix(placement, self.texture)
        if self.window is None and self.sweep is None and _covers(matrix, self.texture, canvas):
            _warp(self.texture, matrix, canvas)
            return
        region = self._region(matrix, canvas)
        if region is None:
            return
        left, top, right, bottom = region
        matrix[:, 2] -= (left, top)
        warped = np.empty((bottom - top, right - left, 4), np.uint8)
        border = cv2.BORDER_CONSTANT if self.window is None else cv2.BORDER_REFLECT_101
        _warp(self.texture, matrix, warped, border)
        if self.window is not None and self.window_cover is not None:
            x, y = left - round(self.window.left), top - round(self.window.top)
            cover = _lowered(self.window_cover, 0.0 if self.sunk is None else self.sunk(at))
            warped[..., 3] = cover[y : y + bottom - top, x : x + right - left]
        sweep = self._sweep_at(at, placement, left, top)
        blend_picture(canvas, warped, (left, top), sweep=sweep)

    def _region(
        self, matrix: NDArray[np.float64], canvas: Canvas
    ) -> tuple[int, int, int, int] | None:
        height, width = canvas.shape[:2]
        if self.window is not None:
            box = self.window
            left, top = round(box.left), round(box.top)
            right, bottom = round(box.right), round(box.bottom)
        else:
            corners = _corners(matrix, self.texture)
            left, top = (math.floor(v) - 1 for v in corners.min(axis=0))
            right, bottom = (math.ceil(v) + 1 for v in corners.max(axis=0))
        left, top = max(0, left), max(0, top)
        right, bottom = min(width, right), min(height, bottom)
        if right <= left or bottom <= top:
            return None
        return left, top, right, bottom

    def _sweep_at(
        self, at: Moment, placement: Placement, left: int, top: int
    ) -> tuple[float, float, float, float, float]:
        sweep = self.sweep
        if sweep is None:
            return NO_SWEEP
        share = (at.seconds - sweep.start_s) / sweep.length_s
        if not 0 < share < 1:
            return NO_SWEEP
        height, width = self.texture.shape[:2]
        diagonal = math.hypot(width, height) * placement.scale
        angle = math.radians(sweep.angle)
        x, y = math.cos(angle), math.sin(angle)
        eased = share * share * (3 - 2 * share)
        along = (eased * 2 - 1) * diagonal * (0.5 + sweep.half_width)
        middle = (placement.x - left) * x + (placement.y - top) * y + along
        return x, y, middle, diagonal * sweep.half_width, sweep.strength


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """A mask that stays where it is, in one colour: a scrim, or a shape drawn once."""

    left: int
    top: int
    mask: Mask
    colour: Colour
    opacity: float
    is_picture: bool = True

    def draw(self, canvas: Canvas, at: Moment) -> None:
        """Mix the colour in."""
        corner = (self.left, self.top)
        blend_cover(
            canvas,
            self.mask,
            corner,
            self.colour,
            opacity=self.opacity,
            is_picture=self.is_picture,
        )


@dataclass(frozen=True, slots=True)
class Polygon:
    """A convex polygon in one colour; corners clockwise on the screen, shape (n, 2)."""

    corners: Callable[[Moment], NDArray[np.float64]]
    colour: Colour
    opacity: float = 1.0

    def draw(self, canvas: Canvas, at: Moment) -> None:
        """Fill it."""
        fill_convex(canvas, self.corners(at), self.colour, self.opacity)


@dataclass(frozen=True, slots=True)
class Rule:
    """A bar in one colour, where `box` says at a moment."""

    box: Callable[[Moment], Box]
    colour: Colour
    opacity: float = 1.0

    def draw(self, canvas: Canvas, at: Moment) -> None:
        """Fill it; an empty box draws nothing."""
        box = self.box(at)
        if box.width > 0 and box.height > 0:
            fill_convex(canvas, box.corners(), self.colour, self.opacity)


@dataclass(frozen=True, slots=True)
class Ring:
    """A circle in one colour: `(x, y, inner radius, outer radius)`; a disc if inner is below 0."""

    shape: Callable[[Moment], tuple[float, float, float, float]]
    colour: Colour
    opacity: float = 1.0

    def draw(self, canvas: Canvas, at: Moment) -> None:
        """Fill it."""
        x, y, inner, outer = self.shape(at)
        if outer > 0:
            fill_ring(canvas, (x, y), (inner, outer), self.colour, self.opacity)


_INTERPOLATION: Final = cv2.INTER_LINEAR


def _matrix(placement: Placement, texture: NDArray[np.uint8]) -> NDArray[np.float64]:
    height, width = texture.shape[:2]
    angle = math.radians(placement.turn)
    c, s = math.cos(angle) * placement.scale, math.sin(angle) * placement.scale
    # OpenCV's pixels have their middles at whole numbers.
    mid_x, mid_y = (width - 1) / 2, (height - 1) / 2
    x, y = placement.x - 0.5, placement.y - 0.5
    return np.array([[c, -s, x - c * mid_x + s * mid_y], [s, c, y - s * mid_x - c * mid_y]])


def _corners(matrix: NDArray[np.float64], texture: NDArray[np.uint8]) -> NDArray[np.float64]:
    height, width = texture.shape[:2]
    ends = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64)
    return ends @ matrix.T


def _covers(matrix: NDArray[np.float64], texture: NDArray[np.uint8], canvas: Canvas) -> bool:
    corners = _corners(matrix, texture)
    height, width = canvas.shape[:2]
    low, high = corners.min(axis=0), corners.max(axis=0)
    return bool(low[0] <= 1 and low[1] <= 1 and high[0] >= width - 1 and high[1] >= height - 1)


def _warp(
    texture: NDArray[np.uint8],
    matrix: NDArray[np.float64],
    into: NDArray[np.uint8],
    border: int = cv2.BORDER_REFLECT_101,
) -> None:
    height, width = into.shape[:2]
    cv2.warpAffine(
        texture, matrix, (width, height), dst=into, flags=_INTERPOLATION, borderMode=border
    )


def _lowered(cover: Mask, by: float) -> Mask:
    """Shift a mask down by a fraction of a pixel; what comes in from above is empty."""
    if by <= 0:
        return cover
    rows, columns = cover.shape
    matrix = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, by]])
    shifted = cv2.warpAffine(cover, matrix, (columns, rows), flags=_INTERPOLATION)
    return np.asarray(shifted, np.uint8)
