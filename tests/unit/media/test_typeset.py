"""Text set in type."""

# Letters of many scripts are what is tested here.
# ruff: noqa: RUF001

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cinefab.media.typeface
from cinefab.core.errors import BriefInvalid
from cinefab.media.typeset import (
    MissingGlyph,
    TextTooLong,
    TypeBlock,
    TypeStyle,
    contrast_ratio,
    set_type,
)

FONTS = Path(cinefab.media.typeface.__file__).parent / "fonts"
Align = Literal["start", "centre", "end"]

ALPHABETS = {
    "Latin": "AaBgjQÄéßŁąŻĞİıñŘőẤệỮđ",
    "Greek": "ΑαβγΔδΈήΐΰΏώςΩ",
    "Cyrillic": "АаЖжЙйЩщЁёЇїҐґЎўҚқӘә",
    "Arabic": "ابتثجحدرسصطعغفقكلمنهويءآأإةىلاپچژگکی",
    "Hebrew": "אבגדהוזחטילםןץש",
    "numbers and signs": "0189٠٤٩۴.,:;!?()[]«»“”-–—%€£™©®…•°×→✓'\"/&+#",
}
SPACES = " \n\u00a0\u200b\u200f"
TEXTS = st.lists(
    st.one_of(
        *(st.text(letters, min_size=1, max_size=9) for letters in ALPHABETS.values()),
        st.text(SPACES, min_size=1, max_size=2),
    ),
    max_size=12,
).map("".join)
STYLES = st.builds(
    TypeStyle,
    family=st.sampled_from(["sans", "display", "serif"]),
    weight=st.sampled_from(["regular", "bold", "black"]),
    tracking_em=st.sampled_from([-0.03, 0.0, 0.15]),
    leading=st.sampled_from([0.8, 1.15, 1.6]),
    uppercase=st.booleans(),
)


def a_style(
    family: Literal["sans", "display", "serif"] = "sans",
    weight: Literal["regular", "bold", "black"] = "bold",
    *,
    tracking_em: float = 0.0,
    uppercase: bool = False,
) -> TypeStyle:
    return TypeStyle(family=family, weight=weight, tracking_em=tracking_em, uppercase=uppercase)


def a_block(
    text: str,
    *,
    style: TypeStyle | None = None,
    box: tuple[int, int] = (800, 300),
    size_max: float = 90.0,
    size_min: float = 8.0,
    align: Align = "start",
    font_file: Path | None = None,
) -> TypeBlock:
    return set_type(
        text,
        style=style or a_style(),
        box_width_px=box[0],
        box_height_px=box[1],
        size_max_px=size_max,
        size_min_px=size_min,
        align=align,
        font_file=font_file,
    )


def picture(block: TypeBlock) -> NDArray[np.uint8]:
    """Put a block's words where they say they lie."""
    seen = np.zeros((block.height_px, block.width_px), np.uint8)
    for word in block.words:
        height, width = word.coverage.shape
        x, y = int(word.x_px), int(word.y_px)
        place = seen[y : y + height, x : x + width]
        np.maximum(place, word.coverage, out=place)
    return seen


def digest(block: TypeBlock) -> str:
    found = hashlib.sha256(repr((block.size_px, block.width_px, block.height_px)).encode())
    for word in block.words:
        found.update(repr((word.x_px, word.y_px, word.line)).encode() + word.coverage.tobytes())
    return found.hexdigest()


@settings(deadline=None)
@given(
    TEXTS,
    STYLES,
    st.tuples(st.integers(40, 1200), st.integers(20, 500)),
    st.sampled_from(["start", "centre", "end"]),
)
def test_any_covered_text_lies_inside_its_box_and_nothing_of_it_is_clipped(
    text: str, style: TypeStyle, box: tuple[int, int], align: Align
) -> None:
    try:
        block = a_block(text, style=style, box=box, size_min=4.0, align=align)
    except TextTooLong:
        assume(len(text) > 3)
        return

    assert block.width_px <= box[0]
    assert block.height_px <= box[1]
    for word in block.words:
        height, width = word.coverage.shape
        assert word.coverage.any()
        assert 0 <= word.x_px <= word.x_px + width <= block.width_px
        assert 0 <= word.y_px <= word.y_px + height <= block.height_px
        edges = (word.coverage[0], word.coverage[-1], word.coverage[:, 0], word.coverage[:, -1])
        assert not any(edge.any() for edge in edges)


