"""Forced alignment: the words of a known script find their times in its recording.

PocketSphinx does it, from the extra `speech`, with its model of American English; it is for
recordings that have been decoded and normalised, never for a stranger's bytes.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cinefab.core.errors import ContractMismatch
from cinefab.core.sound import Word

ALIGNED_BY: Final = "pocketsphinx@5"
RATE_HZ: Final = 16_000

_LIBRARY: Final = "pocketsphinx"
_FRAME_MS: Final = 10
_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# A word that the dictionary lacks is spelled by sound, roughly: enough to find where it is said.
_PHONES: Final = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        [
            "AE",
            "B",
            "K",
            "D",
            "EH",
            "F",
            "G",
            "HH",
            "IH",
            "JH",
            "K",
            "L",
            "M",
            "N",
            "AA",
            "P",
            "K",
            "R",
            "S",
            "T",
            "AH",
            "V",
            "W",
            "K S",
            "IY",
            "Z",
        ],
        strict=True,
    )
)


def cannot_align(language: str | None) -> str | None:
    """Return why a script of that language cannot be aligned here, or None where it can."""
    if importlib.util.find_spec(_LIBRARY) is None:
        return "scripts are aligned by the extra 'speech': pip install 'cinefab[speech]'"
    if language is not None and not re.match(r"en(-|$)", language.lower()):
        return f"scripts are aligned in English only, this one is {language}"
    return None


def align(words: Sequence[str], audio: NDArray[np.int16]) -> tuple[Word, ...]:
    """Return `words` with the times at which they are heard in `audio` (16 kHz, one channel).

    Words are as they are written; one that has no sound (a dash) is heard with the one before it.
    Raises `ContractMismatch` where the recording does not say the script.
    """
    said = [list(_spoken(word)) for word in words]
    if not any(said) or len(audio) < RATE_HZ // 10:
        raise _no_match("there is nothing to be aligned")
    decoder = _decoder()
    for word in {each for spoken in said for each in spoken}:
        if decoder.lookup_word(word) is None:
            phones = " ".join(_PHONES[letter] for letter in word if letter in _PHONES)
            decoder.add_word(word, phones or "AH", update=True)
    times = list(_times(decoder, [each for spoken in said for each in spoken], audio))
    found: list[Word] = []
    place = 0
    for word, spoken in zip(words, said, strict=True):
        if spoken:
            start_ms = times[place][0]
            place += len(spoken)
            found.append(Word(word, start_ms, times[place - 1][1]))
        else:
            at_ms = found[-1].end_ms if found else 0
            found.append(Word(word, at_ms, at_ms))
    return tuple(found)


def _times(
    decoder: Any, script: Sequence[str], audio: NDArray[np.int16]
) -> Iterator[tuple[int, int]]:
    try:
        decoder.set_align_text(" ".join(script))
        decoder.start_utt()
        decoder.process_raw(audio.tobytes(), no_search=False, full_utt=True)
        decoder.end_utt()
        segments = [each for each in decoder.seg() or () if not each.word.startswith(("<", "["))]
    except RuntimeError as error:
        raise _no_match(str(error)) from error
    heard = [re.sub(r"\(\d+\)$", "", each.word) for each in segments]
    if heard != list(script):
        raise _no_match(f"{len(heard)} of its {len(script)} words were found in the recording")
    for each in segments:
        yield each.start_frame * _FRAME_MS, (each.end_frame + 1) * _FRAME_MS


def _spoken(word: str) -> Iterator[str]:
    """Return a written word as the dictionary spells it: small letters, digits one by one."""
    for part in re.findall(r"[a-z']*[a-z][a-z']*|[0-9]", word.lower().replace("’", "'")):  # noqa: RUF001
        yield _DIGITS[int(part)] if part.isdigit() else part.strip("'")


@functools.cache
def _decoder() -> Any:
    library: Any = importlib.import_module(_LIBRARY)
    return library.Decoder(samprate=RATE_HZ, lm=None, bestpath=False, loglevel="FATAL")


def _no_match(found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted="align a script with its recording",
        found=found,
        remedy="Check that the script is what is said, word for word",
    )
