"""eSpeak NG keeps the contract of voices: equal samples, words in order, plain refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from heard import samples, utterances

from cinefab.assemble.speak_task import FASTER_MAX, speak
from cinefab.assemble.voices.espeak import Espeak
from cinefab.core.canonical import Json
from cinefab.core.errors import BriefInvalid
from cinefab.media.audio import resampled

ENTRY = "cinefab.assemble.voices.espeak:Espeak"
TEXT = "Some mornings deserve a slower start, and a cup of coffee. It costs 15 dollars - really!"


def spoken(
    tmp_path: Path, text: str = TEXT, *, room_ms: int = 20_000, voice: str = "en-us"
) -> Json:
    line = {
        "text": text,
        "voice": voice,
        "rate_wpm": 160,
        "pitch": 50,
        "room_ms": room_ms,
        "field": "shots[2].voice",
        "path": str(tmp_path / "line.flac"),
    }
    (made,) = speak({"entry": ENTRY, "lines": [line]}, lambda _news: None)  # type: ignore[union-attr, misc]
    return made


@pytest.mark.parametrize(
    ("text", "voice"),
    [(TEXT, "en-gb"), ("Доброе утро, сосед", "ru"), ("Schöne Grüße über alles", "de")],
)
def test_the_words_are_the_texts_own_in_order_and_within_the_sound(text: str, voice: str) -> None:
    line = Espeak().speak(text, voice=voice, rate_wpm=160, pitch=50)

    length_ms = len(line.samples) * 1000 / line.rate_hz
    starts = [word.start_ms for word in line.words]
    assert " ".join(word.text for word in line.words) == text
    assert starts == sorted(starts)
    assert all(word.start_ms <= word.end_ms <= length_ms for word in line.words)
    assert line.language == voice
    assert np.abs(line.samples).max() > 3_000


def test_the_same_line_has_the_same_samples_and_another_voice_others() -> None:
    say = Espeak().speak

    one = say("Hello there", voice="en-us", rate_wpm=160, pitch=50)
    again = say("Hello there", voice="en-us", rate_wpm=160, pitch=50)
    higher = say("Hello there", voice="en-us", rate_wpm=160, pitch=90)

    assert np.array_equal(one.samples, again.samples)
    assert one.words == again.words
    assert not np.array_equal(one.samples[:8_000], higher.samples[:8_000])


def test_a_line_is_spoken_into_a_file_at_48_khz(tmp_path: Path) -> None:
    line = spoken(tmp_path)

    assert isinstance(line, dict)
    heard = samples(line["path"])  # type: ignore[arg-type]
    assert line["rate_wpm"] == 160
    assert abs(heard.size / 2 / 48 - float(str(line["length_ms"]))) < 5


def test_a_line_that_is_a_little_long_is_spoken_faster_and_no_more_than_that(
    tmp_path: Path,
) -> None:
    plain = spoken(tmp_path)
    assert isinstance(plain, dict)
    whole_ms = int(str(plain["length_ms"]))

    quick = spoken(tmp_path, room_ms=int(whole_ms * 0.88))

    assert isinstance(quick, dict)
    assert int(str(quick["length_ms"])) <= whole_ms * 0.88
    assert 160 < int(str(quick["rate_wpm"])) <= 160 * FASTER_MAX


@pytest.mark.parametrize(
    ("text", "room_ms", "voice", "field", "says"),
    [
        (TEXT, 1_500, "en-us", "shots[2].voice", "has room for 1.5"),
        ("...", 5_000, "en-us", "shots[2].voice", "nothing in it can be spoken"),
        ("Hello", 5_000, "xx-none", "sound.voice.name", "no voice 'xx-none'"),
        ("Hello", 5_000, "../../etc/passwd", "sound.voice.name", "no voice"),
    ],
)
def test_what_cannot_be_spoken_is_told_by_its_field(
    tmp_path: Path, text: str, room_ms: int, voice: str, field: str, says: str
) -> None:
    with pytest.raises(BriefInvalid) as refusal:
        spoken(tmp_path, text, room_ms=room_ms, voice=voice)

    assert refusal.value.field == field
    assert says in str(refusal.value)
    assert not list(tmp_path.iterdir())


def test_a_line_that_cannot_be_spoken_takes_those_before_it_with_it(tmp_path: Path) -> None:
    line = {
        "voice": "en-us",
        "rate_wpm": 160,
        "pitch": 50,
        "room_ms": 5_000,
        "field": "shots[1].voice",
    }
    lines: list[Json] = [
        {**line, "text": text, "path": str(tmp_path / f"{text}.flac")} for text in ("Hello", "...")
    ]

    with pytest.raises(BriefInvalid):
        speak({"entry": ENTRY, "lines": lines}, lambda _news: None)

    assert not list(tmp_path.iterdir())


def test_where_it_is_not_installed_it_says_so_and_loads_nothing() -> None:
    code = (
        "import importlib.util, json, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *a: None if n == 'espeakng_loader' else find(n, *a)\n"
        "sys.modules['espeakng_loader'] = None\n"
        "from cinefab.assemble.voices.espeak import Espeak\n"
        "try:\n    Espeak().speak('x', voice='de', rate_wpm=160, pitch=50)\n"
        "except Exception as error:\n"
        "    print(json.dumps([type(error).__name__, str(error), Espeak().missing()]))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    kind, text, missing = json.loads(done.stdout)
    assert kind == "Unavailable"
    assert missing in text
    assert "cinefab[speech]" in missing


@pytest.mark.parametrize("rate_wpm", [120, 160, 200])
@pytest.mark.parametrize("voice", ["en-us", "en-gb", "de"])
def test_words_after_a_silence_begin_when_they_are_heard(voice: str, rate_wpm: int) -> None:
    text = "Table for two. Keep it warm. Poured today. Perhaps tomorrow."
    line = Espeak().speak(text, voice=voice, rate_wpm=rate_wpm, pitch=50)
    at_48_khz = resampled(line.samples, line.rate_hz)

    said = utterances(at_48_khz)
    first = [
        word.start_ms for word in line.words if word.text in ("Table", "Keep", "Poured", "Perhaps")
    ]

    assert len(said) == 4
    assert first == pytest.approx([1000 * begins for begins, _ in said], abs=15)
