"""The contract of a reader: which files it takes, and what decodes them behind the lock.

A reader is a plug-in of the group `cinefab.readers`, called without arguments to make one. It
only recognises, by content; decoding is done by the function that its card names, in a process
that can do nothing else (`media/sandbox`). What that function answers is fixed by the kind:

- `picture`: as `media/sandbox/picture_task.py::decode`, checked by
  `media/sandbox/pictures.py::check_picture`;
- `video` and `sound`: as `media/sandbox/film_task.py::decode`, checked by
  `media/sandbox/films.py::Film`.

So a stranger's reader can bring a format, and still nothing that it answers is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from cinefab.core.plan import MediaKind
from cinefab.media.sandbox.formats.sniff import FOREIGN_SUFFIXES, looks_like


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: its name in arguments and reports, its media type, how files of it are called.

    `title` is the name that people know. The first of `suffixes` is the one to be recommended.
    """

    name: str
    title: str
    media_type: str
    suffixes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderCard:
    """A reader's promise; `task` is the `package.module:function` that the sandbox calls."""

    name: str
    version: str
    kind: MediaKind
    formats: tuple[Format, ...]
    task: str


class Reader(Protocol):
    """Recognises the files of some formats."""

    @property
    def card(self) -> ReaderCard:
        """What it takes, and what decodes it."""
        ...

    def recognise(self, data: bytes) -> str | None:
        """Return the name of the format that `data` begins as, None for every other one.

        Called outside the sandbox with a stranger's bytes: compare beginnings and no more.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a file is, and by whose card it is decoded."""

    card: ReaderCard
    format: Format


class Unrecognised(Exception):
    """A file that no reader takes, or that is called what it is not."""

    def __init__(self, *, found: str, remedy: str) -> None:
        super().__init__(f"{found}. {remedy}")
        self.found = found
        self.remedy = remedy


def recognise(readers: Iterable[Reader], data: bytes, *, name: str) -> Recognised:
    """Return what `data` is by its content; raise `Unrecognised` if nobody reads it.

    The ending of `name`, where it promises a format, must be one of the format's own.
    """
    known = list(readers)
    for reader in known:
        called = reader.recognise(data)
        if called is not None:
            form = next(each for each in reader.card.formats if each.name == called)
            _check_name(name, form, [each for one in known for each in one.card.formats])
            return Recognised(card=reader.card, format=form)
    raise Unrecognised(found=looks_like(data), remedy=f"Send {_accepted(known)}.")


def _check_name(name: str, found: Format, formats: Sequence[Format]) -> None:
    suffix = PurePosixPath(name).suffix.lower()
    promised = {each for form in formats for each in form.suffixes} | FOREIGN_SUFFIXES
    if suffix in promised and suffix not in found.suffixes:
        raise Unrecognised(
            found=f"it is called {suffix} but holds {found.title}",
            remedy=f"Name it {found.suffixes[0]}, or export it in the format that it promises.",
        )


def _accepted(readers: Sequence[Reader]) -> str:
    titles = [form.title for reader in readers for form in reader.card.formats]
    return f"{', '.join(titles[:-1])} or {titles[-1]}" if len(titles) > 1 else "".join(titles)
