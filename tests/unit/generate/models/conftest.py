"""Photographs and requests for the procedural model."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cinefab.core.brief import Size
from cinefab.generate.backend import TakeRequest
from cinefab.media.cutout import cut_out

COFFEE = Path(__file__).parents[4] / "examples" / "coffee.png"
BROWN = ("#6b1f12", "#f4e6d2", "#1c1a19")

Ask = Callable[..., TakeRequest]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A real photograph with its mask, a drawn product with its mask, a logo."""
    folder = tmp_path_factory.mktemp("pictures")
    photo = cv2.imread(str(COFFEE), cv2.IMREAD_COLOR_RGB)
    assert photo is not None
    cv2.imwrite(str(folder / "coffee-mask.png"), cut_out(np.asarray(photo, np.uint8)).mask)
    product = np.full((400, 500, 3), (150, 160, 170), np.uint8)
    mask = np.zeros((400, 500), np.uint8)
    cv2.ellipse(mask, (250, 210), (90, 140), 0, 0, 360, 255, -1, cv2.LINE_AA)
    product[mask > 127] = (40, 200, 60)
    cv2.imwrite(str(folder / "product.png"), product[..., ::-1])
    cv2.imwrite(str(folder / "product-mask.png"), mask)
    logo = np.full((60, 160, 3), 255, np.uint8)
    cv2.circle(logo, (30, 30), 24, (200, 0, 200), -1)
    cv2.rectangle(logo, (70, 20), (150, 40), (200, 0, 200), -1)
    cv2.imwrite(str(folder / "logo.png"), logo[..., ::-1])
    return {
        "coffee": COFFEE,
        "coffee-mask": folder / "coffee-mask.png",
        "product": folder / "product.png",
        "product-mask": folder / "product-mask.png",
        "logo": folder / "logo.png",
    }


@pytest.fixture
def ask(pictures: dict[str, Path]) -> Ask:
    """Build a request with dull defaults: two seconds of the coffee, small."""

    def build(
        *,
        photo: str | None = "coffee",
        cut: bool = True,
        size: tuple[int, int] = (480, 270),
        first_frame: int = 0,
        frames: int = 1,
        shot_frames: int = 48,
        seed: int = 7,
        with_logo: bool = False,
        files: dict[str, Path] | None = None,
        **wishes: Any,
    ) -> TakeRequest:
        references = {photo: pictures[photo]} if photo else {}
        masks = {photo: pictures[f"{photo}-mask"]} if photo and cut else {}
        if with_logo:
            references["logo"] = pictures["logo"]
        wanted: dict[str, Any] = {
            "prompt": "",
            "caption": "Slow mornings",
            "camera": "push-in",
            "index": 0,
            "references": [photo] if photo else [],
            "roles": {photo: "product"} if photo else {},
            "colours": list(BROWN),
            "logo": "logo" if with_logo else None,
        }
        return TakeRequest(
            input=wanted | wishes,
            seed=seed,
            size=Size(*size),
            fps=Fraction(24),
            first_frame=first_frame,
            frames=frames,
            shot_frames=shot_frames,
            references=references,
            masks=masks,
            files=files or {},
        )

    return build
