"""Grading tables: read with clear refusals, applied without surprises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cinefab.core.errors import BriefInvalid
from cinefab.media.frames import Rgb
from cinefab.media.lut import apply_lut, load_lut, parse_lut


def a_cube(change: str = "same", *, edge: int = 5, extra: str = "") -> str:
    rows = []
    for b in np.linspace(0, 1, edge):
        for g in np.linspace(0, 1, edge):
            for r in np.linspace(0, 1, edge):
                out = {"same": (r, g, b), "inverse": (1 - r, 1 - g, 1 - b), "swap": (b, g, r)}
                rows.append(" ".join(f"{v:.6f}" for v in out[change]))
    return f'# a grade\nTITLE "test"\nLUT_3D_SIZE {edge}\n{extra}\n' + "\n".join(rows)


def every_kind_of_pixel() -> Rgb:
    return np.random.default_rng(3).integers(0, 256, (40, 50, 3), dtype=np.uint8)


def test_a_table_that_changes_nothing_changes_nothing() -> None:
    rgb = every_kind_of_pixel()

    graded = apply_lut(parse_lut(a_cube()), rgb)

    assert np.array_equal(graded, rgb)


@pytest.mark.parametrize("change", ["inverse", "swap"])
def test_a_table_is_read_with_red_changing_fastest(change: str) -> None:
    rgb = every_kind_of_pixel()

    graded = apply_lut(parse_lut(a_cube(change)), rgb)

    wanted = 255 - rgb if change == "inverse" else rgb[..., ::-1]
    assert np.array_equal(graded, wanted)


def test_greys_stay_grey_between_the_samples() -> None:
    cube = np.linspace(0, 1, 3) ** 2
    rows = [f"{cube[r]} {cube[g]} {cube[b]}" for b in range(3) for g in range(3) for r in range(3)]
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)

    graded = apply_lut(parse_lut("LUT_3D_SIZE 3\n" + "\n".join(rows)), grey)

    assert np.array_equal(graded[..., 0], graded[..., 1])
    assert np.array_equal(graded[..., 0], graded[..., 2])


def test_a_one_dimensional_table_bends_each_channel_by_itself() -> None:
    rgb = every_kind_of_pixel()

    graded = apply_lut(parse_lut("LUT_1D_SIZE 2\n1 0 0\n0 1 1"), rgb)

    assert np.abs(graded[..., 0].astype(int) - (255 - rgb[..., 0])).max() <= 1
    assert np.abs(graded[..., 1].astype(int) - rgb[..., 1]).max() <= 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hello", "neither LUT_3D_SIZE nor LUT_1D_SIZE"),
        ("LUT_3D_SIZE 2\n0 0 0", "8 colours are announced and 1 are given"),
        ("LUT_3D_SIZE 2\n0 0 x", "line 2 is not three numbers"),
        ("LUT_3D_SIZE 2\n0 0 nan\n", "line 2 is not three numbers"),
        ("LUT_3D_SIZE 9000", "from 2 to 129"),
        ("LUT_3D_SIZE 2\nDOMAIN_MIN 0 0", "DOMAIN_MIN is not three numbers"),
        ("LUT_3D_SIZE 2\nDOMAIN_MIN 1 1 1", "DOMAIN_MAX is not above DOMAIN_MIN"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_what_is_wrong_with_it(text: str, found: str) -> None:
    with pytest.raises(BriefInvalid, match=found) as refusal:
        parse_lut(text)

    assert refusal.value.field == "brand.lut"


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grade.cube"
    path.write_bytes(b"\xff\xfe\x00\x80")

    with pytest.raises(BriefInvalid, match=r"grade\.cube cannot be read as text"):
        load_lut(path)
