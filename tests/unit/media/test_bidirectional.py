"""Which way each character runs, against a second implementation."""

from __future__ import annotations

import pytest
from bidi import get_display
from hypothesis import given
from hypothesis import strategies as st

from cinefab.media.bidirectional import base_level, embedding_levels, visual_order

LETTERS = "abAB אבג ابتق"
NUMBERS = "123 ٤٥٦ 50%"
MARKS = "()[]{}.,:;!?+-/%€#\"' \u064e\u0301\u05b0"
CONTROLS = "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# An explicit embedding is not shown, and where it is put in the order is nobody's business.
UNSHOWN = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u202d\u202e"))


def reordered(text: str, *, base: int) -> str:
    levels = embedding_levels(text, base=base)
    return "".join(text[index] for index in visual_order(levels))


# The last character is none that rule L1 would move: white space at a line's end is dropped
# before a line is ordered.
@given(
    st.text(LETTERS + NUMBERS + MARKS + CONTROLS, max_size=24).map(lambda text: text + "."),
    st.sampled_from([0, 1]),
)
def test_text_is_ordered_as_a_second_implementation_orders_it(text: str, base: int) -> None:
    expected = get_display(text, base_dir="LR"[base])

    ours = reordered(text, base=base)

    assert ours.translate(UNSHOWN) == expected.translate(UNSHOWN)


def test_very_deep_nesting_is_ordered_as_a_second_implementation_orders_it() -> None:
    text = "a" + "\u2067\u2066" * 100 + "ب1a" + "\u2069" * 200 + "."

    ours = reordered(text, base=0)

    assert ours == get_display(text, base_dir="L")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("قهوة Cinefab 2026", "Cinefab 2026 ةوهق"),
        ("قهوة (Cinefab) 2026", "2026 )Cinefab( ةوهق"),
        ("السعر ٢٤ فقط", "طقف ٢٤ رعسلا"),
    ],
)
def test_a_foreign_name_and_digits_keep_their_own_direction_in_arabic(
    text: str, shown: str
) -> None:
    assert reordered(text, base=1) == shown


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("", 0),
        ("2026", 0),
        ("Fresh coffee", 0),
        ("قهوة Cinefab", 1),
        ("2026 قهوة", 1),
        ("Cinefab قهوة", 0),
        ("Cinefab قهوة طازجة", 1),
        ("قهوة Cinefab Premium Gold", 1),
        ("\u2068Cinefab\u2069 קפה", 1),
    ],
)
def test_text_reads_from_the_right_if_it_begins_so_or_mostly_does(text: str, level: int) -> None:
    assert base_level(text) == level
