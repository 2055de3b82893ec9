"""Where the release is: its own folder, the places that it was sent to, and which caches know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cinefab.deliver.page.figures import moment, quantity
from cinefab.deliver.page.markup import Child, Html, said, tag
from cinefab.deliver.page.timeline import Report

_OPENED: Final = ("master.m3u8", "manifest.mpd", "poster.jpg", "files.json")
"""What somebody opens, in the order in which it is listed; other plain names come after."""


def places(report: Report) -> Html:
    """Return where a delivered film, or one that went some of its way, was published."""
    published = report["published"]
    if report["film"] is None and not published:
        return Html("")
    own = tag("p", "In its own folder: ", tag("code", said(report["out"])), ".")
    nowhere = tag("p", "Nowhere else: its brief names no other place.", class_="hint")
    return tag(
        "section",
        tag("h2", "Where it was published"),
        own if report["film"] is not None else None,
        _table(published) if published else nowhere,
        id="published",
    )


def _table(published: Sequence[Mapping[str, Any]]) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", tag("code", said(each["place"]))),
            tag("td", moment(each["at"])),
            *(tag("td", each[name], class_="n") for name in ("sent", "replaced", "kept")),
            tag("td", _entries(each["entries"])),
            tag("td", _purged(each["purged"])),
        )
        for each in published
    ]
    head = tag(
        "tr",
        tag("th", "Place"),
        tag("th", "When"),
        tag("th", "Sent", class_="n"),
        tag("th", "Replaced", class_="n"),
        tag("th", "Was there", class_="n"),
        tag("th", "To be opened"),
        tag("th", "Caches"),
    )
    return tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="wide")


def _entries(entries: Mapping[str, str]) -> Child:
    """Return where the files lie, once, and each by its name: a link where a browser may follow."""
    if not entries:
        return tag("span", "not recorded", class_="soft")
    ranked = {name: at for at, name in enumerate(_OPENED)}
    names = sorted(entries, key=lambda name: (ranked.get(name, len(ranked)), name))
    below = entries[names[0]].removesuffix(names[0])
    if any(entries[name] != below + name for name in names):
        return [tag("div", _entry(entries[name], entries[name])) for name in names]
    return [
        tag("div", tag("code", said(below))),
        tag("div", [_entry(name, below + name) for name in names], class_="names"),
    ]


def _entry(words: str, url: str) -> Html:
    shown = tag("code", said(words))
    if url.startswith(("https://", "http://")):
        return Html(tag("a", shown, href=url, rel="noreferrer noopener") + " ")
    return Html(shown + " ")


def _purged(purged: Sequence[Mapping[str, Any]] | None) -> Child:
    if purged is None:
        return tag("span", "no purge hook", class_="soft")
    failed = [each for each in purged if each["failure"] is not None]
    told = len(purged) - len(failed)
    found: list[Child] = [
        tag("div", "told of ", quantity(told, "name" if told == 1 else "names")) if told else None,
        *(
            tag(
                "div",
                tag("b", "not told", class_="failed"),
                " of ",
                tag("code", said(each["name"])),
                ": ",
                said(each["failure"]),
            )
            for each in failed
        ),
    ]
    return found if purged else tag("span", "nothing that they held had changed", class_="soft")
