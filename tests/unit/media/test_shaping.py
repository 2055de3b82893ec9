"""Characters to placed glyphs, against known facts of each script."""

# Letters of many scripts are what is tested here.
# ruff: noqa: RUF001

from __future__ import annotations

import numpy as np
import pytest

from cinefab.media.bidirectional import embedding_levels
from cinefab.media.shaping import Run, Spacing, Unset, shape_word
from cinefab.media.typeface import Family, bundled_faces

ZERO_WIDTH_JOINER = "\u200d"


def shaped(
    word: str, *, base: int = 0, family: Family = "sans", spacing: Spacing | None = None
) -> tuple[Run, ...]:
    levels = tuple(embedding_levels(word, base=base))
    return shape_word(word, levels, bundled_faces(family, "bold"), spacing or Spacing())


def advance(word: str, **options: Spacing) -> float:
    return sum(run.advance for run in shaped(word, **options))


def same_ink(a: tuple[Run, ...], b: tuple[Run, ...]) -> bool:
    ours, theirs = ([outline.points for run in runs for outline in run.outlines] for runs in (a, b))
    return all(map(np.array_equal, ours, theirs)) and len(ours) == len(theirs)


def test_lam_and_alef_become_the_one_glyph_of_their_ligature() -> None:
    assert same_ink(shaped("لا"), shaped("\ufefb"))


def test_arabic_letters_take_the_form_that_their_neighbours_ask_for() -> None:
    joined, isolated = advance("ههه"), 3 * advance("ه")
    forms = advance("ه" + ZERO_WIDTH_JOINER) + advance(ZERO_WIDTH_JOINER + "ه" + ZERO_WIDTH_JOINER)
    forms += advance(ZERO_WIDTH_JOINER + "ه")

    assert joined == pytest.approx(forms)
    assert joined != pytest.approx(isolated)


def test_a_vowel_mark_sits_on_its_letter_and_takes_no_room() -> None:
    bare, marked = shaped("ب")[0], shaped("بَ")[0]

    assert marked.advance == pytest.approx(bare.advance)
    assert marked.top > bare.top


def test_pairs_of_letters_are_kerned() -> None:
    assert advance("AV") < advance("A") + advance("V")
    assert advance("Το") < advance("Τ") + advance("ο")  # Greek
    assert advance("Го") < advance("Г") + advance("о")  # Cyrillic


def test_a_letter_is_the_same_however_its_accents_were_typed() -> None:
    assert same_ink(shaped("Ấ"), shaped("A\u0302\u0301"))


def test_tracking_spreads_letters_but_never_tears_arabic_apart() -> None:
    tracked = Spacing(tracking=0.1)

    assert advance("type", spacing=tracked) == pytest.approx(advance("type") + 0.4)
    assert advance("قهوة", spacing=tracked) == advance("قهوة")


def test_tracked_letters_are_not_tied_in_ligatures() -> None:
    tied, tracked = shaped("ffi", family="serif"), Spacing(tracking=0.1)
    apart = sum(run.advance for letter in "ffi" for run in shaped(letter, family="serif"))

    spread = shaped("ffi", family="serif", spacing=tracked)

    assert tied[0].advance < apart
    assert spread[0].advance == pytest.approx(apart + 0.3, abs=0.03)  # but for kerning


def test_what_is_not_shown_takes_no_room() -> None:
    tracked = Spacing(tracking=0.1)

    assert advance("ty\u00ad\u2060pe", spacing=tracked) == advance("type", spacing=tracked)


def test_marks_between_capitals_stand_at_their_height() -> None:
    low, high = shaped("-")[0], shaped("-", spacing=Spacing(capitals=True))[0]

    assert high.bottom > low.bottom


def test_brackets_are_mirrored_where_text_runs_to_the_left() -> None:
    assert same_ink(shaped("(", base=1), shaped(")", base=0))


def test_a_word_in_two_scripts_has_a_run_for_each_direction() -> None:
    runs = shaped("قهوةCinefab", base=1)

    assert [run.level for run in runs] == [1, 2]


def test_a_mark_is_taken_from_the_font_of_its_letter() -> None:
    runs = shaped("x\u0301بَ")

    assert len(runs) == 2


def test_a_mark_that_no_font_has_together_with_its_letter_is_named() -> None:
    with pytest.raises(Unset) as caught:
        shaped("ب\u0301")

    assert caught.value.character == "\u0301"


def test_a_character_that_no_font_has_is_named() -> None:
    with pytest.raises(Unset) as caught:
        shaped("a咖")

    assert caught.value.character == "咖"
