"""A logo lies where it was asked for, in its own colours, inside the safe area."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from effect_frames import as_frame, luma, run

from cinefab.assemble.effects.overlay import Overlay
from cinefab.core.brief import Size
from cinefab.media.still import to_rgb, write_png

SIZE = Size(320, 180)
GREY = as_frame(np.full((180, 320, 3), 90, np.uint8))


@pytest.fixture
def logo(tmp_path: Path) -> Path:
    path = tmp_path / "logo.png"
    picture = np.full((60, 120, 3), 255, np.uint8)
    picture[10:50, 20:100] = (200, 20, 30)
    write_png(picture, path)
    return path


def covered(frame: np.ndarray) -> tuple[int, int, int, int]:
    changed = np.abs(luma(frame) - luma(GREY)) > 1
    rows, columns = np.where(changed.any(axis=1))[0], np.where(changed.any(axis=0))[0]
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.mark.parametrize(
    ("corner", "near_left", "near_top"),
    [
        ("top-left", True, True),
        ("top-right", False, True),
        ("bottom-left", True, False),
        ("bottom-right", False, False),
    ],
)
def test_it_lies_in_its_corner_and_never_outside_the_safe_area(
    logo: Path, corner: str, near_left: bool, near_top: bool
) -> None:
    settings = {"logo": "mark", "corner": corner, "width": 0.25}

    (out,) = run(Overlay(), [GREY], settings, size=SIZE, wanted_frames=1, pictures={"logo": logo})

    left, top, right, bottom = covered(out)
    assert abs((right - left) - 80) <= 2
    assert (left < 160, top < 90) == (near_left, near_top)
    assert left >= 16 - 1
    assert top >= 9 - 1
    assert right <= 320 - 16 + 1
    assert bottom <= 180 - 9 + 1


def test_it_keeps_its_colour_and_leaves_its_even_ground_out(logo: Path) -> None:
    settings = {"logo": "mark", "corner": "centre", "width": 0.25}

    (out,) = run(Overlay(), [GREY], settings, size=SIZE, wanted_frames=1, pictures={"logo": logo})

    rgb = to_rgb(out)
    assert np.abs(rgb[90, 160].astype(int) - (200, 20, 30)).max() <= 4
    assert not np.any(rgb.min(axis=2) > 150)  # no white box around it


def test_opacity_mixes_it_with_the_picture(logo: Path) -> None:
    settings = {"logo": "mark", "corner": "centre", "width": 0.25, "opacity": 0.5}

    (out,) = run(Overlay(), [GREY], settings, size=SIZE, wanted_frames=1, pictures={"logo": logo})

    assert np.abs(to_rgb(out)[90, 160].astype(int) - (145, 55, 60)).max() <= 4


def test_a_plate_lets_it_be_seen_on_its_own_colour(logo: Path) -> None:
    red = as_frame(np.full((180, 320, 3), (200, 20, 30), np.uint8))
    settings = {"logo": "mark", "corner": "centre", "width": 0.25, "plate": True}

    (out,) = run(Overlay(), [red], settings, size=SIZE, wanted_frames=1, pictures={"logo": logo})

    rgb = to_rgb(out)
    assert np.abs(rgb[90, 160].astype(int) - (200, 20, 30)).max() <= 4
    white = rgb.min(axis=2) > 240
    rows, columns = np.where(white.any(axis=1))[0], np.where(white.any(axis=0))[0]
    assert rows[0] < 70 < 110 < rows[-1]
    assert columns[0] < 120 < 200 < columns[-1]


def test_a_mask_says_what_is_the_mark(logo: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    cover = np.zeros((60, 120), np.uint8)
    cover[:, 60:] = 255
    write_png(cover, mask)
    settings = {"logo": "mark", "corner": "centre", "width": 0.25}

    (out,) = run(
        Overlay(),
        [GREY],
        settings,
        size=SIZE,
        wanted_frames=1,
        pictures={"logo": logo},
        masks={"logo": mask},
    )

    assert np.any(to_rgb(out).min(axis=2) > 240)  # its white is part of it now