@pytest.mark.parametrize("text", ["Fresh coffee every morning", "قهوة طازجة كل صباح", "Đặt ngay"])
def test_text_is_as_large_as_its_box_allows(text: str) -> None:
    block = a_block(text, box=(400, 120), size_max=300.0)

    larger = block.size_px + 0.5
    assert block.size_px < 300.0
    with pytest.raises(TextTooLong):
        a_block(text, box=(400, 120), size_max=larger, size_min=larger)


def test_text_is_never_larger_than_asked_for() -> None:
    assert a_block("Hi", box=(2000, 2000), size_max=33.5).size_px == 33.5


def test_size_is_not_rounded_to_whole_pixels() -> None:
    at_33, at_33_and_a_half = (a_block("Hi", size_max=size) for size in (33.0, 33.5))

    assert digest(at_33) != digest(at_33_and_a_half)
    assert picture(at_33_and_a_half).sum() == pytest.approx(
        picture(at_33).sum() * (33.5 / 33.0) ** 2, rel=0.005
    )


def test_words_come_in_reading_order_whatever_their_direction() -> None:
    block = a_block("قهوة Cinefab 2026")

    coffee, name, year = block.words
    assert block.right_to_left
    assert name.x_px < year.x_px < coffee.x_px


def test_an_arabic_sentence_that_begins_with_a_brands_name_reads_from_the_right() -> None:
    block = a_block("Cinefab قهوة طازجة", box=(1200, 100))

    assert block.right_to_left
    assert [word.x_px for word in block.words] == sorted(
        (word.x_px for word in block.words), reverse=True
    )


def test_a_trade_mark_stays_at_the_end_of_a_foreign_name() -> None:
    alone = a_block("Cinefab™", size_max=40.0).words[0]

    among_arabic = a_block("قهوة Cinefab™", size_max=40.0).words[1]

    difference = np.abs(alone.coverage.astype(int) - among_arabic.coverage).mean()
    assert alone.coverage.shape == among_arabic.coverage.shape
    assert difference < 12  # only the sub-pixel place differs


def test_start_is_left_in_latin_and_right_in_arabic() -> None:
    latin, arabic = a_block("Coffee\nHi"), a_block("القهوة\nنعم")

    assert latin.words[1].x_px == latin.words[0].x_px
    right_edges = [word.x_px + word.coverage.shape[1] for word in arabic.words]
    assert right_edges[0] == right_edges[1] == arabic.width_px


def test_end_is_the_other_side_and_centre_lies_between() -> None:
    text = "Coffee beans\nHi"

    start, centre, end = (a_block(text, align=a).words[-1].x_px for a in ("start", "centre", "end"))

    assert start < centre < end
    assert centre == pytest.approx((start + end) / 2, abs=1)


def test_newlines_are_kept_and_an_empty_line_leaves_its_room() -> None:
    together, apart = a_block("one\r\ntwo"), a_block("one\n\ntwo")

    assert [word.line for word in together.words] == [0, 1]
    assert [word.line for word in apart.words] == [0, 2]
    assert apart.height_px > together.height_px


def test_lines_stand_apart_however_tight_the_leading() -> None:
    style = TypeStyle(family="sans", weight="bold", leading=0.5)

    upper, lower = a_block("gyp\nẤỆ", style=style).words

    assert upper.y_px + upper.coverage.shape[0] - 1 <= lower.y_px + 1


def test_a_sign_set_apart_by_a_space_does_not_begin_a_line() -> None:
    text = "« Goûtez ! » — le café : 20 €"

    for width in range(150, 900, 30):
        lines: dict[int, list[str]] = {}
        for word, written in zip(a_block(text, box=(width, 400)).words, text.split(), strict=True):
            lines.setdefault(word.line, []).append(written)

        assert not {line[0] for line in lines.values()} & set("!»—:€")
        assert lines[max(lines)] != ["«"]


def test_a_no_break_space_holds_words_together() -> None:
    assert len(a_block("2\u00a0026 €").words) == 2


@pytest.mark.parametrize(
    ("written", "capitals"),
    [("Straße", "STRASSE"), ("Μάιος", "ΜΑΪΟΣ"), ("çığ", "ÇIĞ"), ("ёлка", "ЁЛКА"), ("قهوة", "قهوة")],
)
def test_capitals_follow_unicode_and_leave_arabic_alone(written: str, capitals: str) -> None:
    assert digest(a_block(written, style=a_style(uppercase=True))) == digest(
        a_block(capitals, style=a_style(uppercase=True))
    )
    assert digest(a_block("قهوة", style=a_style(uppercase=True))) == digest(a_block("قهوة"))


