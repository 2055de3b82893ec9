"""Colours are held against what is shown: whole pictures, products alone, and what is grey."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reviewed_films import a_cut_of, a_piece, alive

from cinefab.core.canonical import Sha256
from cinefab.core.verdict import Remark
from cinefab.media.inspect import HUES, LIGHTS
from cinefab.media.look import Look
from cinefab.review.checks.colour import Colour

PHOTO, MASK = Sha256("photo"), Sha256("mask")
BOTTLE = {(7, 1): 19_000, (6, 1): 11_000, (10, 3): 2_000}
"""Thousandths of a level by hue and light: a red bottle with a label of another colour."""


def hues(amounts: dict[tuple[int, int], int], *, share: float = 1, turn: int = 0) -> list[int]:
    found = np.zeros((HUES, LIGHTS), int)
    for (hue, light), amount in amounts.items():
        found[(hue + turn) % HUES, light] = round(amount * share)
    return [int(each) for each in found.ravel()]


def a_look(*, grey: int = 0, whole: list[int] | None = None, product: Any = None) -> Look:
    own = hues(BOTTLE) if whole is None else whole
    return Look(sharp=800, white=0, dark=0, hues=own, grey=grey, product_hues=product)


@pytest.fixture
def problems(tmp_path: Path) -> Any:
    seen, ordered = a_piece(tmp_path / "a.mp4", (alive, 24))

    def judged(shown: list[int], look: Look, *, grey: int = 0, **of: Any) -> tuple[Remark, ...]:
        piece = (
            replace(seen, hues=shown, grey=grey),
            replace(ordered, references=(PHOTO,), **of),
        )
        cut = replace(a_cut_of(tmp_path / "a.mp4", [piece]), looks={PHOTO: look})
        return Colour().examine(cut).problems

    return judged


@pytest.mark.parametrize("masks", [{}, {PHOTO: MASK}])
def test_hues_that_are_turned_are_refused_and_those_of_the_picture_pass(
    problems: Any, masks: Any
) -> None:
    look = a_look(product=hues(BOTTLE))

    assert problems(hues(BOTTLE, share=0.3), look, masks=masks) == ()
    (turned,) = problems(hues(BOTTLE, share=0.3, turn=9), look, masks=masks)
    assert "turned" in turned.text


def test_a_product_is_known_by_its_own_colours_and_not_by_those_it_was_photographed_on(
    problems: Any,
) -> None:
    meadow = {(17, 2): 40_000}
    look = a_look(whole=hues({**BOTTLE, **meadow}), product=hues(BOTTLE))

    assert problems(hues(BOTTLE, share=0.2), look, masks={PHOTO: MASK}) == ()
    assert problems(hues({**meadow, (19, 1): 9_000}), look, masks={PHOTO: MASK}) != ()


def test_a_small_product_on_a_wide_ground_of_the_brands_colour_passes(problems: Any) -> None:
    ground = {(11, 2): 35_000, (11, 3): 10_000, (12, 4): 8_000}
    shown = np.add(hues(ground), hues(BOTTLE, share=0.06)).tolist()

    look = a_look(product=hues(BOTTLE))

    assert problems(shown, look, masks={PHOTO: MASK}, colours=("#000000", "#ffd500")) == ()


def test_a_grey_picture_that_is_tinted_all_over_is_refused(problems: Any) -> None:
    look = a_look(whole=hues({}), grey=1000)

    assert problems(hues({(6, 2): 2_000}), look, grey=900) == ()
    (tinted,) = problems(hues({(6, 2): 20_000}), look, grey=0)
    assert "grey" in tinted.text


def test_colours_on_purpose_are_nobodys_fault(problems: Any) -> None:
    assert problems(hues(BOTTLE, turn=9), a_look(), graded=True) == ()
