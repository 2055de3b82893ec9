"""A look-ahead limiter: whatever comes in, no true peak of what goes out is above the ceiling.

The gain at a sample is decided by what lies within half a window of it, both ways, and by nothing
else. So any stretch can be limited on its own, given a margin on each side.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cinefab.assemble.sound.samples import Samples, gain

OVERSAMPLING: Final = 4
_HOLD: Final = 480  # 10 ms each way: below it, limiting is heard as distortion
_STEP: Final = 16  # gains are decided for this many samples together
_STEPS: Final = _HOLD // _STEP
_EDGE: Final = 512  # interpolation reaches this far, and its circle must not be heard
MARGIN: Final = 4 * _HOLD + _EDGE
"""Samples on each side that a stretch needs to be limited exactly."""


def limited(stretch: Samples, *, ceiling_db: float) -> Samples:
    """Return the middle of `stretch`, its margins removed, with no true peak above the ceiling.

    `stretch` has `MARGIN` samples on each side of what is wanted: its neighbours, or silence.
    """
    length = stretch.shape[1] - 2 * MARGIN
    assert length > 0, "a stretch is more than its margins"
    peaks = _step_peaks(stretch)
    ceiling = gain(ceiling_db)
    if float(peaks.max()) <= ceiling:
        return stretch[:, MARGIN : MARGIN + length]
    wanted = np.minimum(1, ceiling / np.maximum(peaks, 1e-9))
    smooth = _smooth_below(wanted)
    places = np.arange(stretch.shape[1]) / _STEP - 0.5
    gains = np.interp(places, np.arange(len(smooth)), smooth).astype(np.float32)
    return (stretch * gains)[:, MARGIN : MARGIN + length]


def true_peak(block: Samples) -> float:
    """Return the highest point of the waveform between and on the samples, full scale at 1."""
    padded = np.pad(block, ((0, 0), (_EDGE, _EDGE + -block.shape[1] % _STEP)))
    return float(_step_peaks(padded).max())


def _step_peaks(stretch: Samples) -> NDArray[np.float32]:
    """Return the true peak of either channel in each step of `_STEP` samples."""
    length = stretch.shape[1]
    points = 1 << (length - 1).bit_length()
    spectrum = np.fft.rfft(stretch, points)
    spectrum[:, -1] *= 0.5
    dense = np.fft.irfft(spectrum, points * OVERSAMPLING) * OVERSAMPLING
    dense = np.abs(dense[:, : length * OVERSAMPLING], dtype=np.float32)
    steps = -(-length // _STEP)
    highest = np.zeros(steps * _STEP * OVERSAMPLING, np.float32)
    np.maximum(dense[0], dense[1], out=highest[: dense.shape[1]])
    peaks: NDArray[np.float32] = highest.reshape(steps, -1).max(axis=1)
    return peaks


def _smooth_below(wanted: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a smooth curve that is nowhere above `wanted`."""
    width = 2 * _STEPS + 1
    # Lowest over twice the window, then averaged over it twice: each average is of values that
    # are all at or below what is wanted at its middle.
    lowest = sliding_window_view(np.pad(wanted, 2 * _STEPS + 1, constant_values=1), 2 * width + 1)
    floor = np.pad(lowest.min(axis=1), width - 1, mode="edge")
    kernel = np.ones(width) / width
    smooth = np.convolve(np.convolve(floor, kernel, "valid"), kernel, "valid")
    return smooth.astype(np.float32)
