"""Less noise: the same place in neighbouring frames tells what is picture and what is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.effect import EffectCard, EffectWork, around
from cinefab.assemble.effects.optical_flow import (
    floats,
    flow_between,
    frame_of,
    half,
    halved,
    moved,
)
from cinefab.core.effect import EffectNeed
from cinefab.media.frames import Frame

_REACH: Final = 2
_NOISE_MIN: Final = 0.35
"""Code values: a picture with less has nothing that could be taken away."""

CARD: Final = EffectCard(
    name="denoise",
    version="1",
    settings_schema={
        "title": "Denoise",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "strength": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.5,
                "description": "Write a number from 0, nothing, to 1",
            },
        },
    },
    neutral={"strength": 0},
)

Floats = NDArray[np.float32]


class Denoise:
    """Averages each pixel along its motion over five frames, then within its own frame.

    A neighbour counts by how well it agrees, measured against the noise that the frame itself
    shows, so what moved behind something else is left out.
    """

    @property
    def card(self) -> EffectCard:
        """What this effect says of itself."""
        return CARD

    def need(self, settings: Mapping[str, Any], /) -> EffectNeed:
        """Return what it asks of its frames: two neighbours on each side."""
        reach = _REACH if settings.get("strength", 0.5) else 0
        return EffectNeed(before=reach, after=reach, cost_us_per_megapixel=140_000)

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        """Yield every frame with less noise; as they are where the strength is 0."""
        strength = float(work.settings.get("strength", 0.5))
        if strength == 0:
            yield from frames
            return
        for near, own in around(frames, work, before=_REACH, after=_REACH):
            yield _cleaned(near, own, strength)


def _cleaned(near: Sequence[Frame], own: int, strength: float) -> Frame:
    luma, blue, red = floats(near[own])
    noise = _noise_of(luma)
    if noise < _NOISE_MIN:
        return near[own]
    tolerance = np.float32(1.0 / (2 * (noise * (0.6 + 1.6 * strength)) ** 2))
    sums = [luma.copy(), blue.copy(), red.copy()]
    weight, small_weight = np.ones_like(luma), np.ones_like(blue)
    soft = _soft(luma)
    # What is looked for is motion, and noise is no help in finding it.
    looked = _for_motion(luma)
    for place, frame in enumerate(near):
        if place == own:
            continue
        other = floats(frame)
        flow = flow_between(looked, _for_motion(other[0]), careful=False)
        there = moved(other[0], flow)
        # Averaged over a neighbourhood, a difference is a difference of pictures, not of noise.
        apart = _soft(there) - soft
        share = np.exp(-(apart * apart) * (tolerance * np.float32(6))).astype(np.float32)
        small_flow, small_share = halved(flow), half(share)
        sums[0] += share * there
        sums[1] += small_share * moved(other[1], small_flow)
        sums[2] += small_share * moved(other[2], small_flow)
        weight += share
        small_weight += small_share
    means = (sums[0] / weight, sums[1] / small_weight, sums[2] / small_weight)
    left = noise / float(np.sqrt(weight.mean()))
    return _mixed(
        (luma, blue, red), [_even(mean, left * 2.2 * strength) for mean in means], strength
    )


def _mixed(own: tuple[Floats, Floats, Floats], cleaned: Sequence[Floats], strength: float) -> Frame:
    share = np.float32(min(1.0, 0.4 + strength))
    luma, blue, red = (a + share * (b - a) for a, b in zip(own, cleaned, strict=True))
    return frame_of(luma, blue, red)


def _even(plane: Floats, spread: float) -> Floats:
    """Return `plane` smoothed where it differs by noise alone; edges are far beyond `spread`."""
    if spread < 0.2:
        return plane
    return np.asarray(cv2.bilateralFilter(plane, 5, 2 * spread, 1.4), np.float32)


def _soft(plane: Floats) -> Floats:
    return np.asarray(cv2.blur(plane, (5, 5)), np.float32)


def _for_motion(plane: Floats) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), 1.2), np.float32).astype(np.uint8)


def _noise_of(luma: Floats) -> float:
    """Return the standard deviation of the noise: what differs where nothing else does.

    A second derivative in both directions is blind to edges and slopes; the median of its size
    over blocks is blind to texture.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    bent = np.abs(np.asarray(cv2.filter2D(luma, -1, kernel), np.float32))
    blocks = np.asarray(
        cv2.resize(
            bent,
            (max(1, luma.shape[1] // 16), max(1, luma.shape[0] // 16)),
            interpolation=cv2.INTER_AREA,
        ),
        np.float32,
    )
    return float(np.percentile(blocks, 25)) * float(np.sqrt(np.pi / 2)) / 6
