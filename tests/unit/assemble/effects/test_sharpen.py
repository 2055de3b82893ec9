"""Sharpening makes edges steeper, and nothing else."""

from __future__ import annotations

import cv2
import numpy as np
from effect_frames import as_frame, luma, photo, psnr, run

from cinefab.assemble.effects.sharpen import HALO_MAX, Sharpen
from cinefab.core.brief import Size

SIZE = Size(640, 360)


def test_a_soft_picture_comes_nearer_to_the_sharp_one() -> None:
    sharp = cv2.resize(photo(), (640, 360), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(sharp, (0, 0), 0.8)

    (out,) = run(Sharpen(), [as_frame(soft)], {"amount": 1}, size=SIZE, wanted_frames=1)

    assert psnr(out, as_frame(sharp)) > psnr(as_frame(soft), as_frame(sharp)) + 0.6


def test_no_edge_gets_a_halo_beyond_its_bound() -> None:
    edges = np.full((360, 640, 3), 60, np.uint8)
    edges[:, 320:] = 190
    edges[100:140, 40:44] = 220
    frame = as_frame(cv2.GaussianBlur(edges, (0, 0), 1.0))

    (out,) = run(Sharpen(), [frame], {"amount": 2}, size=SIZE, wanted_frames=1)

    ring = np.ones((3, 3), np.uint8)
    low, high = cv2.erode(luma(frame), ring), cv2.dilate(luma(frame), ring)
    assert np.all(luma(out) >= low - HALO_MAX)
    assert np.all(luma(out) <= high + HALO_MAX)
    assert np.abs(luma(out) - luma(frame)).max() > HALO_MAX  # it did something


def test_the_picture_stays_within_the_limits_of_its_signal() -> None:
    checks = np.kron(np.indices((45, 80)).sum(axis=0) % 2, np.ones((8, 8))).astype(np.uint8) * 255
    frame = as_frame(np.repeat(checks[..., None], 3, axis=2))

    (out,) = run(Sharpen(), [frame], {"amount": 2}, size=SIZE, wanted_frames=1)

    assert luma(out).min() == 16
    assert luma(out).max() == 235


def test_grain_below_the_core_is_not_made_stronger() -> None:
    grain = np.random.default_rng(1).normal(120, 0.5, (360, 640))
    frame = as_frame(np.repeat(np.rint(grain)[..., None], 3, axis=2))

    (out,) = run(Sharpen(), [frame], {"amount": 1}, size=SIZE, wanted_frames=1)

    assert luma(out).std() < 1.05 * luma(frame).std()
