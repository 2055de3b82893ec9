"""What every speech recogniser must keep, as promises that can be tried one by one.

A package that brings a recogniser runs each of `PROMISES` on it, with a case for each language
that it knows: `for name, holds in PROMISES.items(): holds(recogniser, case)`. What is broken is
raised as `ContractMismatch`, saying which promise and how.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cinefab.core.errors import ContractMismatch
from cinefab.core.sound import SAMPLE_RATE, Word
from cinefab.ingest.recogniser import Recogniser
from cinefab.media.audio import read_sound, write_flac
from cinefab.store.file_digest import file_sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A recording of ours (FLAC), what is said in it and when, and how much may be missed.

    `wrong_percent_max` is of its words: those missed, misheard and made up; `off_ms_max` how far
    from a word's time that is heard right its time may be. What is tried besides lies in `folder`.
    """

    sound: Path
    said: Sequence[Word]
    language: str
    folder: Path
    wrong_percent_max: int = 50
    off_ms_max: int = 250


def _says_who_it_is(recogniser: Recogniser, _case: Case) -> None:
    if not (recogniser.name and recogniser.version):
        found = f"{recogniser.name!r}, {recogniser.version!r}"
        raise _broken(recogniser, "it has a name and a version", found)
    missing = recogniser.missing()
    if missing is not None:
        found = missing or "it does not say what"
        raise _broken(recogniser, "nothing is missing where it is tried", found)


def _hears_what_is_said(recogniser: Recogniser, case: Case) -> None:
    heard = recogniser.recognise(case.sound, language=case.language)
    wanted, got = _plain(case.said), _plain(heard)
    wrong = _distance(wanted, got)
    if wrong * 100 > case.wrong_percent_max * len(wanted):
        found = f"{wrong} wrong of {len(wanted)}: {' '.join(got)!r} for {' '.join(wanted)!r}"
        raise _broken(recogniser, "what is said is heard", found)


def _hears_it_when_it_is_said(recogniser: Recogniser, case: Case) -> None:
    heard = recogniser.recognise(case.sound, language=case.language)
    for word in case.said:
        same = [each for each in heard if _plain([each]) == _plain([word])]
        off_ms = min((abs(each.start_ms - word.start_ms) for each in same), default=0)
        if off_ms > case.off_ms_max:
            found = f"{word.text!r} is {off_ms} ms off"
            raise _broken(recogniser, "words have the times at which they are said", found)


def _has_words_in_order(recogniser: Recogniser, case: Case) -> None:
    heard = recogniser.recognise(case.sound, language=case.language)
    length_ms = sum(b.shape[1] for b in read_sound(case.sound)) * 1000 // SAMPLE_RATE + 1
    before_ms = 0
    for word in heard:
        if word.text.split() != [word.text]:
            raise _broken(recogniser, "what is heard are single words", repr(word))
        if not all(isinstance(each, int) for each in (word.start_ms, word.end_ms)):
            raise _broken(recogniser, "times are whole milliseconds", repr(word))
        if not before_ms <= word.start_ms <= word.end_ms <= length_ms:
            found = f"{word.text!r} lasts from {word.start_ms} to {word.end_ms} of {length_ms} ms"
            raise _broken(recogniser, "words are in order and within the sound", found)
        before_ms = word.start_ms


def _hears_the_same_again(recogniser: Recogniser, case: Case) -> None:
    once = recogniser.recognise(case.sound, language=case.language)
    for again in (recogniser, type(recogniser)()):
        heard = again.recognise(case.sound, language=case.language)
        if heard != once:
            found = f"{len(heard)} words after {len(once)}, or other times"
            raise _broken(recogniser, "the same sound gives the same words", found)


def _hears_nothing_in_silence(recogniser: Recogniser, case: Case) -> None:
    for seconds in (0.02, 2.0):
        path = case.folder / "silence.flac"
        write_flac([np.zeros((2, round(SAMPLE_RATE * seconds)), np.float32)], path)
        heard = recogniser.recognise(path, language=case.language)
        path.unlink()
        if heard:
            raise _broken(recogniser, "nothing is heard where nobody speaks", _words(heard))


def _needs_no_language(recogniser: Recogniser, case: Case) -> None:
    heard = recogniser.recognise(case.sound, language=None)
    if not isinstance(heard, tuple):
        raise _broken(recogniser, "without a language it answers all the same", repr(heard))


def _leaves_the_sound_as_it_was(recogniser: Recogniser, case: Case) -> None:
    before, beside = file_sha256(case.sound), sorted(case.sound.parent.iterdir())
    recogniser.recognise(case.sound, language=case.language)
    if file_sha256(case.sound) != before or sorted(case.sound.parent.iterdir()) != beside:
        found = "the file, or its folder, was changed"
        raise _broken(recogniser, "the sound is only read", found)


Promise = Callable[[Recogniser, Case], None]

PROMISES: Final[Mapping[str, Promise]] = {
    "says who it is": _says_who_it_is,
    "hears what is said": _hears_what_is_said,
    "hears it when it is said": _hears_it_when_it_is_said,
    "has words in order": _has_words_in_order,
    "hears the same again": _hears_the_same_again,
    "hears nothing in silence": _hears_nothing_in_silence,
    "needs no language": _needs_no_language,
    "leaves the sound as it was": _leaves_the_sound_as_it_was,
}
"""Every promise of the contract by its name; each takes a recogniser and a case."""


def _plain(words: Sequence[Word]) -> list[str]:
    """Return the words as they sound: small letters and digits alone."""
    spelled = (re.sub(r"[^\w]", "", word.text.lower()) for word in words)
    return [word for word in spelled if word]


def _distance(wanted: Sequence[str], got: Sequence[str]) -> int:
    """Return how many words were missed, misheard or made up."""
    row = list(range(len(got) + 1))
    for count, word in enumerate(wanted, start=1):
        above, row[0] = row[0], count
        for place, heard in enumerate(got, start=1):
            above, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, above + (word != heard)),
            )
    return row[-1]


def _words(words: Sequence[Word]) -> str:
    return repr(" ".join(word.text for word in words))


def _broken(recogniser: Recogniser, promise: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"hold the recogniser {recogniser.name} to its contract",
        found=f"{promise}: {found}",
        remedy="Mend the recogniser; see ingest/recogniser.py for what it promises.",
    )
