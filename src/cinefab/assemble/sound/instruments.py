"""Instruments: a note becomes samples, from wave tables, envelopes and seeded noise."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final, assert_never

import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.sound.samples import Samples, faded, gain, panned, rise, seconds
from cinefab.assemble.sound.score import Instrument, Note
from cinefab.core.sound import SAMPLE_RATE

Mono = NDArray[np.float32]

_TABLE_BITS: Final = 14
_RELEASE_S: Final = 0.5
_NOISE_SEED: Final = 20_251
_KEYS_S: Final = 1.6
_BELL_S: Final = 2.2


def play(note: Note, *, brightness: float) -> Samples:
    """Return what a note sounds like; it may last a little longer than it is held."""
    sound: Samples
    match note.instrument:
        case Instrument.PAD:
            sound = _pad(note.pitch, note.samples, round(brightness, 2))
        case Instrument.KEYS:
            sound = _struck(note.pitch, note.samples, _KEYS_S, 4.0)
        case Instrument.BELL:
            sound = _bell(note.pitch, note.samples)
        case Instrument.BASS:
            sound = _bass(note.pitch, note.samples)
        case Instrument.KICK:
            sound = kick()
        case Instrument.CLAP:
            sound = _clap()
        case Instrument.SHAKER:
            sound = _shaker()
        case Instrument.SWELL:
            return swell(note.samples) * gain(note.level_db)
        case _:
            assert_never(note.instrument)
    if note.instrument is Instrument.PAD:
        return _balanced(sound, note.place) * gain(note.level_db)
    return panned(sound[0], note.place) * gain(note.level_db)


def frequency(pitch: int) -> float:
    """Return a MIDI pitch in hertz."""
    return float(440 * 2 ** ((pitch - 69) / 12))


def _wave(table: Mono, hertz: float, samples: int, *, phase: float = 0.0) -> Mono:
    """Return a wave table read at a frequency; a whole turn is 2^32, so it wraps by itself."""
    step = np.uint32(round(hertz / SAMPLE_RATE * 2**32))
    turns = np.arange(samples, dtype=np.uint32)
    turns *= step
    turns += np.uint32(int(phase * 2**32) % 2**32)
    turns >>= np.uint32(32 - _TABLE_BITS)
    return table[turns]


@functools.lru_cache(maxsize=32)
def _table(harmonics: tuple[float, ...]) -> Mono:
    turn = 2 * np.pi * np.arange(1 << _TABLE_BITS) / (1 << _TABLE_BITS)
    wave = sum(level * np.sin((k + 1) * turn) for k, level in enumerate(harmonics))
    return np.asarray(wave / np.max(np.abs(wave)), np.float32)


def _rolled_off(hertz: float, *, slope: float, cutoff_hz: float, most: int) -> tuple[float, ...]:
    """Return harmonic levels that fall by `slope`, and faster above the cutoff."""
    count = max(1, min(most, int(12_000 / hertz)))
    return tuple(k**-slope / (1 + (k * hertz / cutoff_hz) ** 2) for k in range(1, count + 1))


@functools.lru_cache(maxsize=24)
def _pad(pitch: int, samples: int, brightness: float) -> Samples:
    hertz = frequency(pitch)
    cutoff_hz = 500 + 2_200 * brightness
    table = _table(_rolled_off(hertz, slope=1.1, cutoff_hz=cutoff_hz, most=24))
    length = samples + seconds(_RELEASE_S)
    detune = 2 ** (np.array([-5, 4, -3, 6]) / 1200)
    voices = [
        _wave(table, hertz * ratio, length, phase=0.27 * k * pitch)
        for k, ratio in enumerate(detune)
    ]
    both = np.stack([voices[0] + voices[1], voices[2] + voices[3]]) * np.float32(0.5)
    return faded(both, attack=min(seconds(0.35), samples // 2), release=seconds(_RELEASE_S))


@functools.lru_cache(maxsize=64)
def _struck(pitch: int, samples: int, length_s: float, hardness: float) -> Samples:
    """Return a soft electric piano: bright at the stroke, round after it."""
    hertz = frequency(pitch)
    length = min(seconds(length_s), samples + seconds(0.12))
    time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    round_table = _table((1.0, 0.22, 0.06, 0.02))
    bright_table = _table((0.1, 0.5, 0.9, 0.45, 0.3, 0.12, 0.1))
    wave = _wave(round_table, hertz, length) * np.exp(time * np.float32(-2.4))
    wave += (
        _wave(bright_table, hertz, length, phase=0.1)
        * np.exp(time * np.float32(-9 - hertz / 90))
        * np.float32(0.09 * hardness)
    )
    return faded(np.stack([wave, wave]), attack=seconds(0.004), release=seconds(0.12))


@functools.lru_cache(maxsize=32)
def _bell(pitch: int, samples: int) -> Samples:
    hertz = frequency(pitch)
    length = min(seconds(_BELL_S), samples + seconds(0.4))
    time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    sine = _table((1.0,))
    wave = np.zeros(length, np.float32)
    for ratio, level, decay in ((1, 1.0, 2.0), (2.756, 0.28, 5.0), (5.404, 0.1, 11.0)):
        if hertz * ratio < SAMPLE_RATE / 2.5:
            wave += (
                _wave(sine, hertz * ratio, length)
                * np.exp(time * np.float32(-decay))
                * np.float32(level)
            )
    return faded(np.stack([wave, wave]), attack=seconds(0.003), release=seconds(0.3))


@functools.lru_cache(maxsize=32)
def _bass(pitch: int, samples: int) -> Samples:
    hertz = frequency(pitch)
    length = samples + seconds(0.05)
    time = np.arange(length, dtype=np.float32) / SAMPLE_RATE
    table = _table((1.0, 0.42, 0.18, 0.07, 0.03))
    wave = _wave(table, hertz, length) * (
        np.float32(0.45) + np.float32(0.55) * np.exp(time * np.float32(-2.5))
    )
    return faded(np.stack([wave, wave]), attack=seconds(0.008), release=seconds(0.08))


@functools.cache
def kick() -> Samples:
    """Return a soft, low drum."""
    time = np.arange(seconds(0.32)) / SAMPLE_RATE
    turns = 46 * time + 70 * 0.032 * (1 - np.exp(-time / 0.032))
    wave = np.sin(2 * np.pi * turns) * np.exp(-time * 13)
    return faded(np.stack([wave, wave]).astype(np.float32), attack=90, release=seconds(0.05))


@functools.cache
def _clap() -> Samples:
    time = np.arange(seconds(0.22)) / SAMPLE_RATE
    wave = coloured_noise(len(time), low_hz=900, high_hz=5_000, seed=1) * np.exp(-time * 26)
    return faded(np.stack([wave, wave]).astype(np.float32), attack=60, release=seconds(0.03))


@functools.cache
def _shaker() -> Samples:
    time = np.arange(seconds(0.09)) / SAMPLE_RATE
    wave = coloured_noise(len(time), low_hz=5_500, high_hz=13_000, seed=2) * np.exp(-time * 48)
    return faded(np.stack([wave, wave]).astype(np.float32), attack=seconds(0.006), release=300)


@functools.lru_cache(maxsize=8)
def swell(samples: int) -> Samples:
    """Return a cymbal played backwards: it rises to its end and is gone a moment later."""
    tail = seconds(0.25)
    sides = [coloured_noise(samples + tail, low_hz=2_500, high_hz=9_000, seed=s) for s in (3, 4)]
    shape = np.concatenate([np.linspace(0, 1, samples) ** 3, 1 - rise(tail)])
    return np.stack(sides) * shape.astype(np.float32)


def coloured_noise(samples: int, *, low_hz: float, high_hz: float, seed: int) -> Mono:
    """Return noise of unit power between two frequencies, with soft edges; the same each time."""
    points = 1 << max(4, (samples - 1).bit_length())
    noise = np.random.default_rng(_NOISE_SEED + seed).standard_normal(points, np.float32)
    hertz = np.fft.rfftfreq(points, 1 / SAMPLE_RATE)
    hertz[0] = 1
    band = 1 / ((1 + (low_hz / hertz) ** 4) * (1 + (hertz / high_hz) ** 4))
    wave = np.fft.irfft(np.fft.rfft(noise) * band, points)[:samples]
    return (wave / max(1e-9, float(wave.std()))).astype(np.float32)


def _balanced(sound: Samples, place: float) -> Samples:
    """Return a sound that is wide already, leaning to one side."""
    lean: Sequence[float] = (min(1.0, 1 - place), min(1.0, 1 + place))
    return sound * np.array(lean, np.float32)[:, None]
