"""What is heard of a film, in whole numbers, and how it lies against the mix it was made from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.error import BlockingIOError as NothingYet
from av.filter import Graph
from numpy.typing import NDArray

from cinefab.core.sound import SAMPLE_RATE
from cinefab.media.audio import Sound, opened_sound, read_sound

HEARING: Final = "4"
"""Changes whenever the same sound might give other numbers."""

WINDOW_MS: Final = 5
"""The length of what one level of an envelope stands for."""

_FULL: Final = 0.96  # AAC makes ripples of some per cent of what was flat at 1; mixes end at 0.89
_CLIPPED_SAMPLES_MIN: Final = 4  # in a row at full scale: one alone may be a peak
_OFFSET_MS_MAX: Final = 500
_SILENT_DB: Final = -60.0
_QUIETEST_LUFS: Final = -69.0
_QUIETEST_DB: Final = -100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What a film sounds like beside its mix.

    Loudness and true peak are in hundredths of LUFS and dBTP, None for silence. `offset_ms` is by
    how much the film's sound comes late (early below 0), None where nothing tells. `lost_ms` is
    the longest stretch in which the mix is heard and the film is silent, from `lost_at_ms` on;
    `clipped` counts runs of samples at full scale, the first at `clipped_at_ms`.
    """

    length_ms: int
    lufs_hundredths: int | None
    peak_hundredths: int | None
    mix_lufs_hundredths: int | None
    mix_peak_hundredths: int | None
    offset_ms: int | None
    lost_ms: int
    lost_at_ms: int
    clipped: int
    clipped_at_ms: int


def hear(film: Path, mix: Path) -> Hearing:
    """Decode the sound of `film` and its `mix` once each and compare them; 0.02 s a second.

    Each is taken in a second at a time; of what was heard only its levels are kept, so that a long
    film takes hardly more memory than a short one. Raises `StorageUnavailable` when one cannot be
    read and `ContractMismatch` when it holds no sound.
    """
    heard, meant = _listened(_placed(film)), _listened(read_sound(mix))
    lufs, peak = heard.loudness()
    mix_lufs, mix_peak = meant.loudness()
    offset_ms = _offset_ms(heard.envelope(), meant.envelope())
    lost_ms, lost_at_ms = _lost(
        _levels_db(heard.envelope()), _levels_db(meant.envelope()), offset_ms or 0
    )
    clipped, clipped_at_ms = heard.clipped()
    return Hearing(
        length_ms=round(heard.samples * 1000 / SAMPLE_RATE),
        lufs_hundredths=lufs,
        peak_hundredths=peak,
        mix_lufs_hundredths=mix_lufs,
        mix_peak_hundredths=mix_peak,
        offset_ms=offset_ms,
        lost_ms=lost_ms,
        lost_at_ms=lost_at_ms,
        clipped=clipped,
        clipped_at_ms=clipped_at_ms,
    )


def _placed(film: Path) -> Iterator[Sound]:
    """Yield the film's sound as a player gives it out: by its timestamps, from the film's start."""
    with opened_sound(film) as (container, stream):
        first = next(container.decode(stream), None)
        start_s = 0.0 if first is None or first.time is None else first.time
    late = round(start_s * SAMPLE_RATE)
    if late > 0:
        yield np.zeros((2, late), np.float32)
    early = max(0, -late)
    for block in read_sound(film):
        yield block[:, early:]
        early = max(0, early - block.shape[1])


def _listened(blocks: Iterable[Sound]) -> _Listener:
    listener = _Listener()
    for second in _seconds(blocks):
        listener.feed(second)
    return listener


def _seconds(blocks: Iterable[Sound]) -> Iterator[Sound]:
    """Yield the same samples a second at a time; the last piece is what is left."""
    waiting, length = [], 0
    for block in blocks:
        waiting.append(block)
        length += block.shape[1]
        while length >= SAMPLE_RATE:
            whole = np.concatenate(waiting, axis=1)
            yield whole[:, :SAMPLE_RATE]
            waiting, length = [whole[:, SAMPLE_RATE:]], length - SAMPLE_RATE
    if length:
        yield np.concatenate(waiting, axis=1)


class _Listener:
    """Takes a sound in, a second at a time, and keeps what there is to say of it."""

    def __init__(self) -> None:
        self.samples = 0
        self._meter = _Meter()
        self._levels: list[NDArray[np.float64]] = []
        self._full = [_FullScale(), _FullScale()]

    def feed(self, second: Sound) -> None:
        """Take in the next second; only the last may be shorter, so that levels fit into each."""
        self._meter.feed(second, at=self.samples)
        self._levels.append(_powers(second))
        for channel, full in zip(second, self._full, strict=True):
            full.feed(np.abs(channel) >= _FULL, at=self.samples)
        self.samples += second.shape[1]

    def loudness(self) -> tuple[int | None, int | None]:
        """Return loudness and true peak in hundredths; None where nothing was heard."""
        return self._meter.figures()

    def envelope(self) -> NDArray[np.float64]:
        """Return a level for every `WINDOW_MS`."""
        levels: NDArray[np.float64] = np.sqrt(np.concatenate([*self._levels, np.zeros(0)]))
        return levels

    def clipped(self) -> tuple[int, int]:
        """Return how many runs of samples are clipped in either channel, and when the first is."""
        runs = [start for full in self._full for start in full.runs(self.samples)]
        return len(runs), min(runs, default=0) * 1000 // SAMPLE_RATE


