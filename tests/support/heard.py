"""Listening to files with FFmpeg's own measures, which share nothing with ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Loudness:
    """EBU R128 figures of a whole file."""

    lufs: float
    peak_dbtp: float


def loudness(path: str | Path) -> Loudness:
    """Measure a file's sound by the ebur128 filter."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        graph = av.filter.Graph()
        source = graph.add_abuffer(template=stream)
        meter = graph.add("ebur128", "metadata=1:peak=true")
        sink = graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        said: dict[str, str] = {}
        highest = 0.0
        for frame in container.decode(stream):
            graph.push(frame)
            while True:
                try:
                    measured = graph.pull()
                except (BlockingIOError, EOFError):
                    break
                said = dict(measured.metadata)
                peaks = [float(v) for k, v in said.items() if "true_peaks_ch" in k]
                highest = max(highest, *peaks)
    return Loudness(float(said["lavfi.r128.I"]), float(20 * np.log10(max(highest, 1e-9))))


def samples(path: str | Path) -> NDArray[np.float32]:
    """Decode a file's sound as it is, shape (channels, samples)."""
    with av.open(str(path)) as container:
        return np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)


def timed_samples(path: str | Path) -> NDArray[np.float32]:
    """Decode a file's sound onto the film's clock: each frame where its timestamp puts it.

    What an edit list takes out comes before zero, and is not there; what nothing covers is silent.
    """
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.rate == 48_000
        frames = [
            (round(f.pts * f.time_base * 48_000), f.to_ndarray())
            for f in container.decode(stream)
            if f.pts is not None
        ]
    sound = np.zeros((2, max(at + block.shape[1] for at, block in frames)), np.float32)
    for at, block in frames:
        skipped = max(0, -at)
        sound[:, at + skipped : at + block.shape[1]] = block[:, skipped:]
    return sound


def utterances(sound: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Return from when to when something is said, in seconds, as the level of 4 ms of it tells.

    What is 35 dB below the loudest is silence, and a tenth of a second of it divides.
    """
    width = 192
    power = np.convolve((sound**2).mean(axis=0), np.ones(width) / width, "same")
    loud = np.flatnonzero(power > power.max() * 10**-3.5) / 48_000
    breaks = np.flatnonzero(np.diff(loud) > 0.1)
    starts, ends = [loud[0], *loud[breaks + 1]], [*loud[breaks], loud[-1]]
    return [(float(start), float(end)) for start, end in zip(starts, ends, strict=True)]


def offset_of(line: NDArray[np.float32], heard: NDArray[np.float32], *, near: int) -> int:
    """Return how many samples after `near` the line is heard, by correlation."""
    reach = 4_800
    stretch = heard[max(0, near - reach) : near + len(line) + reach]
    points = 1 << (len(stretch) + len(line)).bit_length()
    spectrum = np.fft.rfft(stretch, points) * np.conj(np.fft.rfft(line, points))
    return int(np.fft.irfft(spectrum, points)[: 2 * reach].argmax()) - min(reach, near)
