"""Pictures in memory.

A `Frame` is planar YUV 4:2:0, BT.709, limited range, as one C-contiguous uint8 array of shape
(height * 3 // 2, width): the luma rows, then both chroma planes in the I420 layout. It is what
x264 takes, so a frame is converted once, where it is finished, and never again.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Frame: TypeAlias = NDArray[np.uint8]
"""I420: shape (height * 3 // 2, width), uint8, contiguous."""

Rgb: TypeAlias = NDArray[np.uint8]
"""Shape (height, width, 3), uint8, sRGB."""

Mask: TypeAlias = NDArray[np.uint8]
"""Shape (height, width), uint8: 255 is wholly inside."""

Plane: TypeAlias = NDArray[np.uint8]
"""One component of a frame, shape (rows, columns), a view."""


def planes(frame: Frame) -> tuple[Plane, Plane, Plane]:
    """Return a frame's luma, blue and red planes, as views; chroma has half the sides."""
    assert frame.flags.c_contiguous, "frames are contiguous, or their planes could not be views"
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    quarter = width * height // 4
    chroma = frame[height:].reshape(-1)
    shape = (height // 2, width // 2)
    return frame[:height], chroma[:quarter].reshape(shape), chroma[quarter:].reshape(shape)


def empty_frame(width: int, height: int) -> Frame:
    """Return a frame of that size whose samples are still to be written."""
    return np.empty((height * 3 // 2, width), np.uint8)
