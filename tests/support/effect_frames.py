"""Frames of the real photograph, and an effect run on them as the chain would."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.effect import Effect, EffectWork
from cinefab.core.brief import Size
from cinefab.core.effect import Stretch, stretches
from cinefab.media.frames import Frame

PHOTO = Path(__file__).parents[2] / "examples" / "coffee.png"


@cache
def photo() -> NDArray[np.uint8]:
    """Return the photograph as RGB."""
    bgr = cv2.imread(str(PHOTO), cv2.IMREAD_COLOR)
    assert bgr is not None
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8)


def as_frame(rgb: NDArray[Any]) -> Frame:
    """Return RGB from 0 to 255, even sides, as I420 in BT.709 limited range."""
    red, green, blue = (rgb[..., k].astype(np.float64) / 255 for k in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    half = (rgb.shape[0] // 2, 2, rgb.shape[1] // 2, 2)
    from_blue = (224 / 1.8556 * (blue - luma)).reshape(half).mean(axis=(1, 3)) + 128
    from_red = (224 / 1.5748 * (red - luma)).reshape(half).mean(axis=(1, 3)) + 128
    samples = np.concatenate([(16 + 219 * luma).ravel(), from_blue.ravel(), from_red.ravel()])
    frame: Frame = np.rint(samples).astype(np.uint8)
    return frame.reshape(rgb.shape[0] * 3 // 2, rgb.shape[1])


def seen_from(size: Size, matrix: NDArray[np.float64]) -> Frame:
    """Return the photograph as a camera sees it: `matrix` takes its pixels to the frame's."""
    rgb = cv2.warpAffine(
        photo(),
        matrix,
        (size.width, size.height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return as_frame(np.asarray(rgb))


def camera(x: float, y: float, *, scale: float = 1.0, turn: float = 0.0) -> NDArray[np.float64]:
    """Return the matrix of a camera over the photograph, `x`, `y` being its upper left corner."""
    matrix = np.asarray(cv2.getRotationMatrix2D((x + 160, y + 90), turn, scale), np.float64)
    matrix[:, 2] -= (x, y)
    return matrix


def luma(frame: Frame) -> NDArray[np.float64]:
    """Return a frame's luma as floats."""
    return frame[: frame.shape[0] * 2 // 3].astype(np.float64)


def psnr(a: Frame, b: Frame, *, rim: int = 0) -> float:
    """Return the PSNR of two frames' luma in decibels, a rim of pixels left out."""
    inside = slice(rim, -rim or None)
    error = float(np.mean((luma(a)[inside, inside] - luma(b)[inside, inside]) ** 2))
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def run(
    effect: Effect,
    frames: Iterable[Frame],
    settings: Mapping[str, Any] | None = None,
    *,
    size: Size,
    wanted_frames: int,
    fps: Fraction = Fraction(24),
    first: int = 0,
    files: Mapping[str, Path] | None = None,
    pictures: Mapping[str, Path] | None = None,
    masks: Mapping[str, Path] | None = None,
) -> list[Frame]:
    """Return what `effect` makes of `frames`, for frames of `size`."""
    settings = settings or {}
    wanted = Stretch(
        size=size,
        fps=fps,
        first=first,
        frames=wanted_frames,
        extent_first=first,
        extent_end=first + wanted_frames,
        shot_frames=wanted_frames,
    )
    work = EffectWork(
        settings=settings,
        comes=stretches([effect.need(settings)], wanted)[0],
        wanted=wanted,
        files=files or {},
        pictures=pictures or {},
        masks=masks or {},
    )
    return [frame.copy() for frame in effect.apply(iter(frames), work)]
