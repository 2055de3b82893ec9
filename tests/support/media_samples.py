"""Small films and sounds of every format that is taken, made here and now."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

RATE = 44_100

FORMATS: dict[str, dict[str, Any]] = {
    # name: how it is made; `container` is what a reader calls it
    "mp4": {},
    "mp4-hevc": {"video": "libx265"},
    "mov": {"muxer": "mov", "container": "mov", "video": "mpeg4", "audio": "pcm_s16le"},
    "mov-prores": {
        "muxer": "mov",
        "container": "mov",
        "video": "prores_ks",
        "pixels": "yuv422p10le",
        "audio": "pcm_s24le",
    },
    "webm-vp8": {"muxer": "webm", "video": "libvpx", "audio": "libopus", "rate": 48_000},
    "webm-vp9": {"muxer": "webm", "video": "libvpx-vp9", "audio": "libopus", "rate": 48_000},
    "webm-av1": {"muxer": "webm", "video": "libsvtav1", "audio": "libopus", "rate": 48_000},
    "wav": {"muxer": "wav", "video": None, "audio": "pcm_s16le"},
    "wav-float": {"muxer": "wav", "video": None, "audio": "pcm_f32le", "container": "wav"},
    "flac": {"muxer": "flac", "video": None, "audio": "flac"},
    "mp3": {"muxer": "mp3", "video": None, "audio": "libmp3lame"},
    "aac": {"muxer": "adts", "video": None, "audio": "aac"},
    "m4a": {"muxer": "ipod", "video": None, "audio": "aac"},
}


def container_of(name: str) -> str:
    """Return what a reader calls the format of a sample."""
    return str(FORMATS[name].get("container", name.partition("-")[0]))


@cache
def a_sample(name: str, seconds: float = 1.0) -> bytes:
    """Return a film or a sound of one of `FORMATS`."""
    options = {key: value for key, value in FORMATS[name].items() if key != "container"}
    return a_film(frames=round(24 * seconds), seconds=seconds, **options)


def a_film(
    *,
    muxer: str = "mp4",
    video: str | None = "libx264",
    audio: str | None = "aac",
    frames: int = 24,
    seconds: float = 1.0,
    size: tuple[int, int] = (160, 90),
    fps: int = 24,
    pixels: str = "yuv420p",
    rate: int = RATE,
    turned: int = 0,
    tracks: int = 1,
    times: list[int] | None = None,
    hertz: float = 440.0,
    pictures: Iterator[NDArray[np.uint8]] | None = None,
) -> bytes:
    """Return a film: red at the top left, green at the bottom right, a grey bar that grows."""
    file = io.BytesIO()
    av.logging.set_level(av.logging.PANIC)
    container = av.open(file, "w", format=muxer)
    stream: Any = None
    if video is not None:
        stream = container.add_stream(video, rate=fps, options=_quick(video))
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.thread_count = 1
        if turned:
            stream.set_display_rotation(turned)
    sounds = [container.add_stream(audio, rate=rate) for _ in range(tracks if audio else 0)]
    for sound in sounds:
        sound.layout = "stereo"
    if stream is not None:
        shown = pictures or _growing_bar(size, frames)
        for number, picture in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number if times is None else times[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for sound in sounds:
        for frame in _tone(sound, seconds, rate, hertz):
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    container.close()
    return file.getvalue()


def _quick(video: str) -> dict[str, str]:
    return {
        "libx264": {"preset": "ultrafast"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
        "libvpx": {"deadline": "realtime", "cpu-used": "8"},
        "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
        "libsvtav1": {"preset": "13"},
    }.get(video, {})


def _growing_bar(size: tuple[int, int], frames: int) -> Iterator[NDArray[np.uint8]]:
    width, height = size
    for number in range(frames):
        picture = np.zeros((height, width, 3), np.uint8)
        picture[height // 2 :, : number * width // max(1, frames)] = 200
        picture[: height // 4, : width // 4] = (255, 0, 0)
        picture[-height // 4 :, -width // 4 :] = (0, 255, 0)
        yield picture


def _tone(sound: Any, seconds: float, rate: int, hertz: float) -> Iterator[av.AudioFrame]:
    count = round(seconds * rate)
    wave = 0.3 * np.sin(2 * np.pi * hertz * np.arange(count) / rate)
    both = np.ascontiguousarray(np.stack([wave, wave]).astype(np.float32))
    whole = av.AudioFrame.from_ndarray(both, format="fltp", layout="stereo")
    whole.sample_rate, whole.pts = rate, 0
    context = sound.codec_context
    resampler = av.AudioResampler(
        format=context.format, layout="stereo", rate=rate, frame_size=context.frame_size or 1024
    )
    yield from resampler.resample(whole)
    yield from resampler.resample(None)
