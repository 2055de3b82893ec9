"""Stretches of frames of which something is true, and frames that stand out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def runs(true: NDArray[np.bool_]) -> list[range]:
    """Return the longest unbroken stretches of true frames, in order."""
    edges = np.diff(np.concatenate(([False], true, [False])).astype(np.int8))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [range(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def stands_out(series: NDArray[Any], at: int, *, times: float, reach: int = 3) -> bool:
    """Say whether a value is `times` as large as any within `reach` of it; alone it is not."""
    beside = np.concatenate((series[max(0, at - reach) : at], series[at + 1 : at + 1 + reach]))
    return bool(beside.size and series[at] >= times * beside.max())
