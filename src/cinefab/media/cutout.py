"""Cut a product out of its photograph, without any trained weights.

The background is taken to be what a smooth surface fitted to the photograph's border predicts;
what stands out from it, and rather in the middle, seeds GrabCut; the largest piece is kept, its
holes are filled, and a guided filter draws its edge at full size. The recipe works for one
object that lies whole inside the picture. It says how far its answer is to be trusted, and a
caller below `TRUSTED_BP` shows the whole photograph instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.core.units import BasisPoints
from cinefab.media.frames import Mask, Rgb

TRUSTED_BP: Final = BasisPoints(6_000)
"""A cut-out below this confidence does more harm than good."""

_WORK_PX: Final = 400
_ROUNDS: Final = 2  # a third moves less than 0.1 % of a mask that is to be trusted
# Shadows and the gradients of a table change lightness far more than colour.
_LIGHTNESS_WEIGHT: Final = 0.4
_BEYOND_DOUBT: Final = 8.0  # deviations of the background
_COLOUR_WEIGHT: Final = 1.5

_Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Cutout:
    """Where the product is, as a mask of the photograph's size, and how sure that is."""

    mask: Mask
    confidence_bp: BasisPoints


def cut_out(rgb: Rgb) -> Cutout:
    """Return the mask of the one product in `rgb`, shape (height, width, 3).

    Always answers, in well under a second; the same picture gives the same mask. A mask that
    should not be used has a low confidence and a rough edge, and where nothing stands out the mask
    is empty.
    """
    height, width = rgb.shape[:2]
    shrink = min(1.0, _WORK_PX / max(height, width))
    small_size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    small = np.asarray(cv2.resize(rgb, small_size, interpolation=cv2.INTER_AREA), np.uint8)
    lab = _lab(small)
    salience = _salience(lab)
    rough = _grab(lab, salience)
    if not rough.any():
        return Cutout(np.zeros((height, width), np.uint8), BasisPoints(0))
    confidence_bp = _confidence_bp(lab, rough)
    if confidence_bp < TRUSTED_BP:
        # Nobody shows it, so its edge is not worth as much time again.
        plain = cv2.resize(rough * 255, (width, height), interpolation=cv2.INTER_NEAREST)
        return Cutout(np.asarray(plain, np.uint8), confidence_bp)
    return Cutout(_refined(rgb, rough), confidence_bp)


def _lab(rgb: Rgb) -> _Floats:
    scaled = rgb.astype(np.float32) / np.float32(255)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB), np.float32)


def _salience(lab: _Floats) -> _Floats:
    """How far each pixel is from what the border predicts, in the border's own deviations."""
    height, width = lab.shape[:2]
    x, y = _unit_grid(height, width)
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    border = _border(height, width).ravel()
    seen = lab.reshape(-1, 3)
    trust = np.ones(int(border.sum()), np.float32)
    surface = np.zeros((6, 3), np.float32)
    for _ in range(6):
        # Reweighted, because an object may touch the border and a corner may be another thing.
        surface = np.linalg.lstsq(
            terms[border] * trust[:, None], seen[border] * trust[:, None], rcond=None
        )[0]
        off = np.linalg.norm(seen[border] - terms[border] @ surface, axis=1)
        scale = float(np.median(off)) * 1.48 + 1e-3
        trust = 1 / (1 + (off / (2 * scale)) ** 2)
    # Blurred first: the grain of wood or cloth is texture of the background, not an object.
    rest = cv2.GaussianBlur(lab, (0, 0), 2.0).reshape(-1, 3) - terms @ surface
    weighted = rest[border] * trust[:, None]
    spread = weighted.T @ weighted / float((trust**2).sum()) + np.diag([1.4, 2.0, 2.0])
    far = np.sqrt(np.einsum("ij,jk,ik->i", rest, np.linalg.inv(spread), rest))
    middle = np.exp(-((x / 0.85) ** 4 + (y / 0.9) ** 4))
    return np.asarray(far.reshape(height, width) * middle, np.float32)


def _unit_grid(height: int, width: int) -> tuple[_Floats, _Floats]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return (x / width - 0.5) * 2, (y / height - 0.5) * 2


def _border(height: int, width: int) -> NDArray[np.bool_]:
    depth = max(2, round(0.05 * min(height, width)))
    border = np.ones((height, width), np.bool_)
    border[depth:-depth, depth:-depth] = False
    return border


def _grab(lab: _Floats, salience: _Floats) -> Mask:
    """Seed GrabCut with what stands out; keep the largest piece, without holes."""
    top = float(np.percentile(salience, 99))
    if top < 2.0:  # nothing is even two deviations away from the background
        return np.zeros(salience.shape, np.uint8)
    # Beyond doubt is beyond doubt: a white label must not look uncertain beside a green bottle.
    top = min(top, _BEYOND_DOUBT)
    levels = np.clip(salience * (255 / top), 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)
    stands_out = levels > threshold * 0.8
    core = _solid(_opened(stands_out.astype(np.uint8), 5))
    state = np.full(salience.shape, cv2.GC_PR_BGD, np.uint8)
    state[stands_out | (core > 0)] = cv2.GC_PR_FGD
    state[salience > _BEYOND_DOUBT] = cv2.GC_FGD
    state[:2] = state[-2:] = cv2.GC_BGD
    state[:, :2] = state[:, -2:] = cv2.GC_BGD
    if not np.any((state == cv2.GC_PR_FGD) | (state == cv2.GC_FGD)):
        return np.zeros(salience.shape, np.uint8)
    coloured = np.empty(lab.shape, np.float32)
    coloured[..., 0] = lab[..., 0] * (2.55 * _LIGHTNESS_WEIGHT)
    coloured[..., 1:] = lab[..., 1:] * _COLOUR_WEIGHT + 128
    cv2.setRNGSeed(7)  # GrabCut starts its mixtures by k-means, from the library's own generator
    cv2.grabCut(
        np.clip(coloured, 0, 255).astype(np.uint8),
        state,
        (0, 0, 0, 0),
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        _ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )
    inside = (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)
    return _solid(_opened(inside.astype(np.uint8), 3))


