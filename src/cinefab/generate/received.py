"""What an engine delivered, as frames or samples: a stranger's file, decoded behind the lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import AUDIO_HZ, Samples, TakeRequest
from cinefab.generate.fitting import fitted, moved
from cinefab.media.audio import as_stereo
from cinefab.media.frames import Frame
from cinefab.media.sandbox.films import (
    FILM_SANDBOX,
    FILM_TASK,
    Film,
    FilmLimits,
    Heard,
    Outline,
    Shown,
)
from cinefab.media.sandbox.formats.boxes import film_format_of, sound_format_of
from cinefab.media.sandbox.outcome import Confinement, DecodeRefused, SandboxLimits
from cinefab.media.sandbox.pictures import decode_picture
from cinefab.media.sandbox.sandbox import Sandbox

_HEAD_BYTES: Final = 4096


def shown_from(path: Path, request: TakeRequest, *, made_by: str) -> Iterator[Frame]:
    """Yield the frames asked for from a film, or from one picture that the shot's camera moves over.

    `made_by` names the engine in errors. Raises `ContractMismatch` for what is neither, is broken,
    or is too short.
    """
    container = film_format_of(path.read_bytes()[:_HEAD_BYTES])
    with _taken_in(path, made_by):
        if container is None:
            with Sandbox(SandboxLimits(), confinement=Confinement.REQUIRED) as sandbox:
                rgb = decode_picture(sandbox, path.read_bytes(), name=path.name).rgb
            yield from moved(rgb, request)
        else:
            with _opened(path, container, pictures=True) as film:
                yield from _fitted(film, request, path)


def outline_of(path: Path, *, made_by: str) -> Outline | None:
    """Return what a film consists of; None for a picture. Raises `ContractMismatch`."""
    container = film_format_of(path.read_bytes()[:_HEAD_BYTES])
    if container is None:
        return None
    with _taken_in(path, made_by), _opened(path, container, pictures=True) as film:
        return film.outline


def heard_from(path: Path, samples: int, *, made_by: str) -> Samples:
    """Return exactly so many samples of a sound: silence after its end, nothing beyond them.

    Raises `ContractMismatch` for what is no sound or is broken.
    """
    container = sound_format_of(path.read_bytes()[:_HEAD_BYTES])
    with _taken_in(path, made_by):
        if container is None:
            raise _mismatch(path, made_by, "it begins as no sound does")
        pieces: list[Samples] = []
        rate = AUDIO_HZ
        with _opened(path, container, pictures=False) as film:
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


def _fitted(film: Film, request: TakeRequest, path: Path) -> Iterator[Frame]:
    picture = film.outline.picture
    if picture is None:
        raise _mismatch(path, "an engine", "it has no pictures")
    pieces = film.pieces()
    frames = (piece.frame for piece in pieces if isinstance(piece, Shown))
    yield from fitted(frames, picture.fps, request)
    # Only its end says that a film was whole.
    for _ in pieces:
        pass


@contextmanager
def _opened(path: Path, container: str, *, pictures: bool) -> Iterator[Film]:
    with (
        Sandbox(FILM_SANDBOX, confinement=Confinement.REQUIRED) as sandbox,
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
        remedy="Order it again; if it comes again, see what the engine delivers.",
    )
