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


def a_variable_font() -> bytes:
    """Return a font of one letter, A: a square 400 wide at weight 400 and 600 at 900."""
    square = struct.pack(">h4hHH", 1, 0, 0, 400, 700, 3, 0)  # one contour of four points
    square += bytes([1] * 4) + struct.pack(">4h4h", 0, 0, 400, 0, 0, 700, 0, -700)
    # All points move: the two on the right, and the phantom one that carries the advance.
    moves = bytes([0]) + bytes([0x47]) + struct.pack(">8h", 0, 0, 200, 200, 0, 200, 0, 0)
    moves += bytes([0x87])  # eight zeros: nothing moves up or down
    moves = struct.pack(">HHHHH", 1, 10, len(moves), 0xA000, 0x4000) + moves
    tables = {
        b"cmap": struct.pack(">HHHHL", 0, 1, 3, 10, 12)
        + struct.pack(">HHLLLLLL", 12, 0, 28, 0, 1, 65, 65, 1),
        b"fvar": struct.pack(">HHHHHHHH", 1, 0, 16, 2, 1, 20, 0, 8)
        + b"wght"
        + struct.pack(">lllHH", 400 << 16, 400 << 16, 900 << 16, 0, 256),
        b"glyf": square,
        b"gvar": struct.pack(">HHHHLHHL", 1, 0, 1, 0, 32, 2, 1, 32)
        + struct.pack(">LLL", 0, 0, len(moves)),
        b"head": struct.pack(">LLLLHH", 1 << 16, 0, 0, 0x5F0F3CF5, 0, 1000)
        + bytes(16)
        + struct.pack(">4hHHhhh", 0, 0, 600, 700, 0, 8, 2, 1, 0),
        b"hhea": struct.pack(">Lhhh", 1 << 16, 700, 0, 0) + bytes(24) + struct.pack(">H", 2),
        b"hmtx": struct.pack(">HhHh", 500, 0, 500, 0),
        b"loca": struct.pack(">LLL", 0, 0, len(square)),
        b"maxp": struct.pack(">LH", 0x5000, 2),
    }
    tables[b"gvar"] += moves
    directory = struct.pack(">LHHHH", 1 << 16, len(tables), 128, 3, 16)
    offset = len(directory) + 16 * len(tables)
    body = b""
    for tag, data in sorted(tables.items()):
        directory += struct.pack(">4sLLL", tag, 0, offset + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    return directory + body


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


@pytest.mark.parametrize(("weight", "width"), [("regular", 0.4), ("bold", 0.52), ("black", 0.6)])
def test_a_font_with_a_weight_axis_is_set_to_the_weight_in_shape_and_advance(
    tmp_path: Path, weight: Weight, width: float
) -> None:
    path = a_font_file(tmp_path, a_variable_font())

    (run,) = shape_word("A", (0,), faces_for("sans", weight, path), Spacing())

    assert run.right - run.left == pytest.approx(width, abs=0.001)
    assert run.advance == pytest.approx(width + 0.1, abs=0.001)


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
