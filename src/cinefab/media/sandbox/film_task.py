"""The task behind the lock: a stranger's film or sound becomes plain frames and plain samples.

A generator: the first piece describes what follows, the others are frames and samples in the
order in which the file has them. Frames are I420, BT.709, limited range, upright, of one even
size, at one constant rate. Samples are 32-bit floats, one or two channels, at the file's own rate.
Demuxers and decoders are named here, one list each: whatever else FFmpeg knows is never asked.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, NoReturn, TypeAlias

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from cinefab.media.sandbox.outcome import Cause, PayloadRefused
from cinefab.media.sandbox.plain_frames import ConstantRate, PlainFrames, plain_rate
from cinefab.media.sandbox.plain_samples import PlainSamples

DEMUXERS: Final = {
    "mp4": "mov",
    "mov": "mov",
    "m4a": "mov",
    "webm": "matroska",
    "wav": "wav",
    "flac": "flac",
    "mp3": "mp3",
    "aac": "aac",
}
"""The one demuxer that each format may be given to."""

PICTURE_DECODERS: Final = frozenset(
    {"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "prores", "mjpeg"}
)
SOUND_DECODERS: Final = frozenset(
    {"aac", "mp3", "mp3float", "opus", "vorbis", "flac", "alac", "pcm_u8", "pcm_alaw", "pcm_mulaw"}
    | {
        f"pcm_{kind}{bits}{order}"
        for kind in "sf"
        for bits in (16, 24, 32, 64)
        for order in ("le", "be")
    }
)

_CHANNELS_MAX: Final = 16
_RATES: Final = range(4_000, 192_001)
_EXPORT: Final = "Open it in an editor and export it again."
_AGAIN: Final = "Copy or download it again, all of it."

Piece: TypeAlias = tuple[dict[str, Any], Sequence[bytes | memoryview]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    pixels_max: int
    side_max: int
    frames_max: int
    seconds_max: int
    tracks_max: int


def decode(
    payload: bytes, *, container: str, pictures: bool, shown_side_max: int, **limits: int
) -> Iterator[Piece]:
    """Yield a film's outline, then its frames and samples.

    `container` is a key of `DEMUXERS`; without `pictures` only the sound is decoded. Pieces:
    `{"outline": …}`; `{"frame": key}` with the frame's bytes, or without where the one before is
    shown again, `key` saying whether the file holds it as a key picture; and `{"samples": rate}`
    with interleaved float32 of as many channels as the outline says.
    """
    bounds = _Limits(**limits)
    outline, target = _outline(
        payload, container, bounds, pictures=pictures, shown_side_max=shown_side_max
    )
    yield {"outline": outline}, ()
    with _opened(payload, container) as opened:
        film = _Film(opened, bounds, pictures=pictures)
        yield from film.pieces(target, _start(film))


def warm_up() -> None:
    """Decode a film once, while files may still be opened: PyAV imports parts of itself late."""
    film = decode(
        _tiny_film(),
        container="mov",
        pictures=True,
        shown_side_max=16,
        pixels_max=1 << 16,
        side_max=256,
        frames_max=8,
        seconds_max=2,
        tracks_max=2,
    )
    for _ in film:
        pass


class _Film:
    """One opened file, its tracks chosen and checked."""

    def __init__(self, opened: InputContainer, limits: _Limits, *, pictures: bool) -> None:
        self._opened = opened
        self._limits = limits
        _check_tracks(opened, limits)
        self.video = next(iter(_moving(opened)), None) if pictures else None
        self.audio = next(iter(opened.streams.audio), None)
        if self.video is not None:
            _check_picture_track(self.video, limits)
        if self.audio is not None:
            _check_sound_track(self.audio)
        for stream in (self.video, self.audio):
            if stream is not None:
                stream.codec_context.thread_count = 1  # none may be started behind the lock

    def first_picture(self) -> VideoFrame | None:
        """Return the first picture that the file shows."""
        for _, frame in self._frames():
            if isinstance(frame, VideoFrame):
                return frame
        return None

    def pieces(self, target: PlainFrames | None, start: Fraction) -> Iterator[Piece]:
        """Yield frames and samples; refuse what goes beyond the limits, or ends too early."""
        shown = sound = None
        if target is not None:
            shown = ConstantRate(
                target,
                frames_max=self._limits.frames_max,
                seconds_max=self._limits.seconds_max,
            )
        if self.audio is not None:
            sound = PlainSamples(seconds_max=self._limits.seconds_max)
        decoded = 0
        for packet, frame in self._frames():
            if packet.is_corrupt or frame.is_corrupt:
                _refuse_broken(f"it is damaged or cut off at {frame.time or 0:.2f} s")
            at = None if frame.pts is None else frame.pts * _base(frame) - start
            if isinstance(frame, VideoFrame) and shown is not None:
                decoded += 1
                self._check_size(frame, decoded)
                yield from shown.add(frame, at)
            elif isinstance(frame, AudioFrame) and sound is not None:
                yield from sound.add(frame, at)
        if shown is not None:
            yield from shown.finish()
        if sound is not None:
            yield from sound.finish()
        got = max(
            Fraction(0) if shown is None else shown.seconds,
            Fraction(0) if sound is None else sound.seconds,
        )
        _check_whole(self._opened, got)

    def _frames(self) -> Iterator[tuple[Packet[Any], VideoFrame | AudioFrame]]:
        streams = [stream for stream in (self.video, self.audio) if stream is not None]
        for packet in self._opened.demux(streams):
            for frame in packet.decode():
                if isinstance(frame, VideoFrame | AudioFrame):
                    yield packet, frame

    def _check_size(self, frame: VideoFrame, decoded: int) -> None:
        _check_pixels(frame.width, frame.height, self._limits)
        # More pictures may be stored than are shown; they cost their time all the same.
        if decoded > 2 * self._limits.frames_max:
            _refuse_frames(self._limits.frames_max)


def _outline(
    payload: bytes, container: str, limits: _Limits, *, pictures: bool, shown_side_max: int
) -> tuple[dict[str, Any], PlainFrames | None]:
    with _opened(payload, container) as opened:
        film = _Film(opened, limits, pictures=pictures)
        _check_length(opened, limits)
        if film.video is None and film.audio is None:
            kind = "picture or sound" if pictures else "sound"
            raise PayloadRefused(
                found=f"it has no {kind} track",
                remedy="Send a file that has one; a still picture goes as PNG, JPEG, WebP or AVIF.",
            )
        outline: dict[str, Any] = {
            "tracks": [
                {"kind": stream.type, "codec": _codec_name(stream)} for stream in opened.streams
            ],
            "picture": None,
            "sound": None,
        }
        if film.audio is not None:
            channels = film.audio.codec_context.layout.nb_channels
            outline["sound"] = {"channels": min(2, channels)}
        target = None
        if film.video is not None:
            first = film.first_picture()
            if first is None:
                _refuse_broken("its picture track holds no picture")
            _check_pixels(first.width, first.height, limits)
            target = PlainFrames.for_film(
                first, film.video, rate=plain_rate(film.video), side_max=shown_side_max
            )
            outline["picture"] = {
                "width": target.width,
                "height": target.height,
                "fps": [target.rate.numerator, target.rate.denominator],
                "turned": target.turned,
                "high_dynamic_range": target.high_dynamic_range,
            }
        return outline, target


def _start(film: _Film) -> Fraction:
    """Return the moment of the file's clock at which the film begins."""
    leader = film.video or film.audio
    if leader is None or leader.start_time is None or leader.time_base is None:
        return Fraction(0)
    return leader.start_time * leader.time_base


