"""The brand's mark, in its own colours, on a plate of its own where it would not be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.core.errors import ReferenceRefused
from cinefab.generate.models.procedural.motion import Moment, arrive
from cinefab.generate.models.procedural.palette import Palette, contrast
from cinefab.generate.models.procedural.raster import blend_picture
from cinefab.generate.models.procedural.stage import Box, Stage
from cinefab.media.finish import Canvas
from cinefab.media.frames import Rgb

_SEEN_MIN: Final = 2.2


@dataclass(frozen=True, slots=True)
class Mark:
    """A logo at its place; it fades in with the shot's start."""

    texture: NDArray[np.uint8]
    left: int
    top: int

    def draw(self, canvas: Canvas, at: Moment) -> None:
        """Blend it in; it counts as flat colour, so the finish leaves it alone."""
        share = arrive(at.seconds + 0.4, start=0.0, length=0.5)
        if share <= 0:
            return
        height, width = self.texture.shape[:2]
        part = canvas[self.top : self.top + height, self.left : self.left + width, 3]
        picture = part.copy()
        blend_picture(canvas, self.texture, (self.left, self.top), opacity=share)
        keep = 255 - (self.texture[..., 3] * np.float32(share)).astype(np.uint8)
        part[...] = np.minimum(picture, keep)


def logo_layer(
    path: Path, mask: Path | None, box: Box, samples: Sequence[Rgb], stage: Stage, palette: Palette
) -> Mark:
    """Return the logo fitted into `box`, at the side of it that is nearer to the frame's edge.

    `samples` are what is behind the box at several moments.

    Without a mask, an even ground around the mark is taken to be paper and left out. Raises
    `ReferenceRefused` when the picture cannot be read.
    """
    texture = _fitted(_read(path, mask), box)
    width = texture.shape[1]
    nearer_left = box.left < stage.width - box.right
    left = round(box.left if nearer_left else box.right - width)
    top = round(box.top)
    behind = np.mean([rgb.reshape(-1, 3).mean(axis=0) for rgb in samples], axis=0)
    own = np.average(
        texture[..., :3].reshape(-1, 3), axis=0, weights=texture[..., 3].reshape(-1) + 1e-3
    )
    if contrast([float(v) for v in own], [float(v) for v in behind]) < _SEEN_MIN:
        texture = _on_plate(texture, palette, own)
    return Mark(texture, left, top)


def _read(path: Path, mask: Path | None) -> NDArray[np.uint8]:
    rgb = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if rgb is None:
        raise ReferenceRefused(
            attempted="show the logo",
            field="brand.logo",
            found=f"{path.name} cannot be read as a picture",
            remedy="Give a PNG or JPEG file",
        )
    cover = None if mask is None else cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
    if cover is None or cover.shape != rgb.shape[:2]:
        cover = _without_ground(np.asarray(rgb, np.uint8))
    return np.dstack([rgb, cover]).astype(np.uint8)


def _without_ground(rgb: Rgb) -> NDArray[np.uint8]:
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]).astype(np.float32)
    ground = np.median(border, axis=0)
    if float(np.abs(border - ground).max(axis=1).mean()) > 10:
        return np.full(rgb.shape[:2], 255, np.uint8)
    far = np.abs(rgb.astype(np.float32) - ground).max(axis=2)
    return np.asarray(np.clip((far - 12) * (255 / 60), 0, 255), np.uint8)


def _fitted(texture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    inside = cv2.boundingRect((texture[..., 3] > 8).astype(np.uint8))
    x, y, width, height = inside if inside[2] else (0, 0, texture.shape[1], texture.shape[0])
    cropped = texture[y : y + height, x : x + width]
    scale = min(box.width / width, box.height / height)
    size = (max(2, int(width * scale)), max(2, int(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cropped, size, interpolation=method), np.uint8)


def _on_plate(
    texture: NDArray[np.uint8], palette: Palette, own: NDArray[np.float64]
) -> NDArray[np.uint8]:
    colour = [float(v) for v in own]
    ground = max((palette.paper, palette.deep), key=lambda each: contrast(each, colour))
    height, width = texture.shape[:2]
    pad = max(3, round(height * 0.22))
    small = (max(1, width - 2 * pad), max(1, height - 2 * pad))
    inner = cv2.resize(texture, small, interpolation=cv2.INTER_AREA)
    plate = np.empty((height, width, 4), np.uint8)
    plate[..., :3] = ground
    plate[..., 3] = 255
    share = inner[..., 3:].astype(np.float32) / 255
    part = plate[pad : pad + small[1], pad : pad + small[0], :3]
    part[...] = (part + (inner[..., :3] - part.astype(np.float32)) * share + 0.5).astype(np.uint8)
    return plate
