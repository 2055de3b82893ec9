"""Stretches of frames of which something is true."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def runs(true: NDArray[np.bool_]) -> list[range]:
    """Return the longest unbroken stretches of true frames, in order."""
    edges = np.diff(np.concatenate(([False], true, [False])).astype(np.int8))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [range(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]
