"""Type that can be read: the ink, and the scrim where no ink is enough.

What is behind the type is not guessed. The shot is drawn without it at several moments of its
readable time, finished as it will be, and measured where the letters will stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.generate.models.procedural.copy import Copy
from cinefab.generate.models.procedural.kit import Scene
from cinefab.generate.models.procedural.layers import Cover
from cinefab.generate.models.procedural.palette import Colour, Palette, mix
from cinefab.generate.models.procedural.stage import Box, Stage
from cinefab.media.frames import Rgb

RATIO_MIN: Final = 4.5
"""Contrast of WCAG 2 at level AA."""

# A margin for what moves between the moments that are measured, and for the encoder.
_RATIO_AIM: Final = 5.2
_SCRIM_STEPS: Final = 24
_COLOURS_MAX: Final = 30_000
_SOFT_SHARE: Final = 0.30
_LINEAR: Final = np.array(
    [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.arange(256) / 255],
    np.float32,
)

_Colours: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a caption is kept readable: its ink, and a scrim that lies under it, if any."""

    ink: Colour
    scrim: Cover | None


Sample: TypeAlias = Callable[[Box, Cover | None], Sequence[Rgb]]
"""Gives a part of several finished frames without type, over a scrim if one is handed in."""


def reading_over(sample: Sample, scene: Scene, stage: Stage, palette: Palette) -> Reading:
    """Return ink and scrim for a scene's type, looking at what is really behind its letters."""
    copy = scene.copy
    assert copy is not None, "without a caption nothing has to be read"
    region = even_part(copy.bounds.grown(2 * stage.unit), stage)
    near = _near_letters(copy, region, max(3, round(1.2 * stage.unit)))

    def behind(scrim: Cover | None) -> _Colours:
        parts = [
            cv2.resize(rgb, near.shape[::-1], interpolation=cv2.INTER_AREA)[near]
            for rgb in sample(region, scrim)
        ]
        colours = np.concatenate(parts)
        return colours[:: 1 + len(colours) // _COLOURS_MAX].astype(np.float32)

    ink, scrim_colour, strength = _cheapest(behind(None), palette)
    while strength > 0:
        scrim = _scrim(region, scene, stage, scrim_colour, strength)
        # The finish bends what the scrim has mixed, so what was computed is looked at again.
        if _can_read(behind(scrim), ink) or strength == 1:
            return Reading(ink, scrim)
        strength = min(1.0, strength + 0.06)
    return Reading(ink, None)


def _cheapest(seen: _Colours, palette: Palette) -> tuple[Colour, Colour, float]:
    """Ink, colour and strength of the scrim it needs: none if possible, else rather a dark one."""
    choices = (
        (palette.paper, mix(palette.deep, (0, 0, 0), 0.5), 0.0),
        (palette.deep, palette.paper, 0.45),
        ((255, 255, 255), (0, 0, 0), 0.4),
        ((0, 0, 0), (255, 255, 255), 0.9),
    )
    found: list[tuple[float, Colour, Colour, float]] = []
    for ink, scrim, penalty in choices:
        strength = _strength_needed(seen, ink, scrim)
        if strength is not None:
            cost = strength + penalty if strength > 0 else penalty / 2
            found.append((cost, ink, scrim, strength))
    assert found, "white over black can be read over anything"
    _, ink, scrim, strength = min(found)
    return ink, scrim, strength


def even_part(box: Box, stage: Stage) -> Box:
    """Return the part of the frame that holds `box`, with even sides."""
    left, top = int(max(0, box.left)) & ~1, int(max(0, box.top)) & ~1
    right, bottom = int(min(stage.width, box.right + 2)), int(min(stage.height, box.bottom + 2))
    return Box(left, top, right & ~1, bottom & ~1)


def _near_letters(copy: Copy, region: Box, reach: int) -> NDArray[np.bool_]:
    """Where in `region`, at a half of its size, a pixel is close enough to a letter to matter."""
    cover = np.zeros((int(region.height), int(region.width)), np.uint8)
    for word in copy.block.words:
        x = int(copy.bounds.left + word.x_px - region.left)
        y = int(copy.bounds.top + word.y_px - region.top)
        height, width = word.coverage.shape
        part = cover[y : y + height, x : x + width]
        np.maximum(part, word.coverage[: part.shape[0], : part.shape[1]], out=part)
    wide = cv2.dilate(cover, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8))
    half = (max(1, cover.shape[1] // 2), max(1, cover.shape[0] // 2))
    return np.asarray(cv2.resize(wide, half, interpolation=cv2.INTER_AREA) > 0, np.bool_)


def _strength_needed(seen: _Colours, ink: Colour, scrim: Colour) -> float | None:
    """The least opacity of a scrim that lets `ink` be read everywhere, or None."""
    over = np.array(scrim, np.float32)

    def enough(step: int) -> bool:
        return _can_read(seen + (over - seen) * np.float32(step / _SCRIM_STEPS), ink)

    if enough(0):
        return 0.0
    if not enough(_SCRIM_STEPS):
        return None
    # More of a scrim never reads worse.
    low, high = 0, _SCRIM_STEPS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high / _SCRIM_STEPS


def _can_read(seen: _Colours, ink: Colour) -> bool:
    """Whether `ink` stands out from nearly all of the colours, being lighter or darker than all.

    One in two hundred is left out: a spark of light beside a letter takes nothing from it.
    """
    behind, own = _luminance(seen), float(_luminance(np.array([ink], np.float32))[0])
    low, high = np.percentile(behind, [0.5, 99.5])
    if own >= high:
        return (own + 0.05) / (float(high) + 0.05) >= _RATIO_AIM
    return own <= low and (float(low) + 0.05) / (own + 0.05) >= _RATIO_AIM


def _luminance(rgb: _Colours) -> NDArray[np.float32]:
    linear = _LINEAR[np.clip(rgb + np.float32(0.5), 0, 255).astype(np.uint8)]
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722], np.float32), np.float32)


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
