"""Long filters over a stream of blocks, by overlap-add in the frequency domain."""

from __future__ import annotations

import numpy as np

from cinefab.assemble.sound.samples import BLOCK, Samples, silence


class Convolver:
    """Convolves what it is fed with an impulse response of two channels."""

    def __init__(self, response: Samples) -> None:
        self._response = response
        self._tail = silence(response.shape[1] - 1)
        self._spectra: dict[int, np.ndarray] = {}

    def feed(self, block: Samples) -> Samples:
        """Return as many samples as `block` has, at most `BLOCK`; the tail waits for the next."""
        length, response = block.shape[1], self._response.shape[1]
        assert length <= BLOCK, "a block is at most BLOCK samples"
        points = 1 << (length + response - 2).bit_length()
        if points not in self._spectra:
            self._spectra[points] = np.fft.rfft(self._response, points)
        circle = np.fft.irfft(np.fft.rfft(block, points) * self._spectra[points], points)
        whole: Samples = circle[:, : length + response - 1].astype(np.float32, copy=False)
        whole[:, : self._tail.shape[1]] += self._tail[:, : whole.shape[1]]
        self._tail = whole[:, length:].copy()
        return whole[:, :length]