@contextmanager
def _opened(payload: bytes, container: str) -> Iterator[InputContainer]:
    demuxer = DEMUXERS[container]
    options = {
        "format_whitelist": demuxer,
        "codec_whitelist": ",".join(sorted(PICTURE_DECODERS | SOUND_DECODERS)),
        "protocol_whitelist": "none",
        "enable_drefs": "0",
    }
    if demuxer != "mov":
        del options["enable_drefs"]
    try:
        try:
            opened = av.open(
                io.BytesIO(payload), "r", format=demuxer, options=options, metadata_errors="replace"
            )
        except MemoryError as error:
            raise PayloadRefused(
                cause=Cause.TOO_LARGE,
                found="it lists more tracks, or longer tables, than are read",
                remedy="Export it with one picture track and one sound track.",
            ) from error
        with closing(opened):
            yield opened
    except (EOFError, FFmpegError) as error:
        said = getattr(error, "strerror", None) or type(error).__name__
        _refuse_broken(f"FFmpeg says: {said}"[:200], error)


def _moving(opened: InputContainer) -> list[VideoStream]:
    # The picture of a record's sleeve is a track, too.
    still = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in opened.streams.video if not stream.disposition & still]


def _check_tracks(opened: InputContainer, limits: _Limits) -> None:
    count = len(opened.streams)
    if count > limits.tracks_max:
        raise PayloadRefused(
            cause=Cause.TOO_LARGE,
            found=f"it has {count} tracks, at most {limits.tracks_max} are read",
            remedy="Export it with one picture track and one sound track.",
        )


