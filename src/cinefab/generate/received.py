"""What an engine delivered, as frames or samples: a stranger's files, decoded behind the lock."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import AUDIO_HZ, Samples, TakeRequest
from cinefab.generate.fitting import fitted, moved
from cinefab.media.audio import as_stereo
from cinefab.media.frames import Frame, Rgb
from cinefab.media.sandbox.films import (
    FILM_SANDBOX,
    FILM_TASK,
    Film,
    FilmLimits,
    Heard,
    Shown,
)
from cinefab.media.sandbox.formats.boxes import film_format_of, sound_format_of
from cinefab.media.sandbox.outcome import Confinement, DecodeRefused, SandboxLimits
from cinefab.media.sandbox.pictures import decode_picture, decode_row
from cinefab.media.sandbox.sandbox import Sandbox

_HEAD_BYTES: Final = 4096
_PREVIEW_BYTES: Final = 4 << 20
_ROW_SANDBOX: Final = SandboxLimits(cpu_seconds=600, wall_seconds=900.0)


def is_film(path: Path) -> bool:
    """Say whether a file begins as a film does; the rest of it is not looked at."""
    return _film_format(path) is not None


def shown_from(
    files: Sequence[Path],
    request: TakeRequest,
    *,
    made_by: str,
    confinement: Confinement,
    fps: Fraction | None = None,
) -> Iterator[Frame]:
    """Yield the frames asked for: from one film, from pictures that follow each other, or from one.

    Pictures follow each other at `fps`; without it the shot's camera moves over the first.
    `made_by` names the engine in errors. What was delivered for one shot is decoded by one process.
    Raises `ContractMismatch` for what is neither, is broken, or is too short.
    """
    container = _film_format(files[0])
    with _taken_in(files[0], made_by):
        if container is not None:
            with _opened(files[0], container, pictures=True, confinement=confinement) as film:
                yield from _fitted(film, request, files[0], made_by)
            return
        with closing(_pictures(files[:1] if fps is None else files, confinement)) as pictures:
            if fps is None:
                yield from moved(next(pictures), request)
            else:
                yield from fitted(pictures, fps, request)


def heard_from(path: Path, samples: int, *, made_by: str, confinement: Confinement) -> Samples:
    """Return exactly so many samples of a sound: silence after its end, nothing beyond them.

    Raises `ContractMismatch` for what is no sound or is broken.
    """
    container = sound_format_of(_head(path))
    with _taken_in(path, made_by):
        if container is None:
            raise _mismatch(path, made_by, "it begins as no sound does")
        pieces: list[Samples] = []
        rate = AUDIO_HZ
        with _opened(path, container, pictures=False, confinement=confinement) as film:
            for piece in film.pieces():
                if isinstance(piece, Heard):
                    pieces.append(piece.samples)
                    rate = piece.rate
    if not pieces:
        raise _mismatch(path, made_by, "it has no samples")
    sound = as_stereo(np.concatenate(pieces), rate)
    made = np.zeros((samples, 2), np.float32)
    count = min(samples, len(sound))
    made[:count] = sound[:count]
    return np.clip(made, -1.0, 1.0)


def preview_of(picture: bytes, *, confinement: Confinement) -> Rgb | None:
    """Return the picture of a preview; None for what is none, which is worth no error."""
    if len(picture) > _PREVIEW_BYTES:
        return None
    try:
        with Sandbox(SandboxLimits(), confinement=confinement) as sandbox:
            return decode_picture(sandbox, picture, name="preview").rgb
    except DecodeRefused:
        return None


def _pictures(files: Sequence[Path], confinement: Confinement) -> Generator[Rgb]:
    if len(files) == 1:
        # Alone it has the limits of one picture, and its own name in whatever is said of it.
        with Sandbox(SandboxLimits(), confinement=confinement) as sandbox:
            yield decode_picture(sandbox, files[0].read_bytes(), name=files[0].name).rgb
        return
    with Sandbox(_ROW_SANDBOX, confinement=confinement) as sandbox:
        for row in _rows(files):
            called = f"{len(row)} pictures from {row[0].name} on"
            for picture in decode_row(sandbox, [each.read_bytes() for each in row], name=called):
                yield picture.rgb


def _rows(files: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """Yield as many files at a time as one process is given."""
    row: list[Path] = []
    size = 0
    for path in files:
        length = path.stat().st_size
        if row and size + length > _ROW_SANDBOX.payload_bytes:
            yield row
            row, size = [], 0
        row.append(path)
        size += length
    yield row


def _fitted(film: Film, request: TakeRequest, path: Path, made_by: str) -> Iterator[Frame]:
    picture = film.outline.picture
    if picture is None:
        raise _mismatch(path, made_by, "it has no pictures")
    pieces = film.pieces()
    frames = (piece.frame for piece in pieces if isinstance(piece, Shown))
    yield from fitted(frames, picture.fps, request)
    # Only its end says that a film was whole.
    for _ in pieces:
        pass


@contextmanager
def _opened(
    path: Path, container: str, *, pictures: bool, confinement: Confinement
) -> Iterator[Film]:
    with (
        Sandbox(FILM_SANDBOX, confinement=confinement) as sandbox,
        Film(
            sandbox,
            path.read_bytes(),
            task=FILM_TASK,
            container=container,
            pictures=pictures,
            name=path.name,
            limits=FilmLimits(),
        ) as film,
    ):
        yield film


def _film_format(path: Path) -> str | None:
    return film_format_of(_head(path))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


@contextmanager
def _taken_in(path: Path, made_by: str) -> Iterator[None]:
    try:
        yield
    except DecodeRefused as error:
        raise _mismatch(path, made_by, error.found) from error


def _mismatch(path: Path, made_by: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"take in {path.name}, which {made_by} made",
        found=found,
        remedy="Order it again; if it comes again, have the engine give PNG, JPEG, WebP or AVIF "
        "pictures that stand still, films as MP4 or WebM, sound as WAV, FLAC or MP3.",
    )
