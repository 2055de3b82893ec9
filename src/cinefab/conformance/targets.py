"""What every target must keep, ours and a stranger's, as promises that can be tried one by one.

A package that brings a target runs each of `PROMISES` on it, with a fresh place for each:
`for name, holds in PROMISES.items(): holds(target, case)`. What is broken is raised as
`ContractMismatch`, saying which promise and how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cinefab.core.canonical import sha256_of
from cinefab.core.errors import ContractMismatch, StorageUnavailable
from cinefab.deliver.files import Caching, path_of
from cinefab.deliver.target import Access, Parcel, Placing, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An empty place to try a target at.

    `read` returns a file's content as everybody sees it, None while there is none; `headers` its
    media type and Cache-Control, None where the place keeps neither. `missing` is a place that
    cannot be used at all. Files to be sent are written into `folder`.
    """

    place: str
    missing: str
    access: Access
    folder: Path
    read: Callable[[str], bytes | None]
    headers: Callable[[str], tuple[str, str]] | None


def _puts_every_file_whole(target: Target, case: Case) -> None:
    parcels = [_media(case, b"segment" * 9000), _media(case, b""), _entry(case, b"#EXTM3U")]
    placed = target.publish(case.place, parcels, access=case.access)
    if [each.name for each in placed] != [each.name for each in parcels]:
        raise _broken(target, "says what became of each file, in order", str(placed))
    for parcel, each in zip(parcels, placed, strict=True):
        if case.read(parcel.name) != parcel.path.read_bytes():
            raise _broken(target, "every file is there whole", f"{parcel.name} is not")
        if each.how is not Placing.SENT:
            raise _broken(target, "what was not there was sent", f"{each.name}: {each.how}")
        if not each.url:
            raise _broken(target, "every file has an address", each.name)


def _sends_nothing_twice(target: Target, case: Case) -> None:
    parcels = [_media(case, b"segment"), _entry(case, b"one")]
    target.publish(case.place, parcels, access=case.access)
    again = target.publish(case.place, parcels, access=case.access)
    if {each.how for each in again} != {Placing.KEPT}:
        raise _broken(target, "what is there is not sent again", str(again))


def _goes_on_where_it_stopped(target: Target, case: Case) -> None:
    first, second, entry = _media(case, b"1"), _media(case, b"22"), _entry(case, b"entry")
    target.publish(case.place, [first], access=case.access)
    placed = target.publish(case.place, [first, second, entry], access=case.access)
    if [each.how for each in placed] != [Placing.KEPT, Placing.SENT, Placing.SENT]:
        raise _broken(target, "only what is missing is sent", str(placed))


def _replaces_entries(target: Target, case: Case) -> None:
    target.publish(case.place, [_entry(case, b"old one")], access=case.access)
    # Of the same length, so that only its content tells.
    placed = target.publish(case.place, [_entry(case, b"new one")], access=case.access)
    if placed[0].how is not Placing.REPLACED or case.read("master.m3u8") != b"new one":
        found = f"{placed[0].how}, and {case.read('master.m3u8')!r} is there"
        raise _broken(target, "a changed entry takes the old one's place", found)


def _says_how_long_to_keep(target: Target, case: Case) -> None:
    parcels = [_media(case, b"segment"), _entry(case, b"entry")]
    target.publish(case.place, parcels, access=case.access)
    if case.headers is None:
        return
    for parcel in parcels:
        found = case.headers(parcel.name)
        if found != (parcel.media_type, parcel.caching.value):
            raise _broken(target, "media type and Cache-Control are kept", f"{found}")


def _fails_with_the_place_named(target: Target, case: Case) -> None:
    try:
        target.publish(case.missing, [_media(case, b"segment")], access=case.access)
    except StorageUnavailable as error:
        secrets = [*case.access.headers.values(), *case.access.options.values()]
        if any(secret and secret in str(error) for secret in secrets):
            raise _broken(target, "errors hold nothing secret", "a key is in it") from error
        if not error.remedy:
            raise _broken(target, "errors say what to do", str(error)) from error
        return
    raise _broken(target, "a place that cannot be used is an error", "nothing was raised")


PROMISES: Final[Mapping[str, Callable[[Target, Case], None]]] = {
    "puts every file whole": _puts_every_file_whole,
    "sends nothing twice": _sends_nothing_twice,
    "goes on where it stopped": _goes_on_where_it_stopped,
    "replaces entries": _replaces_entries,
    "says how long to keep": _says_how_long_to_keep,
    "fails with the place named": _fails_with_the_place_named,
}
"""Every promise by its name."""


def _media(case: Case, content: bytes) -> Parcel:
    sha256 = sha256_of(content)
    return _parcel(case, path_of(sha256, ".m4s"), content, "video/mp4", Caching.IMMUTABLE)


def _entry(case: Case, content: bytes) -> Parcel:
    media_type = "application/vnd.apple.mpegurl"
    return _parcel(case, "master.m3u8", content, media_type, Caching.ENTRY)


def _parcel(case: Case, name: str, content: bytes, media_type: str, caching: Caching) -> Parcel:
    path = case.folder / sha256_of(content)
    path.write_bytes(content)
    return Parcel(
        name=name,
        path=path,
        sha256=sha256_of(content),
        size_bytes=len(content),
        media_type=media_type,
        caching=caching,
    )


def _broken(target: Target, promise: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"hold the target {target.name!r} against its contract: {promise}",
        found=found,
        remedy="Mend the target; the promise is described in cinefab/deliver/target.py.",
    )
