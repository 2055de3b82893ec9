"""The task behind the lock: a stranger's file becomes upright RGB, or is refused with a reason."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import cv2
import numpy as np

from cinefab.media.frames import Mask, Rgb
from cinefab.media.sandbox.formats.avif import read_avif
from cinefab.media.sandbox.formats.jpeg import read_jpeg
from cinefab.media.sandbox.formats.outline import Outline, refuse_broken
from cinefab.media.sandbox.formats.png import read_png
from cinefab.media.sandbox.formats.sniff import PictureFormat, sniff
from cinefab.media.sandbox.formats.webp import read_webp
from cinefab.media.sandbox.outcome import Cause, PayloadRefused

_READERS: Final = {
    PictureFormat.PNG: read_png,
    PictureFormat.JPEG: read_jpeg,
    PictureFormat.WEBP: read_webp,
    PictureFormat.AVIF: read_avif,
}
_OPAQUE: Final = 255
_Pixels: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def decode(
    payload: bytes, *, name: str, pixels_max: int, side_max: int
) -> tuple[dict[str, Any], list[memoryview]]:
    """Return the picture's facts, its pixels, and its mask where it is not wholly opaque.

    Facts: `format`, `width`, `height` as it is to be seen, `alpha`. Blobs: RGB of shape
    (height, width, 3), then the mask of shape (height, width), both uint8 and contiguous.
    """
    kind = sniff(payload, name=name)
    outline = _READERS[kind](payload)
    _check_size(outline, pixels_max=pixels_max, side_max=side_max)
    rgb, mask = _to_rgb(_decoded(outline), outline.bits)
    rgb = np.ascontiguousarray(_upright(rgb, outline.orientation))
    facts = {
        "format": str(kind),
        "width": rgb.shape[1],
        "height": rgb.shape[0],
        "alpha": mask is not None,
    }
    blobs = [rgb.data.cast("B")]
    if mask is not None:
        mask = np.ascontiguousarray(_upright(mask, outline.orientation))
        blobs.append(mask.data.cast("B"))
    return facts, blobs


def warm_up() -> None:
    """Use every decoder and conversion once, while files may still be opened, on one thread."""
    cv2.setNumThreads(0)
    deep = np.zeros((16, 16, 4), np.uint16)
    flat = np.zeros((16, 16, 3), np.uint8)
    for suffix, pixels in (
        (".png", deep),
        (".jpg", flat),
        (".webp", flat),
        (".webp", deep[:, :, :1]),
        (".avif", flat),
    ):
        encoded = cv2.imencode(suffix, _eight_bits(np.ascontiguousarray(pixels)))[1]
        if (decoded := cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)) is not None:
            _to_rgb(decoded, 16)


def _check_size(outline: Outline, *, pixels_max: int, side_max: int) -> None:
    pixels = outline.width * outline.height
    if pixels <= pixels_max and max(outline.width, outline.height) <= side_max:
        return
    raise PayloadRefused(
        cause=Cause.TOO_LARGE,
        found=f"it has {outline.width} x {outline.height} pixels, at most "
        f"{pixels_max / 1e6:g} megapixels and {side_max} a side are decoded",
        remedy="Send it smaller.",
    )


def _decoded(outline: Outline) -> _Pixels:
    encoded = np.frombuffer(outline.essence, np.uint8)
    pixels: _Pixels | None
    try:
        pixels = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from error
        refuse_broken(f"the decoder gave up ({error.err})")
    if pixels is None:
        refuse_broken("the decoder could not read it to its end")
    if pixels.shape[:2] != (outline.height, outline.width):
        refuse_broken("it is not as large as its header says")
    return pixels


def _to_rgb(pixels: _Pixels, bits: int) -> tuple[Rgb, Mask | None]:
    """Return 8-bit RGB, and the mask unless all is opaque.

    Colours stay as they are stored (not multiplied by alpha), because they will be laid over
    something; wholly clear pixels have no colour of their own and become white.
    """
    pixels = _eight_bits(pixels, bits)
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    if channels == 1:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False), None
    if channels == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False), None
    mask: Mask = np.ascontiguousarray(pixels[:, :, 3], np.uint8)
    rgb: Rgb = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB).astype(np.uint8, copy=False)
    if mask.min() == _OPAQUE:
        return rgb, None
    rgb[mask == 0] = 255
    return rgb, mask


def _eight_bits(pixels: _Pixels, bits: int = 16) -> _Pixels:
    if pixels.dtype == np.uint16:
        return cv2.convertScaleAbs(pixels, alpha=_OPAQUE / (2**bits - 1))
    return pixels


def _upright(pixels: _Pixels, orientation: int) -> Any:
    """Return `pixels` turned by an EXIF orientation: 1 upright, 3 upside down, 6 and 8 lying."""
    if orientation >= 5:
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return pixels
