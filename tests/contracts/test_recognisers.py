"""A recogniser that really listens keeps every promise of its contract; broken ones are found."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from cinefab.app.plugins import find_plugins
from cinefab.assemble.voices.espeak import Espeak
from cinefab.conformance.recognisers import PROMISES, Case
from cinefab.core.errors import ContractMismatch
from cinefab.core.sound import Word
from cinefab.media.audio import read_mono, resampled, write_flac

TEXT = "Some mornings deserve a slower start. Your table is ready. Open the door."
LEAD_MS = 500


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("recording")
    line = Espeak().speak(TEXT, voice="en-us", rate_wpm=140, pitch=50)
    silence = np.zeros((2, LEAD_MS * 48), np.float32)
    sound = folder / "sound" / "said.flac"
    sound.parent.mkdir()
    write_flac([silence, resampled(line.samples, line.rate_hz), silence], sound)
    said = [Word(w.text, LEAD_MS + w.start_ms, LEAD_MS + w.end_ms) for w in line.words]
    return Case(sound=sound, said=said, language="en-us", folder=folder)


class FewWords:
    """Hears a dozen words and no others, by PocketSphinx and a grammar; right most of the time."""

    name = "few-words"
    version = "1"
    fault = ""
    asked: ClassVar[list[int]] = []

    def missing(self) -> str | None:
        return "pip install ears" if self.fault == "absent" else None

    def recognise(self, sound: Path, *, language: str | None) -> tuple[Word, ...]:
        heard = self._heard(sound)
        match self.fault:
            case "deaf":
                return ()
            case "late":
                return tuple(Word(w.text, w.start_ms + 400, w.end_ms + 400) for w in heard)
            case "backwards":
                return tuple(reversed(heard))
            case "phrases":
                return (Word(" ".join(w.text for w in heard), 0, 100),)
            case "moody":
                FewWords.asked.append(1)
                return heard[: len(FewWords.asked)]
            case "imagines":
                return heard or (Word("hello", 0, 10),)
            case "choosy" if language is None:
                return None  # type: ignore[return-value]
            case "untidy":
                sound.with_suffix(".txt").write_text(" ".join(word.text for word in heard))
        return heard

    def _heard(self, sound: Path) -> tuple[Word, ...]:
        samples = read_mono(sound, 16_000)
        if np.abs(samples).max() < 300:
            return ()  # a grammar hears one of its words in anything, silence too
        library: Any = importlib.import_module("pocketsphinx")
        decoder = library.Decoder(samprate=16_000, lm=None, bestpath=False, loglevel="FATAL")
        words = sorted({word.strip(".").lower() for word in TEXT.split()})
        rule = f"#JSGF V1.0;\ngrammar few;\npublic <few> = ( {' | '.join(words)} )+ ;\n"
        decoder.add_jsgf_string("few", rule)
        decoder.activate_search("few")
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), no_search=False, full_utt=True)
        decoder.end_utt()
        return tuple(
            Word(each.word, max(0, each.start_frame * 10), (each.end_frame + 1) * 10)
            for each in decoder.seg() or ()
            if each.word in words
        )


def test_none_is_built_in() -> None:
    assert not find_plugins("recognisers"), "give it a case here, and hold it to the promises"


@pytest.mark.parametrize("promise", PROMISES)
def test_a_recogniser_that_listens_keeps_its_promise(promise: str, case: Case) -> None:
    PROMISES[promise](FewWords(), case)


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("absent", "says who it is"),
        ("deaf", "hears what is said"),
        ("late", "hears it when it is said"),
        ("backwards", "has words in order"),
        ("phrases", "has words in order"),
        ("moody", "hears the same again"),
        ("imagines", "hears nothing in silence"),
        ("choosy", "needs no language"),
        ("untidy", "leaves the sound as it was"),
    ],
)
def test_a_broken_promise_is_found(fault: str, promise: str, case: Case) -> None:
    stranger = type("Stranger", (FewWords,), {"fault": fault})

    with pytest.raises(ContractMismatch, match="hold the recogniser few-words to its contract"):
        PROMISES[promise](stranger(), case)
