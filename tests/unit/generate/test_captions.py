"""Captions: two short lines, there when their words are heard, gone before the next."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.brief import Brief, Shot
from cinefab.core.canonical import Sha256
from cinefab.core.sound import Captions, Cue, SpokenLine, Word
from cinefab.generate.captions import LINE_CHARS, plan_cues


def a_line(*words: str, each_ms: int = 300, shot: int = 0, start_ms: int = 150) -> SpokenLine:
    timed = tuple(Word(word, i * each_ms, (i + 1) * each_ms) for i, word in enumerate(words))
    return SpokenLine(
        shot=shot,
        text=" ".join(words),
        language="en-us",
        digest=Sha256("0" * 64),
        start_ms=start_ms,
        length_ms=len(words) * each_ms,
        words=timed,
    )


def cues(line: SpokenLine, *, film_ms: int = 60_000) -> tuple[Cue, ...]:
    brief = Brief(title="A cup", shots=(Shot(length_ms=film_ms, voice=line.text),))
    return plan_cues(brief, [line], starts_ms=(0, film_ms))


WORDS = st.lists(
    st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=60), min_size=1
)


@given(WORDS, st.integers(20, 2_000))
def test_no_line_is_long_none_overlaps_and_no_word_is_lost(words: list[str], each_ms: int) -> None:
    line = a_line(*words, each_ms=each_ms)
    film_ms = line.start_ms + line.length_ms + 500

    made = cues(line, film_ms=film_ms)

    assert "".join("".join(cue.lines) for cue in made).replace(" ", "") == "".join(words)
    assert all(1 <= len(cue.lines) <= 2 for cue in made)
    assert all(len(text) <= LINE_CHARS for cue in made for text in cue.lines)
    assert all(cue.start_ms < cue.end_ms <= film_ms for cue in made)
    assert all(one.end_ms <= other.start_ms for one, other in pairwise(made))


def test_a_caption_begins_with_its_first_word_and_a_sentence_begins_a_new_one() -> None:
    line = a_line("Some", "mornings", "are", "slow.", "Others", "are", "not.")

    first, second = cues(line)

    assert (first.start_ms, first.lines) == (150, ("Some mornings are slow.",))
    assert (second.start_ms, second.lines) == (150 + 4 * 300, ("Others are not.",))
    assert first.end_ms == second.start_ms
    assert second.end_ms >= 150 + 7 * 300


def test_a_quick_word_stays_long_enough_to_be_read() -> None:
    (cue,) = cues(a_line("Extraordinarily", each_ms=100))

    assert cue.end_ms - cue.start_ms >= 15 * 1000 // 17


def test_two_lines_are_nearly_alike() -> None:
    words = ["Roasted", "on", "Tuesday", "and", "poured", "today", "for", "nobody", "but", "you"]

    (cue,) = cues(a_line(*words))

    above, below = cue.lines
    assert abs(len(above) - len(below)) <= 8


def test_what_is_only_shown_has_captions_when_they_are_asked_for() -> None:
    shots = (Shot(length_ms=2000, caption="Picked by hand"), Shot(length_ms=2000))
    brief = Brief(title="A cup", shots=shots)
    wanted = Brief(title="A cup", shots=shots, captions=Captions(on_screen=True))

    assert plan_cues(brief, [], starts_ms=(0, 2000, 4000)) == ()
    (cue,) = plan_cues(wanted, [], starts_ms=(0, 2000, 4000))
    assert (cue.start_ms, cue.end_ms, cue.lines) == (0, 2000, ("Picked by hand",))
