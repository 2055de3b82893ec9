"""A photograph made ready: the product with clean edges, the plate without the product."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.core.errors import ReferenceRefused
from cinefab.generate.models.procedural.palette import Colour
from cinefab.media.frames import Mask, Rgb
from cinefab.media.lut import Lut, apply_lut

Floats: TypeAlias = NDArray[np.float32]

_PHOTO_PX_MAX: Final = 1600
_PLATE_PX: Final = 640
_TOUCHING_MAX: Final = 0.06


@dataclass(frozen=True, slots=True)
class Product:
    """A cut-out: RGB with colours continued beyond its edge, its mask, where it lay (pixels).

    `x`, `y` are the left top corner of `rgb` inside its photograph.
    """

    rgb: Rgb
    mask: Mask
    x: int
    y: int
    edge_colour: Colour


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph, its product if it was cut out, and itself without the product (smaller)."""

    rgb: Rgb
    product: Product | None
    plate: Floats

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.rgb.shape[0])


def load_photo(name: str, picture: Path, mask: Path | None, lut: Lut | None) -> Photo:
    """Read a normalised photograph and its mask; raise `ReferenceRefused` if either is unreadable.

    A mask that runs into the photograph's border is not used: the product would end in a
    straight line in the middle of a frame.
    """
    rgb = _read(name, picture, cv2.IMREAD_COLOR_RGB)
    if lut is not None:
        rgb = apply_lut(lut, rgb)
    cover = None if mask is None else _read(name, mask, cv2.IMREAD_GRAYSCALE)
    if cover is not None and (cover.shape != rgb.shape[:2] or not _usable(cover)):
        cover = None
    if cover is None:
        return Photo(rgb, None, _small(rgb))
    return Photo(rgb, _product(rgb, cover), _plate_without(rgb, cover))


def blurred(plate: Floats, sigma_share: float) -> Floats:
    """Blur a plate by a share of its width, as a lens would that looks at something nearer."""
    sigma = max(0.3, sigma_share * plate.shape[1])
    soft = cv2.GaussianBlur(plate, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(soft, np.float32)


def dithered(values: Floats, rng: np.random.Generator) -> Rgb:
    """Round to 8 bits with noise of one code value, so that soft gradients do not band."""
    # One noise for all three channels: as good against bands, and made in a third of the time.
    noise = rng.random(values.shape[:2], np.float32)[..., None]
    return np.asarray(np.clip(np.floor(values + noise), 0, 255), np.uint8)


def enlarged(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize to exactly `width` x `height`; what grows is sharpened a little afterwards."""
    shrinks = width < image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized = np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)
    growth = width / image.shape[1]
    if growth < 1.15 or image.ndim == 2:
        return resized
    soft = cv2.GaussianBlur(resized, (0, 0), 0.75 * growth)
    return np.asarray(cv2.addWeighted(resized, 1.45, soft, -0.45, 0), np.uint8)


def _read(name: str, path: Path, mode: int) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), mode)
    if image is None:
        raise ReferenceRefused(
            attempted="show a reference",
            field=f"references[{name}]",
            found=f"{path.name} cannot be read as a picture",
            remedy="Give a PNG or JPEG file",
        )
    longest = max(image.shape[:2])
    if longest > _PHOTO_PX_MAX:
        share = _PHOTO_PX_MAX / longest
        image = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.asarray(image, np.uint8)


def _usable(mask: Mask) -> bool:
    inside = mask > 127
    frame = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    return bool(inside.mean() > 0.005) and float(frame.mean()) < _TOUCHING_MAX


def _product(rgb: Rgb, mask: Mask) -> Product:
    left, top, width, height = cv2.boundingRect((mask > 8).astype(np.uint8))
    pad = 4
    x0, y0 = max(0, left - pad), max(0, top - pad)
    x1, y1 = left + width + pad, top + height + pad
    cover = mask[y0:y1, x0:x1]
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    inner = np.asarray(cv2.erode((cover > 200).astype(np.uint8), brush), np.float32)
    # Colours of the old background leave the edge; those of the product are continued outwards.
    own = _filled(rgb[y0:y1, x0:x1].astype(np.float32), inner)
    clean = np.clip(np.round(own), 0, 255).astype(np.uint8)
    ring = (inner == 0) & (cover > 127)
    mean = clean[ring].mean(axis=0) if ring.any() else clean.reshape(-1, 3).mean(axis=0)
    edge = (round(float(mean[0])), round(float(mean[1])), round(float(mean[2])))
    return Product(clean, cover, x0, y0, edge)


def _small(rgb: Rgb) -> Floats:
    share = min(1.0, _PLATE_PX / rgb.shape[1])
    if share == 1.0:
        return rgb.astype(np.float32)
    size = (_PLATE_PX, max(8, round(rgb.shape[0] * share)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.float32)


def _plate_without(rgb: Rgb, mask: Mask) -> Floats:
    small = _small(rgb)
    height, width = small.shape[:2]
    cover = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    # Wider than the product: its own shadow and the colour that bleeds around it go with it,
    # and what is filled in is taken rather from further away.
    grow = max(5, round(width * 0.04)) | 1
    wide = cv2.dilate(cover, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (grow, grow)))
    away = cv2.distanceTransform((wide < 8).astype(np.uint8), cv2.DIST_L2, 3) / width
    known = np.clip(away / 0.12, 0, 1).astype(np.float32)
    filled = _filled(small, np.where(wide < 8, 0.02 + 0.98 * known**2, 0).astype(np.float32))
    soft = cv2.GaussianBlur(wide.astype(np.float32) / 255, (0, 0), grow * 0.5)
    empty = small + (filled - small) * np.clip(soft * 1.8, 0, 1)[..., None]
    return _evenly_lit(np.asarray(empty, np.float32))


def _evenly_lit(plate: Floats) -> Floats:
    """Lift the large dark places that the product's own shadow has left behind."""
    light = plate @ np.array([0.2126, 0.7152, 0.0722], np.float32) + 4
    broad = cv2.GaussianBlur(light, (0, 0), plate.shape[1] * 0.06, borderType=cv2.BORDER_REFLECT)
    lift = np.clip(float(np.median(broad)) / broad, 1.0, 3.2) ** 0.7
    return np.asarray(np.clip(plate * lift[..., None], 0, 255), np.float32)


def _filled(rgb: Floats, known: Floats) -> Floats:
    """Continue known pixels into unknown ones: pull up a pyramid, push down again.

    `known` is how much a pixel is worth, from 0 to 1.
    """
    height, width = known.shape
    if min(height, width) <= 2:
        total = (rgb * known[..., None]).sum(axis=(0, 1))
        mean = total / max(float(known.sum()), 1e-6)
        return np.asarray(np.where(known[..., None] > 0, rgb, mean), np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    weight = np.asarray(cv2.pyrDown(known, dstsize=half), np.float32)
    colour = cv2.pyrDown(rgb * known[..., None], dstsize=half) / np.maximum(weight, 1e-6)[..., None]
    coarse = _filled(np.asarray(colour, np.float32), np.clip(weight * 4, 0, 1))
    spread = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR))
    return np.asarray(rgb * known[..., None] + spread * (1 - known[..., None]), np.float32)
