"""A file of ours becomes frames again, or only its figures.

For trusted media alone: what strangers send is decoded in the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch
from cinefab.media.frames import Frame, Mask
from cinefab.media.whole_file import storage_errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a file says of itself, counted by its packets: nothing is decoded."""

    size: Size
    fps: Fraction
    frames: int
    duration_s: Fraction
    codec: str


def decode(path: Path) -> Iterator[Frame]:
    """Yield every frame of `path` as I420, in the order they are shown.

    Each frame is the caller's to keep. Raises `StorageUnavailable` when the file cannot be read
    and `ContractMismatch` when it is not whole, sound video.
    """
    for picture in _pictures(path):
        frame: Frame = picture.to_ndarray().astype(np.uint8, copy=False)
        yield frame


def decode_from(path: Path, first: int) -> Iterator[Frame]:
    """Yield the frames of `path` from number `first` on, in the order they are shown.

    For films of one constant rate: the keyframe before `first` is sought, and only what lies
    between it and `first` is decoded in vain. Raises as `decode` does.
    """
    with opened(path) as (container, stream):
        fps = Fraction(stream.average_rate or 0)
        assert stream.time_base is not None, "MP4 tracks have a clock"
        start = stream.start_time or 0
        container.seek(start + int(first / fps / stream.time_base), stream=stream, backward=True)
        for picture in container.decode(stream):
            if picture.is_corrupt or picture.pts is None:
                raise _unsound(f"read {path}", f"a broken picture at {picture.time} s")
            if round((picture.pts - start) * stream.time_base * fps) >= first:
                frame: Frame = picture.to_ndarray().astype(np.uint8, copy=False)
                yield frame


def decode_luma(path: Path) -> Iterator[Mask]:
    """Yield every frame's luma, shape (height, width), limited range, as a view.

    A view is good until the next one is asked for. Raises as `decode` does.
    """
    for picture in _pictures(path):
        plane = picture.planes[0]
        rows: Mask = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        yield rows[: picture.height, : picture.width]


def decode_pictures(path: Path) -> Iterator[VideoFrame]:
    """Yield every frame as FFmpeg's own picture, for scaling without a copy; raise as `decode`."""
    return _pictures(path)


def decode_keyframes(path: Path) -> Iterator[tuple[int, VideoFrame]]:
    """Yield each keyframe with its number in the film; nothing between them is decoded.

    Raises as `decode` does.
    """
    with opened(path) as (container, stream):
        stream.codec_context.skip_frame = "NONKEY"
        fps = Fraction(stream.average_rate or 0)
        for picture in container.decode(stream):
            if picture.is_corrupt or picture.pts is None or picture.time_base is None:
                raise _unsound(f"read {path}", f"a broken picture at {picture.time} s")
            yield round(picture.pts * picture.time_base * fps), picture


def probe(path: Path) -> Probe:
    """Return the figures of `path`; raise as `decode` does."""
    with opened(path) as (container, stream):
        count = 0
        end = 0
        start = 0
        for packet in container.demux(stream):
            if packet.pts is None:
                continue
            count += 1
            start = packet.pts if count == 1 else min(start, packet.pts)
            end = max(end, packet.pts + (packet.duration or 0))
        assert stream.time_base is not None, "MP4 tracks have a clock"
        return Probe(
            size=Size(stream.width, stream.height),
            fps=Fraction(stream.average_rate or 0),
            frames=count,
            duration_s=(end - start) * stream.time_base,
            codec=stream.codec_context.name,
        )


@contextmanager
def opened(path: Path, **options: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open `path`, lend its one video track, and tell its errors as ours; raise as `decode` does.

    Only MP4 is read, whatever a file's content pretends to be. `options` are FFmpeg's.
    """
    attempted = f"read {path}"
    options["format_whitelist"] = "mov"
    with _media_errors(attempted), av.open(path, "r", options=options) as container:
        if not container.streams.video:
            raise _unsound(attempted, "no video in it")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        yield container, stream


def _pictures(path: Path) -> Iterator[VideoFrame]:
    with opened(path) as (container, stream):
        for picture in container.decode(stream):
            if picture.is_corrupt:
                raise _unsound(f"read {path}", f"a broken picture at {picture.time} s")
            yield picture


@contextmanager
def _media_errors(attempted: str) -> Iterator[None]:
    try:
        yield
    except OSError:
        with storage_errors(attempted):
            raise
    except FFmpegError as error:
        raise _unsound(attempted, error.strerror or str(error)) from error


def _unsound(attempted: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=attempted,
        found=f"not the H.264 in MP4 that Cinefab writes: {found}",
        remedy="Remove the file and make it again",
    )
