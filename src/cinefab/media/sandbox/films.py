"""A stranger's film or sound, decoded behind the lock and taken in frame by frame.

What comes out of the sandbox is believed as little as what went in: sizes, counts and lengths are
held against the limits here, in a process that no stranger's byte ever reached.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from cinefab.core.brief import Size
from cinefab.core.canonical import Json
from cinefab.media.frames import Frame
from cinefab.media.sandbox.outcome import Cause, DecodeRefused, SandboxLimits
from cinefab.media.sandbox.sandbox import Sandbox, SandboxResult
from cinefab.media.sandbox.talk import printable

FILM_TASK: Final = "cinefab.media.sandbox.film_task:decode"
"""The task's name, for readers and for `Sandbox.warm`."""

FILM_SANDBOX: Final = SandboxLimits(
    memory_bytes=1536 << 20,
    cpu_seconds=600,
    wall_seconds=900.0,
    payload_bytes=64 << 20,
    answer_bytes=8 << 20,
)
"""What decoding one film may take; `answer_bytes` is the most that one piece of it has."""

_NAME_MAX: Final = 200
_CODEC_MAX: Final = 40
_RATES: Final = range(4_000, 192_001)
_LOUDEST: Final = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmLimits:
    """How large, how long and how many a film's pictures and tracks may be.

    `pixels_max` and `side_max` are of a picture as it is stored, `shown_side_max` as it is handed
    on: larger ones are scaled down.
    """

    pixels_max: int = 4_096 * 2_304
    side_max: int = 8_192
    frames_max: int = 36_000
    seconds_max: int = 600
    tracks_max: int = 16
    shown_side_max: int = 1_920


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTrack:
    """Frames to come: their size and rate, how the file had them turned, and its range."""

    size: Size
    fps: Fraction
    turned: int
    high_dynamic_range: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTrack:
    """Samples to come, in one or two channels."""

    channels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a film consists of; at least one of `picture` and `sound` is there."""

    picture: PictureTrack | None
    sound: SoundTrack | None
    tracks: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The next frame, I420 of the film's size.

    `is_key`: the file holds it as a key picture; `is_again`: it is the one before once more.
    """

    frame: Frame
    is_key: bool
    is_again: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The next samples, shape (count, channels), at `rate` a second."""

    samples: NDArray[np.float32]
    rate: int


DEFAULT_LIMITS: Final = FilmLimits()


class Film:
    """A film that is being decoded: its outline, then its pieces, once.

    `close()` it, or use it as a context manager; that ends its process, however far it is.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        data: bytes | memoryview,
        *,
        task: str,
        container: str,
        pictures: bool,
        name: str,
        limits: FilmLimits = DEFAULT_LIMITS,
    ) -> None:
        """Start decoding; `task` is a reader's, `container` the format that it recognised.

        Raises what `Sandbox.stream` does, here and while its pieces are taken.
        """
        self._called = printable(name, length_max=_NAME_MAX) or "a film without a name"
        self._limits = limits
        arguments: dict[str, Json] = {"container": container, "pictures": pictures}
        self._pieces = sandbox.stream(
            task, data, arguments=arguments | asdict(limits), called=self._called
        )
        first = next(self._pieces, None)
        if first is None:
            self._refuse("it does not describe a film")
        self.outline = self._outline(first.facts.get("outline"))

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process that decodes it."""
        self._pieces.close()

    def pieces(self) -> Iterator[Shown | Heard]:
        """Yield frames and samples in the order in which the file has them.

        A frame's bytes are its receiver's to keep. Raises `DecodeRefused`, also at the very end:
        what came before is to be thrown away then.
        """
        frame: Frame | None = None
        frames = samples = rate = 0
        for piece in self._pieces:
            if "frame" in piece.facts:
                frame = self._frame(piece, before=frame)
                frames += 1
                if frames > self._frames_max:
                    self._refuse("more frames than are allowed")
                yield Shown(
                    frame=frame,
                    is_key=piece.facts["frame"] is True,
                    is_again=not piece.blobs,
                )
            else:
                heard = self._heard(piece, rate=rate)
                rate, samples = heard.rate, samples + len(heard.samples)
                if samples > (self._limits.seconds_max + 1) * rate:
                    self._refuse("more sound than is allowed")
                yield heard
        if (self.outline.picture is not None) != (frames > 0):
            self._refuse("it announced pictures and sent none")

    @property
    def _frames_max(self) -> int:
        picture, limits = self.outline.picture, self._limits
        rate = 0 if picture is None else picture.fps
        return min(limits.frames_max, int(limits.seconds_max * rate))

    def _frame(self, piece: SandboxResult, *, before: Frame | None) -> Frame:
        picture = self.outline.picture
        if picture is None:
            self._refuse("it sent pictures and announced none")
        if not piece.blobs:
            if before is None:
                self._refuse("it has no first picture")
            return before
        size = picture.size
        if len(piece.blobs) != 1 or len(piece.blobs[0]) != size.width * size.height * 3 // 2:
            self._refuse("a picture is of another size than announced")
        return np.frombuffer(piece.blobs[0], np.uint8).reshape(size.height * 3 // 2, size.width)

    def _heard(self, piece: SandboxResult, *, rate: int) -> Heard:
        sound = self.outline.sound
        said = piece.facts.get("samples")
        if sound is None or type(said) is not int or said not in _RATES or rate not in {0, said}:
            self._refuse("it sent sound that it did not announce")
        if len(piece.blobs) != 1 or len(piece.blobs[0]) % (4 * sound.channels):
            self._refuse("its samples do not fit its channels")
        samples = np.frombuffer(piece.blobs[0], np.dtype("<f4")).reshape(-1, sound.channels)
        # Whatever bits a decoder gives for a float, loud, endless or no number at all.
        sound_ones = np.nan_to_num(samples, nan=0.0, posinf=_LOUDEST, neginf=-_LOUDEST)
        return Heard(samples=np.clip(sound_ones, -_LOUDEST, _LOUDEST), rate=said)

    def _outline(self, said: Any) -> Outline:
        if not isinstance(said, dict):
            self._refuse("it does not describe a film")
        picture, sound = self._picture_track(said.get("picture")), None
        if said.get("sound") is not None:
            channels = said["sound"].get("channels") if isinstance(said["sound"], dict) else None
            if type(channels) is not int or channels not in {1, 2}:
                self._refuse("its sound has no channels")
            sound = SoundTrack(channels=channels)
        if picture is None and sound is None:
            self._refuse("it has neither pictures nor sound")
        return Outline(picture=picture, sound=sound, tracks=self._tracks(said.get("tracks")))

    def _picture_track(self, said: Any) -> PictureTrack | None:
        if said is None:
            return None
        if not isinstance(said, dict):
            self._refuse("it does not describe its pictures")
        fps = said.get("fps")
        numbers = [said.get("width"), said.get("height"), *(fps if isinstance(fps, list) else [])]
        if len(numbers) != 4 or not all(type(n) is int and n > 0 for n in numbers):
            self._refuse("its pictures have no possible size or rate")
        width, height, above, below = numbers
        sides_fit = max(width, height) <= self._limits.shown_side_max and min(width, height) >= 16
        if width % 2 or height % 2 or not sides_fit or not below <= above <= 120 * below:
            self._refuse("its pictures have no possible size or rate")
        return PictureTrack(
            size=Size(width, height),
            fps=Fraction(above, below),
            turned=said["turned"] if said.get("turned") in {90, 180, 270} else 0,
            high_dynamic_range=said.get("high_dynamic_range") is True,
        )

    def _tracks(self, said: Any) -> tuple[tuple[str, str], ...]:
        if not isinstance(said, list) or not 0 < len(said) <= self._limits.tracks_max:
            self._refuse("it does not list its tracks")
        if not all(isinstance(track, dict) for track in said):
            self._refuse("it does not list its tracks")
        return tuple(
            (
                printable(str(track.get("kind")), length_max=_CODEC_MAX),
                printable(str(track.get("codec")), length_max=_CODEC_MAX),
            )
            for track in said
        )

    def _refuse(self, found: str) -> NoReturn:
        self._pieces.close()
        raise DecodeRefused(
            cause=Cause.BAD_ANSWER,
            attempted=f"decode {self._called}",
            found=f"the decoder's answer is no film: {found}",
            remedy="The file is broken or hostile; export it again.",
        )
