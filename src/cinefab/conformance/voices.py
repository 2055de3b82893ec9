"""What every voice must keep, ours and a stranger's, as promises that can be tried one by one.

A package that brings a voice runs each of `PROMISES` on it, with a case for each language that it
speaks: `for name, holds in PROMISES.items(): holds(voice, case)`. What is broken is raised as
`ContractMismatch`, saying which promise and how. The voice has to be installed: where it says that
something is missing, only that is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.voice import Spoken, Voice
from cinefab.core.errors import BriefInvalid, ContractMismatch, Unavailable

HEARD_MS: Final = 40
"""How far from when a word is heard its time may be: captions are promised to be no further."""

_SOURCE_TYPES: Final = frozenset(
    {"algorithmicMedia", "trainedAlgorithmicMedia", "compositeSynthetic", "digitalCapture"}
)
_HZ: Final = range(8_000, 192_001)
_SILENT: Final = 10 ** (-35 / 20)  # of the loudest: what is below it is not heard
_LEVEL_MS: Final = 4
_PAUSE_MS: Final = 100
_AUDIBLE: Final = 1_000  # of 32,768: a line that is nowhere louder cannot be made loud enough
_AFTER_MS: Final = 1_000
_NOBODY: Final = "no-such-voice-anywhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A voice's name, as a brief would give it, and sentences in its language.

    There are pauses between sentences, so that what is heard after one tells where a word begins.
    """

    voice: str
    text: str = "Take a seat - it's free. Keep the change. Perhaps we'll see you at half past 10!"
    rate_wpm: int = 160
    pitch: int = 50


def _says_who_it_is(voice: Voice, _case: Case) -> None:
    if not (voice.name and voice.version):
        raise _broken(voice, "it has a name and a version", f"{voice.name!r}, {voice.version!r}")
    if voice.digital_source_type not in _SOURCE_TYPES:
        found = repr(voice.digital_source_type)
        raise _broken(voice, "its source type is a term of IPTC's", found)


def _says_what_is_missing(voice: Voice, case: Case) -> None:
    missing = voice.missing()
    if missing is None:
        return
    if not missing.strip():
        raise _broken(voice, "what is missing is said", repr(missing))
    try:
        _speak(voice, case)
    except Unavailable:
        return
    raise _broken(voice, "where something is missing nothing is spoken", "it spoke")


def _gives_the_same_samples_again(voice: Voice, case: Case) -> None:
    once = _speak(voice, case)
    # What was said before must not be heard in what is said next.
    voice.speak(case.text.upper(), voice=case.voice, rate_wpm=case.rate_wpm + 30, pitch=case.pitch)
    for again in (_speak(voice, case), _speak(type(voice)(), case)):
        if again.words != once.words or not np.array_equal(again.samples, once.samples):
            raise _broken(voice, "the same call gives the same samples", "they differed")


def _gives_samples_of_one_channel(voice: Voice, case: Case) -> None:
    spoken = _speak(voice, case)
    samples = spoken.samples
    if samples.dtype != np.int16 or samples.ndim != 1:
        found = f"{samples.dtype} in {samples.ndim} dimensions"
        raise _broken(voice, "samples are of 16 bits and one channel", found)
    if spoken.rate_hz not in _HZ:
        raise _broken(voice, "the rate is one of sound", f"{spoken.rate_hz} Hz")
    loudest = int(np.abs(samples.astype(np.int32)).max(initial=0))
    if loudest < _AUDIBLE:
        raise _broken(voice, "a line is heard", f"its loudest sample is {loudest} of 32768")
    if not spoken.language:
        raise _broken(voice, "it says which language it spoke", repr(spoken.language))


def _has_the_texts_own_words(voice: Voice, case: Case) -> None:
    said = " ".join(word.text for word in _speak(voice, case).words)
    wanted = " ".join(case.text.split())
    if said != wanted:
        raise _broken(voice, "its words are the text's own, in order", f"{said!r} for {wanted!r}")


