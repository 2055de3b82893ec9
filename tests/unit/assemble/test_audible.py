"""Words are given the times at which they are heard."""

from __future__ import annotations

import numpy as np

from cinefab.assemble.audible import audible
from cinefab.core.sound import Word

HZ = 22_050


def sound(*parts: tuple[int, float]) -> np.ndarray:
    """Return stretches of noise, each so many milliseconds long and so loud."""
    chance = np.random.default_rng(1)
    pieces = [chance.uniform(-level, level, ms * HZ // 1000) for ms, level in parts]
    return (np.concatenate(pieces) * 32_767).astype(np.int16)


def test_a_word_begins_when_the_mouth_opens_and_ends_before_the_pause() -> None:
    samples = sound((60, 0.001), (200, 0.5), (300, 0.002), (40, 0.001), (200, 0.4), (30, 0))
    words = [Word("Take", 0, 560), Word("care.", 560, 830)]

    heard = audible(words, samples, HZ)

    assert [word.text for word in heard] == ["Take", "care."]
    assert np.abs(np.subtract([heard[0].start_ms, heard[0].end_ms], [60, 260])).max() <= 4
    assert np.abs(np.subtract([heard[1].start_ms, heard[1].end_ms], [600, 800])).max() <= 4


def test_words_that_run_into_each_other_keep_their_times() -> None:
    samples = sound((400, 0.5))
    words = (Word("one", 0, 180), Word("two", 180, 400))

    assert audible(words, samples, HZ) == words


def test_a_click_in_the_silence_is_no_beginning() -> None:
    samples = sound((40, 0.0), (2, 0.5), (60, 0.0), (200, 0.5))

    (word,) = audible([Word("Keep", 0, 302)], samples, HZ)

    assert abs(word.start_ms - 102) <= 4


def test_a_word_without_a_sound_or_a_line_without_any_is_left_as_it_was() -> None:
    samples = sound((200, 0.5), (300, 0.0))
    words = (Word("Hm", 0, 200), Word("-", 240, 500))

    assert audible(words, samples, HZ)[1] == words[1]
    assert audible(words, np.zeros(0, np.int16), HZ) == words
    assert audible((), samples, HZ) == ()
