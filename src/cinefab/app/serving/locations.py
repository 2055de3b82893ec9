"""Places that briefs from elsewhere may name: web addresses, sent files, and what the studio has.

What the studio has is looked for at the door, among the tenant's own.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from cinefab.core.brief import ASSET, UPLOAD, Brief
from cinefab.core.effect import with_files
from cinefab.core.errors import BriefInvalid

_ELSEWHERE: Final = ("http://", "https://", ASSET, UPLOAD)


def check_locations(brief: Brief, *, allowed: frozenset[str]) -> None:
    """Raise `BriefInvalid` for a place that is no web address, no file that was sent, nor kept here."""
    for field, place in locations_in(brief):
        if place not in allowed and not place.lower().startswith(_ELSEWHERE):
            raise BriefInvalid(
                field=field,
                found=f"{place[:80]!r} is no file that was sent along",
                remedy="Give an http or https URL, or send the file as a part of the form whose "
                "name is what the brief says.",
            )
    for position, place in enumerate(brief.deliver):
        if "://" not in place or place.lower().startswith("file:"):
            raise BriefInvalid(
                field=f"deliver[{position}]",
                found=f"{place[:80]!r} is no place that a service delivers to",
                remedy="Name a place by its URL: https://… or s3://….",
            )


def locations_in(brief: Brief) -> list[tuple[str, str]]:
    """Return every place that a brief names for what it is made from, with the field's path."""
    found = [(f"references.{each.name}", each.location) for each in brief.references]
    found += [
        (f"brand.{name}", place)
        for name, place in (("font", brief.brand.font), ("lut", brief.brand.lut))
        if place is not None
    ]

    everywhere = [("effects", brief.effects)]
    everywhere += [(f"shots[{i}].effects", shot.effects) for i, shot in enumerate(brief.shots)]
    for path, effects in everywhere:
        named: list[tuple[str, str]] = []
        for effect in effects:
            with_files(effect, partial(_note, named))
        found += [(f"{path}.{name}", place) for name, place in named]
    return found


def _note(named: list[tuple[str, str]], name: str, place: str) -> str:
    named.append((name, place))
    return place
