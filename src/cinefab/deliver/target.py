"""The contract of a place that releases are sent to; entry-point group `cinefab.targets`.

A plug-in is registered under the scheme of the URLs that it serves (`s3`, `https`), or as
`folder` for plain paths. It is made without arguments and lent what the operator set for a place;
nothing of that ever comes from a brief.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, TypeVar

from cinefab.core.canonical import Sha256
from cinefab.core.clock import Clock
from cinefab.core.errors import StorageUnavailable
from cinefab.deliver.files import Caching

_T = TypeVar("_T")

_FIRST_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A file to be sent: its name at the place, with `/` between folders, and what it is."""

    name: str
    path: Path
    sha256: Sha256
    size_bytes: int
    media_type: str
    caching: Caching


class Placing(StrEnum):
    """What sending a file came to: it is new there, took another's place, or was there already."""

    SENT = "sent"
    REPLACED = "replaced"
    KEPT = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A file that is at the place now, and the URL or path that it has there."""

    name: str
    url: str
    how: Placing


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What the operator lends for a place: headers, options such as keys, and patience."""

    clock: Clock
    headers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    attempts_max: int = 4


class Target(Protocol):
    """Takes a release's files; sending the same release twice leaves the same files once."""

    @property
    def name(self) -> str:
        """How settings and reports call it."""
        ...

    def publish(
        self, place: str, parcels: Sequence[Parcel], /, *, access: Access
    ) -> tuple[Placed, ...]:
        """Put each parcel at `place`, in the order given; return what became of each.

        A file appears whole or not at all, with its Cache-Control and media type where the place
        keeps them. What is there with the same content is not sent again, so a publication that
        broke off goes on where it stopped. A failure that may pass is tried `attempts_max` times.
        Raises `StorageUnavailable`, naming the place without anything secret.
        """
        ...


class MayPass(Exception):
    """A failure of a place that may be over soon: a target raises it to be tried again."""


def with_attempts(send: Callable[[], _T], *, what: str, access: Access) -> _T:
    """Return what `send` returns, trying again with growing pauses while it raises `MayPass`.

    Raises `StorageUnavailable` for `what` when the last attempt failed too.
    """
    for done in range(1, access.attempts_max):
        try:
            return send()
        except MayPass:
            access.clock.sleep(_FIRST_PAUSE_S * 2 ** (done - 1))
    try:
        return send()
    except MayPass as error:
        raise StorageUnavailable(
            attempted=what,
            found=f"{error}, {access.attempts_max} times in a row",
            remedy="Run it again when the place answers: what was sent is not sent again.",
        ) from error


def in_order(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Return what never changes first, and where everybody enters last.

    An entry that came before its content would lead nowhere.
    """
    return sorted(parcels, key=lambda parcel: parcel.caching is Caching.ENTRY)
