"""Bars and beats that are fitted to a film: its cuts fall on first beats, its end on a bar's end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from cinefab.core.sound import SAMPLE_RATE

_BEATS_MIN: Final = 1.5  # a cut that follows another one sooner is left to fall where it does
_BEATS_A_BAR: Final = 4
_STRAY: Final = 0.08  # how far the tempo may move from what was asked for to suit all cuts


class Part(Enum):
    """What the music does in a bar: it comes in, gathers, carries the film, or comes to rest."""

    INTRO = auto()
    BUILD = auto()
    FULL = auto()
    ENDING = auto()


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the film's music: where it begins, its beats and their length, in samples."""

    at: int
    end: int
    beats: int
    part: Part
    opens: bool
    """Whether a shot begins with it."""

    def beat(self, number: float) -> int:
        """Return where a beat, counted from 0 and in fractions, falls."""
        return self.at + round((self.end - self.at) * number / self.beats)

    @property
    def beat_samples(self) -> float:
        """The length of a beat."""
        return (self.end - self.at) / self.beats


def fit_bars(samples: int, cuts: Sequence[int], *, tempo_bpm: float) -> tuple[Bar, ...]:
    """Return the bars of a film that is `samples` long and is cut at `cuts`.

    Each shot gets a whole number of beats of its own length, near the tempo asked for, so the
    music never lags behind the picture however the lengths fall.
    """
    wanted = SAMPLE_RATE * 60 / tempo_bpm
    edges = _edges(samples, cuts, apart=wanted * _BEATS_MIN)
    beat = _best_beat([end - start for start, end in edges], wanted)
    bars: list[Bar] = []
    for index, (start, end) in enumerate(edges):
        part = _part(index, len(edges))
        beats = max(1, round((end - start) / beat))
        sizes = list(_bar_sizes(beats))
        over = 0
        for position, size in enumerate(sizes):
            at = start + (end - start) * over // beats
            over += size
            until = start + (end - start) * over // beats
            bars.append(Bar(at, until, size, part, position == 0))
    return _with_build(bars, single=len(edges) == 1)


def _edges(samples: int, cuts: Sequence[int], *, apart: float) -> list[tuple[int, int]]:
    kept = [0]
    for cut in cuts:
        if cut - kept[-1] >= apart and samples - cut >= apart:
            kept.append(cut)
    return list(zip(kept, [*kept[1:], samples], strict=True))


def _best_beat(lengths: Sequence[int], wanted: float) -> float:
    """Return the beat near `wanted` that goes most nearly into all `lengths`."""

    def misfit(beat: float) -> float:
        return sum(abs(n / beat - round(n / beat)) for n in lengths)

    tried = [wanted * (1 + _STRAY * step / 16) for step in range(-16, 17)]
    # Of those that fit alike, the nearest to what was asked for.
    return min(tried, key=lambda beat: (round(misfit(beat), 3), abs(beat - wanted)))


def _bar_sizes(beats: int) -> Iterator[int]:
    bars = max(1, round(beats / _BEATS_A_BAR))
    for index in range(bars):
        yield beats * (index + 1) // bars - beats * index // bars


def _part(index: int, count: int) -> Part:
    if index == count - 1:
        return Part.ENDING
    return Part.INTRO if index == 0 else Part.FULL


def _with_build(bars: list[Bar], *, single: bool) -> tuple[Bar, ...]:
    """Let a film of one shot have its parts too, and what follows an intro gather first."""
    count = len(bars)
    if single and count > 2:
        parts = [Part.INTRO, *[Part.FULL] * (count - 2), Part.ENDING]
    else:
        parts = [bar.part for bar in bars]
    if Part.FULL in parts and parts.count(Part.FULL) > 1:
        parts[parts.index(Part.FULL)] = Part.BUILD
    return tuple(
        Bar(bar.at, bar.end, bar.beats, part, bar.opens)
        for bar, part in zip(bars, parts, strict=True)
    )
