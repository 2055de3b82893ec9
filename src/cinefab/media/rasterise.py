"""Outlines to coverage, by FreeType's smooth rasteriser."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from threading import Lock
from typing import Final

import freetype  # type: ignore[import-untyped]  # it ships no types
import numpy as np
from freetype import raw
from numpy.typing import NDArray

from cinefab.media.typeface import Outline

_GREY: Final = 2  # FT_PIXEL_MODE_GRAY
_LOCK: Final = Lock()  # ctypes lets other threads run, and FreeType's library is not for two


def rasterise(outlines: Sequence[Outline], *, width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Return the coverage of shapes whose points are in pixels, y downwards from the top.

    The result has shape (height_px, width_px), 255 being wholly inside. Shapes of one outline
    merge where they overlap (non-zero winding), so joined letters show no seam; each outline
    is drawn by itself, because fonts differ in the direction of their contours.
    """
    coverage = np.zeros((height_px, width_px), dtype=np.uint8)
    for outline in outlines:
        np.maximum(coverage, _drawn(outline, width_px, height_px), out=coverage)
    return coverage


def _drawn(outline: Outline, width_px: int, height_px: int) -> NDArray[np.uint8]:
    target = np.zeros((height_px, width_px), dtype=np.uint8)
    # FreeType measures in 1/64 pixel, upwards from the bottom.
    places = np.rint((outline.points * (1, -1) + (0, height_px)) * 64)
    points = np.ascontiguousarray(places, dtype=np.dtype(ctypes.c_long))
    tags = np.ascontiguousarray(outline.tags)
    ends = np.ascontiguousarray(outline.ends, dtype=np.int16)

    shape = raw.FT_Outline()
    shape.n_points, shape.n_contours = len(points), len(ends)
    shape.points = points.ctypes.data_as(type(shape.points))
    shape.tags = tags.ctypes.data_as(type(shape.tags))
    shape.contours = ends.ctypes.data_as(type(shape.contours))
    bitmap = raw.FT_Bitmap()
    bitmap.rows, bitmap.width, bitmap.pitch = height_px, width_px, width_px
    bitmap.buffer = target.ctypes.data_as(type(bitmap.buffer))
    bitmap.num_grays, bitmap.pixel_mode = 256, _GREY
    with _LOCK:
        failed = raw.FT_Outline_Get_Bitmap(
            freetype.get_handle(), ctypes.byref(shape), ctypes.byref(bitmap)
        )
    assert not failed, f"FreeType draws what HarfBuzz gave as an outline (error {failed})"
    return target
