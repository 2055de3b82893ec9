"""Small films made without a studio: pieces, a sound, and a packaged release."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame

from cinefab.core.brief import Quality, Size
from cinefab.deliver.package_task import package
from cinefab.media.encode import FINAL, EncoderSettings, encode
from cinefab.media.join import join
from cinefab.media.rungs import WantedRung, encode_rungs

SIZE = Size(320, 180)
LOWER = Size(256, 144)


def a_piece(
    path: Path,
    count: int,
    *,
    start: int = 0,
    fps: Fraction = Fraction(24),
    size: Size = SIZE,
    settings: EncoderSettings = FINAL,
) -> Path:
    """Write waves that move, from frame `start` of the film on."""
    y, x = np.mgrid[0 : size.height, 0 : size.width]
    frames = []
    for index in range(start, start + count):
        frame = np.full((size.height * 3 // 2, size.width), 128, np.uint8)
        frame[: size.height] = 128 + 80 * np.sin((x + 3 * index) / 9) * np.cos(y / 7)
        frames.append(frame)
    encode(frames, path, size=size, fps=fps, settings=settings)
    return path


def with_a_tone(path: Path, picture: Path, *, seconds: float) -> Path:
    """Put a tone beside a picture, as AAC with what a coder puts before it."""
    with av.open(picture) as source, av.open(path, "w") as film:
        video = film.add_stream_from_template(source.streams.video[0], opaque=True)
        sound = film.add_stream("aac", rate=48_000, layout="stereo")
        for packet in source.demux(source.streams.video[0]):
            if packet.pts is not None:
                packet.stream = video
                film.mux(packet)
        t = np.arange(int(seconds * 48_000)) / 48_000
        tone = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
        for at in range(0, len(tone), 1024):
            block = np.stack([tone[at : at + 1024]] * 2)
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", "stereo")
            frame.sample_rate, frame.pts = 48_000, at
            film.mux(sound.encode(frame))
        film.mux(sound.encode(None))
    return path


def a_packaged_film(folder: Path, *, seconds: int, fps: Fraction) -> Path:
    """Package a film of three pieces, in two rungs, with sound and captions; return its folder."""
    frames = int(seconds * fps)
    lengths = [frames // 2, 12, frames - frames // 2 - 12]
    pieces, lower = [], []
    for index, length in enumerate(lengths):
        piece = a_piece(folder / f"{index}.mp4", length, start=sum(lengths[:index]), fps=fps)
        small = WantedRung(size=LOWER, path=folder / f"{index}-small.mp4")
        encode_rungs(piece, [small], fps=fps, quality=Quality.FINAL)
        pieces.append(piece)
        lower.append(small.path)
    join(pieces, folder / "silent.mp4", fps=fps)
    film = with_a_tone(folder / "film.mp4", folder / "silent.mp4", seconds=seconds)
    captions = folder / "captions.vtt"
    captions.write_text(f"WEBVTT\n\n00:00:00.500 --> 00:00:0{seconds - 1}.000\nWaves\n")
    out = folder / "release"
    package(
        {
            "folder": str(out),
            "fps": str(fps),
            "size": [SIZE.width, SIZE.height],
            "frames": frames,
            "film": str(film),
            "pieces": [
                {"frames": length, "path": str(piece), "body": length > 12}
                for length, piece in zip(lengths, pieces, strict=True)
            ],
            "rungs": [
                {"size": [SIZE.width, SIZE.height], "paths": [str(each) for each in pieces]},
                {"size": [LOWER.width, LOWER.height], "paths": [str(each) for each in lower]},
            ],
            "captions": {"path": str(captions), "language": "en"},
        },
        lambda _news: None,
    )
    return out
