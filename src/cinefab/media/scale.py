"""Pictures at another size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def shrunk(picture: NDArray[np.uint8], *, side_max_px: int) -> NDArray[np.uint8]:
    """Return an RGB picture or a mask whose longer side is at most `side_max_px`, never enlarged."""
    height, width = picture.shape[:2]
    longer = max(height, width)
    if longer <= side_max_px:
        return picture
    size = (
        max(1, round(width * side_max_px / longer)),
        max(1, round(height * side_max_px / longer)),
    )
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
