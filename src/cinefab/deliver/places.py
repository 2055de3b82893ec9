"""Where releases may be sent: the operator's list, which a brief can choose from and nothing else.

A brief names a place by its URL. It has to lie at or below one that the settings name, whose
headers, keys, public address and purge hook are then used; folders may also lie below the one
that films are put into.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import SplitResult, urlsplit

from cinefab.deliver.target import Access, Target

FOLDER: Final = "folder"

_HIDDEN: Final = re.compile(r"%(2e|2f|5c|00)|[\\\x00-\x20\x7f]", re.IGNORECASE)


class PlaceRefused(ValueError):
    """A place that a brief may not name: what was found, and what to write."""

    def __init__(self, found: str, remedy: str) -> None:
        super().__init__(found)
        self.found = found
        self.remedy = remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeHook:
    """The request that makes a CDN forget one URL; `{url}` in its texts stands for that URL."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedPlace:
    """A place that the operator set up, and all below it."""

    url: str
    access: Access
    public_url: str | None = None
    purge: PurgeHook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place that was found to be allowed; `shown` is its URL without options."""

    url: str
    shown: str
    target: Target
    access: Access
    public_url: str | None
    purge: PurgeHook | None


class Places:
    """The places that releases may be sent to; `load` makes the target of a scheme, or None."""

    def __init__(
        self,
        allowed: Sequence[AllowedPlace],
        *,
        out: Path,
        own: Access,
        load: Callable[[str], Target | None],
    ) -> None:
        self._allowed = [*allowed, AllowedPlace(url=str(out.absolute()), access=own)]
        self._load = load

    def find(self, url: str) -> Place:
        """Return the place at `url`; raise `PlaceRefused` if no setting allows it."""
        asked = _parsed(url)
        fits = [(_parsed(each.url), each) for each in self._allowed]
        nearest = max(
            ((known, each) for known, each in fits if _is_within(asked, known)),
            key=lambda pair: len(pair[0].path),
            default=None,
        )
        if nearest is None:
            raise PlaceRefused(
                f"{_shown(asked)} is not one of this studio's places",
                "Name a place at or below one of [targets] in the settings, or have it added.",
            )
        known, allowed = nearest
        target = self._load(asked.scheme or FOLDER)
        if target is None:
            raise PlaceRefused(
                f"nothing here can send to {asked.scheme}://",
                "Install the target's plug-in, or choose another place.",
            )
        shown = _shown(asked)
        below = asked.path.rstrip("/").removeprefix(known.path.rstrip("/"))
        public = allowed.public_url
        if public is not None:
            public = public.rstrip("/") + below
        elif asked.scheme in ("http", "https"):
            public = shown
        query = known.query
        return Place(
            url=shown + (f"?{query}" if query else ""),
            shown=shown,
            target=target,
            access=allowed.access,
            public_url=public,
            purge=allowed.purge,
        )


def _parsed(url: str) -> SplitResult:
    remedy = "Write it plainly: a folder's whole path, or scheme://host/path."
    if _HIDDEN.search(url):
        raise PlaceRefused("it hides parts of its path", remedy)
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise PlaceRefused(f"it is no address ({error})", remedy) from error
    if parts.username is not None or parts.password is not None:
        raise PlaceRefused(
            "it holds a user name or password", "Leave it out: keys belong to the settings."
        )
    if parts.fragment or (parts.scheme in ("http", "https") and parts.query):
        raise PlaceRefused("it has a query or a fragment", remedy)
    if {"..", "."} & set(parts.path.split("/")):
        raise PlaceRefused("it goes up and down in its path", remedy)
    if parts.scheme in ("", "file"):
        if parts.netloc or not parts.path.startswith("/"):
            raise PlaceRefused("it is no whole path", remedy)
        return SplitResult("", "", str(PurePosixPath(parts.path)), "", "")
    if not parts.netloc:
        raise PlaceRefused("it names no host", remedy)
    path = "/" + parts.path.strip("/")
    return SplitResult(parts.scheme.lower(), parts.netloc.lower(), path, parts.query, "")


def _is_within(asked: SplitResult, known: SplitResult) -> bool:
    if (asked.scheme, asked.netloc) != (known.scheme, known.netloc):
        return False
    # Where keys are sent to is the operator's to say.
    if asked.query and asked.query != known.query:
        return False
    above = known.path.rstrip("/")
    return asked.path.rstrip("/") == above or asked.path.startswith(above + "/")


def _shown(parts: SplitResult) -> str:
    if not parts.scheme:
        return parts.path
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")