def _opened(mask: Mask, size: int) -> Mask:
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(cv2.morphologyEx(mask, cv2.MORPH_OPEN, brush), np.uint8)


def _solid(mask: Mask) -> Mask:
    """The largest piece of a 0/1 mask with everything that it encloses."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    solid = np.zeros_like(mask)
    if outlines:
        largest = max(outlines, key=cv2.contourArea)
        cv2.drawContours(solid, [largest], -1, 1, cv2.FILLED)
    return solid


def _refined(rgb: Rgb, rough: Mask) -> Mask:
    """Carry a small 0/1 mask to the photograph's size and lay its edge on the photograph's."""
    height, width = rgb.shape[:2]
    step = max(1.0, max(height, width) / _WORK_PX)
    soft = cv2.resize(rough.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    # The outline of a thing somebody made is smooth; GrabCut's steps are not.
    smooth = cv2.GaussianBlur(soft, (0, 0), 1.6 * step)
    smooth = np.clip((np.asarray(smooth, np.float32) - 0.5) * 3 + 0.5, 0, 1)
    guide = _contrast_axis(_lab(rgb), smooth)
    alpha = _guided(guide, smooth, radius=max(2, round(3 * step)), epsilon=2e-3)
    # Slightly inside the edge, where no background shines through.
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 0.9), np.float32)
    alpha = np.clip((alpha - 0.56) * 2.8 + 0.5, 0, 1)
    near = cv2.dilate(soft, np.ones((3, 3)), iterations=max(1, round(2 * step))) > 0
    return np.round(np.where(near, alpha, 0) * 255).astype(np.uint8)


def _contrast_axis(lab: _Floats, inside: _Floats) -> _Floats:
    """The one channel, 0 to 1, in which inside and outside of the edge differ the most."""
    edge = (inside > 0.02) & (inside < 0.98)
    ring = cv2.dilate(edge.astype(np.uint8), np.ones((9, 9))) > 0
    into, out = lab[ring & (inside > 0.9)], lab[ring & (inside < 0.1)]
    if len(into) < 8 or len(out) < 8:
        return lab[..., 0] / np.float32(100)
    spread = np.cov(into.T) + np.cov(out.T) + np.eye(3)
    axis = np.linalg.solve(spread, into.mean(0) - out.mean(0)).astype(np.float32)
    along = lab @ axis
    low, high = np.percentile(along, [1, 99])
    scaled = np.clip((along - low) / max(float(high - low), 1e-6), 0, 1)
    return np.asarray(scaled, np.float32)


def _guided(guide: _Floats, mask: _Floats, *, radius: int, epsilon: float) -> _Floats:
    """He's guided filter with a grey guide: `mask` smoothed everywhere but across edges."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: _Floats) -> _Floats:
        return np.asarray(cv2.boxFilter(values, -1, size), np.float32)

    mean_guide, mean_mask = mean(guide), mean(mask)
    variance = mean(guide * guide) - mean_guide**2
    covariance = mean(guide * mask) - mean_guide * mean_mask
    slope = covariance / (variance + epsilon)
    offset = mean_mask - slope * mean_guide
    return np.asarray(mean(slope) * guide + mean(offset), np.float32)


def _confidence_bp(lab: _Floats, rough: Mask) -> BasisPoints:
    """Four doubts multiplied: size, touching the border, a weak edge, a ragged shape."""
    share = float(rough.mean())
    fits = _ramp(share, 0.01, 0.04) * _ramp(-share, -0.85, -0.7)
    frame = np.concatenate([rough[3], rough[-4], rough[:, 3], rough[:, -4]])
    whole = _ramp(-float(frame.mean()), -0.12, -0.02)
    distinct = _ramp(_edge_separation(lab, rough), 0.8, 0.97)
    outlines, _ = cv2.findContours(rough, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull_area = cv2.contourArea(cv2.convexHull(outlines[0]))
    compact = _ramp(cv2.contourArea(outlines[0]) / max(hull_area, 1.0), 0.45, 0.75)
    return BasisPoints(round(10_000 * fits * whole * distinct * compact))


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _edge_separation(lab: _Floats, rough: Mask) -> float:
    """The share of the outline across which the colour really changes.

    Either side is averaged over a few pixels a little away from the edge, so that texture does
    not count as an edge.
    """
    side = 9
    inner = np.asarray(cv2.erode(rough, np.ones((3, 3)), borderValue=0), np.uint8)
    outer = np.asarray(1 - cv2.dilate(rough, np.ones((3, 3))), np.uint8)
    edge = (inner == 0) & (outer == 0)
    means = []
    for part in (inner, outer):
        weight = cv2.boxFilter(part.astype(np.float32), -1, (side, side))
        colour = cv2.boxFilter(lab * part[..., None], -1, (side, side))
        means.append(colour / np.maximum(weight, 1e-3)[..., None])
    step = np.linalg.norm(means[0] - means[1], axis=-1)
    return float((step[edge] > 6.0).mean())
