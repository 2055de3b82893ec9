"""Segments become one film by copying packets: nothing is decoded, no pixel changes.

A piece's timestamps mean nothing here: pictures are shown in the pieces' order, and packets are
decoded in the order they are copied, `reorder` frames ahead of the clock. Sound is copied beside
them, each packet just before the pictures that it is heard with. Only one packet of each is in
memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch
from cinefab.media.audio import opened_sound
from cinefab.media.decode import opened
from cinefab.media.encode import abandon, mp4_options
from cinefab.media.whole_file import storage_errors, whole_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A finished film: its length in frames and its size."""

    frames: int
    size_bytes: int


def join(pieces: Sequence[Path], path: Path, *, fps: Fraction, sound: Path | None = None) -> Joined:
    """Write `pieces` one after another to an MP4 at `path` whose index comes first.

    At least one piece; the same pieces give the same bytes. `sound` is a file that
    `media.audio.write_aac` wrote: its packets become the film's second track, its first sample is
    heard with the first picture. Raises `ContractMismatch`, naming
    the piece, when one differs from the first in codec, size or decoder configuration, is not of
    `fps`, or is no sound video; `StorageUnavailable` when one is missing or the disk is full. The
    file appears when it is complete.
    """
    assert pieces, "a film has at least one piece"
    with whole_file(path) as unfinished:
        frames = _copy(pieces, unfinished, fps=fps, sound=sound, attempted=f"write {path}")
        size_bytes = unfinished.stat().st_size
    return Joined(frames=frames, size_bytes=size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    """What two pieces must share for one decoder to go from one to the other."""

    codec: str
    size: Size
    fps: Fraction
    configuration: bytes


def _copy(
    pieces: Sequence[Path], path: Path, *, fps: Fraction, sound: Path | None, attempted: str
) -> int:
    with ExitStack() as stack:
        heard = None if sound is None else stack.enter_context(opened_sound(sound))
        with opened(pieces[0]) as (_, first):
            wanted = replace(_format_of(first), fps=fps)
            film = _Film(path, like=first, heard=heard, fps=fps, attempted=attempted)
        stack.enter_context(film)
        for piece in pieces:
            with opened(piece) as (container, stream):
                _refuse_difference(piece, found=_format_of(stream), wanted=wanted)
                _append(film, piece, container.demux(stream), fps=fps)
        film.finish()
    return film.frames


class _Film:
    """The MP4 being written; a block that does not come to `finish` abandons it."""

    def __init__(
        self,
        path: Path,
        *,
        like: VideoStream,
        heard: tuple[InputContainer, AudioStream] | None,
        fps: Fraction,
        attempted: str,
    ) -> None:
        self.frames = 0
        self._attempted = attempted
        self._frame_s = 1 / fps
        self._reorder = like.codec_context.reorder_depth
        self._finished = False
        options = mp4_options(fps) | {"movflags": "+faststart"}
        with storage_errors(self._attempted):
            self._container = av.open(path, "w", format="mp4", container_options=options)
        self._stream = self._container.add_stream_from_template(like, opaque=True)
        self._stream.time_base = self._frame_s
        self._sound = None if heard is None else _Sound(heard, self._container)

    def __enter__(self) -> _Film:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._finished:
            abandon(self._container)

    def append(self, packet: Packet[VideoStream], *, shown_at: int) -> None:
        """Copy `packet`, whose picture is number `shown_at` of the film."""
        if self._sound is not None:
            with storage_errors(self._attempted):
                self._sound.copy_until(self.frames * self._frame_s)
        packet.stream = self._stream
        packet.time_base = self._frame_s
        packet.pts = shown_at
        packet.dts = self.frames - self._reorder
        packet.duration = 1
        with storage_errors(self._attempted):
            self._container.mux_one(packet)
        self.frames += 1

    def finish(self) -> None:
        """Write what is left of the sound, then the index, and move it to the front."""
        if self._sound is not None:
            with storage_errors(self._attempted):
                self._sound.copy_until(None)
        self._finished = True
        with storage_errors(self._attempted):
            self._container.close()


class _Sound:
    """The film's second track: packets that wait until their time has come."""

    def __init__(
        self, heard: tuple[InputContainer, AudioStream], container: OutputContainer
    ) -> None:
        source, stream = heard
        self._container = container
        self._stream = container.add_stream_from_template(stream, opaque=True)
        self._stream.time_base = stream.time_base
        self._packets = source.demux(stream)
        self._waiting = next(self._packets, None)

    def copy_until(self, moment_s: Fraction | None) -> None:
        """Copy the packets that are decoded up to a moment; all that are left without one."""
        while (packet := self._waiting) is not None:
            if packet.dts is not None:  # the demuxer's farewell has no time
                if moment_s is not None and packet.dts * packet.time_base > moment_s:
                    return
                packet.stream = self._stream
                self._container.mux_one(packet)
            self._waiting = next(self._packets, None)


def _append(
    film: _Film, piece: Path, packets: Iterator[Packet[VideoStream]], *, fps: Fraction
) -> None:
    start = film.frames
    for packet in packets:
        if packet.pts is None or packet.time_base is None:
            continue  # the demuxer's farewell: an empty packet at the end
        length_s = (packet.duration or 0) * packet.time_base
        shown_at = packet.pts * packet.time_base * fps
        if length_s * fps != 1 or shown_at.denominator != 1:
            raise _mismatch(piece, "a frame off the clock", f"{fps} frames a second")
        film.append(packet, shown_at=start + int(shown_at))


def _format_of(stream: VideoStream) -> _Format:
    context = stream.codec_context
    return _Format(
        codec=context.name,
        size=Size(context.width, context.height),
        fps=Fraction(stream.average_rate or 0),
        configuration=context.extradata or b"",
    )


def _refuse_difference(piece: Path, *, found: _Format, wanted: _Format) -> None:
    if found.codec != wanted.codec:
        raise _mismatch(piece, f"codec {found.codec}", wanted.codec)
    if found.size != wanted.size:
        raise _mismatch(piece, f"pictures of {found.size}", str(wanted.size))
    if found.fps != wanted.fps:
        raise _mismatch(piece, f"{found.fps} frames a second", str(wanted.fps))
    if found.configuration != wanted.configuration:
        raise _mismatch(piece, "another decoder configuration", "the first piece's")


def _mismatch(piece: Path, found: str, wanted: str) -> ContractMismatch:
    return ContractMismatch(
        attempted="join pieces by their packets",
        found=f"{piece} has {found}, but the film needs {wanted}",
        remedy="Encode that piece again with the film's size, rate and settings",
    )
