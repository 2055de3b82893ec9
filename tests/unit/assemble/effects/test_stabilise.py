"""A shaken camera becomes a steady one, and a steady one stays what it was."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from effect_frames import camera, run, seen_from
from numpy.typing import NDArray

from cinefab.assemble.effects.stabilise import Stabilise, _small, _step
from cinefab.core.brief import Size
from cinefab.media.frames import Frame, planes

SIZE = Size(320, 180)
COUNT = 36


def filmed(*, shaken_px: float, shaken_deg: float = 0.0) -> list[Frame]:
    rng = np.random.default_rng(5)
    return [
        seen_from(
            SIZE,
            camera(
                80 + 1.2 * i + rng.normal(0, shaken_px) if shaken_px else 80 + 1.2 * i,
                90 + (rng.normal(0, shaken_px) if shaken_px else 0),
                turn=rng.normal(0, shaken_deg) if shaken_deg else 0.0,
            ),
        )
        for i in range(COUNT)
    ]


def steps(frames: list[Frame]) -> NDArray[np.float64]:
    small = [_small(planes(frame)[0]) for frame in frames]
    return np.array([_step(a, b) for a, b in pairwise(small)])


def jitter(frames: list[Frame]) -> NDArray[np.float64]:
    """Return how much each step differs from the one before it: pixels in x and y, degrees."""
    apart = np.sqrt((np.diff(steps(frames), axis=0) ** 2).mean(axis=0))
    return apart[:3] * [SIZE.width, SIZE.width, np.degrees(1)]


def test_a_shaken_camera_becomes_steady() -> None:
    shaken = filmed(shaken_px=2, shaken_deg=0.3)

    out = run(Stabilise(), shaken, {}, size=SIZE, wanted_frames=COUNT)

    assert np.all(jitter(out) < 0.2 * jitter(shaken))


def test_a_pan_goes_on_at_its_pace() -> None:
    out = run(Stabilise(), filmed(shaken_px=2), {}, size=SIZE, wanted_frames=COUNT)

    pace = steps(out)[:, 0].mean() * SIZE.width
    # The picture is enlarged by a ninth, so that its edges stay outside.
    assert abs(pace - -1.2 / 0.9) < 0.25


def test_an_even_pan_is_only_enlarged() -> None:
    even = filmed(shaken_px=0)

    out = run(Stabilise(), even, {}, size=SIZE, wanted_frames=COUNT)

    assert np.all(jitter(out) < 0.15)


def test_half_the_strength_leaves_half_of_the_shake() -> None:
    shaken = filmed(shaken_px=2)

    out = run(Stabilise(), shaken, {"strength": 0.5}, size=SIZE, wanted_frames=COUNT)

    assert 0.4 < jitter(out)[0] / jitter(shaken)[0] < 0.7


def test_a_picture_without_anything_to_follow_stays_where_it_is() -> None:
    grey = np.full((270, 320), 90, np.uint8)
    grey[180:] = 128

    out = run(Stabilise(), [grey] * 8, {}, size=SIZE, wanted_frames=8)

    assert all(np.array_equal(frame, grey) for frame in out)
