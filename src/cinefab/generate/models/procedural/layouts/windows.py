"""Photographs seen through shapes cut into a flat ground."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cinefab.generate.models.procedural.kit import Kit
from cinefab.generate.models.procedural.layers import Layer
from cinefab.generate.models.procedural.motion import Moment, arrive
from cinefab.generate.models.procedural.stage import Box
from cinefab.media.frames import Mask


def round_window(kit: Kit, x: float, y: float, radius: float) -> list[Layer]:
    """The whole photograph in a circle that is cut off where the frame ends."""
    box = whole_pixels(Box(x - radius, y - radius, x + radius, y + radius))
    cover = rounded_cover(box, top=radius, bottom=radius)
    return [kit.whole_photo(window=box, window_cover=cover, sunk=rising(kit, box), zoom=1.02)]


def rising(kit: Kit, box: Box) -> Callable[[Moment], float]:
    """Let a window's shape come up from below soon after the shot's start."""
    length_s = min(1.3, 0.45 * kit.shot_s)

    def sunk(at: Moment) -> float:
        return box.height * 0.35 * (1 - arrive(at.seconds + 0.2, start=0.0, length=length_s))

    return sunk


def whole_pixels(box: Box) -> Box:
    """Return `box` on whole pixels, where a window's mask begins and ends."""
    return Box(round(box.left), round(box.top), round(box.right), round(box.bottom))


def rounded_cover(box: Box, *, top: float, bottom: float) -> Mask:
    """A rectangle's mask with its upper and lower corners rounded by radii in pixels.

    A radius of half the width makes an arch.
    """
    width, height = round(box.width), round(box.height)
    x = np.abs(np.arange(width, dtype=np.float32) + 0.5 - width / 2)[None, :]
    y = (np.arange(height, dtype=np.float32) + 0.5)[:, None]
    cover = np.ones((height, width), np.float32)
    for radius, depth in ((min(top, width / 2), y), (min(bottom, width / 2), height - y)):
        if radius > 0:
            off_x = np.maximum(x - (width / 2 - radius), 0)
            off_y = np.maximum(radius - depth, 0)
            cover = np.minimum(cover, np.clip(radius - np.hypot(off_x, off_y) + 0.5, 0, 1))
    return np.asarray(np.round(cover * 255), np.uint8)