def _check_length(opened: InputContainer, limits: _Limits) -> None:
    seconds = _declared_seconds(opened)
    if seconds is not None and seconds > limits.seconds_max:
        raise PayloadRefused(
            cause=Cause.TOO_LARGE,
            found=f"it is {float(seconds):,.0f} s long, at most {limits.seconds_max} s are read",
            remedy="Cut out the part that is wanted.",
        )


def _check_picture_track(video: VideoStream, limits: _Limits) -> None:
    name = _codec_name(video)
    if name not in PICTURE_DECODERS:
        raise PayloadRefused(
            found=f"its pictures are coded as {name}",
            remedy="Export it as H.264, HEVC, VP8, VP9, AV1 or ProRes.",
        )
    if video.frames > limits.frames_max:
        _refuse_frames(limits.frames_max, video.frames)
    _check_pixels(video.codec_context.width, video.codec_context.height, limits)


def _check_sound_track(audio: AudioStream) -> None:
    name = _codec_name(audio)
    if name not in SOUND_DECODERS:
        raise PayloadRefused(
            found=f"its sound is coded as {name}",
            remedy="Export it as AAC, MP3, Opus, Vorbis, FLAC or PCM.",
        )
    channels, rate = audio.codec_context.layout.nb_channels, audio.codec_context.sample_rate
    if not channels or not rate:
        _refuse_broken("its sound has no channels or no rate")
    if channels > _CHANNELS_MAX or rate not in _RATES:
        raise PayloadRefused(
            cause=Cause.TOO_LARGE,
            found=f"its sound has {channels} channels at {rate} Hz",
            remedy=f"Export it with at most {_CHANNELS_MAX} channels, at 4 to 192 kHz.",
        )


def _check_pixels(width: int, height: int, limits: _Limits) -> None:
    if width <= 0 or height <= 0:
        _refuse_broken("its pictures have no size")
    if width * height > limits.pixels_max or max(width, height) > limits.side_max:
        raise PayloadRefused(
            cause=Cause.TOO_LARGE,
            found=f"its pictures are {width} x {height}, at most "
            f"{limits.pixels_max / 1e6:.3g} megapixels and {limits.side_max} a side are decoded",
            remedy="Export it smaller.",
        )


def _check_whole(opened: InputContainer, got: Fraction) -> None:
    declared = _declared_seconds(opened)
    if got <= 0:
        _refuse_broken("nothing in it can be decoded")
    if declared is not None and declared - got > max(Fraction(1, 2), declared / 20):
        raise PayloadRefused(
            found=f"the file is cut off after {float(got):.1f} of {float(declared):.1f} s",
            remedy=_AGAIN,
        )


def _declared_seconds(opened: InputContainer) -> Fraction | None:
    if opened.duration is None or opened.duration <= 0:
        return None
    return Fraction(opened.duration, av.time_base)


def _codec_name(stream: Any) -> str:
    context = getattr(stream, "codec_context", None)
    return "unknown" if context is None else str(context.codec.name)[:40]


def _base(frame: VideoFrame | AudioFrame) -> Fraction:
    return Fraction(frame.time_base or 0)


def _refuse_frames(limit: int, found: int | None = None) -> NoReturn:
    count = f"more than {limit:,}" if found is None else f"{found:,}"
    raise PayloadRefused(
        cause=Cause.TOO_LARGE,
        found=f"it has {count} pictures, at most {limit:,} are decoded",
        remedy="Cut out the part that is wanted, or export it at a lower rate.",
    )


def _refuse_broken(found: str, cause: BaseException | None = None) -> NoReturn:
    raise PayloadRefused(found=f"the file is broken: {found}", remedy=_EXPORT) from cause


def _tiny_film() -> bytes:
    # Encoders that start no threads: one that lived on would keep the lock from being complete.
    file = io.BytesIO()
    with closing(av.open(file, "w", format="mov")) as made:
        video = made.add_stream("mpeg4", rate=8)
        audio = made.add_stream("pcm_s16le", rate=8_000)
        assert isinstance(video, VideoStream), "this is a picture encoder"
        assert isinstance(audio, AudioStream), "this is a sound encoder"
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        video.codec_context.thread_count = 1
        frame, samples = VideoFrame(32, 32, "yuv420p"), AudioFrame("s16", "mono", 1_000)
        frame.pts, samples.pts, samples.sample_rate = 0, 0, 8_000
        audio.layout = "mono"
        for stream, given in ((video, frame), (audio, samples)):
            made.mux(stream.encode(given))  # type: ignore[arg-type]  # each its own
            made.mux(stream.encode(None))
    return file.getvalue()
