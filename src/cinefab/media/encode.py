"""Frames become a segment: H.264 in MP4 that joins to its neighbours without re-encoding.

Every segment of one size, rate and use carries the same decoder configuration, starts with an
IDR frame and refers to nothing outside itself; the same frames give the same bytes. The price is
one encoder thread: parallel work happens between segments, never inside one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from cinefab.core.brief import Quality, Size
from cinefab.core.canonical import digest_of
from cinefab.core.plan import Part
from cinefab.media.frames import Frame
from cinefab.media.whole_file import storage_errors, whole_file

KEYFRAME_EVERY: Final = 48
"""Frames from one IDR to the next inside a segment."""

# `stitchable` keeps x264 from fitting its headers to the content; without it, two segments of
# one film may differ in their parameter sets, and packets could not be joined.
_JOINABLE: Final = (
    f"keyint={KEYFRAME_EVERY}:min-keyint={KEYFRAME_EVERY}:scenecut=0:open-gop=0:stitchable=1"
)

# x264's lookahead (mbtree) in AVX-512 reads past the end of a row of macroblocks unless eight
# divides their number, and what lies there decides on bits: 99 of 100 runs at 160x90 differed.
# Other widths keep AVX-512, which is worth a tenth of the time and gives the same bytes.
_WITHOUT_AVX512: Final = ":asm=LZCNT,FMA3,BMI2,AVX2"  # every processor with AVX-512 has these
_AVX512F: Final = 13  # CV_CPU_AVX_512F; OpenCV's Python module leaves the name out


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """How much care x264 takes: preset, constant rate factor, B-frames in a row.

    `analysis` overrides parts of the preset in x264's own words, never its parameter sets.
    """

    preset: str
    crf: int
    b_frames: int
    analysis: str


# Measured on camera moves over photographs, texture and a cut-out: leaving motion partitions
# below 16x16 out saves 16 % of the encoder's time and changes neither size nor PSNR (< 0.1 dB).
FINAL: Final = EncoderSettings(
    preset="veryfast", crf=18, b_frames=3, analysis="partitions=i4x4,i8x8"
)
"""For what is watched."""

# No motion vector describes a blend, so looking long for one is wasted: a third of the time goes
# for 0.1 dB and 5 % of the size, over half a second.
FINAL_BLEND: Final = replace(FINAL, analysis="partitions=none:subme=1")
"""For transitions between bodies that are `FINAL`."""

PREVIEW: Final = EncoderSettings(preset="ultrafast", crf=26, b_frames=0, analysis="partitions=none")
"""For a quick look, transitions included."""

# A third less time than with the top rung's analysis, for an eighth more bits: four rungs are to
# cost no more than twice the top one, its decoding included.
RUNG: Final = EncoderSettings(
    preset="veryfast", crf=22, b_frames=3, analysis="partitions=none:subme=1"
)
"""For the lower rungs of a ladder, whose top rung is `FINAL`."""

HANDLE: Final = EncoderSettings(preset="ultrafast", crf=12, b_frames=0, analysis="partitions=none")
"""For heads and tails, which are decoded once more and never joined: 46 to 52 dB, read fast."""


MEZZANINE: Final = EncoderSettings(
    preset="veryfast", crf=15, b_frames=0, analysis="partitions=i4x4,i8x8"
)
"""For a stranger's film made anew: read at any place and encoded once more, never joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A finished file: its length in frames and its size."""

    frames: int
    size_bytes: int


def settings_for(quality: Quality, part: Part) -> EncoderSettings:
    """Return what a segment of `part` is encoded with."""
    if part is not Part.BODY:
        return HANDLE
    return FINAL if quality is Quality.FINAL else PREVIEW


def settings_between(bodies: EncoderSettings) -> EncoderSettings:
    """Return what a transition is encoded with, so that it joins to `bodies`."""
    return FINAL_BLEND if bodies == FINAL else bodies


def encode(
    frames: Iterable[Frame],
    path: Path,
    *,
    size: Size,
    fps: Fraction,
    settings: EncoderSettings,
) -> Encoded:
    """Write `frames`, each I420 of `size`, to an MP4 at `path`; at least one.

    The file appears when it is complete. Frames may be views of a buffer that is reused: each
    has been read when the next one is asked for. Raises `StorageUnavailable` when the disk is
    full or the folder cannot be written, and passes on whatever `frames` raises; both leave
    nothing behind.
    """
    with whole_file(path) as unfinished:
        count = _write(
            frames, unfinished, size=size, fps=fps, settings=settings, attempted=f"encode {path}"
        )
        assert count > 0, "a segment has at least one frame"
        size_bytes = unfinished.stat().st_size
    return Encoded(frames=count, size_bytes=size_bytes)


