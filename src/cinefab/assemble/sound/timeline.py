"""The film's timeline as sound sees it: its length and its cuts, in samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

from cinefab.core.brief import TransitionKind
from cinefab.core.sound import SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class CutPoint:
    """Where a shot takes over from the one before it; `samples` is the transition's length."""

    at: int
    kind: TransitionKind
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """A film's length in samples, never longer than its picture, and its inner cuts in order."""

    samples: int
    cuts: tuple[CutPoint, ...]


def timeline_of(
    shots: Sequence[int], transitions: Sequence[tuple[int, TransitionKind, int]], *, fps: Fraction
) -> Timeline:
    """Return the timeline of shots that are so many frames long.

    `transitions` are the shot that each leads into, its kind, and its length in frames.
    """
    into = {shot: (kind, frames) for shot, kind, frames in transitions}
    starts = [samples_at(frames, fps) for frames in (0, *accumulate(shots))]
    cuts = []
    for shot in range(1, len(shots)):
        kind, frames = into.get(shot, (TransitionKind.CUT, 0))
        cuts.append(CutPoint(starts[shot], kind, samples_at(frames, fps)))
    return Timeline(samples=starts[-1], cuts=tuple(cuts))


def samples_at(frames: int, fps: Fraction) -> int:
    """Return how many whole samples are over when so many frames are."""
    return int(frames * SAMPLE_RATE / fps)