def test_text_is_set_the_same_however_its_accents_were_typed() -> None:
    assert digest(a_block("caf\u00e9 Vi\u1ec7t")) == digest(a_block("cafe\u0301 Vie\u0323\u0302t"))


@pytest.mark.parametrize("text", ["", "  ", "\n \n", "\u200f"])
def test_text_with_nothing_to_see_gives_an_empty_block(text: str) -> None:
    block = a_block(text)

    assert block.words == ()
    assert (block.width_px, block.height_px) == (0, 0)


@pytest.mark.parametrize(
    ("text", "character", "name"),
    [
        ("Coffee 咖啡", "咖", "U+5496, CJK UNIFIED IDEOGRAPH-5496"),
        ("Yes \U0001f600", "\U0001f600", "U+1F600, GRINNING FACE"),
        ("logo \ue123", "\ue123", "U+E123"),
    ],
)
def test_a_character_without_a_glyph_is_named_and_never_boxed(
    text: str, character: str, name: str
) -> None:
    with pytest.raises(MissingGlyph) as caught:
        a_block(text)

    error = caught.value
    assert error.character == character
    assert error.field == "caption"
    assert "Inter-Bold" in error.fonts
    assert name in error.found
    assert "Inter-Bold" in error.found


def test_text_that_does_not_fit_is_refused_with_its_length_and_box() -> None:
    with pytest.raises(TextTooLong) as caught:
        a_block("Fresh coffee " * 40, box=(300, 60), size_min=14.0)

    assert caught.value.field == "caption"
    assert "520 characters" in caught.value.found
    assert "300 x 60" in caught.value.found


def test_a_boundless_text_is_refused_before_it_is_shaped() -> None:
    with pytest.raises(TextTooLong):
        a_block("a " * 100_000, box=(4000, 4000), size_min=0.5)


def test_the_errors_survive_the_way_to_another_process() -> None:
    errors = []
    for text in ("咖", "W" * 3000):
        with pytest.raises(BriefInvalid) as caught:
            a_block(text)
        errors.append(caught.value)

    for error in errors:
        copy = pickle.loads(pickle.dumps(error))

        assert type(copy) is type(error)
        assert str(copy) == str(error)
        assert vars(copy) == vars(error)


@pytest.mark.parametrize("character", ["\t", "\x00", "\x1b", "\x85", "\ud800"])
def test_control_characters_are_refused_by_code_and_place(character: str) -> None:
    with pytest.raises(BriefInvalid, match=f"U\\+{ord(character):04X} at position 3") as caught:
        a_block(f"ab{character}c")

    assert caught.value.field == "caption"


def test_a_brands_font_changes_the_letters_that_it_has_and_no_others() -> None:
    spartan = FONTS / "LeagueSpartan-Bold.otf"

    latin = a_block("Coffee", font_file=spartan)
    display = a_block("Coffee", style=a_style("display"))

    assert digest(latin) == digest(display) != digest(a_block("Coffee"))
    assert a_block("Кофе قهوة", font_file=spartan).words


def test_joined_letters_show_no_seam() -> None:
    word = a_block("ـــــ", size_max=60.0).words[0]  # the stroke that joins letters, five times

    inked = word.coverage.max(axis=0)
    assert (inked[3:-3] == 255).all()


def test_the_same_text_is_the_same_bytes_in_another_process_and_locale() -> None:
    program = (
        "import hashlib, locale\n"
        "from cinefab.media.typeset import TypeStyle, set_type\n"
        "style = TypeStyle(family='display', weight='bold', uppercase=True)\n"
        "block = set_type('Żółć istanbul قهوة 2026', style=style, box_width_px=640,\n"
        "    box_height_px=200, size_max_px=90, size_min_px=8, align='centre')\n"
        "print(hashlib.sha256(b''.join(w.coverage.tobytes() for w in block.words)).hexdigest())\n"
    )
    block = a_block(
        "Żółć istanbul قهوة 2026",
        style=a_style("display", uppercase=True),
        box=(640, 200),
        align="centre",
    )
    ours = hashlib.sha256(b"".join(word.coverage.tobytes() for word in block.words)).hexdigest()

    environment = os.environ | {"LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "7"}
    theirs = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=True, text=True
    )

    assert theirs.stdout.strip() == ours


def test_threads_may_set_type_at_once() -> None:
    texts = [f"Coffee {number} قهوة Ζεστό" for number in range(24)]
    expected = [digest(a_block(text)) for text in texts]

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda text: digest(a_block(text)), texts))

    assert found == expected


def test_contrast_is_measured_beside_the_type() -> None:
    assert contrast_ratio((255, 255, 255), (0, 0, 0)) == pytest.approx(21.0)
