"""A picture of any proportions in a frame of the film's."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from cinefab.core.brief import Fit, Size
from cinefab.media.frames import Frame, Plane, Rgb, empty_frame, planes

_BLACK: Final = (16, 128, 128)
_CONVERTER: Final = (
    Interpolation.AREA
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)


class Fitter:
    """Fits frames into one size: cut at their edges (`cover`), or whole on black (`contain`)."""

    def __init__(self, size: Size, *, fit: str) -> None:
        self._size = size
        self._fit = Fit(fit)

    def fitted(self, frame: Frame) -> Frame:
        """Return `frame` in the size; as it is, where it has that already."""
        height, width = frame.shape[0] * 2 // 3, frame.shape[1]
        if (width, height) == (self._size.width, self._size.height):
            return frame
        frame = np.ascontiguousarray(frame)
        if self._fit is Fit.COVER:
            return self._covering(frame, width, height)
        return self._contained(frame, width, height)

    def _covering(self, frame: Frame, width: int, height: int) -> Frame:
        scale = max(self._size.width / width, self._size.height / height)
        # Even sides and corners, or chroma would lie beside its luma.
        part_width = min(width, _even(self._size.width / scale))
        part_height = min(height, _even(self._size.height / scale))
        left, top = (width - part_width) // 4 * 2, (height - part_height) // 4 * 2
        out = empty_frame(self._size.width, self._size.height)
        for number, (source, target) in enumerate(zip(planes(frame), planes(out), strict=True)):
            step = 2 if number else 1
            part = source[
                top // step : (top + part_height) // step,
                left // step : (left + part_width) // step,
            ]
            target[...] = _scaled(part, target.shape[1], target.shape[0])
        return out

    def _contained(self, frame: Frame, width: int, height: int) -> Frame:
        scale = min(self._size.width / width, self._size.height / height)
        drawn_width = min(self._size.width, _even(width * scale))
        drawn_height = min(self._size.height, _even(height * scale))
        left = (self._size.width - drawn_width) // 4 * 2
        top = (self._size.height - drawn_height) // 4 * 2
        out = empty_frame(self._size.width, self._size.height)
        for number, (source, target) in enumerate(zip(planes(frame), planes(out), strict=True)):
            step = 2 if number else 1
            target[...] = _BLACK[number]
            inside = target[
                top // step : (top + drawn_height) // step,
                left // step : (left + drawn_width) // step,
            ]
            inside[...] = _scaled(source, inside.shape[1], inside.shape[0])
        return out


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


def _scaled(plane: Plane, width: int, height: int) -> Plane:
    if plane.shape == (height, width):
        return plane
    smaller = width * height < plane.size
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(plane, (width, height), interpolation=how), np.uint8)


def to_frame(rgb: Rgb) -> Frame:
    """Return an sRGB picture of shape (height, width, 3) as a frame; the last odd line is cut off.

    The same picture gives the same bytes on every machine.
    """
    even = np.ascontiguousarray(rgb[: rgb.shape[0] // 2 * 2, : rgb.shape[1] // 2 * 2])
    picture = VideoFrame.from_ndarray(even, format="rgb24").reformat(
        format="yuv420p",
        interpolation=_CONVERTER,
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
    )
    return picture.to_ndarray().astype(np.uint8, copy=False)


def seen_through(rgb: Rgb, size: Size, *, zoom: float, right: float, down: float) -> Frame:
    """Return what a camera sees of a picture that covers the film's, shifted by shares of that.

    Where the shift would show what lies beyond an edge, the view stops at the edge.
    """
    height, width = rgb.shape[:2]
    scale = max(size.width / width, size.height / height) * zoom
    seen_width, seen_height = size.width / scale, size.height / scale
    left = (width - seen_width) / 2 - right * seen_width
    top = (height - seen_height) / 2 - down * seen_height
    left = min(max(left, 0.0), width - seen_width)
    top = min(max(top, 0.0), height - seen_height)
    shift = np.array([[1 / scale, 0, left], [0, 1 / scale, top]], np.float64)
    shown = cv2.warpAffine(
        rgb,
        shift,
        (size.width, size.height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return to_frame(np.asarray(shown, np.uint8))
