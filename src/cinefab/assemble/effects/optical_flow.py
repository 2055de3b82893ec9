"""Where things went from one frame to another, and frames drawn along it."""

from __future__ import annotations

from functools import cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.media.frames import Frame, Plane, empty_frame, planes

Flow = NDArray[np.float32]
"""Shape (height, width, 2): how far each pixel went, in its own pixels."""

_WIDTH_MAX: Final = 640
"""Motion is looked for in smaller pictures: it is smooth, and looking is what takes long."""


def flow_between(before: Plane, after: Plane, *, careful: bool) -> Flow:
    """Return how far each pixel of `before` went until `after`, both luma of one size."""
    # Its stripes are as many as its threads, and what it finds depends on them.
    cv2.setNumThreads(1)
    height, width = before.shape
    scale = min(1.0, _WIDTH_MAX / width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (before, after)]
    found = _finder(careful=careful).calc(
        np.asarray(small[0], np.uint8),
        np.asarray(small[1], np.uint8),
        np.zeros((1, 1, 2), np.float32),
    )
    whole = np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR))
    whole[..., 0] *= width / size[0]
    whole[..., 1] *= height / size[1]
    return whole.astype(np.float32, copy=False)


def moved(plane: NDArray[np.float32], flow: Flow) -> NDArray[np.float32]:
    """Return `plane` as seen from where each pixel's `flow` leads."""
    x, y = _grid(plane.shape[0], plane.shape[1])
    drawn = cv2.remap(
        plane,
        x + flow[..., 0],
        y + flow[..., 1],
        interpolation=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(drawn, np.float32)


def halved(flow: Flow) -> Flow:
    """Return `flow` for planes of half the sides."""
    height, width = flow.shape[:2]
    small = cv2.resize(flow, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(small * np.float32(0.5), np.float32)


def half(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `plane` at half of its sides."""
    height, width = plane.shape
    small = cv2.resize(plane, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def floats(frame: Frame) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return a frame's planes as floats."""
    luma, blue, red = planes(frame)
    return luma.astype(np.float32), blue.astype(np.float32), red.astype(np.float32)


def frame_of(
    luma: NDArray[np.float32], blue: NDArray[np.float32], red: NDArray[np.float32]
) -> Frame:
    """Return planes as a frame, rounded, within the limits of BT.709."""
    frame = empty_frame(luma.shape[1], luma.shape[0])
    highest = (235, 240, 240)
    for out, plane, most in zip(planes(frame), (luma, blue, red), highest, strict=True):
        out[...] = np.clip(np.rint(plane), 16, most)
    return frame


@cache
def _finder(*, careful: bool) -> cv2.DISOpticalFlow:
    preset = cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if careful else cv2.DISOPTICAL_FLOW_PRESET_FAST
    return cv2.DISOpticalFlow.create(preset)


@cache
def _grid(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.ascontiguousarray(x), np.ascontiguousarray(y)
