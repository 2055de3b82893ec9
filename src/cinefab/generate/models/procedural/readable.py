"""Type that can be read: the ink, and the scrim where no ink is enough.

What is behind the type is not guessed. The shot is drawn without it at several moments of its
readable time, finished as it will be, and measured where the letters will stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.generate.models.procedural.kit import Scene
from cinefab.generate.models.procedural.layers import Cover
from cinefab.generate.models.procedural.palette import Colour, Palette, mix
from cinefab.generate.models.procedural.stage import Box, Stage
from cinefab.media.frames import Rgb

RATIO_MIN: Final = 4.5
"""Contrast of WCAG 2 at level AA."""

# A margin for what moves between the moments that are measured, and for the encoder.
_RATIO_AIM: Final = 5.2
_SCRIM_STEPS: Final = tuple(step / 50 for step in range(48))
_SOFT_SHARE: Final = 0.30


@dataclass(frozen=True, slots=True)
class Reading:
    """How a caption is kept readable: its ink, and a scrim that lies under it, if any."""

    ink: Colour
    scrim: Cover | None


def reading_over(samples: Sequence[Rgb], scene: Scene, stage: Stage, palette: Palette) -> Reading:
    """Return ink and scrim for a scene's type; `samples` are finished frames without it."""
    assert scene.copy is not None, "without a caption nothing has to be read"
    region = scene.copy.bounds.grown(1.5 * stage.unit)
    seen = _extremes(samples, region)
    found: list[tuple[float, float, Colour, Colour]] = []
    for ink, scrim in (
        (palette.paper, mix(palette.deep, (0, 0, 0), 0.25)),
        (palette.deep, palette.paper),
        ((255, 255, 255), (0, 0, 0)),
        ((0, 0, 0), (255, 255, 255)),
    ):
        strength = _strength_needed(seen, ink, scrim)
        # Light type over a darkened picture is what film has always done: prefer it.
        penalty = 0.25 if sum(ink) < sum(scrim) else 0.0
        penalty += 0.4 if ink in ((255, 255, 255), (0, 0, 0)) else 0.0
        if strength is not None:
            found.append((strength + penalty, strength, ink, scrim))
    assert found, "white on black can be read over anything"
    _, strength, ink, scrim = min(found)
    if strength == 0:
        return Reading(ink, None)
    return Reading(ink, _scrim(region, scene, stage, scrim, strength))


def _extremes(samples: Sequence[Rgb], region: Box) -> NDArray[np.float32]:
    """Every colour behind the type, without its grain, shape (n, 3)."""
    found = []
    for rgb in samples:
        top, left = max(0, int(region.top)), max(0, int(region.left))
        part = rgb[top : int(region.bottom) + 1, left : int(region.right) + 1]
        size = (max(1, part.shape[1] // 3), max(1, part.shape[0] // 3))
        found.append(cv2.resize(part, size, interpolation=cv2.INTER_AREA).reshape(-1, 3))
    return np.concatenate(found).astype(np.float32)


def _strength_needed(seen: NDArray[np.float32], ink: Colour, scrim: Colour) -> float | None:
    """The least opacity of a scrim that lets `ink` be read everywhere, or None."""
    light = _luminance(np.array([ink], np.float32))[0]
    over = np.array(scrim, np.float32)
    is_light = light > _luminance(over[None])[0]
    # The colours that matter are few: those nearest to the ink.
    order = np.argsort(_luminance(seen))
    count = max(1, len(order) // 50)
    worst = seen[order[-count:]] if is_light else seen[order[:count]]
    for strength in _SCRIM_STEPS:
        mixed = _luminance(worst + (over - worst) * np.float32(strength))
        low, high = (mixed, light) if is_light else (light, mixed)
        ratios = (np.maximum(low, high) + 0.05) / (np.minimum(low, high) + 0.05)
        side = mixed < light if is_light else mixed > light
        if bool(side.all()) and float(np.percentile(ratios, 10)) >= _RATIO_AIM:
            return strength
    return None


def _luminance(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    share = rgb / np.float32(255)
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]), np.float32)


def _scrim(region: Box, scene: Scene, stage: Stage, colour: Colour, strength: float) -> Cover:
    """Even under the type, running out softly elsewhere and into the frame's near sides."""
    step = 4
    to_left, to_top, to_right, to_bottom = scene.scrim_to
    soft = _SOFT_SHARE * max(stage.width, stage.height) * 0.8
    x = np.arange(0, stage.width + step, step, dtype=np.float32)
    y = np.arange(0, stage.height + step, step, dtype=np.float32)
    off_x = _beyond(x, None if to_left else region.left, None if to_right else region.right)
    off_y = _beyond(y, None if to_top else region.top, None if to_bottom else region.bottom)
    far = np.hypot(off_x[None, :], off_y[:, None]) / soft
    share = np.clip(1 - far, 0, 1)
    even = share * share * (3 - 2 * share)
    size = (len(x) * step, len(y) * step)
    full = cv2.resize(even.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    mask = np.round(full[: stage.height, : stage.width] * 255).astype(np.uint8)
    return Cover(left=0, top=0, mask=mask, colour=colour, opacity=strength)


def _beyond(
    points: NDArray[np.float32], low: float | None, high: float | None
) -> NDArray[np.float32]:
    """How far each point lies outside; a side without a limit has no outside."""
    off = np.zeros_like(points)
    if low is not None:
        off = np.maximum(off, np.float32(low) - points)
    if high is not None:
        off = np.maximum(off, points - np.float32(high))
    return off
