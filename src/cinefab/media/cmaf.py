"""A film's pieces become one CMAF track: an init file and segments that start with a keyframe.

Packets are copied, nothing is decoded, and one segment is in memory at a time. Where segments
begin follows from the pieces' lengths alone, so every rung of a film is cut at the same frames,
and a segment is the same file as long as its own pieces and its place in the film are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch
from cinefab.media.boxes import AudioTrack, Sample, VideoTrack, init_segment, media_segment
from cinefab.media.decode import opened
from cinefab.media.encode import KEYFRAME_EVERY, ticks_per_second
from cinefab.media.whole_file import storage_errors

_SEGMENT_S_MIN: Final = 2
_LAST_SEGMENT_S_MIN: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSegment:
    """A segment that was written: where it begins and how long it is, in ticks, and its size."""

    path: Path
    starts_at: int
    ticks: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTrack:
    """A track that was written: its init file and its segments in order."""

    track: VideoTrack | AudioTrack
    init: Path
    segments: tuple[WrittenSegment, ...]

    @property
    def peak_bits_per_s(self) -> int:
        """The rate of its dearest segment, rounded up."""
        return max(self._rate(each.size_bytes, each.ticks) for each in self.segments)

    @property
    def average_bits_per_s(self) -> int:
        """The rate of the whole track, rounded up."""
        size_bytes = sum(each.size_bytes for each in self.segments)
        return self._rate(size_bytes, sum(each.ticks for each in self.segments))

    def _rate(self, size_bytes: int, ticks: int) -> int:
        return -(-size_bytes * 8 * self.track.ticks_per_s // ticks)


def segment_starts(piece_frames: Sequence[int], *, fps: Fraction) -> tuple[int, ...]:
    """Return the frames at which segments begin, of pieces of these lengths in order.

    Each is a keyframe. Segments last two to four seconds; longer where a keyframe is farther
    away, and the last may be shorter, down to one second.
    """
    keyframes: list[int] = []
    start = 0
    for frames in piece_frames:
        keyframes += range(start, start + frames, KEYFRAME_EVERY)
        start += frames
    starts = [0]
    for frame in keyframes:
        if frame - starts[-1] >= _SEGMENT_S_MIN * fps:
            starts.append(frame)
    if len(starts) > 1 and start - starts[-1] < _LAST_SEGMENT_S_MIN * fps:
        starts.pop()
    return tuple(starts)


def write_video(
    pieces: Sequence[Path], folder: Path, *, starts: Sequence[int], fps: Fraction
) -> WrittenTrack:
    """Write `pieces` one after another as a video track into `folder`, cut before `starts`.

    Raises `ContractMismatch`, naming the piece, when one differs from the first in what a decoder
    needs, or has no keyframe where a segment begins; `StorageUnavailable` when one is missing or
    the disk is full.
    """
    ticks = ticks_per_second(fps)
    a_frame = int(ticks / fps)
    track: VideoTrack | None = None
    writer = _Writer(folder)
    begins = set(starts)
    start = 0
    for piece in pieces:
        with opened(piece) as (container, stream):
            found = VideoTrack(
                size=Size(stream.width, stream.height),
                ticks_per_s=ticks,
                configuration=stream.codec_context.extradata or b"",
            )
            track = track or found
            if found != track:
                raise _mismatch(piece, "it needs another decoder than the first piece")
            decoded = start
            for packet in container.demux(stream):
                if packet.pts is None or packet.time_base is None:
                    continue
                if decoded in begins:
                    if not packet.is_keyframe:
                        raise _mismatch(piece, f"no keyframe at frame {decoded} of the film")
                    writer.begin(decoded * a_frame)
                shown = start + round(packet.pts * packet.time_base * fps)
                writer.add(
                    packet,
                    ticks=a_frame,
                    shift=(shown - decoded) * a_frame,
                    is_sync=packet.is_keyframe,
                )
                decoded += 1
            start = decoded
    assert track is not None, "a film has at least one piece"
    return writer.finish(track)


def write_sound(film: Path, folder: Path, *, starts_s: Sequence[Fraction]) -> WrittenTrack | None:
    """Write the sound of `film` as an audio track into `folder`; None if it is silent.

    It is cut at the packets nearest before `starts_s`. What a coder puts before the first sound
    is left out, so the track begins with the film. Raises as `write_video` does.
    """
    with opened(film) as (container, _):
        if not container.streams.audio:
            return None
        sound = container.streams.audio[0]
        track = AudioTrack(
            ticks_per_s=sound.rate,
            channels=sound.codec_context.channels,
            configuration=sound.codec_context.extradata or b"",
        )
        begins = [int(start_s * track.ticks_per_s) for start_s in starts_s]
        writer = _Writer(folder)
        for packet, at, ticks in _packets(container, sound):
            if at < 0:
                continue
            if begins and at + ticks > begins[0]:
                writer.begin(at)
                begins = [each for each in begins if each >= at + ticks]
            writer.add(packet, ticks=ticks, shift=0, is_sync=True)
        return writer.finish(track)


def codecs_of(film: Path) -> str:
    """Return what a player needs for `film`, as RFC 6381 spells it; raises as `write_video`."""
    with opened(film) as (container, pictures):
        codecs = "avc1." + (pictures.codec_context.extradata or b"")[1:4].hex().upper()
        for sound in container.streams.audio[:1]:
            codecs += f",mp4a.40.{(sound.codec_context.extradata or bytes(1))[0] >> 3}"
        return codecs


def _packets(
    container: InputContainer, sound: AudioStream
) -> Iterator[tuple[Packet[AudioStream], int, int]]:
    """Yield each packet, its place and its length in samples."""
    for packet in container.demux(sound):
        if packet.pts is None or packet.time_base is None:
            continue
        in_samples = packet.time_base * sound.rate
        yield packet, round(packet.pts * in_samples), round((packet.duration or 0) * in_samples)


class _Writer:
    """Collects a segment's packets and writes it when the next one begins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: list[WrittenSegment] = []
        self._starts_at: int | None = None
        self._samples: list[Sample] = []
        self._data = bytearray()

    def begin(self, starts_at: int) -> None:
        """Begin the next segment."""
        self._flush()
        self._starts_at = starts_at

    def add(self, packet: Packet[Any], *, ticks: int, shift: int, is_sync: bool) -> None:
        """Take `packet` into the segment."""
        content = bytes(packet)
        self._samples.append(
            Sample(size_bytes=len(content), ticks=ticks, shift=shift, is_sync=is_sync)
        )
        self._data += content

    def finish(self, track: VideoTrack | AudioTrack) -> WrittenTrack:
        """Write the last segment and the init file."""
        self._flush()
        init = self._folder / "init.mp4"
        _write(init, init_segment(track))
        return WrittenTrack(track=track, init=init, segments=tuple(self._written))

    def _flush(self) -> None:
        if not self._samples:
            return
        assert self._starts_at is not None, "the first segment begins with the first packet"
        number = len(self._written) + 1
        content = media_segment(
            number=number,
            starts_at=self._starts_at,
            samples=self._samples,
            data=bytes(self._data),
        )
        path = self._folder / f"{number}.m4s"
        _write(path, content)
        self._written.append(
            WrittenSegment(
                path=path,
                starts_at=self._starts_at,
                ticks=sum(sample.ticks for sample in self._samples),
                size_bytes=len(content),
            )
        )
        self._samples, self._data = [], bytearray()


def _write(path: Path, content: bytes) -> None:
    with storage_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _mismatch(piece: Path, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted="cut a stream at its keyframes",
        found=f"{piece}: {found}",
        remedy="Make that piece again; order the film again to have it made",
    )
