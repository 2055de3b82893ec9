"""The bundled faces, and a brand's own font."""

# Letters of many scripts are what is tested here.
# ruff: noqa: RUF001

from __future__ import annotations

import random
import struct
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import uharfbuzz  # type: ignore[import-untyped]  # it ships no types

import cinefab.media.typeface
from cinefab.core.errors import BriefInvalid
from cinefab.media.shaping import Spacing, shape_word
from cinefab.media.typeface import Family, Weight, bundled_faces, faces_for

FONTS = Path(cinefab.media.typeface.__file__).parent / "fonts"
FONT_FILES = sorted(path for path in FONTS.iterdir() if path.suffix in (".otf", ".ttf"))
VOLLKORN = (FONTS / "Vollkorn-Bold.ttf").read_bytes()
SIGNS = "€£¥₺₽₹₫₴₩™℠©®–—“”‘’«»„…•°×÷→←↑↓✓✔★☆♥♪№½²‰±≈≤≥¿¡§−"


def a_font_file(folder: Path, data: bytes) -> Path:
    path = folder / "brand.ttf"
    path.write_bytes(data)
    return path


def without_outlines(data: bytes, *characters: str) -> bytes:
    """Return a TrueType font that draws these characters, or all, as blank.

    A glyph is blank where it begins in `loca` at the place where the next one does.
    """
    face = uharfbuzz.Face(data)
    font = uharfbuzz.Font(face)
    glyphs = [font.get_nominal_glyph(ord(character)) for character in characters]
    blank = bytearray(data)
    for index in range(struct.unpack_from(">H", data, 4)[0]):
        tag, _, offset, _ = struct.unpack_from(">4sLLL", data, 12 + 16 * index)
        if tag == b"loca":
            for glyph in glyphs or range(face.glyph_count - 1, -1, -1):
                place = offset + 4 * glyph  # Vollkorn's `loca` is the long one
                blank[place : place + 4] = blank[place + 4 : place + 8]
    return bytes(blank)


@pytest.mark.parametrize("family", ["sans", "display", "serif"])
@pytest.mark.parametrize("weight", ["regular", "bold", "black"])
def test_every_family_and_weight_can_set_four_scripts_and_common_signs(
    family: Family, weight: Weight
) -> None:
    faces = bundled_faces(family, weight)

    letters = "AaąćğİışßẤộữΑαάΐώΏςАяёїґўјћҚәابتجپچژگکیةى؟،٠٩۰۹אבשלום"
    missing = [
        character
        for character in letters + SIGNS
        if not any(scaled.face.covers(character) for scaled in faces)
    ]
    assert missing == []


def test_a_stand_in_has_capitals_as_tall_as_the_familys() -> None:
    display, *others = bundled_faces("display", "bold")

    inter = next(scaled for scaled in others if scaled.face.name == "Inter-Bold")
    assert inter.scale * inter.face.cap_height == pytest.approx(display.face.cap_height)


def test_every_bundled_font_is_named_with_its_licence_beside_it() -> None:
    readme = (FONTS / "README.md").read_text(encoding="utf-8")

    for path in FONT_FILES:
        family, _, weight = path.stem.partition("-")
        named = path.name in readme or f"`{family}-{{" in readme
        licence = "Noto" if family.startswith("Noto") else family
        assert named, path.name
        assert weight in readme, path.name
        assert (FONTS / f"OFL-{licence}.txt").is_file(), path.name
    assert sum(path.stat().st_size for path in FONT_FILES) < 6_000_000


def test_a_brands_font_is_tried_before_the_bundled_ones() -> None:
    first, *others = faces_for("sans", "bold", FONTS / "Vollkorn-Bold.ttf")

    assert first.face.name == "Vollkorn-Bold.ttf"
    assert [scaled.face for scaled in others] == [s.face for s in bundled_faces("sans", "bold")]


def test_a_letter_that_a_font_leaves_blank_is_taken_from_another(tmp_path: Path) -> None:
    blank = a_font_file(tmp_path, without_outlines(VOLLKORN, "A"))

    first, *others = faces_for("sans", "bold", blank)

    assert first.face.covers("B")
    assert not first.face.covers("A")
    assert others[0].face.covers("A")


def test_a_changed_font_file_is_read_again(tmp_path: Path) -> None:
    path = a_font_file(tmp_path, VOLLKORN)
    before = faces_for("sans", "bold", path)[0].face

    path.write_bytes((FONTS / "LeagueSpartan-Bold.otf").read_bytes())
    after = faces_for("sans", "bold", path)[0].face

    assert before.cap_height != after.cap_height


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no font"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "no font"),
        (b"wOF2" + bytes(100), "packed for the web"),
        (b"\x00\x01\x00\x00" + bytes(100), "damaged"),
        (VOLLKORN[:2000], "damaged"),
        (VOLLKORN[: len(VOLLKORN) // 4], "damaged"),
        (without_outlines(VOLLKORN), "no outlines"),
    ],
)
def test_a_file_that_is_no_font_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(BriefInvalid, match=said) as caught:
        faces_for("sans", "bold", a_font_file(tmp_path, data))

    assert caught.value.field == "brand.font"


def test_a_font_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.ttf", tmp_path):
        with pytest.raises(BriefInvalid, match="cannot be read") as caught:
            faces_for("sans", "bold", path)

        assert caught.value.field == "brand.font"


def test_a_font_file_beyond_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.ttf"
    with path.open("wb") as file:
        file.truncate(40 * 1024 * 1024)

    with pytest.raises(BriefInvalid, match="more than"):
        faces_for("sans", "bold", path)


@pytest.mark.parametrize("seed", range(20))
def test_a_font_with_broken_bytes_is_used_or_refused_but_breaks_nothing(
    tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    data = bytearray((FONTS / "LeagueSpartan-Bold.otf").read_bytes())
    for _ in range(200):
        data[chance.randrange(12, len(data))] = chance.randrange(256)
    path = a_font_file(tmp_path, bytes(data))

    with suppress(BriefInvalid):
        faces = faces_for("sans", "bold", path)
        runs = shape_word("Cinefab€24.90Żółć", (0,) * 17, faces, Spacing())

        assert all(np.isfinite(run.advance) for run in runs)
