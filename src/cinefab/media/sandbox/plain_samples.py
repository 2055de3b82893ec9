"""Decoded sound of whatever kind becomes plain samples: 32-bit floats, one or two channels."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from cinefab.media.sandbox.outcome import Cause, PayloadRefused

_PIECE_SAMPLES: Final = 1 << 15
_GRACE_S: Final = Fraction(1, 25)  # clocks of containers are rounded; smaller gaps are none
_FULL_SCALE: Final = {"u8": 128.0, "s16": 2.0**15, "s32": 2.0**31, "s64": 2.0**63}
_HALF: Final = 0.7071
# What each place of a layout gives to left and right (ITU-R BS.775); the low end is left out.
_MIX: Final = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (_HALF, _HALF),
    "BL": (_HALF, 0.0),
    "BR": (0.0, _HALF),
    "SL": (_HALF, 0.0),
    "SR": (0.0, _HALF),
    "BC": (_HALF * _HALF, _HALF * _HALF),
    "LFE": (0.0, 0.0),
}

Floats = NDArray[np.float32]


class PlainSamples:
    """Brings the frames of one sound track into shape, with silence where the track has gaps."""

    def __init__(self, *, seconds_max: int) -> None:
        self._seconds_max = seconds_max
        self._rate = 0
        self._channels = 0
        self._count = 0
        self._waiting: list[Floats] = []
        self._waiting_samples = 0

    @property
    def seconds(self) -> Fraction:
        """How long the sound is by now."""
        return Fraction(self._count, self._rate) if self._rate else Fraction(0)

    def add(self, frame: AudioFrame, at: Fraction | None) -> Iterator[tuple[dict[str, Any], Any]]:
        """Take samples that are heard from `at` seconds on; yield pieces that are full."""
        samples = _stereo(frame)
        if not self._rate:
            self._rate, self._channels = frame.sample_rate, samples.shape[1]
        if (frame.sample_rate, samples.shape[1]) != (self._rate, self._channels):
            raise PayloadRefused(
                found="its sound changes its rate or its channels on the way",
                remedy="Open it in an editor and export it again.",
            )
        if at is not None:
            gap = round((at - self.seconds) * self._rate)
            if gap > _GRACE_S * self._rate:
                yield from self._silence(gap)
            elif gap < -_GRACE_S * self._rate:
                samples = samples[min(len(samples), -gap) :]
        yield from self._put(samples)

    def finish(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yield what is left."""
        if self._waiting_samples:
            yield self._piece()

    def _silence(self, samples: int) -> Iterator[tuple[dict[str, Any], Any]]:
        self._check(samples)
        while samples > 0:
            length = min(samples, _PIECE_SAMPLES)
            yield from self._put(np.zeros((length, self._channels), np.float32))
            samples -= length

    def _put(self, samples: Floats) -> Iterator[tuple[dict[str, Any], Any]]:
        if not len(samples):
            return
        self._check(len(samples))
        self._count += len(samples)
        self._waiting.append(samples)
        self._waiting_samples += len(samples)
        if self._waiting_samples >= _PIECE_SAMPLES:
            yield self._piece()

    def _check(self, more: int) -> None:
        if self._count + more > self._seconds_max * self._rate:
            raise PayloadRefused(
                cause=Cause.TOO_LARGE,
                found=f"its sound is longer than {self._seconds_max} s",
                remedy="Cut out the part that is wanted.",
            )

    def _piece(self) -> tuple[dict[str, Any], Any]:
        together = np.ascontiguousarray(np.concatenate(self._waiting), np.dtype("<f4"))
        self._waiting, self._waiting_samples = [], 0
        return {"samples": self._rate}, (together.data.cast("B"),)


def _stereo(frame: AudioFrame) -> Floats:
    """Return a frame as floats of shape (samples, 1 or 2)."""
    channels = frame.layout.nb_channels
    raw = frame.to_ndarray()
    kind = frame.format.packed.name
    planes = raw if frame.format.is_planar else raw.reshape(-1, channels).T
    floats: Floats = planes.astype(np.float32)
    if kind in _FULL_SCALE:
        if kind == "u8":
            floats -= 128
        floats *= np.float32(1 / _FULL_SCALE[kind])
    if channels > 2:
        names = [channel.name for channel in frame.layout.channels]
        mix = np.array([_MIX.get(name, (_HALF, _HALF)) for name in names], np.float32)
        floats = mix.T @ floats
    return np.ascontiguousarray(floats.T)
