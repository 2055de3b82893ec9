"""Known scripts are aligned to what is heard; other speech says why it has no transcript."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cinefab.assemble.voices.espeak import Espeak
from cinefab.core.sound import Word
from cinefab.ingest.transcript import transcribe
from cinefab.media.audio import resampled, write_flac

SCRIPT = "Every morning starts quietly, with coffee and the slow light of 7 windows - always."


class Parrot:
    """A recogniser of a stranger's: it always hears the same."""

    name, version = "parrot", "1"

    def missing(self) -> str | None:
        return None

    def recognise(self, sound: Path, *, language: str | None) -> tuple[Word, ...]:
        return (Word("hello", 0, 500),)


@pytest.fixture
def recording(tmp_path: Path) -> tuple[Path, tuple[Word, ...]]:
    line = Espeak().speak(SCRIPT, voice="en-us", rate_wpm=150, pitch=50)
    silence = np.zeros((2, 24_000), np.float32)
    path = tmp_path / "recording.flac"
    write_flac([silence, resampled(line.samples, line.rate_hz), silence], path)
    return path, line.words


def transcript(path: Path, **changes: Any) -> dict[str, Any]:
    argument = {"path": str(path), "script": None, "language": None, "recognisers": []}
    found = transcribe(argument | changes, lambda _news: None)
    assert isinstance(found, dict)
    return dict(found)


def test_a_script_is_aligned_with_its_recording(
    recording: tuple[Path, tuple[Word, ...]],
) -> None:
    path, spoken = recording

    found = transcript(path, script=SCRIPT, language="en-us")

    assert found["transcript"] == "aligned"
    assert " ".join(word for word, _, _ in found["words"]) == SCRIPT
    starts = {text: start for text, start, _ in found["words"]}
    off = [abs(starts[w.text] - 500 - w.start_ms) for w in spoken if w.text in starts]
    assert np.median(off) <= 20, off
    # The hiss between "starts" and "quietly" is given to the second: 128 ms before its mouth opens.
    assert max(off) <= 140, off


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, "no speech recogniser is installed"),
        ({"script": "Доброе утро", "language": "ru"}, "English only"),
        ({"script": " - ", "language": "en"}, "nothing to be aligned"),
    ],
)
def test_speech_that_nobody_can_read_says_why(
    recording: tuple[Path, tuple[Word, ...]], changes: dict[str, Any], says: str
) -> None:
    found = transcript(recording[0], **changes)

    assert found["transcript"] == "unavailable"
    assert says in found["reason"]


def test_a_recogniser_is_asked_where_there_is_no_script(
    recording: tuple[Path, tuple[Word, ...]],
) -> None:
    import sys  # noqa: PLC0415 - the recogniser is found as a stranger's is, by its module

    sys.modules["a_strangers_recogniser"] = type(sys)("a_strangers_recogniser")
    sys.modules["a_strangers_recogniser"].Parrot = Parrot  # type: ignore[attr-defined]

    found = transcript(recording[0], recognisers=["a_strangers_recogniser:Parrot"])

    assert found == {"transcript": "recognised", "words": [["hello", 0, 500]], "by": "parrot@1"}
