"""Small pictures of a film: of a frame at hand, or of a file of ours at the price of one frame."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

import cv2
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from cinefab.core.errors import ContractMismatch
from cinefab.media.decode import decode, opened
from cinefab.media.frames import Frame

WIDTH_PX: Final = 240
"""Wide enough to be shown at half its pixels on a dense screen."""

_JPEG_QUALITY: Final = 82
_END: Final = 1 << 40  # beyond any film, in ticks of its clock


def thumbnail(frame: Frame) -> bytes:
    """Return a small JPEG of `frame`, I420 in BT.709 and limited range; the same each time."""
    return _small(VideoFrame.from_ndarray(frame, format="yuv420p"))


def frame_thumbnail(path: Path, number: int) -> bytes:
    """Return a JPEG of frame `number` of `path`, twice as wide as a thumbnail.

    Everything before it is decoded too. Raises as `keyframe_thumbnail` does.
    """
    for frame in islice(decode(path), number, number + 1):
        return _small(VideoFrame.from_ndarray(frame, format="yuv420p"), width_max=2 * WIDTH_PX)
    raise ContractMismatch(
        attempted=f"read frame {number} of {path}",
        found="it ends before",
        remedy="Remove the file and make it again",
    )


def keyframe_thumbnail(path: Path) -> bytes:
    """Return a small JPEG of the last keyframe of `path`; nothing else is decoded.

    The last, because a shot's first frame is often still empty. Raises `StorageUnavailable` when
    the file cannot be read and `ContractMismatch` when it is not whole, sound video.
    """
    # What is looked for to open a file is in its header; the decoder is kept from trying.
    with opened(path, skip_frame="all") as (container, stream):
        container.seek(_END, stream=stream, backward=True)
        packet = next(container.demux(stream))
        pictures = [*stream.codec_context.decode(packet), *stream.codec_context.decode(None)]
        if not pictures or pictures[0].is_corrupt:
            raise ContractMismatch(
                attempted=f"read a picture of {path}",
                found="its last keyframe cannot be decoded",
                remedy="Remove the file and make it again",
            )
        return _small(pictures[0])


def _small(picture: VideoFrame, *, width_max: int = WIDTH_PX) -> bytes:
    width = min(width_max, picture.width)
    height = max(2, picture.height * width // picture.width)
    bgr = picture.reformat(
        width=width,
        height=height,
        format="bgr24",
        interpolation=Interpolation.AREA | Interpolation.BITEXACT,
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        dst_color_range=ColorRange.JPEG,
    )
    done, content = cv2.imencode(
        ".jpg", bgr.to_ndarray(), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    assert done, "pictures in memory can be encoded"
    return content.tobytes()
