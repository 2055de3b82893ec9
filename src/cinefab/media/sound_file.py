"""Plain samples become a sound of ours: 48 kHz, two channels, FLAC, with its figures.

Samples are taken as they come and written as they come: what is held does not grow with the
length. The same samples give the same bytes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.error import BlockingIOError as NothingYet
from av.filter import Graph
from numpy.typing import NDArray

from cinefab.media.encode import abandon
from cinefab.media.whole_file import storage_errors

SOUND_RATE: Final = 48_000
"""Samples a second of every normalised sound."""

WAVEFORM_BUCKETS: Final = 400
"""How many peaks a waveform has, whatever the sound's length; fewer where it is very short."""

_FRAME_SAMPLES: Final = 4_096
_PEAKS_KEPT: Final = 4 * WAVEFORM_BUCKETS
_QUIETEST_LUFS: Final = -70.0  # what EBU R128 calls silence


@dataclass(frozen=True, slots=True, kw_only=True)
class Loudness:
    """EBU R128, in hundredths: LUFS over the whole, LU of range, dB of true peak.

    None where the sound is silent, or too short to be measured.
    """

    integrated_clu: int | None
    range_clu: int
    true_peak_cdb: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSound:
    """A finished sound: its length in samples, its loudness, and its peaks in per mille."""

    samples: int
    loudness: Loudness
    waveform: tuple[int, ...]


class SoundWriter:
    """Writes one sound to `path`; the caller gives the file its name when `finish` went well."""

    def __init__(self, path: Path) -> None:
        """Begin; raise `StorageUnavailable` if the file cannot be made."""
        self._attempted = f"write {path.name}"
        with storage_errors(self._attempted):
            self._file = av.open(
                str(path), "w", format="flac", container_options={"fflags": "+bitexact"}
            )
        stream = self._file.add_stream("flac", rate=SOUND_RATE)
        assert isinstance(stream, AudioStream), "FLAC makes sound"
        stream.layout = "stereo"
        stream.codec_context.format = "s16"
        stream.codec_context.thread_count = 1
        self._stream = stream
        self._resampler: AudioResampler | None = None
        self._given = 0
        self._count = 0
        self._meter = _Meter()
        self._peaks = _Peaks()

    def add(self, samples: NDArray[np.float32], rate: int) -> None:
        """Take samples of shape (count, 1 or 2) at `rate` a second, the same each time."""
        stereo = np.broadcast_to(samples, (len(samples), 2))
        if self._resampler is None:
            self._resampler = AudioResampler(
                format="s16", layout="stereo", rate=SOUND_RATE, frame_size=_FRAME_SAMPLES
            )
        for start in range(0, len(stereo), _FRAME_SAMPLES):
            part = np.ascontiguousarray(stereo[start : start + _FRAME_SAMPLES]).reshape(1, -1)
            frame = AudioFrame.from_ndarray(part, format="flt", layout="stereo")
            frame.sample_rate, frame.pts = rate, self._given
            self._given += frame.samples
            self._put(self._resampler.resample(frame))

    def finish(self) -> WrittenSound:
        """Write what is left and close the file."""
        if self._resampler is not None:
            self._put(self._resampler.resample(None))
        with storage_errors(self._attempted):
            self._file.mux(self._stream.encode(None))
            self._file.close()
        return WrittenSound(
            samples=self._count, loudness=self._meter.finish(), waveform=self._peaks.finish()
        )

    def abandon(self) -> None:
        """Close a file that is thrown away."""
        abandon(self._file)

    def _put(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            frame.pts = self._count
            self._count += frame.samples
            samples = frame.to_ndarray().reshape(-1, 2)
            self._peaks.add(np.abs(samples.astype(np.int32)).max(axis=1))
            self._meter.add(frame)
            with storage_errors(self._attempted):
                self._file.mux(self._stream.encode(frame))


class _Meter:
    """EBU R128 over a sound, by FFmpeg's own meter."""

    def __init__(self) -> None:
        graph = Graph()
        self._source: Any = graph.add_abuffer(format="s16", sample_rate=SOUND_RATE, layout="stereo")
        meter = graph.add("ebur128", "metadata=1:peak=true")
        self._sink: Any = graph.add("abuffersink")
        self._source.link_to(meter)
        meter.link_to(self._sink)
        graph.configure()
        self._graph = graph
        self._said: dict[str, str] = {}

    def add(self, frame: AudioFrame) -> None:
        self._source.push(frame)
        self._read()

    def finish(self) -> Loudness:
        self._source.push(None)
        self._read()
        integrated = float(self._said.get("lavfi.r128.I", "nan"))
        peak = float(self._said.get("lavfi.r128.true_peak", 0))
        measured = integrated > _QUIETEST_LUFS
        wide = float(self._said.get("lavfi.r128.LRA", 0))
        return Loudness(
            integrated_clu=round(integrated * 100) if measured else None,
            range_clu=round(wide * 100) if measured else 0,
            true_peak_cdb=round(2_000 * log10(peak)) if peak > 0 else None,
        )

    def _read(self) -> None:
        for frame in _pulled(self._sink):
            self._said = frame.metadata or self._said


def _pulled(sink: Any) -> Iterator[AudioFrame]:
    while True:
        try:
            yield sink.pull()
        except (NothingYet, EOFError):
            return


class _Peaks:
    """The loudest sample of every stretch, the stretches doubling as the sound grows longer."""

    def __init__(self) -> None:
        self._stretch = 256
        self._peaks: list[int] = []
        self._open: NDArray[np.int32] = np.zeros(0, np.int32)

    def add(self, loudest: NDArray[np.int32]) -> None:
        self._open = np.concatenate([self._open, loudest])
        whole = len(self._open) // self._stretch * self._stretch
        self._peaks += self._open[:whole].reshape(-1, self._stretch).max(axis=1).tolist()
        self._open = self._open[whole:]
        while len(self._peaks) >= _PEAKS_KEPT:
            odd = self._peaks.pop() if len(self._peaks) % 2 else None
            pairs = zip(self._peaks[::2], self._peaks[1::2], strict=True)
            self._peaks = [max(pair) for pair in pairs]
            if odd is not None:
                self._peaks.append(odd)
            self._stretch *= 2

    def finish(self) -> tuple[int, ...]:
        peaks = [*self._peaks, int(self._open.max())] if len(self._open) else self._peaks
        count = min(WAVEFORM_BUCKETS, len(peaks))
        if not count:
            return ()
        edges = [i * len(peaks) // count for i in range(count + 1)]
        spans = itertools.pairwise(edges)
        return tuple(round(max(peaks[a:b]) * 1_000 / 32_768) for a, b in spans)
