"""Pictures of high dynamic range become ordinary ones: PQ and HLG in BT.2020 to BT.709.

FFmpeg can do it, but starts threads for it, which the lock forbids. So it is two tables and a
matrix: what is as bright as paper stays so, and what is brighter is bent under white.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

PQ: Final = 16
HLG: Final = 18
"""The two curves by their numbers in ITU-T H.273."""

_CODES: Final = 4_096
_PAPER_NITS: Final = 203.0  # ITU-R BT.2408: how bright diffuse white is
_HLG_PEAK_NITS: Final = 1_000.0
_KNEE: Final = 0.75  # below it, light is left as it is
_DISPLAY_GAMMA: Final = 2.4  # ITU-R BT.1886
# Light of BT.2020's primaries in those of BT.709 (ITU-R BT.2087).
_TO_709: Final = np.array(
    [
        [1.6605, -0.5876, -0.0728],
        [-0.1246, 1.1329, -0.0083],
        [-0.0182, -0.1006, 1.1187],
    ],
    np.float32,
)


def to_standard_range(rgb: NDArray[np.uint16], curve: int) -> NDArray[np.uint8]:
    """Return 16-bit RGB, shape (height, width, 3), of `PQ` or `HLG` as 8-bit RGB of BT.709."""
    light = _light_table(curve)[rgb >> 4]
    light = light @ _TO_709.T
    codes = np.clip(light * np.float32(_CODES - 1) + np.float32(0.5), 0, _CODES - 1)
    return np.asarray(_code_table()[codes.astype(np.uint16)], np.uint8)


@cache
def _light_table(curve: int) -> NDArray[np.float32]:
    """Return the light of each code, 1 being white as it will be shown."""
    signal = np.arange(_CODES) / (_CODES - 1)
    nits = _pq_nits(signal) if curve == PQ else _hlg_nits(signal)
    light = nits / _PAPER_NITS
    over = np.maximum(light - _KNEE, 0)
    room = 1 - _KNEE
    bent = _KNEE + room * (1 - np.exp(-over / room))
    return np.where(light <= _KNEE, light, bent).astype(np.float32)


def _pq_nits(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = signal ** (1 / m2)
    return np.asarray(10_000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))


def _hlg_nits(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100, on a display of 1000 nits; its gamma of 1.2 is taken channel by channel."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(_HLG_PEAK_NITS * np.clip(scene, 0, 1) ** 1.2)


@cache
def _code_table() -> NDArray[np.uint8]:
    light = np.arange(_CODES) / (_CODES - 1)
    return np.asarray(np.round(255 * light ** (1 / _DISPLAY_GAMMA)), np.uint8)
