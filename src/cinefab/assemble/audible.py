"""When words are really heard: their times in a synthesis, held against the sound itself.

A synthesiser says when it begins to work on a word. Before "Table" or "Keep" that is up to 65 ms
of silence, while the mouth is closed; after the last word of a sentence it is the pause. Captions
go by what is heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cinefab.core.sound import Word

_STEP_MS: Final = 2
_LOUD: Final = 0.018  # of the line's loudest step: 35 dB below it begins what is heard
_STEADY: Final = 4  # steps in a row; what is shorter is a click
_CLOSED_MS_MAX: Final = 200
"""No mouth stays closed for longer; what is silent beyond it has another reason, and is left."""


def audible(words: Sequence[Word], samples: NDArray[np.int16], rate_hz: int) -> tuple[Word, ...]:
    """Return `words`, each from when it is first heard to when it is last heard.

    `samples` are the line's, of one channel; a word keeps its own time where nothing in it is loud.
    Starts and ends never go beyond the times that the word and the one after it came with.
    """
    return tuple(_audible(words, _loud_steps(samples, rate_hz)))


def _audible(words: Sequence[Word], loud: NDArray[np.bool_]) -> Iterator[Word]:
    for index, word in enumerate(words):
        following_ms = words[index + 1].start_ms if index + 1 < len(words) else word.end_ms
        first = word.start_ms // _STEP_MS
        heard = np.flatnonzero(_steady(loud[first : max(first, -(-following_ms // _STEP_MS))]))
        if not len(heard):
            yield word
            continue
        begins_ms = max(word.start_ms, (first + int(heard[0])) * _STEP_MS)
        ends_ms = min(word.end_ms, (first + int(heard[-1]) + 1) * _STEP_MS)
        if begins_ms - word.start_ms > _CLOSED_MS_MAX:
            begins_ms = word.start_ms
        yield Word(word.text, begins_ms, max(begins_ms, ends_ms))


def _loud_steps(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.bool_]:
    """Return for each step of the sound whether it is heard at all."""
    edges = np.arange(0, len(samples), rate_hz * _STEP_MS / 1000).astype(np.int64)
    if not len(edges):
        return np.zeros(0, np.bool_)
    loudness = np.maximum.reduceat(np.abs(samples.astype(np.int32)), edges)
    steps: NDArray[np.bool_] = loudness > _LOUD * int(loudness.max())
    return steps


def _steady(loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the steps that belong to a run of `_STEADY` or more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(np.int8), [0]])))
    steady = np.zeros(len(loud), np.bool_)
    for begins, ends in zip(edges[::2], edges[1::2], strict=True):
        if ends - begins >= _STEADY or ends == len(loud):
            steady[begins:ends] = True
    return steady
