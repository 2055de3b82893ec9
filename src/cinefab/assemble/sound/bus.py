"""A bus: sounds are laid on it where they begin, and it is taken off block by block."""

from __future__ import annotations

import numpy as np

from cinefab.assemble.sound.samples import Samples, silence


class Bus:
    """Adds up sounds that may outlast the block they begin in."""

    def __init__(self) -> None:
        self._ahead = silence(0)

    def lay(self, sound: Samples, at: int) -> None:
        """Add `sound`, which begins `at` samples after what was taken last."""
        end = at + sound.shape[1]
        if end > self._ahead.shape[1]:
            longer = silence(end)
            longer[:, : self._ahead.shape[1]] = self._ahead
            self._ahead = longer
        self._ahead[:, at:end] += sound

    def take(self, samples: int) -> Samples:
        """Return the next `samples`, silent where nothing lies."""
        taken = silence(samples)
        here = min(samples, self._ahead.shape[1])
        taken[:, :here] = self._ahead[:, :here]
        self._ahead = np.ascontiguousarray(self._ahead[:, here:])
        return taken
