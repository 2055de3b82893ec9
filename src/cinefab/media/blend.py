"""How one picture takes over from another, frame by frame, on I420 planes.

`progress` runs from 0, all of the old picture, to 1, all of the new one. Every function returns
a new frame and keeps to integers at its ends: there, and wherever both pictures agree, the
result is the picture itself.
"""

from __future__ import annotations

import math
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.media.frames import Frame

Plane = NDArray[np.uint8]

_BAND_SHARE: Final = 0.05  # of the width: soft enough not to cut, too narrow to show two pictures
_SLANT: Final = 0.2  # how far the edge leans, in widths per height; upright edges look like a fault


def eased(index: int, count: int) -> float:
    """Return the progress of frame `index` of a transition of `count` frames.

    Slow at both ends and strictly between 0 and 1, so that no frame repeats a neighbour's.
    """
    assert 0 <= index < count, "a frame of the transition"
    return 0.5 - 0.5 * math.cos(math.pi * (index + 1) / (count + 1))


def dissolve(old: Frame, new: Frame, progress: float) -> Frame:
    """Mix both pictures everywhere by `progress`."""
    mixed: Frame = cv2.addWeighted(old, 1 - progress, new, progress, 0).astype(np.uint8, copy=False)
    return mixed


def wipe(old: Frame, new: Frame, progress: float) -> Frame:
    """Draw the new picture over the old from the left, behind an edge that leans forward.

    Only inside its soft rim, a twentieth of the width, are two pictures mixed; a product that
    both show is therefore never seen twice.
    """
    out = old.copy()
    width, height = _size(old)
    rim = _BAND_SHARE * width
    # The edge starts with its rim just outside the picture and ends there on the other side.
    edge = progress * (width + _SLANT * height + rim) - rim / 2
    for out_plane, new_plane in zip(_planes(out), _planes(new), strict=True):
        _wipe_plane(out_plane, new_plane, edge=edge, rim=rim, height=height)
    return out


def dip(old: Frame, new: Frame, progress: float, *, colour: str) -> Frame:
    """Fade the old picture into `colour` (`#rrggbb`) and the new one out of it."""
    shown = old if progress < 0.5 else new
    flat = np.empty_like(shown)
    for plane, level in zip(_planes(flat), yuv_of(colour), strict=True):
        plane[:] = level
    # Squared, the colour comes and goes without a jerk at its height.
    return dissolve(shown, flat, 1 - (2 * progress - 1) ** 2)


def yuv_of(colour: str) -> tuple[int, int, int]:
    """Return `#rrggbb` as Y, Cb and Cr in BT.709, limited range."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.8556),
        round(128 + 224 * (red - luma) / 1.5748),
    )


def _wipe_plane(out: Plane, new: Plane, *, edge: float, rim: float, height: int) -> None:
    # All in luma pixels, whatever the plane: a sample's place is its distance along the edge's way.
    rows, columns = out.shape
    step = height / rows
    places = (np.arange(columns, dtype=np.float32) + 0.5) * step
    leans = (np.arange(rows, dtype=np.float32) + 0.5) * step * np.float32(_SLANT)
    first, last = np.searchsorted(places, [edge - rim / 2 - _SLANT * height, edge + rim / 2])
    out[:, :first] = new[:, :first]
    if first == last:
        return
    ahead = edge - leans[:, None] - places[None, first:last]
    share = np.clip(ahead / np.float32(rim) + np.float32(0.5), 0, 1)
    share *= share * (3 - 2 * share)
    mixed = out[:, first:last].astype(np.float32)
    mixed += share * (new[:, first:last] - mixed)
    out[:, first:last] = np.rint(mixed)


def _size(frame: Frame) -> tuple[int, int]:
    return frame.shape[1], frame.shape[0] * 2 // 3


def _planes(frame: Frame) -> tuple[Plane, Plane, Plane]:
    width, height = _size(frame)
    assert frame.flags.c_contiguous, "frames are contiguous, or their planes could not be views"
    flat: NDArray[Any] = frame.reshape(-1)
    luma, quarter = width * height, width * height // 4
    chroma = (height // 2, width // 2)
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + quarter].reshape(chroma),
        flat[luma + quarter :].reshape(chroma),
    )
