"""Sound in files: FLAC to keep, AAC to deliver, and back to samples.

For trusted media alone. The same samples give the same bytes, and an AAC file says exactly how
many samples it holds, so that a film's sound begins and ends with its picture.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from cinefab.core.errors import ContractMismatch
from cinefab.core.sound import SAMPLE_RATE
from cinefab.media.encode import abandon
from cinefab.media.whole_file import storage_errors, whole_file

Sound: TypeAlias = NDArray[np.float32]
"""Shape (2, samples), full scale at 1."""

AAC_BIT_RATE: Final = 192_000
AAC_PRIMING: Final = 1024
"""Samples that the encoder puts first; the file's edit list takes them out again."""

_DITHER_SEED: Final = 16


def write_flac(blocks: Iterable[Sound], path: Path) -> int:
    """Write `blocks` as 16-bit FLAC with dither and return its size; it appears when complete."""
    chance = np.random.default_rng(_DITHER_SEED)

    def frames() -> Iterator[AudioFrame]:
        for block in blocks:
            # Triangular noise of two steps: what is below a step stays audible and undistorted.
            dither = chance.random(block.shape, np.float32) - chance.random(block.shape, np.float32)
            whole = np.clip(np.rint(block * np.float32(32_767) + dither), -32_768, 32_767)
            interleaved = np.ascontiguousarray(whole.T.astype(np.int16)).reshape(1, -1)
            yield AudioFrame.from_ndarray(interleaved, format="s16", layout="stereo")

    return _write(frames(), path, container="flac", codec="flac", sample_format="s16")


def write_aac(source: Path, path: Path) -> int:
    """Encode a sound file as AAC in MP4 and return its size; it appears when complete."""

    def frames() -> Iterator[AudioFrame]:
        for block in read_sound(source):
            yield AudioFrame.from_ndarray(
                np.ascontiguousarray(block), format="fltp", layout="stereo"
            )

    return _write(frames(), path, container="mp4", codec="aac", sample_format="fltp")


def read_sound(path: Path) -> Iterator[Sound]:
    """Yield what a sound file or a film holds to be heard, at 48 kHz in two channels, in blocks.

    Raises as `opened_sound` does.
    """
    with opened_sound(path) as (container, stream):
        whole = left = _samples_of(stream)
        for block in _resampled(container, stream):
            # An AAC decoder gives whole frames; what is beyond the track's end is padding.
            yield block[:, :left]
            left -= block.shape[1]
            if left <= 0:
                return
        if left == whole:
            raise _unsound(path, "no sound that can be decoded")


@contextmanager
def opened_sound(path: Path) -> Iterator[tuple[InputContainer, AudioStream]]:
    """Open a file of ours and lend its one track of sound.

    Raises `StorageUnavailable` when it cannot be read and `ContractMismatch` when it holds none.
    """
    try:
        with av.open(path, options={"format_whitelist": "mov,flac"}) as container:
            if not container.streams.audio:
                raise _unsound(path, "no sound in it")
            yield container, container.streams.audio[0]
    except OSError:
        with storage_errors(f"read {path}"):
            raise
    except FFmpegError as error:
        raise _unsound(path, error.strerror or str(error)) from error


def _resampled(container: InputContainer, stream: AudioStream) -> Iterator[Sound]:
    resampler = AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE)
    for frame in container.decode(stream):
        yield from (_floats(ready) for ready in resampler.resample(frame))
    yield from (_floats(ready) for ready in resampler.resample(None))


def _floats(frame: AudioFrame) -> Sound:
    return frame.to_ndarray().astype(np.float32, copy=False)


def _samples_of(stream: AudioStream) -> int:
    if stream.duration is None or stream.time_base is None:
        return sys.maxsize
    return math.ceil(stream.duration * stream.time_base * SAMPLE_RATE)


def _write(
    frames: Iterator[AudioFrame], path: Path, *, container: str, codec: str, sample_format: str
) -> int:
    with whole_file(path) as unfinished:
        with storage_errors(f"write {path}"):
            output = av.open(
                unfinished, "w", format=container, container_options={"fflags": "+bitexact"}
            )
        try:
            _encode(frames, output, codec=codec, sample_format=sample_format, path=path)
        except BaseException:
            abandon(output)
            raise
        with storage_errors(f"write {path}"):
            output.close()
        return unfinished.stat().st_size


def _encode(
    frames: Iterator[AudioFrame],
    output: OutputContainer,
    *,
    codec: str,
    sample_format: str,
    path: Path,
) -> None:
    stream = output.add_stream(codec, rate=SAMPLE_RATE)
    assert isinstance(stream, AudioStream), "sound codecs make sound"
    stream.layout = "stereo"
    stream.format = sample_format
    context = stream.codec_context
    context.thread_count = 1
    if codec == "aac":
        stream.bit_rate = AAC_BIT_RATE
    start = 0
    for frame in frames:
        frame.sample_rate = SAMPLE_RATE
        frame.pts = start
        start += frame.samples
        with storage_errors(f"write {path}"):
            output.mux(stream.encode(frame))
    with storage_errors(f"write {path}"):
        output.mux(stream.encode(None))


def _unsound(path: Path, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"read {path}",
        found=f"not the sound that Cinefab writes: {found}",
        remedy="Remove the file and make it again",
    )


def resampled(mono: NDArray[np.int16], rate_hz: int) -> Sound:
    """Return 16-bit samples of one channel as sound: 48 kHz, in two channels."""
    resampler = AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE)
    whole = np.ascontiguousarray(mono).reshape(1, -1)
    frame = AudioFrame.from_ndarray(whole, format="s16", layout="mono")
    frame.sample_rate = rate_hz
    ready = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([_floats(each) for each in ready], axis=1)


def read_mono(path: Path, rate_hz: int) -> NDArray[np.int16]:
    """Return a whole sound file as 16-bit samples of one channel; raise as `opened_sound` does."""
    resampler = AudioResampler(format="s16", layout="mono", rate=rate_hz)
    blocks: list[NDArray[np.int16]] = []
    for block in read_sound(path):
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        blocks += [_whole(ready) for ready in resampler.resample(frame)]
    blocks += [_whole(ready) for ready in resampler.resample(None)]
    return np.concatenate(blocks)


def _whole(frame: AudioFrame) -> NDArray[np.int16]:
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)


def as_stereo(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Return samples of shape (count, 1 or 2) as 48 kHz in two channels, shape (count, 2)."""
    resampler = AudioResampler(format="fltp", layout="stereo", rate=SAMPLE_RATE)
    # One channel is heard from both sides as loud as it is: a resampler would share it out.
    planar = np.ascontiguousarray(np.broadcast_to(samples.T, (2, len(samples))), np.float32)
    frame = AudioFrame.from_ndarray(planar, format="fltp", layout="stereo")
    frame.sample_rate = rate_hz
    ready = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([_floats(each) for each in ready], axis=1).T
