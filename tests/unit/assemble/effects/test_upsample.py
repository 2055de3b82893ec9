"""An enlarged photograph is nearer to the real one than plain enlarging makes it."""

from __future__ import annotations

import cv2
import numpy as np
from effect_frames import as_frame, luma, photo, psnr, run

from cinefab.assemble.effects.upsample import Upsample
from cinefab.core.brief import Size

LARGE = cv2.resize(photo(), (592, 392), interpolation=cv2.INTER_AREA)
SMALL = cv2.resize(LARGE, (296, 196), interpolation=cv2.INTER_AREA)
SIZE = Size(592, 392)


def plainly(how: int) -> np.ndarray:
    return as_frame(np.asarray(cv2.resize(SMALL, (592, 392), interpolation=how)))


def test_it_is_nearer_to_the_large_picture_than_other_ways_of_enlarging() -> None:
    (out,) = run(Upsample(), [as_frame(SMALL)], {"factor": 2}, size=SIZE, wanted_frames=1)

    large = as_frame(LARGE)
    assert psnr(out, large) > psnr(plainly(cv2.INTER_LINEAR), large) + 2
    assert psnr(out, large) > psnr(plainly(cv2.INTER_LANCZOS4), large) + 0.3


def test_without_detail_it_is_softer() -> None:
    settings = {"factor": 2, "detail": 0}

    (soft,) = run(Upsample(), [as_frame(SMALL)], settings, size=SIZE, wanted_frames=1)

    (sharp,) = run(Upsample(), [as_frame(SMALL)], {"factor": 2}, size=SIZE, wanted_frames=1)
    assert cv2.Laplacian(luma(soft), -1).std() < 0.9 * cv2.Laplacian(luma(sharp), -1).std()


def test_a_side_that_the_factor_does_not_divide_comes_out_as_it_is_wanted() -> None:
    small = as_frame(cv2.resize(LARGE, (108, 62), interpolation=cv2.INTER_AREA))

    (out,) = run(Upsample(), [small], {"factor": 3}, size=Size(320, 182), wanted_frames=1)

    assert out.shape == (273, 320)


def test_no_edge_rings() -> None:
    edge = np.full((180, 320, 3), 60, np.uint8)
    edge[:, 160:] = 200

    (out,) = run(Upsample(), [as_frame(edge)], {"factor": 2}, size=Size(640, 360), wanted_frames=1)

    assert luma(out).min() >= luma(as_frame(edge)).min() - 4
    assert luma(out).max() <= luma(as_frame(edge)).max() + 4
