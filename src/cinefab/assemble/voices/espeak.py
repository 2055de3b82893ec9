"""eSpeak NG through ctypes: formant synthesis in a hundred languages, small and quick.

It is under the GPL, so it comes with the extra `speech` and lives behind the contract of voices;
it speaks in a compute process, which it never leaves.
"""

from __future__ import annotations

import _ctypes
import ctypes
import difflib
import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from cinefab.assemble.audible import audible
from cinefab.assemble.voice import Spoken
from cinefab.core.errors import BriefInvalid, Unavailable
from cinefab.core.sound import Word

_LOADER: Final = "espeakng_loader"
_RETRIEVAL: Final = 1
_PHONEME_EVENTS: Final = 0x0001
_DONT_EXIT: Final = 0x8000
_RATE, _PITCH = 1, 3
_UTF8: Final = 1
_WORD, _END, _PHONEME = 1, 5, 7
_QUIET: Final = 60  # of 32,768: what is below it at the end is no speech
_TAIL_S: Final = 0.03


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


class _VoiceInfo(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(slots=True)
class _Heard:
    """What the library has given so far for one line."""

    samples: list[np.ndarray] = field(default_factory=list)
    words: list[tuple[int, int]] = field(default_factory=list)  # place in the text, ms
    ends: list[int] = field(default_factory=list)


class Espeak:
    """Speaks with eSpeak NG; a voice's name is a language's tag, such as `en-gb` or `de`."""

    name = "espeak"
    version = "2"
    digital_source_type = "algorithmicMedia"

    def missing(self) -> str | None:
        """Return how to install it, or None where it is installed."""
        if importlib.util.find_spec(_LOADER) is None:
            return "pip install 'cinefab[speech]'"
        return None

    def speak(self, text: str, *, voice: str, rate_wpm: int, pitch: int) -> Spoken:
        """Speak as `assemble.voice.Voice` promises; a few milliseconds for a second of speech."""
        if (remedy := self.missing()) is not None:
            raise Unavailable(
                attempted=f"speak with {voice}", found="eSpeak NG is not installed", remedy=remedy
            )
        # The library keeps a state from line to line that would be heard in the next one; so each
        # line has a library of its own.
        engine = _Engine()
        try:
            language = engine.choose(voice)
            heard = engine.run(text, rate_wpm=rate_wpm, pitch=pitch)
        finally:
            engine.close()
        samples = _without_tail(np.concatenate([*heard.samples, np.zeros(0, np.int16)]), engine.hz)
        length_ms = len(samples) * 1000 // engine.hz
        # Its times are when it begins to work on a word, which is not yet when the word is heard.
        words = audible(tuple(_words(text, heard, length_ms=length_ms)), samples, engine.hz)
        return Spoken(samples=samples, rate_hz=engine.hz, language=language, words=words)


class _Engine:
    """The library, as it is when it has just been loaded."""

    def __init__(self) -> None:
        loader: Any = importlib.import_module(_LOADER)
        self._library = ctypes.CDLL(loader.get_library_path())
        folder = loader.get_data_path().encode()
        self.hz = int(
            self._library.espeak_Initialize(_RETRIEVAL, 0, folder, _PHONEME_EVENTS | _DONT_EXIT)
        )
        if self.hz <= 0:
            raise Unavailable(
                attempted="start eSpeak NG",
                found=f"it cannot read its data in {folder.decode()}",
                remedy="Reinstall espeakng-loader.",
            )
        self._library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceInfo))
        self._heard = _Heard()
        self._callback = _Callback(self._take)  # kept here, or it would be gone when it is called
        self._library.espeak_SetSynthCallback(self._callback)
        self._languages = tuple(self._list())

    def close(self) -> None:
        """Unload the library, and with it all that it remembers."""
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)  # noqa: SLF001 - ctypes has no other way

    def choose(self, voice: str) -> str:
        """Let the next line be spoken by `voice`; return its language."""
        tag = voice.lower()
        wanted = _VoiceInfo(languages=tag.encode())
        known = tag in self._languages
        if not known or self._library.espeak_SetVoiceByProperties(ctypes.byref(wanted)):
            near = difflib.get_close_matches(tag, self._languages, n=4, cutoff=0.3)
            raise BriefInvalid(
                field="sound.voice.name",
                found=f"eSpeak NG has no voice {voice!r}",
                remedy=f"Write one of its {len(self._languages)} languages, such as "
                f"{', '.join(near or ('en-us', 'en-gb', 'de', 'fr-fr'))}.",
                attempted="speak the film's lines",
            )
        return tag

    def run(self, text: str, *, rate_wpm: int, pitch: int) -> _Heard:
        """Speak a line to its end."""
        self._heard = _Heard()
        self._library.espeak_SetParameter(_RATE, rate_wpm, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        content = text.encode() + b"\0"
        self._library.espeak_Synth(content, len(content), 0, 0, 0, _UTF8, None, None)
        self._library.espeak_Synchronize()
        return self._heard

    def _take(self, samples: Any, count: int, events: Any) -> int:
        heard = self._heard
        if samples and count > 0:
            heard.samples.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type:
            event = events[index]
            if event.type == _WORD:
                heard.words.append((event.text_position - 1, event.audio_position))
            elif event.type == _END:
                heard.ends.append(event.audio_position)
            index += 1
        return 0

    def _list(self) -> Iterator[str]:
        voices = self._library.espeak_ListVoices(None)
        index = 0
        while voices[index]:
            # A byte of priority, then the tag.
            yield voices[index].contents.languages[1:].decode().lower()
            index += 1


def _words(text: str, heard: _Heard, *, length_ms: int) -> Iterator[Word]:
    """Return the text's words with their times; one without a time of its own joins the one before."""
    events = sorted(heard.words)
    found: list[tuple[str, int]] = []
    for begin, token in _tokens(text):
        end = begin + len(token)
        times = [ms for place, ms in events if begin <= place < end]
        if times:
            found.append((token, min(times)))
        elif found:
            before, ms = found[-1]
            found[-1] = f"{before} {token}", ms
        else:
            found.append((token, 0))
    starts = [ms for _, ms in found]
    for index, (token, start) in enumerate(found):
        following = starts[index + 1] if index + 1 < len(found) else length_ms
        ends = [ms for ms in heard.ends if start < ms <= following]
        yield Word(token, start, max(start, min([*ends, following, length_ms])))


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    place = 0
    for token in text.split():
        place = text.index(token, place)
        yield place, token
        place += len(token)


def _without_tail(samples: np.ndarray, hz: int) -> np.ndarray:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _QUIET)
    if not len(loud):
        return samples[:0]
    return samples[: int(loud[-1]) + 1 + round(_TAIL_S * hz)]
