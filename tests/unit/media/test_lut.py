"""Grading tables: read with clear refusals, applied without surprises."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.errors import BriefInvalid
from cinefab.media.frames import Rgb
from cinefab.media.lut import apply_lut, load_lut, load_table, parse_lut, parse_table


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
        ("LUT_3D_SIZE 2\n0 0 1e30\n", "line 2 is not three numbers"),
        ("LUT_3D_SIZE 2\n" + "0 0 0\n" * 9, "line 10 is a colour more than the 8 announced"),
        ("LUT_3D_SIZE 2\nLUT_3D_SIZE 3", "line 2 gives LUT_3D_SIZE again"),
        ("LUT_3D_SIZE 2\n" + "\n".join(f"A{i}" for i in range(20)), "line 17 is one more heading"),
        ("LUT_1D_SIZE 2\nDOMAIN_MAX inf 1 1\n0 0 0\n1 1 1", "DOMAIN_MAX is not three numbers"),
        ("LUT_3D_SIZE 2\nDOMAIN_MIN 0 0", "DOMAIN_MIN is not three numbers"),
        ("LUT_3D_SIZE 2\nDOMAIN_MIN 1 1 1", "DOMAIN_MAX is not above DOMAIN_MIN"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_what_is_wrong_with_it(text: str, found: str) -> None:
    with pytest.raises(BriefInvalid, match=found) as refusal:
        parse_lut(text)

    assert refusal.value.field == "brand.lut"


@given(st.text(alphabet="LUT_13DSIZEOMANX 0.-e\n#", max_size=200))
def test_whatever_stands_in_a_file_it_is_a_table_or_a_refusal(text: str) -> None:
    try:
        table = parse_table(text)
    except BriefInvalid:
        return

    assert np.isfinite(table.values).all()


def test_a_file_full_of_colours_is_refused_at_the_first_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "bomb.cube"
    path.write_text("LUT_3D_SIZE 2\n" + "0 0 0\n" * 400_000)

    tracemalloc.start()
    with pytest.raises(BriefInvalid, match="line 10 is a colour more"):
        load_table(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 20 * path.stat().st_size


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grade.cube"
    path.write_bytes(b"\xff\xfe\x00\x80")

    with pytest.raises(BriefInvalid, match=r"grade\.cube cannot be read as text"):
        load_lut(path)
