"""A larger picture than the model drew: Lanczos, then held against what it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.effect import EffectCard, EffectWork
from cinefab.core.brief import Size
from cinefab.core.effect import EffectNeed
from cinefab.media.frames import Frame, Plane, empty_frame, planes

_ROUNDS: Final = 3
_RINGING_MAX: Final = 4
"""Code values by which a sample may pass what lies around its place in the smaller picture."""

CARD: Final = EffectCard(
    name="upsample",
    version="1",
    settings_schema={
        "title": "Upsample",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "factor": {
                "type": "integer",
                "minimum": 1,
                "maximum": 4,
                "default": 2,
                "description": "Write 2, 3 or 4: how many times smaller the model draws",
            },
            "detail": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 1,
                "description": "Write a number from 0, soft, to 1",
            },
        },
    },
    neutral={"factor": 1},
)


class Upsample:
    """Enlarges frames, so that the model is asked for fewer pixels.

    The picture is enlarged by Lanczos; then it is made smaller again, and what it differs by from
    the picture it came from is added, three times over. Ringing is held to the neighbourhood.
    """

    @property
    def card(self) -> EffectCard:
        """What this effect says of itself."""
        return CARD

    def need(self, settings: Mapping[str, Any], /) -> EffectNeed:
        """Return what it asks of its frames: sides that are so many times smaller."""
        return EffectNeed(shrink=int(settings.get("factor", 2)), cost_us_per_megapixel=14_000)

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        """Yield every frame enlarged."""
        if work.comes.size == work.wanted.size:
            yield from frames
            return
        detail = float(work.settings.get("detail", 1))
        for frame in frames:
            yield _enlarged(frame, work.wanted.size, detail)


def _enlarged(frame: Frame, size: Size, detail: float) -> Frame:
    out = empty_frame(size.width, size.height)
    small_luma, *small_chroma = planes(np.ascontiguousarray(frame))
    luma, *chroma = planes(out)
    luma[...] = _detailed(small_luma, (size.width, size.height), detail)
    for small, plane in zip(small_chroma, chroma, strict=True):
        wanted = (plane.shape[1], plane.shape[0])
        grown = np.asarray(cv2.resize(small, wanted, interpolation=cv2.INTER_CUBIC))
        plane[...] = np.clip(grown, 16, 240)
    return out


def _detailed(small: Plane, wanted: tuple[int, int], detail: float) -> NDArray[np.uint8]:
    source = small.astype(np.float32)
    there = (small.shape[1], small.shape[0])
    grown = np.asarray(cv2.resize(source, wanted, interpolation=cv2.INTER_LANCZOS4), np.float32)
    for _ in range(_ROUNDS if detail else 0):
        seen = np.asarray(cv2.resize(grown, there, interpolation=cv2.INTER_AREA), np.float32)
        missing = cv2.resize(source - seen, wanted, interpolation=cv2.INTER_CUBIC)
        grown += np.float32(detail) * np.asarray(missing, np.float32)
    ring = np.ones((3, 3), np.uint8)
    lowest = cv2.resize(cv2.erode(small, ring), wanted, interpolation=cv2.INTER_LINEAR)
    highest = cv2.resize(cv2.dilate(small, ring), wanted, interpolation=cv2.INTER_LINEAR)
    low = np.asarray(lowest, np.float32) - _RINGING_MAX
    high = np.asarray(highest, np.float32) + _RINGING_MAX
    bounded: NDArray[np.uint8] = np.clip(np.rint(np.clip(grown, low, high)), 16, 235).astype(
        np.uint8
    )
    return bounded
