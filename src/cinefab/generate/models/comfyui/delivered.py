"""What an engine delivered, as frames: a stranger's files, decoded behind the lock."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Final

from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import TakeRequest
from cinefab.generate.fitting import fitted, moved
from cinefab.media.frames import Frame, Rgb
from cinefab.media.sandbox.films import FILM_SANDBOX, FILM_TASK, Film, FilmLimits, Shown
from cinefab.media.sandbox.formats.boxes import film_format_of
from cinefab.media.sandbox.outcome import Confinement, DecodeRefused, SandboxLimits
from cinefab.media.sandbox.pictures import decode_picture, decode_row
from cinefab.media.sandbox.sandbox import Sandbox

_SANDBOX: Final = SandboxLimits()
_ROW_SANDBOX: Final = SandboxLimits(cpu_seconds=600, wall_seconds=900.0)
_PREVIEW_MAX: Final = 4 << 20


def shown(
    files: Sequence[Path], request: TakeRequest, *, fps: Fraction, still: bool, model: str
) -> Iterator[Frame]:
    """Yield the frames asked for, from the files that an engine delivered for them, in order.

    One film, or pictures at `fps`; with `still`, one picture that the shot's camera moves over.
    Raises `ContractMismatch` for what is neither, is broken, or is too short.
    """
    try:
        container = film_format_of(files[0].read_bytes()[:4096])
        if container is not None:
            yield from _film(files[0], request, container=container, still=still)
        else:
            with closing(_pictures(files[:1] if still else files)) as pictures:
                yield from (
                    moved(next(pictures), request) if still else fitted(pictures, fps, request)
                )
    except DecodeRefused as error:
        raise ContractMismatch(
            attempted=f"take in what ComfyUI made for the model {model!r}: {error.attempted}",
            found=error.found,
            remedy="Have the workflow save PNG pictures, or a film as MP4 or WebM.",
        ) from error


def preview_of(picture: bytes) -> Rgb | None:
    """Return the picture of a preview; None for what is none, which is worth no error."""
    if len(picture) > _PREVIEW_MAX:
        return None
    try:
        with Sandbox(_SANDBOX, confinement=Confinement.REQUIRED) as sandbox:
            return decode_picture(sandbox, picture, name="preview").rgb
    except DecodeRefused:
        return None


def _pictures(files: Sequence[Path]) -> Generator[Rgb]:
    with Sandbox(_ROW_SANDBOX, confinement=Confinement.REQUIRED) as sandbox:
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


def _film(path: Path, request: TakeRequest, *, container: str, still: bool) -> Iterator[Frame]:
    with (
        Sandbox(FILM_SANDBOX, confinement=Confinement.REQUIRED) as sandbox,
        Film(
            sandbox,
            path.read_bytes(),
            task=FILM_TASK,
            container=container,
            pictures=True,
            name=path.name,
            limits=FilmLimits(),
        ) as film,
    ):
        picture = film.outline.picture
        if picture is None:
            raise ContractMismatch(
                attempted="take in what ComfyUI made",
                found=f"{path.name} has no pictures",
                remedy="Name the node that gives pictures as the model's output.",
            )
        pieces = film.pieces()
        frames = (piece.frame for piece in pieces if isinstance(piece, Shown))
        yield from fitted(frames, picture.fps, request)
        # Only its end says that a film was whole.
        for _ in pieces:
            pass
