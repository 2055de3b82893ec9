"""The frames between are where the camera and the things really were."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from effect_frames import as_frame, camera, photo, psnr, run, seen_from

from cinefab.assemble.effects.interpolate import Interpolate
from cinefab.core.brief import Size
from cinefab.media.frames import Frame

SIZE = Size(320, 180)


def moving_camera(count: int) -> list[Frame]:
    return [
        seen_from(SIZE, camera(40 + 6 * i, 60 + 2 * i, turn=0.4 * i, scale=1 + 0.01 * i))
        for i in range(count)
    ]


def moving_thing(count: int) -> list[Frame]:
    ground = cv2.resize(photo(), (SIZE.width, SIZE.height), interpolation=cv2.INTER_AREA)[::-1]
    frames = []
    for i in range(count):
        drawn = np.ascontiguousarray(ground)
        cv2.circle(drawn, (60 + 5 * i, 90), 30, (230, 220, 40), -1, cv2.LINE_AA)
        cv2.circle(drawn, (55 + 5 * i, 85), 9, (30, 60, 200), -1, cv2.LINE_AA)
        frames.append(as_frame(drawn))
    return frames


@pytest.mark.parametrize("frames", [moving_camera(9), moving_thing(9)], ids=["camera", "thing"])
def test_a_frame_between_is_nearer_than_a_repeated_or_a_mixed_one(frames: list[Frame]) -> None:
    out = run(Interpolate(), frames[::2], {"factor": 2}, size=SIZE, wanted_frames=9)

    for i in range(1, 8, 2):
        mixed = ((frames[i - 1].astype(int) + frames[i + 1] + 1) // 2).astype(np.uint8)
        ours = psnr(out[i], frames[i], rim=12)
        assert ours > psnr(mixed, frames[i], rim=12) + 3
        assert ours > psnr(frames[i - 1], frames[i], rim=12) + 5
    assert all(np.array_equal(out[i], frames[i]) for i in range(0, 9, 2))


def test_thirds_lie_in_their_order() -> None:
    frames = moving_camera(7)

    out = run(Interpolate(), frames[::3], {"factor": 3}, size=SIZE, wanted_frames=7)

    assert min(psnr(out[i], frames[i], rim=16) for i in range(7)) > 32


def test_two_scenes_are_never_seen_at_once() -> None:
    one = moving_camera(1)[0]
    other = np.ascontiguousarray(255 - one[:, ::-1])

    out = run(Interpolate(), [one, other], {"factor": 2}, size=SIZE, wanted_frames=3)

    assert any(np.array_equal(out[1], each) for each in (one, other))
