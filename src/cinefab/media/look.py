"""What a reference looks like, in the numbers that a film of it is looked at in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.media.frames import Mask, Rgb
from cinefab.media.inspect import hues_of, in_thousandths, rows_of, sample_rows
from cinefab.media.still import read_mask, read_png

LOOK: Final = "2"
"""Changes whenever the same picture might give other numbers."""

_LONG_SIDE: Final = 960
_FEW: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A picture's `sharp`, `white`, `dark`, `hues` and `grey`, as `FilmInspection` has them.

    `product_hues` are those of what its mask leaves of it, over the area that is left; None where
    it has no mask, or an empty one.
    """

    sharp: int
    white: int
    dark: int
    hues: list[int]
    grey: int
    product_hues: list[int] | None = None


def look_of(path: Path, mask: Path | None = None) -> Look:
    """Return what the normalised picture at `path` looks like, whole and through its `mask`.

    Raises as `read_png` does.
    """
    picture = _small(read_png(path))
    luma, blue, red = _planes(picture)
    seen = rows_of(sample_rows(luma))
    few = _few(luma)
    lights = luma[few][: blue.shape[0], : blue.shape[1]]
    product = None if mask is None else _cover(mask, picture)[few]
    hues, grey = hues_of(lights, blue, red)
    own = None
    if product is not None and product.any():
        own = in_thousandths(hues_of(lights, blue, red, product)[0])
    return Look(
        sharp=seen["sharp"],
        white=seen["white"],
        dark=seen["dark"],
        hues=in_thousandths(hues),
        grey=round(1000 * grey),
        product_hues=own,
    )


def look_document(look: Look) -> dict[str, Any]:
    """Return a look as JSON."""
    return asdict(look)


def look_from_document(document: Any) -> Look:
    """Return what `look_document` wrote."""
    return Look(**document)


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    longest = max(picture.shape[:2])
    if longest <= _LONG_SIDE:
        return picture
    small = max(1, picture.shape[1] * _LONG_SIDE // longest)
    size = small, max(1, picture.shape[0] * _LONG_SIDE // longest)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _cover(mask: Path, picture: Rgb) -> NDArray[np.float32]:
    """Return how much of each pixel the product covers, 0 to 1."""
    height, width = picture.shape[:2]
    cover = cv2.resize(read_mask(mask), (width, height), interpolation=cv2.INTER_AREA)
    return cover.astype(np.float32) / np.float32(255)


def _few(plane: NDArray[Any]) -> tuple[slice, slice]:
    """Return which pixels of a plane tell its colours."""
    few = slice(_FEW // 2, None, _FEW) if min(plane.shape) > _FEW else slice(None)
    return few, few


def _planes(picture: Rgb) -> tuple[Mask, NDArray[np.float32], NDArray[np.float32]]:
    # BT.709 in limited range, as films are made; colour from one pixel in so many.
    red, green, blue = (picture[..., k].astype(np.float32) / 255 for k in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    few = _few(luma)
    return (
        np.rint(16 + 219 * luma).astype(np.uint8),
        np.asarray(128 + 224 * (blue - luma)[few] / 1.8556, np.float32),
        np.asarray(128 + 224 * (red - luma)[few] / 1.5748, np.float32),
    )
