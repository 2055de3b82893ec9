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
