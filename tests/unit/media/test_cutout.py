"""Cut-outs: right on drawn and photographed products, and doubtful where they should be."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from cinefab.media.cutout import TRUSTED_BP, cut_out
from cinefab.media.frames import Mask, Rgb

COFFEE = Path(__file__).parents[3] / "examples" / "coffee.png"


def overlap(a: Mask, b: Mask) -> float:
    """Intersection over union."""
    inside_a, inside_b = a > 127, b > 127
    return float((inside_a & inside_b).sum() / (inside_a | inside_b).sum())


def a_bottle(*, noise: float = 3.0, at_x: int = 350) -> tuple[Rgb, Mask]:
    """A green bottle with a white label on an uneven grey table, and where it truly is."""
    height, width = 900, 700
    mask = np.zeros((height, width), np.uint8)
    cv2.rectangle(mask, (at_x - 100, 300), (at_x + 100, 820), 255, -1)
    cv2.ellipse(mask, (at_x, 300), (100, 90), 0, 180, 360, 255, -1)
    cv2.rectangle(mask, (at_x - 40, 120), (at_x + 40, 260), 255, -1)
    picture = np.full((height, width, 3), (225.0, 220.0, 215.0))
    picture -= np.linspace(0, 40, height)[:, None, None]
    bottle = np.full((height, width, 3), (30.0, 110.0, 60.0))
    bottle[450:650] = (240, 238, 230)
    bottle *= (1.2 - np.abs(np.arange(width) - at_x + 30) / 400)[None, :, None]
    picture[mask > 0] = bottle[mask > 0]
    picture += np.random.default_rng(1).normal(0, noise, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), mask


def a_photograph(path: Path) -> Rgb:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return np.asarray(image, np.uint8)


def test_a_drawn_product_is_cut_out_whole_with_its_label() -> None:
    rgb, truth = a_bottle()

    cutout = cut_out(rgb)

    assert overlap(cutout.mask, truth) > 0.97
    assert cutout.confidence_bp >= TRUSTED_BP


def test_a_product_that_differs_in_nothing_but_lightness_is_cut_out() -> None:
    rgb, truth = a_bottle()
    grey = np.repeat(rgb.mean(axis=2).astype(np.uint8)[..., None], 3, axis=2)

    cutout = cut_out(grey)

    assert overlap(cutout.mask, truth) > 0.95


def test_the_photographed_cup_is_cut_out_with_its_saucer_and_without_the_table() -> None:
    rgb = a_photograph(COFFEE)
    # The saucer's rim is an ellipse, and the cup stands out above it.
    rough = np.zeros(rgb.shape[:2], np.uint8)
    cv2.ellipse(rough, (278, 230), (202, 155), 10, 0, 360, 255, -1)
    cv2.ellipse(rough, (290, 112), (118, 95), 5, 0, 360, 255, -1)

    cutout = cut_out(rgb)

    assert cutout.confidence_bp >= TRUSTED_BP
    assert overlap(cutout.mask, rough) > 0.93
    assert cutout.mask[100, 290] == 255
    assert cutout.mask[330, 280] == 255
    assert cutout.mask[380, 100] == 0


def test_the_same_picture_gives_the_same_mask_whatever_was_cut_before() -> None:
    rgb, _ = a_bottle()
    first = cut_out(rgb)
    cv2.setRNGSeed(99)
    cut_out(rgb[:, ::-1].copy())

    again = cut_out(rgb)

    assert np.array_equal(first.mask, again.mask)
    assert first.confidence_bp == again.confidence_bp


@pytest.mark.parametrize("size", [(60, 90), (8, 8), (1400, 1000)])
def test_an_empty_table_has_no_product(size: tuple[int, int]) -> None:
    rgb = np.full((*size, 3), 180, np.uint8)

    cutout = cut_out(rgb)

    assert cutout.mask.shape == size
    assert cutout.confidence_bp < TRUSTED_BP


def test_a_product_that_leaves_the_picture_is_not_trusted() -> None:
    rgb, _ = a_bottle()
    cropped = np.ascontiguousarray(rgb[150:620, 270:470])

    assert cut_out(cropped).confidence_bp < TRUSTED_BP


def test_clutter_without_a_product_is_not_trusted() -> None:
    noise = np.random.default_rng(4).normal(128, 60, (60, 80, 3)).clip(0, 255)
    clutter = cv2.resize(noise.astype(np.uint8), (600, 450), interpolation=cv2.INTER_CUBIC)

    assert cut_out(np.asarray(clutter, np.uint8)).confidence_bp < TRUSTED_BP


CAT = Path(__file__).parents[2] / "photos" / "chelsea.jpg"


def test_a_photograph_without_a_product_is_not_trusted_and_falls_back_to_the_whole() -> None:
    cutout = cut_out(a_photograph(CAT))

    assert cutout.confidence_bp < TRUSTED_BP // 2
    assert cutout.mask.shape == a_photograph(CAT).shape[:2]


@pytest.mark.parametrize(
    ("rows", "columns"),
    [((100, 300), (150, 450)), ((0, 250), (0, 400)), ((0, 400), (0, 330))],
    ids=["all-product", "cut-at-the-right", "cut-in-half"],
)
def test_a_product_that_is_not_whole_in_its_photograph_is_not_trusted(
    rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    part = np.ascontiguousarray(a_photograph(COFFEE)[slice(*rows), slice(*columns)])

    assert cut_out(part).confidence_bp < TRUSTED_BP


def test_a_photograph_enlarged_is_cut_out_as_before() -> None:
    small = a_photograph(COFFEE)
    large = np.asarray(cv2.resize(small, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC), np.uint8)

    one, other = cut_out(small), cut_out(large)

    again = np.asarray(cv2.resize(other.mask, (600, 400), interpolation=cv2.INTER_AREA), np.uint8)
    assert overlap(one.mask, again) > 0.98
    assert other.confidence_bp >= TRUSTED_BP
