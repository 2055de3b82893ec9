"""What a reference looks like, in the numbers that a film of it is looked at in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from cinefab.media.frames import Mask, Rgb
from cinefab.media.inspect import chroma_pairs, chroma_shares, rows_of, sample_rows
from cinefab.media.still import read_png

LOOK: Final = "1"
"""Changes whenever the same picture might give other numbers."""

_LONG_SIDE: Final = 960
_FEW: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A picture's `sharp`, `white` and `dark` as `FilmInspection` has them, and its `chroma`."""

    sharp: int
    white: int
    dark: int
    chroma: dict[int, int]


def look_of(path: Path) -> Look:
    """Return what the normalised picture at `path` looks like; raise as `read_png` does."""
    picture = read_png(path)
    longest = max(picture.shape[:2])
    if longest > _LONG_SIDE:
        small = max(1, picture.shape[1] * _LONG_SIDE // longest)
        size = small, max(1, picture.shape[0] * _LONG_SIDE // longest)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    luma, blue, red = _planes(picture)
    seen = rows_of(sample_rows(luma))
    return Look(
        sharp=seen["sharp"],
        white=seen["white"],
        dark=seen["dark"],
        chroma=chroma_shares(chroma_pairs(blue, red)),
    )


def look_document(look: Look) -> dict[str, Any]:
    """Return a look as JSON."""
    return {**asdict(look), "chroma": {str(at): share for at, share in look.chroma.items()}}


def look_from_document(document: Any) -> Look:
    """Return what `look_document` wrote."""
    return Look(**document | {"chroma": {int(k): v for k, v in document["chroma"].items()}})


def _planes(picture: Rgb) -> tuple[Mask, Mask, Mask]:
    # BT.709 in limited range, as films are made; colour from one pixel in so many.
    red, green, blue = (picture[..., k].astype(np.float32) / 255 for k in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    few = np.s_[_FEW // 2 :: _FEW, _FEW // 2 :: _FEW] if min(luma.shape) > _FEW else np.s_[:, :]
    return (
        np.rint(16 + 219 * luma).astype(np.uint8),
        np.rint(128 + 224 * (blue - luma)[few] / 1.8556).astype(np.uint8),
        np.rint(128 + 224 * (red - luma)[few] / 1.5748).astype(np.uint8),
    )
