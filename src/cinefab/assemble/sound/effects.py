"""Sounds of the cut itself: air that moves with a wipe or a dissolve, a soft hit on a cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from cinefab.assemble.sound.bus import Bus
from cinefab.assemble.sound.instruments import coloured_noise, kick
from cinefab.assemble.sound.samples import BLOCK, Samples, gain, rise, seconds, silence
from cinefab.assemble.sound.timeline import CutPoint, Timeline
from cinefab.core.brief import TransitionKind
from cinefab.core.sound import SAMPLE_RATE

_WHOOSH_DB: Final = -30.0
_HIT_DB: Final = -22.0
_AROUND_S: Final = 0.18  # a whoosh begins before what it belongs to is seen
_FRAME: Final = 1024


def play_effects(timeline: Timeline) -> Iterator[Samples]:
    """Yield the effects of a film in blocks of `BLOCK` samples; the last one is what is left."""
    cuts = sorted(enumerate(timeline.cuts), key=lambda each: _begins(each[1]))
    waiting = iter(cuts)
    following = next(waiting, None)
    bus = Bus()
    for start in range(0, timeline.samples, BLOCK):
        length = min(BLOCK, timeline.samples - start)
        # Each is made when it is due, so that a film of many cuts holds no more than one of few.
        while following is not None and (at := _begins(following[1])) < start + length:
            number, cut = following
            bus.lay(_effect(cut, number), max(0, at - start))
            following = next(waiting, None)
        yield bus.take(length)


def _begins(cut: CutPoint) -> int:
    """Return the sample at which a cut is heard first, never before the film's own."""
    return max(0, cut.at - _length(cut) // 2) if _moves_air(cut) else cut.at


def _effect(cut: CutPoint, number: int) -> Samples:
    if _moves_air(cut):
        length = _length(cut)
        sweeps = cut.kind is TransitionKind.WIPE
        sound = whoosh(length, sweeps=sweeps, seed=number) * gain(_WHOOSH_DB)
        return sound[:, max(0, length // 2 - cut.at) :]
    louder_db = 3 if cut.kind is TransitionKind.DIP else 0
    return _hit() * gain(_HIT_DB + louder_db)


def _moves_air(cut: CutPoint) -> bool:
    return cut.kind in (TransitionKind.WIPE, TransitionKind.DISSOLVE)


def _length(cut: CutPoint) -> int:
    return cut.samples + 2 * seconds(_AROUND_S)


def whoosh(samples: int, *, sweeps: bool, seed: int) -> Samples:
    """Return air that swells and passes; one that sweeps goes from left to right."""
    frames = 2 * samples // _FRAME + 3
    middle = np.sin(np.pi * np.linspace(0, 1, frames))
    centre_hz = 350 + 1_700 * middle**1.5
    hertz = np.fft.rfftfreq(_FRAME, 1 / SAMPLE_RATE)
    octaves = np.log2(np.maximum(hertz, 20)[None, :] / centre_hz[:, None])
    band = np.exp(-0.5 * (octaves / 0.75) ** 2)
    window = np.hanning(_FRAME + 1)[:-1]
    half = _FRAME // 2
    length = half * (frames + 1)
    sides = []
    for side in range(2):
        noise = coloured_noise(length, low_hz=60, high_hz=9_000, seed=100 + 2 * seed + side)
        starts = half * np.arange(frames)
        pieces = noise[starts[:, None] + np.arange(_FRAME)] * window
        shaped = np.fft.irfft(np.fft.rfft(pieces, axis=1) * band, _FRAME, axis=1)
        out = np.zeros(length)
        # Every other piece ends where the next but one begins, so two sums lay all of them.
        out[: half * 2 * ((frames + 1) // 2)] += shaped[0::2].reshape(-1)
        odd = shaped[1::2].reshape(-1)
        out[half : half + len(odd)] += odd
        sides.append(out[half : half + samples])
    sound = np.stack(sides)
    sound *= np.sin(np.pi * np.arange(samples) / samples) ** 2
    if sweeps:
        across = np.pi / 2 * np.linspace(0.12, 0.88, samples)
        sound *= np.stack([np.cos(across), np.sin(across)]) * np.sqrt(2)
    peak = max(1e-9, float(np.sqrt((sound**2).mean())))
    return (sound / peak * 0.35).astype(np.float32)


def _hit() -> Samples:
    """Return a soft thud with a breath of air in it."""
    length = seconds(0.5)
    sound = silence(length)
    drum = kick()
    sound[:, : drum.shape[1]] += drum
    time = np.arange(length) / SAMPLE_RATE
    for side in range(2):
        air = coloured_noise(length, low_hz=300, high_hz=2_500, seed=50 + side)
        sound[side] += (air * np.exp(-time * 16) * 0.09).astype(np.float32)
    sound[:, : seconds(0.004)] *= rise(seconds(0.004))
    return sound
