"""Single pictures: a frame as JPEG, and our own normalised PNGs in and out.

For trusted pictures alone: what strangers send is decoded in the sandbox.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch
from cinefab.media.frames import Frame, Mask, Rgb
from cinefab.media.scale import shrunk
from cinefab.media.whole_file import storage_errors, whole_file

THUMBNAIL_SIDE_PX: Final = 480
"""The longer side of a thumbnail."""

_JPEG_QUALITY: Final = 92
_THUMBNAIL_QUALITY: Final = 85
_PNG_LEVEL: Final = 3  # within a tenth of the smallest file, at a fifth of its time
_WEBP_LOSSLESS: Final = 101
_AS_STILL: Final = {
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL],
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
    ".webp": [cv2.IMWRITE_WEBP_QUALITY, _WEBP_LOSSLESS],
}
_SCALER: Final = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)


def write_jpeg(frame: Frame, path: Path) -> None:
    """Write `frame` as a JPEG that appears whole; raise `StorageUnavailable` if it cannot."""
    _write(jpeg_bytes(frame), path)


def write_still(frame: Frame, path: Path) -> int:
    """Write `frame` as its name ends, `.png`, `.jpg` or `.webp`, and return its size.

    PNG and WebP keep every pixel. Raises `StorageUnavailable` if it cannot be written.
    """
    content = _encoded(path.suffix, to_rgb(frame), _AS_STILL[path.suffix])
    _write(content, path)
    return len(content)


def jpeg_bytes(frame: Frame, size: Size | None = None) -> bytes:
    """Return `frame` as a JPEG in sRGB, scaled to `size` if one is given."""
    return _encoded(".jpg", to_rgb(frame, size), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])


def to_rgb(frame: Frame, size: Size | None = None) -> Rgb:
    """Return `frame`, BT.709 in limited range, as RGB, scaled to `size` if one is given."""
    picture = VideoFrame.from_ndarray(frame, format="yuv420p")
    rgb = picture.reformat(
        width=size.width if size else None,
        height=size.height if size else None,
        format="rgb24",
        interpolation=_SCALER,
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    return rgb.to_ndarray().astype(np.uint8, copy=False)


def thumbnail_bytes(rgb: Rgb) -> bytes:
    """Return a small JPEG of an RGB picture, at most `THUMBNAIL_SIDE_PX` a side."""
    small = shrunk(rgb, side_max_px=THUMBNAIL_SIDE_PX)
    return _encoded(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _THUMBNAIL_QUALITY])


def write_png(picture: Rgb | Mask, path: Path) -> None:
    """Write `picture` as a PNG that appears whole; raise `StorageUnavailable` if it cannot."""
    _write(png_bytes(picture), path)


def png_bytes(picture: Rgb | Mask) -> bytes:
    """Return an RGB picture or a grey mask as PNG; the same pixels give the same bytes."""
    return _encoded(".png", picture, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])


def read_png(path: Path) -> Rgb:
    """Return a normalised picture, shape (height, width, 3).

    Raises `StorageUnavailable` when it cannot be read, `ContractMismatch` when it is no picture.
    """
    bgr = _read(path, cv2.IMREAD_COLOR)
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def read_mask(path: Path) -> Mask:
    """Return a normalised mask, shape (height, width); raise as `read_png` does."""
    return _read(path, cv2.IMREAD_GRAYSCALE)


def _encoded(suffix: str, picture: Rgb | Mask, parameters: list[int]) -> bytes:
    if picture.ndim == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)
    done, content = cv2.imencode(suffix, picture, parameters)
    assert done, "pictures in memory can be encoded"
    return content.tobytes()


def _read(path: Path, how: int) -> Rgb | Mask:
    with storage_errors(f"read {path}"):
        content = np.fromfile(path, np.uint8)
    picture = cv2.imdecode(content, how) if content.size else None
    if picture is None:
        raise ContractMismatch(
            attempted=f"read {path}",
            found="it is not one of our normalised pictures",
            remedy="Remove the file and prepare the reference again",
        )
    return picture.astype(np.uint8, copy=False)


def _write(content: bytes, path: Path) -> None:
    with whole_file(path) as unfinished, storage_errors(f"write {path}"):
        unfinished.write_bytes(content)
