"""Sharpening without halos: edges grow steeper, but never far beyond what lies beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import cv2
import numpy as np

from cinefab.assemble.effect import EffectCard, EffectWork
from cinefab.core.effect import EffectNeed
from cinefab.media.frames import Frame, Plane

_SIGMA_AT_720: Final = 1.1
_CORE: Final = 2.0
"""Code values: detail below it is grain as likely as not, and is left as it is."""
HALO_MAX: Final = 5
"""Code values by which a sample may pass the range of its eight neighbours and itself."""
BLACK, WHITE = 16, 235

CARD: Final = EffectCard(
    name="sharpen",
    version="1",
    settings_schema={
        "title": "Sharpen",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "amount": {
                "type": "number",
                "minimum": 0,
                "maximum": 2,
                "default": 0.5,
                "description": "Write a number from 0, nothing, to 2; 0.5 is usual",
            },
        },
    },
    neutral={"amount": 0},
)


class Sharpen:
    """An unsharp mask on luma, cored against grain, held to the neighbourhood's own range."""

    @property
    def card(self) -> EffectCard:
        """What this effect says of itself."""
        return CARD

    def need(self, settings: Mapping[str, Any], /) -> EffectNeed:
        """Return what it asks of its frames: nothing but themselves."""
        return EffectNeed(cost_us_per_megapixel=9_000)

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        """Yield every frame sharpened; as they are where the amount is 0."""
        amount = np.float32(work.settings.get("amount", 0.5))
        sigma = max(0.6, _SIGMA_AT_720 * min(work.wanted.size.height, work.wanted.size.width) / 720)
        for frame in frames:
            yield frame if amount == 0 else _sharpened(frame, amount, sigma)


def _sharpened(frame: Frame, amount: np.float32, sigma: float) -> Frame:
    out = frame.copy()
    luma: Plane = out[: frame.shape[0] * 2 // 3]
    plain = luma.astype(np.float32)
    soft = cv2.GaussianBlur(plain, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    detail = plain - np.asarray(soft, np.float32)
    size = np.abs(detail)
    detail *= np.maximum(size - np.float32(_CORE), 0) / np.maximum(size, np.float32(1e-3))
    ring = np.ones((3, 3), np.uint8)
    low = np.asarray(cv2.erode(luma, ring), np.float32) - HALO_MAX
    high = np.asarray(cv2.dilate(luma, ring), np.float32) + HALO_MAX
    sharp = np.clip(plain + amount * detail, low, high)
    np.clip(np.rint(sharp), BLACK, WHITE, out=sharp)
    luma[...] = sharp.astype(np.uint8)
    return out
