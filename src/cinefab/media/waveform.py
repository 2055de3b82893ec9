"""A sound as a picture: its peaks, from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from cinefab.media.frames import Rgb

_WIDTH: Final = 1_280
_HEIGHT: Final = 320
_GROUND: Final = (24, 26, 30)
_INK: Final = (126, 190, 255)


def draw_waveform(peaks: Sequence[int]) -> Rgb:
    """Return a picture of `peaks`, each 0 to 1000, spread over its width."""
    picture = np.empty((_HEIGHT, _WIDTH, 3), np.uint8)
    picture[:] = _GROUND
    heights = np.zeros(_WIDTH)
    if peaks:
        places = np.arange(_WIDTH) * len(peaks) // _WIDTH
        heights = np.asarray(peaks, np.float64)[places] / 1_000 * (_HEIGHT / 2 - 8)
    off_middle = np.abs(np.arange(_HEIGHT) - (_HEIGHT - 1) / 2)
    picture[off_middle[:, None] <= np.maximum(heights, 0.5)[None, :]] = _INK
    return picture