def _has_times_within_its_sound(voice: Voice, case: Case) -> None:
    spoken = _speak(voice, case)
    length_ms = -(-len(spoken.samples) * 1000 // spoken.rate_hz)
    before_ms = 0
    for word in spoken.words:
        times = word.start_ms, word.end_ms
        if not all(isinstance(each, int) for each in times):
            raise _broken(voice, "times are whole milliseconds", f"{word.text!r} has {times}")
        if not before_ms <= word.start_ms <= word.end_ms <= length_ms:
            found = f"{word.text!r} lasts from {word.start_ms} to {word.end_ms} of {length_ms} ms"
            raise _broken(voice, "words are in order and within the sound", found)
        before_ms = word.start_ms
    if spoken.words and length_ms - spoken.words[-1].end_ms > _AFTER_MS:
        found = f"{length_ms - spoken.words[-1].end_ms} ms"
        raise _broken(voice, "little comes after its last word", found)


def _has_words_where_they_are_heard(voice: Voice, case: Case) -> None:
    spoken = _speak(voice, case)
    for heard_ms in _begins_ms(spoken.samples, spoken.rate_hz):
        near = min(spoken.words, key=lambda word: abs(word.start_ms - heard_ms))
        if abs(near.start_ms - heard_ms) > HEARD_MS:
            found = f"something is heard from {heard_ms} ms on, {near.text!r} from {near.start_ms}"
            raise _broken(voice, f"words begin within {HEARD_MS} ms of being heard", found)


def _is_quicker_when_asked(voice: Voice, case: Case) -> None:
    slow, quick = (
        voice.speak(case.text, voice=case.voice, rate_wpm=rate, pitch=case.pitch)
        for rate in (case.rate_wpm, case.rate_wpm * 5 // 4)
    )
    if len(quick.samples) / quick.rate_hz >= len(slow.samples) / slow.rate_hz:
        found = f"{len(quick.samples)} samples at a quarter more words a minute"
        raise _broken(voice, "more words a minute take less time", found)


def _refuses_a_voice_that_it_does_not_have(voice: Voice, case: Case) -> None:
    try:
        voice.speak(case.text, voice=_NOBODY, rate_wpm=case.rate_wpm, pitch=case.pitch)
    except BriefInvalid as error:
        if error.field == "sound.voice.name":
            return
        found = f"the refusal names {error.field}"
    else:
        found = f"{_NOBODY!r} spoke"
    raise _broken(voice, "a voice that it does not have is refused by its field", found)


Promise = Callable[[Voice, Case], None]

PROMISES: Final[Mapping[str, Promise]] = {
    "says who it is": _says_who_it_is,
    "says what is missing": _says_what_is_missing,
    "gives the same samples again": _gives_the_same_samples_again,
    "gives samples of one channel": _gives_samples_of_one_channel,
    "has the text's own words": _has_the_texts_own_words,
    "has times within its sound": _has_times_within_its_sound,
    "has words where they are heard": _has_words_where_they_are_heard,
    "is quicker when asked": _is_quicker_when_asked,
    "refuses a voice that it does not have": _refuses_a_voice_that_it_does_not_have,
}
"""Every promise of the contract by its name; each takes a voice and a case."""


def _speak(voice: Voice, case: Case) -> Spoken:
    return voice.speak(case.text, voice=case.voice, rate_wpm=case.rate_wpm, pitch=case.pitch)


def _begins_ms(samples: NDArray[np.int16], rate_hz: int) -> list[int]:
    """Return when something begins to be heard after a silence, by the level of 4 ms of it."""
    width = rate_hz * _LEVEL_MS // 1000
    power = np.convolve((samples / 32_768) ** 2, np.ones(width) / width, "same")
    heard = np.flatnonzero(power > power.max(initial=0) * _SILENT**2)
    pause = rate_hz * _PAUSE_MS // 1000
    begins = heard[np.diff(heard, prepend=-pause - 1) > pause]
    return [round(int(at) * 1000 / rate_hz) for at in begins]


def _broken(voice: Voice, promise: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"hold the voice {voice.name} to its contract",
        found=f"{promise}: {found}",
        remedy="Mend the voice; see assemble/voice.py for what it promises.",
    )
