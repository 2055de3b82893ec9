"""Loudness as ITU-R BS.1770-4 and EBU R128 define it: K-weighted, gated, over the whole film."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.sound.convolution import Convolver
from cinefab.assemble.sound.samples import Samples
from cinefab.core.sound import SAMPLE_RATE

SILENT_LUFS: Final = -70.0
"""Below it there is nothing to hear, and nothing is counted."""

_HOP: Final = SAMPLE_RATE // 10
_HOPS_A_BLOCK: Final = 4  # 400 ms, each beginning 100 ms after the one before
_RELATIVE_GATE_LU: Final = -10.0
_OFFSET_LUFS: Final = -0.691
_RESPONSE: Final = 4_864  # a tenth of a second: the high-pass has decayed to a millionth


class LoudnessMeter:
    """Measures what it is fed, block by block."""

    def __init__(self) -> None:
        self._weighting = Convolver(_k_weighting())
        self._energies: list[NDArray[np.float64]] = []
        self._left = np.zeros(0)
        self._energy = 0.0
        self._samples = 0

    def feed(self, block: Samples) -> None:
        """Take in the next block."""
        weighted = self._weighting.feed(block).astype(np.float64)
        energy = np.concatenate([self._left, np.einsum("ct,ct->t", weighted, weighted)])
        whole = len(energy) // _HOP * _HOP
        self._energies.append(energy[:whole].reshape(-1, _HOP).sum(axis=1))
        self._left = energy[whole:]
        self._energy += float(energy[:whole].sum())
        self._samples += block.shape[1]

    def lufs(self) -> float:
        """Return the integrated loudness so far; at most `SILENT_LUFS` where nothing is heard."""
        hops = np.concatenate([*self._energies, np.zeros(0)])
        if len(hops) < _HOPS_A_BLOCK:
            # Too short for the gate: the plain mean is all that can be said.
            return _lufs((self._energy + float(self._left.sum())) / max(1, self._samples))
        window = np.convolve(hops, np.ones(_HOPS_A_BLOCK), "valid") / (_HOPS_A_BLOCK * _HOP)
        heard = window[window > _power(SILENT_LUFS)]
        if not len(heard):
            return SILENT_LUFS
        gate = _power(_lufs(float(heard.mean())) + _RELATIVE_GATE_LU)
        return _lufs(float(heard[heard > gate].mean()))


def loudness_of(blocks: Iterable[Samples]) -> float:
    """Return the integrated loudness of `blocks` in LUFS."""
    meter = LoudnessMeter()
    for block in blocks:
        meter.feed(block)
    return meter.lufs()


def _lufs(power: float) -> float:
    return SILENT_LUFS if power <= _power(SILENT_LUFS) else _OFFSET_LUFS + 10 * np.log10(power)


def _power(lufs: float) -> float:
    return float(10 ** ((lufs - _OFFSET_LUFS) / 10))


@functools.cache
def _k_weighting() -> Samples:
    """Return the impulse response of BS.1770's two filters at 48 kHz, long enough to have decayed."""
    turn = np.exp(-2j * np.pi * np.arange(_RESPONSE // 2 + 1) / _RESPONSE)
    shelf = _biquad(
        turn,
        (1.53512485958697, -2.69169618940638, 1.19839281085285),
        (1.0, -1.69065929318241, 0.73248077421585),
    )
    high_pass = _biquad(turn, (1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
    response = np.fft.irfft(shelf * high_pass, _RESPONSE).astype(np.float32)
    return np.stack([response, response])


def _biquad(
    turn: NDArray[np.complex128], b: tuple[float, ...], a: tuple[float, ...]
) -> NDArray[np.complex128]:
    above: NDArray[np.complex128] = b[0] + b[1] * turn + b[2] * turn**2
    return above / (a[0] + a[1] * turn + a[2] * turn**2)
