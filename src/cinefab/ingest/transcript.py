"""Transcripts: a known script is aligned with its recording; other speech needs a recogniser.

Where there is neither, the asset says `transcript: unavailable` and why; nothing is guessed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.core.errors import CinefabError
from cinefab.core.sound import Word
from cinefab.ingest.alignment import ALIGNED_BY, align, cannot_align
from cinefab.ingest.recogniser import Recogniser
from cinefab.media.audio import read_mono

UNAVAILABLE: Final = "unavailable"
_ALIGNED: Final = "aligned"
_RECOGNISED: Final = "recognised"
_RATE_HZ: Final = 16_000


def transcribe(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Return the transcript of the sound file at `path`, which is one of ours.

    `argument`: `path`, `script` (null or the words that are said), `language` (null or a tag),
    `recognisers` (`package.module:Class`, in the order to be asked). Returns `transcript`
    (`aligned`, `recognised` or `unavailable`) with `words` ([text, start_ms, end_ms]) and `by`, or
    with `reason`.
    """
    script, language = argument["script"], argument["language"]
    path = Path(argument["path"])
    reason = "nobody said what is spoken, and no speech recogniser is installed"
    if script:
        obstacle = cannot_align(language)
        if obstacle is None:
            try:
                words = align(script.split(), read_mono(path, _RATE_HZ))
            except CinefabError as error:
                reason = error.found
            else:
                return _found(_ALIGNED, words, ALIGNED_BY)
        else:
            reason = obstacle
    for entry in argument["recognisers"]:
        recogniser = _load(entry)
        if recogniser.missing() is None:
            words = recogniser.recognise(path, language=language)
            return _found(_RECOGNISED, words, f"{recogniser.name}@{recogniser.version}")
    return {"transcript": UNAVAILABLE, "reason": reason}


def _found(state: str, words: tuple[Word, ...], by: str) -> Json:
    said: list[Json] = [[word.text, word.start_ms, word.end_ms] for word in words]
    return {"transcript": state, "words": said, "by": by}


def _load(entry: str) -> Recogniser:
    module, _, name = entry.partition(":")
    recogniser: Recogniser = getattr(importlib.import_module(module), name)()
    return recogniser
