"""The finish: right colours, untouched brands, grain that dithers and repeats."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from cinefab.media.finish import Canvas, Finisher, Look, to_rgb
from cinefab.media.machine import machine_signature

CLEAN = Look(vignette=0.0, curve=0.0, grain=0.0, flat_grain=0.0)


def a_canvas(colour: tuple[int, int, int], *, picture: int = 255, size: int = 64) -> Canvas:
    canvas = np.empty((size, size, 4), np.uint8)
    canvas[..., :3], canvas[..., 3] = colour, picture
    return canvas


@pytest.mark.parametrize(
    ("colour", "luma", "blue", "red"),
    [
        ((255, 255, 255), 235, 128, 128),
        ((0, 0, 0), 16, 128, 128),
        ((255, 0, 0), 63, 102, 240),
        ((0, 255, 0), 173, 42, 26),
        ((0, 0, 255), 32, 240, 118),
    ],
)
def test_a_colour_becomes_the_code_values_of_bt709_in_limited_range(
    colour: tuple[int, int, int], luma: int, blue: int, red: int
) -> None:
    finisher = Finisher(width=64, height=64, seed=1)

    frame = finisher.finish(a_canvas(colour), frame=0, look=CLEAN)

    assert frame.shape == (96, 64)
    assert set(np.unique(frame[:64])) == {luma}
    assert set(np.unique(frame[64:80])) == {blue}
    assert set(np.unique(frame[80:])) == {red}


def test_a_finished_frame_is_the_picture_within_what_subsampling_allows() -> None:
    canvas = a_canvas((0, 0, 0), size=128)
    ramp = np.linspace(20, 235, 128).astype(np.uint8)
    canvas[..., 0], canvas[..., 1], canvas[..., 2] = ramp[None], ramp[:, None], ramp[::-1][None]

    seen = to_rgb(Finisher(width=128, height=128, seed=1).finish(canvas, frame=0, look=CLEAN))

    assert np.abs(seen.astype(int) - canvas[..., :3]).mean() < 2.0


def test_the_same_seed_and_frame_give_the_same_grain_and_others_do_not() -> None:
    canvas = a_canvas((120, 110, 90))
    finisher = Finisher(width=64, height=64, seed=5)

    first = finisher.finish(canvas, frame=7, look=Look())
    again = Finisher(width=64, height=64, seed=5).finish(canvas, frame=7, look=Look())

    assert np.array_equal(first, again)
    assert not np.array_equal(first, finisher.finish(canvas, frame=8, look=Look()))
    other = Finisher(width=64, height=64, seed=6)
    assert not np.array_equal(first, other.finish(canvas, frame=7, look=Look()))


def test_frames_before_the_shots_start_have_grain_of_their_own() -> None:
    finisher = Finisher(width=64, height=64, seed=5)
    canvas = a_canvas((120, 110, 90))

    before = finisher.finish(canvas, frame=-3, look=Look())

    assert not np.array_equal(before, finisher.finish(canvas, frame=3, look=Look()))


def test_flat_colour_keeps_its_value_where_a_picture_is_bent_and_darkened() -> None:
    finisher = Finisher(width=64, height=64, seed=1)
    look = Look(vignette=0.5, curve=0.5, grain=0.0, flat_grain=0.0)

    flat = to_rgb(finisher.finish(a_canvas((107, 31, 18), picture=0), frame=0, look=look))
    picture = to_rgb(finisher.finish(a_canvas((107, 31, 18)), frame=0, look=look))

    assert np.abs(flat.astype(int) - (107, 31, 18)).max() <= 2
    assert picture[0, 0, 0] < 90


def test_a_soft_gradient_is_dithered_instead_of_banded() -> None:
    # A vignette over mid grey: without grain every code value forms a closed ring.
    canvas = a_canvas((128, 128, 128), size=256)
    finisher = Finisher(width=256, height=256, seed=1)

    def widest_run(look: Look) -> int:
        row = finisher.finish(canvas, frame=0, look=look)[128].astype(int)
        edges = np.flatnonzero(np.diff(row))
        return int(np.diff(np.concatenate([[0], edges, [255]])).max())

    assert widest_run(Look(grain=0.0, flat_grain=0.0)) > 20
    assert widest_run(Look()) < 12


def test_the_machines_signature_is_short_and_the_same_in_every_process() -> None:
    here = machine_signature()

    script = "from cinefab.media.machine import machine_signature as s; print(s())"
    there = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert there.stdout.strip() == here
    assert 8 < len(here) < 80
