"""Every voice that is installed keeps every promise of its contract, and a broken one is found."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.assemble.audible import audible
from cinefab.assemble.voice import Spoken
from cinefab.conformance.voices import PROMISES, Case
from cinefab.core.errors import BriefInvalid, ContractMismatch, Unavailable
from cinefab.core.sound import Word

CASES = {
    "espeak": [
        Case(voice="en-us"),
        Case(voice="de", text="Tisch für zwei. Komm herein - es ist warm. Bis um halb 10!"),
        Case(voice="ru", text="Доброе утро. Кофе уже готов."),
    ]
}


def every_case() -> list[Any]:
    found = []
    for name, point in sorted(find_plugins("voices").items()):
        assert name in CASES, f"give the voice {name} a case"
        found += [
            pytest.param(point, case, promise, id=f"{name}-{case.voice}-{promise}")
            for case in CASES[name]
            for promise in PROMISES
        ]
    return found


@pytest.mark.parametrize(("point", "case", "promise"), every_case())
def test_an_installed_voice_keeps_its_promise(point: Any, case: Case, promise: str) -> None:
    PROMISES[promise](load_plugin(point), case)


HZ = 16_000


class Careless:
    """A voice of plain tones that breaks one promise at a time."""

    name = "careless"
    version = "1"
    digital_source_type = "algorithmicMedia"
    fault = ""
    asked: ClassVar[list[int]] = []

    def missing(self) -> str | None:
        return "pip install something" if self.fault == "absent" else None

    def speak(self, text: str, *, voice: str, rate_wpm: int, pitch: int) -> Spoken:
        if voice != "tone" and self.fault != "anybody":
            raise BriefInvalid(
                attempted="speak",
                field="sound.voice" if self.fault == "vague" else "sound.voice.name",
                found=f"no voice {voice}",
                remedy="Write tone.",
            )
        each = HZ * 60 // rate_wpm if self.fault != "steady" else HZ // 3
        parts, words, at = [], [], 0
        for token in text.split():
            closed = HZ * 60 // 1000
            tone = np.sin(np.arange(each - closed) * (0.05 + pitch / 2000)) * 9_000
            parts += [np.zeros(closed), tone]
            words.append(Word(token, at * 1000 // HZ, (at + each) * 1000 // HZ))
            at += each
            if token[-1] in ".!?":
                parts.append(np.zeros(HZ * 3 // 10))
                at += HZ * 3 // 10
        samples = np.concatenate(parts).astype(np.int16)
        heard = tuple(words)
        if self.fault != "early":
            heard = audible(words, samples, HZ)
        match self.fault:
            case "moody":
                Careless.asked.append(1)
                samples = samples + np.int16(len(Careless.asked) % 50)
            case "floats":
                samples = samples / 32_768
            case "faint":
                samples = samples // 100
            case "spells":
                heard = tuple(replace(word, text=word.text.lower()) for word in heard)
            case "endless":
                heard = tuple(replace(word, end_ms=word.end_ms + 60_000) for word in heard)
        return Spoken(samples=samples, rate_hz=HZ, language="en", words=heard)


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("unknown", "says who it is"),
        ("absent", "says what is missing"),
        ("moody", "gives the same samples again"),
        ("floats", "gives samples of one channel"),
        ("faint", "gives samples of one channel"),
        ("spells", "has the text's own words"),
        ("endless", "has times within its sound"),
        ("early", "has words where they are heard"),
        ("steady", "is quicker when asked"),
        ("anybody", "refuses a voice that it does not have"),
        ("vague", "refuses a voice that it does not have"),
    ],
)
def test_a_broken_promise_is_found(fault: str, promise: str) -> None:
    case = Case(voice="tone")
    term = "somethingElse" if fault == "unknown" else "algorithmicMedia"
    stranger = type("Stranger", (Careless,), {"fault": fault, "digital_source_type": term})

    PROMISES[promise](Careless(), case)
    with pytest.raises(ContractMismatch, match="hold the voice careless to its contract"):
        PROMISES[promise](stranger(), case)


def test_a_voice_that_is_not_installed_and_says_so_keeps_its_promise() -> None:
    class Absent(Careless):
        def missing(self) -> str | None:
            return "pip install something"

        def speak(self, text: str, *, voice: str, rate_wpm: int, pitch: int) -> Spoken:
            raise Unavailable(attempted="speak", found="it is not installed", remedy="Install it.")

    PROMISES["says what is missing"](Absent(), Case(voice="tone"))