def encoder_version() -> str:
    """Return what, beside the frames, determines an encoded byte: libraries and settings."""
    libraries = av.library_versions
    codec = ".".join(str(part) for part in libraries["libavcodec"])
    muxer = ".".join(str(part) for part in libraries["libavformat"])
    settings = [asdict(each) for each in (FINAL, FINAL_BLEND, PREVIEW, HANDLE)]
    digest = digest_of({"joinable": _JOINABLE, "settings": settings, "layout": 1})
    return f"x264/av-{av.__version__}/avcodec-{codec}/avformat-{muxer}/{digest[:12]}"


def picture_of(frame: Frame, size: Size) -> VideoFrame:
    """Return `frame` as FFmpeg's own picture, which may be a view of it."""
    assert frame.shape == (size.height * 3 // 2, size.width), "frames are I420 of the film's size"
    if size.height % 4 == 0 and frame.flags.c_contiguous:
        return VideoFrame.from_numpy_buffer(frame, format="yuv420p")
    # PyAV 18 lends a buffer only to heights that four divides; others are copied.
    return VideoFrame.from_ndarray(frame, format="yuv420p")


def abandon(container: OutputContainer) -> None:
    """Close a file that is thrown away; what went wrong is already on its way."""
    with contextlib.suppress(OSError, ValueError):
        container.close()


def mp4_options(fps: Fraction) -> dict[str, str]:
    """Return muxer options for an exact clock and no trace of when or by what it was written."""
    timescale = str(ticks_per_second(fps))
    return {
        "fflags": "+bitexact",
        "video_track_timescale": timescale,
        "movie_timescale": timescale,
    }


_TICKS_MIN: Final = 10_000  # below it the MP4 muxer doubles the rate on its own


def ticks_per_second(fps: Fraction) -> int:
    """Return the rate of a clock in which every frame lasts a whole number of ticks."""
    ticks = fps.numerator
    while ticks < _TICKS_MIN:
        ticks *= 2
    return ticks


class Encoder:
    """One MP4 being written, picture by picture; a block that does not `finish` abandons it."""

    def __init__(
        self, path: Path, *, size: Size, fps: Fraction, settings: EncoderSettings, attempted: str
    ) -> None:
        self.frames = 0
        self._frame_s = 1 / fps
        self._attempted = attempted
        self._finished = False
        with storage_errors(attempted):
            self._container = av.open(path, "w", format="mp4", container_options=mp4_options(fps))
        try:
            self._stream = _add_stream(self._container, size=size, fps=fps, settings=settings)
        except BaseException:
            abandon(self._container)
            raise

    def __enter__(self) -> Encoder:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._finished:
            abandon(self._container)

    def add(self, picture: VideoFrame) -> None:
        """Encode the next picture, which is yuv420p of the film's size."""
        picture.pts = self.frames
        picture.time_base = self._frame_s
        with storage_errors(self._attempted):
            self._container.mux(self._stream.encode(picture))
        self.frames += 1

    def finish(self) -> None:
        """Write what the encoder still holds, and the index."""
        with storage_errors(self._attempted):
            self._container.mux(self._stream.encode(None))
        self._finished = True
        with storage_errors(self._attempted):
            self._container.close()


def _write(
    frames: Iterable[Frame],
    path: Path,
    *,
    size: Size,
    fps: Fraction,
    settings: EncoderSettings,
    attempted: str,
) -> int:
    with Encoder(path, size=size, fps=fps, settings=settings, attempted=attempted) as encoder:
        # The frames are drawn outside of it: an error of theirs is not the disk's.
        for frame in frames:
            encoder.add(picture_of(frame, size))
        encoder.finish()
        return encoder.frames


def _add_stream(
    container: OutputContainer, *, size: Size, fps: Fraction, settings: EncoderSettings
) -> VideoStream:
    options = {
        "preset": settings.preset,
        "crf": str(settings.crf),
        "bf": str(settings.b_frames),
        "x264-params": f"{_JOINABLE}:{settings.analysis}{_instructions(size)}",
    }
    stream = container.add_stream("libx264", rate=fps, options=options)
    assert isinstance(stream, VideoStream), "x264 makes video"
    stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / fps
    # More threads would make bytes depend on the machine's load.
    context.thread_count = 1
    context.color_range = ColorRange.MPEG
    context.colorspace = Colorspace.ITU709
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    return stream


def _instructions(size: Size) -> str:
    columns = -(-size.width // 16)
    sound = columns % 8 == 0 or not cv2.checkHardwareSupport(_AVX512F)
    return "" if sound else _WITHOUT_AVX512
