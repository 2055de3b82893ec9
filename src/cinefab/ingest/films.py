"""What is done to a film or a sound: decoded behind the lock, and made anew by our own encoders.

Everything after ingest sees only what is written here: a film of one size and one constant rate,
a sound of 48 kHz, one telling picture. Frames and samples pass through; none of it is held whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from cinefab.core.canonical import Json
from cinefab.media.encode import MEZZANINE, encode
from cinefab.media.frames import Frame, Rgb
from cinefab.media.sandbox.films import FILM_SANDBOX, Film, FilmLimits, Heard, Shown
from cinefab.media.sandbox.outcome import Cause, Confinement, DecodeRefused
from cinefab.media.sandbox.sandbox import Sandbox
from cinefab.media.shots import ShotFinder
from cinefab.media.sound_file import SOUND_RATE, SoundWriter, WrittenSound
from cinefab.media.still import png_bytes, thumbnail_bytes, to_rgb
from cinefab.media.waveform import draw_waveform

_NO_TRANSCRIPT: Final = "no speech recogniser is installed"
_TELL_EVERY_FRAMES: Final = 24
_TELLING_WITHIN_S: Final = 10
_LOOK_EVERY: Final = 8  # every eighth pixel says enough of how much there is to see


def prepare_film(argument: Mapping[str, Any], report: Callable[[Json], None]) -> Json:
    """Normalise the film or sound at `original`, in a compute process.

    `argument`: `original`, the `name` it came under, the reader's `task` and the `container` that
    it recognised, whether `pictures` are wanted, `confinement`, the `folder` to write into, and
    `limits` where they are not the usual ones (`FilmLimits`). Returns the paths written and the
    facts; raises `DecodeRefused` for what is no whole film within the limits, and
    `StorageUnavailable`. Nothing is left in the folder then.
    """
    folder = Path(argument["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    confinement = Confinement(argument["confinement"])
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(FILM_SANDBOX, confinement=confinement))
        film = stack.enter_context(
            Film(
                sandbox,
                Path(argument["original"]).read_bytes(),
                task=argument["task"],
                container=argument["container"],
                pictures=argument["pictures"],
                name=argument["name"],
                limits=FilmLimits(**argument.get("limits", {})),
            )
        )
        maker = _Maker(film, folder, called=argument["name"], report=report)
        try:
            return maker.make()
        except BaseException:
            maker.leave_nothing()
            raise


class _Maker:
    """Takes a film in, piece by piece, and writes what it becomes."""

    def __init__(
        self, film: Film, folder: Path, *, called: str, report: Callable[[Json], None]
    ) -> None:
        self._film = film
        self._called = called
        self._report = report
        self._video, self._sound = folder / "video.mp4", folder / "sound.flac"
        self._picture, self._thumbnail = folder / "picture.png", folder / "thumbnail.jpg"
        self._writer: SoundWriter | None = None
        self._telling: tuple[float, Frame] | None = None
        self._frames = 0
        self._key_pictures = 0
        picture = film.outline.picture
        self._shots = None if picture is None else ShotFinder(picture.size, picture.fps)

    def make(self) -> Json:
        """Write all files and return where they are and what they are like."""
        picture = self._film.outline.picture
        if picture is None:
            for _ in self._shown():
                raise AssertionError("a film without pictures shows none")
            still = None
        else:
            encode(
                self._shown(),
                self._video,
                size=picture.size,
                fps=picture.fps,
                settings=MEZZANINE,
            )
            assert self._telling is not None, "a film has a picture"
            still = to_rgb(self._telling[1])
        heard = self._finish_sound()
        if still is None and heard is None:
            raise DecodeRefused(
                cause=Cause.REFUSED,
                attempted=f"decode {self._called}",
                found="it holds neither a picture nor a sample of sound",
                remedy="Export it again.",
            )
        shown: Rgb = draw_waveform(() if heard is None else heard.waveform)
        if still is not None:
            shown = still
        self._picture.write_bytes(png_bytes(shown))
        self._thumbnail.write_bytes(thumbnail_bytes(shown))
        return {
            "video": None if picture is None else str(self._video),
            "sound": None if heard is None else str(self._sound),
            "picture": str(self._picture),
            "thumbnail": str(self._thumbnail),
            "width": shown.shape[1],
            "height": shown.shape[0],
            "facts": self._facts(heard),
        }

    def leave_nothing(self) -> None:
        """Remove what was written."""
        if self._writer is not None:
            self._writer.abandon()
        for path in (self._video, self._sound, self._picture, self._thumbnail):
            path.unlink(missing_ok=True)

    def _shown(self) -> Iterator[Frame]:
        """Yield the film's frames; what is heard between them is written meanwhile."""
        for piece in self._film.pieces():
            if isinstance(piece, Heard):
                if self._writer is None:
                    self._writer = SoundWriter(self._sound)
                self._writer.add(piece.samples, piece.rate)
                continue
            self._look_at(piece)
            yield piece.frame
            self._frames += 1
            if self._frames % _TELL_EVERY_FRAMES == 0:
                self._report({"frames": self._frames})

    def _look_at(self, shown: Shown) -> None:
        self._key_pictures += shown.is_key
        assert self._shots is not None, "only films with pictures show any"
        self._shots.add(shown.frame, again=shown.is_again)
        self._consider(shown.frame)

    def _consider(self, frame: Frame) -> None:
        """Keep the frame that shows the most contrast, of one a second at the beginning."""
        picture = self._film.outline.picture
        assert picture is not None, "only films with pictures show any"
        every = max(1, round(picture.fps))
        if self._frames % every or self._frames >= every * _TELLING_WITHIN_S:
            return
        luma = frame[: picture.size.height : _LOOK_EVERY, ::_LOOK_EVERY]
        contrast = float(np.std(luma, dtype=np.float64))
        if self._telling is None or contrast > self._telling[0]:
            self._telling = (contrast, frame)

    def _finish_sound(self) -> WrittenSound | None:
        if self._writer is None:
            return None
        written = self._writer.finish()
        if written.samples:
            return written
        self._sound.unlink()
        return None

    def _facts(self, heard: WrittenSound | None) -> Json:
        outline = self._film.outline
        facts: dict[str, Json] = {
            "tracks": [{"kind": kind, "codec": codec} for kind, codec in outline.tracks]
        }
        length = Fraction(0)
        if (picture := outline.picture) is not None:
            length = self._frames / picture.fps
            facts |= {
                "fps": str(picture.fps),
                "frames": self._frames,
                "turned": picture.turned,
                "high_dynamic_range": picture.high_dynamic_range,
                "key_pictures": self._key_pictures,
            }
        if self._shots is not None:
            shots = self._shots.finish()
            facts |= {
                "shots": [
                    {"first": shot.first, "frames": shot.frames, "begins": shot.begins}
                    for shot in shots
                ],
                "keyframes": [shot.telling for shot in shots],
            }
        if heard is not None:
            length = max(length, Fraction(heard.samples, SOUND_RATE))
            facts |= {
                "loudness": asdict(heard.loudness),
                "waveform": list(heard.waveform),
                "transcript": {"state": "unavailable", "reason": _NO_TRANSCRIPT},
            }
        facts["duration_us"] = round(length * 1_000_000)
        return facts
