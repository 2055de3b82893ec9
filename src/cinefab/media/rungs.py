"""One piece of a film at several smaller sizes: decoded once, scaled, encoded side by side.

Every rung has its keyframes where the piece has them, so a player can change rungs at any of
them; the pieces of one rung join by their packets, as those of the film do.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from cinefab.core.brief import Quality, Size
from cinefab.core.canonical import digest_of
from cinefab.media.decode import decode_pictures
from cinefab.media.encode import PREVIEW, RUNG, Encoded, Encoder, EncoderSettings, picture_of
from cinefab.media.frames import Frame
from cinefab.media.whole_file import whole_file

_Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRung:
    """A rung to be made: its size and its file."""

    size: Size
    path: Path


def encode_rungs(
    piece: Path, wanted: Sequence[WantedRung], *, fps: Fraction, quality: Quality
) -> tuple[Encoded, ...]:
    """Write `piece` at each wanted size, decoding it once; at least one rung, the largest first.

    The files appear when all are complete. Raises `ContractMismatch` when the piece is not whole,
    sound video, and `StorageUnavailable` when it cannot be read or a rung cannot be written.
    """
    assert wanted, "somebody wants a rung"
    settings = settings_of_rungs(quality)
    with ExitStack() as files:
        unfinished = [files.enter_context(whole_file(each.path)) for each in wanted]
        encoders = [
            files.enter_context(
                Encoder(
                    path,
                    size=each.size,
                    fps=fps,
                    settings=settings,
                    attempted=f"encode {each.path}",
                )
            )
            for each, path in zip(wanted, unfinished, strict=True)
        ]
        for picture in decode_pictures(piece):
            # Each from the one above it, which is nearer than the piece and costs less to read.
            planes: Sequence[_Plane] = _planes_of_picture(picture)
            for each, encoder in zip(wanted, encoders, strict=True):
                frame = np.empty((each.size.height * 3 // 2, each.size.width), np.uint8)
                planes = _scaled(planes, _planes_of_frame(frame))
                encoder.add(picture_of(frame, each.size))
        for encoder in encoders:
            encoder.finish()
        return tuple(
            Encoded(frames=encoder.frames, size_bytes=path.stat().st_size)
            for encoder, path in zip(encoders, unfinished, strict=True)
        )


def settings_of_rungs(quality: Quality) -> EncoderSettings:
    """Return what the lower rungs of a film of that quality are encoded with."""
    return RUNG if quality is Quality.FINAL else PREVIEW


def rung_version() -> str:
    """Return what, beside the piece, its size and its rate, determines a rung's bytes."""
    libraries = av.library_versions
    names = ("libavcodec", "libavformat", "libswscale")
    versions = {name: ".".join(str(part) for part in libraries[name]) for name in names}
    settings = [asdict(each) for each in (RUNG, PREVIEW)]
    return digest_of({"libraries": versions, "av": av.__version__, "settings": settings, "v": 1})


def _scaled(above: Sequence[_Plane], below: Sequence[_Plane]) -> Sequence[_Plane]:
    for source, target in zip(above, below, strict=True):
        height, width = target.shape
        # Up to half the size, two neighbours stand for all that a new sample covers.
        covered = max(source.shape[0] / height, source.shape[1] / width)
        how = cv2.INTER_LINEAR if covered <= 2 else cv2.INTER_AREA
        cv2.resize(source, (width, height), dst=target, interpolation=how)
    return below


def _planes_of_picture(picture: VideoFrame) -> list[_Plane]:
    planes = []
    for plane in picture.planes:
        rows: _Plane = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        planes.append(rows[: plane.height, : plane.width])
    return planes


def _planes_of_frame(frame: Frame) -> list[_Plane]:
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    flat = frame.reshape(-1)
    luma, quarter = width * height, width * height // 4
    chroma = (height // 2, width // 2)
    return [
        flat[:luma].reshape(height, width),
        flat[luma : luma + quarter].reshape(chroma),
        flat[luma + quarter :].reshape(chroma),
    ]
