"""What every reader must keep, ours and a stranger's, as promises that can be tried one by one.

A package that brings a reader runs each of `PROMISES` on it with files of its own:
`for name, holds in PROMISES.items(): holds(reader, case)`. What is broken is raised as
`ContractMismatch`, saying which promise and how. The decoder is tried in a real sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cinefab.core.errors import ContractMismatch
from cinefab.core.plan import MediaKind
from cinefab.ingest.reader import Format, Reader
from cinefab.media.sandbox.films import FILM_SANDBOX, Film, FilmLimits, Heard, Shown
from cinefab.media.sandbox.outcome import Confinement, DecodeRefused
from cinefab.media.sandbox.pictures import PictureLimits, decode_picture
from cinefab.media.sandbox.sandbox import Sandbox

_TASK: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")
_NOT_MEDIA: Final = (
    b"",
    b"\0",
    bytes(4_096),
    b"#EXTM3U\nhttp://example.com/a.ts\n",
    b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
    b"<!doctype html><html></html>",
    b"PK\x03\x04" + bytes(60),
    b"\x7fELF" + bytes(60),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A small, sound file of every format that the reader's card names, of a second at most."""

    samples: Mapping[str, bytes]


def _card_is_complete(reader: Reader, case: Case) -> None:
    card = reader.card
    if not (card.name and card.version and card.formats):
        raise _broken(reader, "its card says who it is and what it reads", repr(card))
    if not _TASK.fullmatch(card.task):
        raise _broken(reader, "its task is package.module:function", card.task)
    if {form.name for form in card.formats} != set(case.samples):
        raise _broken(reader, "there is a sample of each of its formats", str(set(case.samples)))
    for form in card.formats:
        _format_is_complete(reader, form)


def _format_is_complete(reader: Reader, form: Format) -> None:
    kind = {MediaKind.PICTURE: "image/", MediaKind.VIDEO: "video/", MediaKind.SOUND: "audio/"}
    if not form.media_type.startswith(kind[reader.card.kind]):
        raise _broken(reader, "media types are of the reader's kind", form.media_type)
    if not _NAME.fullmatch(form.name) or not form.title:
        raise _broken(reader, "formats have a name and a title", repr(form))
    if not form.suffixes or not all(
        each.startswith(".") and each == each.lower() for each in form.suffixes
    ):
        raise _broken(reader, "endings are small letters after a dot", str(form.suffixes))


def _recognises_its_own(reader: Reader, case: Case) -> None:
    for name, data in case.samples.items():
        found = reader.recognise(data)
        if found != name:
            raise _broken(reader, f"it recognises its own {name}", f"it says {found}")


def _leaves_the_rest_alone(reader: Reader, _case: Case) -> None:
    for data in _NOT_MEDIA:
        found = reader.recognise(data)
        if found is not None:
            raise _broken(reader, "what is no media is not taken", f"{data[:20]!r} as {found}")


def _bears_any_beginning(reader: Reader, case: Case) -> None:
    for data in case.samples.values():
        for length in (*range(64), len(data) // 2):
            found = reader.recognise(data[:length])
            if found is not None and found not in case.samples:
                raise _broken(reader, "it names formats of its card", str(found))


def _decodes_in_the_sandbox(reader: Reader, case: Case) -> None:
    for name, data in case.samples.items():
        try:
            decoded = _decoded(reader, name, data)
        except DecodeRefused as error:
            raise _broken(reader, f"a sound {name} is decoded", str(error)) from error
        if not decoded:
            raise _broken(reader, f"a sound {name} is decoded", "nothing came out")


def _refuses_what_is_cut_off(reader: Reader, case: Case) -> None:
    # A sound without a list of its frames has no end that could be missed.
    for name, data in case.samples.items():
        if reader.card.kind is MediaKind.SOUND:
            continue
        try:
            _decoded(reader, name, data[: len(data) // 2])
        except DecodeRefused:
            continue
        raise _broken(reader, "half a file is refused", f"half a {name} was taken")


def _keeps_to_limits(reader: Reader, case: Case) -> None:
    for name, data in case.samples.items():
        try:
            _decoded(reader, name, data, small=True)
        except DecodeRefused:
            continue
        raise _broken(reader, "what is beyond a limit is refused", f"a {name} was taken")


Promise = Callable[[Reader, Case], None]

PROMISES: Final[Mapping[str, Promise]] = {
    "its card is complete": _card_is_complete,
    "it recognises its own files by content": _recognises_its_own,
    "it leaves the rest alone": _leaves_the_rest_alone,
    "it bears any beginning": _bears_any_beginning,
    "its decoder works behind the lock": _decodes_in_the_sandbox,
    "it refuses half a picture or film": _refuses_what_is_cut_off,
    "it keeps to the limits it is given": _keeps_to_limits,
}
"""Every promise by its sentence."""


def _decoded(reader: Reader, name: str, data: bytes, *, small: bool = False) -> int:
    """Decode a file as ingest does; return how many bytes came out."""
    card = reader.card
    with Sandbox(FILM_SANDBOX, confinement=Confinement.REQUIRED) as sandbox:
        if card.kind is MediaKind.PICTURE:
            limits = PictureLimits(pixels_max=16) if small else PictureLimits()
            picture = decode_picture(
                sandbox, data, name="", task=card.task, expected=name, limits=limits
            )
            return picture.rgb.nbytes
        with Film(
            sandbox,
            data,
            task=card.task,
            container=name,
            pictures=card.kind is MediaKind.VIDEO,
            name=name,
            limits=FilmLimits(frames_max=1, seconds_max=0) if small else FilmLimits(),
        ) as film:
            return sum(_size(piece) for piece in film.pieces())


def _size(piece: Shown | Heard) -> int:
    return piece.frame.nbytes if isinstance(piece, Shown) else piece.samples.nbytes


def _broken(reader: Reader, promise: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"hold the reader {reader.card.name} to its contract",
        found=f"{promise}: {found}",
        remedy="Mend the reader; ingest relies on it.",
    )
