"""Spoken lines in one file, as those who ask for speech alone have it: one channel at 24 kHz.

For trusted media alone. The same lines give the same bytes, but for what an encoder adds of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from cinefab.core.sound import SAMPLE_RATE
from cinefab.media.audio import read_sound
from cinefab.media.encode import abandon
from cinefab.media.whole_file import storage_errors, whole_file

SPEECH_HZ: Final = 24_000

_BETWEEN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Kind:
    container: str
    codec: str
    sample_format: str
    bit_rate: int = 0


_KINDS: Final = {
    "wav": _Kind("wav", "pcm_s16le", "s16"),
    "flac": _Kind("flac", "flac", "s16"),
    "mp3": _Kind("mp3", "libmp3lame", "fltp", 96_000),
    "aac": _Kind("adts", "aac", "fltp", 96_000),
    "opus": _Kind("ogg", "libopus", "flt", 48_000),
}


def write_lines(lines: Sequence[Path], path: Path, *, kind: str) -> int:
    """Write spoken lines one after another, with a breath between them; return the file's size.

    It appears when complete. Raises as `media.audio.read_sound` does, and `StorageUnavailable`.
    """
    form = _KINDS[kind]
    with whole_file(path) as unfinished:
        with storage_errors(f"write {path}"):
            output = av.open(
                unfinished, "w", format=form.container, container_options={"fflags": "+bitexact"}
            )
        try:
            stream: Any = output.add_stream(form.codec, rate=SPEECH_HZ)
            assert isinstance(stream, AudioStream), "sound codecs make sound"
            stream.layout = "mono"
            stream.format = form.sample_format
            stream.codec_context.thread_count = 1
            if form.bit_rate:
                stream.bit_rate = form.bit_rate
            for frame in _frames(lines, form.sample_format):
                with storage_errors(f"write {path}"):
                    output.mux(stream.encode(frame))
            with storage_errors(f"write {path}"):
                output.mux(stream.encode(None))
        except BaseException:
            abandon(output)
            raise
        with storage_errors(f"write {path}"):
            output.close()
        return unfinished.stat().st_size


def _frames(lines: Sequence[Path], sample_format: str) -> Iterator[AudioFrame]:
    resampler = AudioResampler(format=sample_format, layout="mono", rate=SPEECH_HZ)
    start = 0
    for block in _mono(lines):
        frame = AudioFrame.from_ndarray(block, format="flt", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = start
        start += frame.samples
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def _mono(lines: Sequence[Path]) -> Iterator[NDArray[np.float32]]:
    for position, line in enumerate(lines):
        if position:
            yield np.zeros((1, round(_BETWEEN_S * SAMPLE_RATE)), np.float32)
        for block in read_sound(line):
            yield np.ascontiguousarray(block.mean(axis=0, dtype=np.float32).reshape(1, -1))