class _FullScale:
    """Finds where one channel stays at full scale, across the borders of what it is fed."""

    def __init__(self) -> None:
        self._open: int | None = None
        self._runs: list[int] = []

    def feed(self, full: NDArray[np.bool_], *, at: int) -> None:
        edges = np.flatnonzero(np.diff(np.concatenate(([self._open is not None], full))))
        turns = [] if self._open is None else [self._open]
        turns += (edges + at).tolist()
        self._keep(turns[::2], turns[1::2])
        self._open = turns[-1] if len(turns) % 2 else None

    def runs(self, end: int) -> list[int]:
        """Return where each run begins that is too long to be a peak; the sound ends at `end`."""
        if self._open is not None:
            self._keep([self._open], [end])
            self._open = None
        return self._runs

    def _keep(self, starts: list[int], ends: list[int]) -> None:
        # The last of them may have no end yet.
        closed = zip(starts, ends, strict=False)
        self._runs += [start for start, end in closed if end - start >= _CLIPPED_SAMPLES_MIN]


class _Meter:
    """FFmpeg's ebur128, fed piece by piece."""

    def __init__(self) -> None:
        self._graph = Graph()
        self._source: Any = self._graph.add_abuffer(
            format="fltp", sample_rate=SAMPLE_RATE, layout="stereo"
        )
        meter = self._graph.add("ebur128", "metadata=1:peak=true")
        self._sink: Any = self._graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        self._graph.configure()
        self._said: dict[str, str] = {}
        self._ended = False

    def feed(self, sound: Sound, *, at: int) -> None:
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(sound), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = SAMPLE_RATE, at
        self._source.push(frame)
        self._said = _pulled(self._sink) or self._said

    def figures(self) -> tuple[int | None, int | None]:
        if not self._ended:
            self._ended = True
            self._source.push(None)
            self._said = _pulled(self._sink) or self._said
        lufs = float(self._said.get("lavfi.r128.I", "-inf"))
        peak = float(self._said.get("lavfi.r128.true_peak", 0))
        return (
            round(lufs * 100) if lufs > _QUIETEST_LUFS else None,
            round(2000 * math.log10(peak)) if peak > 0 else None,
        )


def _pulled(sink: Any) -> dict[str, str]:
    said: dict[str, str] = {}
    while True:
        try:
            said = sink.pull().metadata or said
        except (NothingYet, EOFError):
            return said


def _powers(sound: Sound) -> NDArray[np.float64]:
    size = SAMPLE_RATE * WINDOW_MS // 1000
    count = sound.shape[1] // size
    squares = (sound[:, : count * size] ** 2).sum(axis=0, dtype=np.float64)
    power: NDArray[np.float64] = squares.reshape(count, size).mean(axis=1)
    return power


def _levels_db(envelope: NDArray[np.float64]) -> NDArray[np.float64]:
    return 20 * np.log10(np.maximum(envelope, 10 ** (_QUIETEST_DB / 20)))


def _offset_ms(heard: NDArray[np.float64], meant: NDArray[np.float64]) -> int | None:
    """Return where the envelopes' changes agree best, or None if they agree nowhere."""
    one, other = (np.diff(np.sqrt(each)) for each in (heard, meant))
    if one.size < 2 or other.size < 2 or not one.any() or not other.any():
        return None
    reach = _OFFSET_MS_MAX // WINDOW_MS
    near = [_agreement(one, other, shift) for shift in range(-reach, reach + 1)]
    best = int(np.argmax(near))
    if near[best] < 0.3 * math.sqrt(float((one**2).sum() * (other**2).sum())):
        return None
    return (best - reach) * WINDOW_MS


def _agreement(one: NDArray[np.float64], other: NDArray[np.float64], shift: int) -> float:
    """Return how well `other` agrees with what lies `shift` later in `one`."""
    one, other = one[max(0, shift) :], other[max(0, -shift) :]
    both = min(one.size, other.size)
    return float(one[:both] @ other[:both])


def _lost(
    heard: NDArray[np.float64], meant: NDArray[np.float64], offset_ms: int
) -> tuple[int, int]:
    shift = offset_ms // WINDOW_MS
    count = max(heard.size, meant.size + max(0, shift))
    film = np.full(count, _QUIETEST_DB)
    film[: heard.size] = heard
    mix = np.full(count, _QUIETEST_DB)
    first = max(0, shift)
    kept = meant[max(0, -shift) :][: count - first]
    mix[first : first + kept.size] = kept
    lost = np.concatenate(([False], (film < _SILENT_DB) & (mix > _SILENT_DB + 12), [False]))
    edges = np.flatnonzero(np.diff(lost.astype(np.int8)))
    longest = max(
        zip(edges[::2], edges[1::2], strict=True), key=lambda e: e[1] - e[0], default=None
    )
    if longest is None:
        return 0, 0
    return int(longest[1] - longest[0]) * WINDOW_MS, int(longest[0]) * WINDOW_MS
