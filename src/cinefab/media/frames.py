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
