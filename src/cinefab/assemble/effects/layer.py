"""A still layer that lies over frames: converted once, then mixed in where it covers something."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cinefab.media.frames import Frame, planes

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """Premultiplied BT.709 samples and what they leave of the picture, in whole chroma blocks."""

    left: int
    top: int
    samples: tuple[Floats, Floats, Floats]
    leaves: tuple[Floats, Floats]

    def over(self, frame: Frame) -> Frame:
        """Return a new frame with this layer over `frame`."""
        out = frame.copy()
        for number, plane in enumerate(planes(out)):
            step = 1 if number == 0 else 2
            samples, leaves = self.samples[number], self.leaves[min(number, 1)]
            rows, columns = samples.shape
            top, left = self.top // step, self.left // step
            part = plane[top : top + rows, left : left + columns]
            part[...] = (part * leaves + samples + np.float32(0.5)).astype(np.uint8)
        return out


def layer_of(rgb: Floats, cover: Floats, *, left: int, top: int, width: int, height: int) -> Layer:
    """Return a layer of `rgb` (0 to 1, straight, shape (h, w, 3)) where `cover` (0 to 1) is.

    It lies with its corner at `left`, `top` of a picture of `width` by `height`, even sides, and
    must be wholly inside.
    """
    rows, columns = cover.shape
    inside = left >= 0 and top >= 0 and left + columns <= width and top + rows <= height
    assert inside, "a layer lies within its picture"
    # Chroma has half the resolution, so the layer is widened to whole blocks of two by two.
    before_x, before_y = left % 2, top % 2
    after_x, after_y = (left + columns) % 2, (top + rows) % 2
    pad = ((before_y, after_y), (before_x, after_x))
    cover = np.pad(cover, pad).astype(np.float32)
    rgb = np.pad(rgb, (*pad, (0, 0))).astype(np.float32)
    red, green, blue = (rgb[..., k] for k in range(3))
    luma = np.float32(0.2126) * red + np.float32(0.7152) * green + np.float32(0.0722) * blue
    from_blue = np.float32(224 / 1.8556) * (blue - luma)
    from_red = np.float32(224 / 1.5748) * (red - luma)
    small = _halved(cover)
    return Layer(
        left=left - before_x,
        top=top - before_y,
        samples=(
            (16 + 219 * luma) * cover,
            _halved(from_blue * cover) + 128 * small,
            _halved(from_red * cover) + 128 * small,
        ),
        leaves=(1 - cover, 1 - small),
    )


def _halved(plane: Floats) -> Floats:
    rows, columns = plane.shape
    halved: Floats = plane.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    return halved
