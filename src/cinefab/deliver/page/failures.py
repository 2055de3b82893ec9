"""What a page says of runs that failed: what of, what it cost us, what followed, and who took over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cinefab.deliver.page.figures import moment, money, span_of
from cinefab.deliver.page.markup import Child, Html, said, tag
from cinefab.deliver.page.timeline import Report

_FOLLOWS: Final[Mapping[str, str]] = {
    "again": "tried again",
    "given_up": "given up",
    "parked": "the job was parked",
}


def failures(report: Report) -> Html:
    """Return which runs of models failed and which shots another model made; nothing where none."""
    runs, fallbacks = report.get("failures", ()), report.get("fallbacks", ())
    if not runs and not fallbacks:
        return Html("")
    head = tag(
        "tr",
        tag("th", "Stage"),
        tag("th", "Model"),
        tag("th", "Failed of"),
        tag("th", "When"),
        tag("th", "Then"),
        tag("th", "Device time", class_="n"),
        tag("th", "Cost", class_="n"),
    )
    table = tag("table", tag("thead", head), tag("tbody", [_row(each) for each in runs]))
    return tag(
        "section",
        tag("h2", "Failed runs"),
        tag(
            "p",
            "What a model failed at costs its device, and what it billed, but not this job: it is "
            "waste, and ours to bear.",
            class_="hint",
        ),
        tag("div", table, class_="wide") if runs else Html(""),
        tag("ul", [tag("li", _taken_over(each)) for each in fallbacks]) if fallbacks else Html(""),
        id="failures",
    )


def _row(run: Mapping[str, Any]) -> Html:
    ended = {"process": ", and ended its process", "worker": ", and its worker died"}
    return tag(
        "tr",
        tag("td", said(run["stage"]), class_="part"),
        tag("td", said(run["model"] or "")),
        tag("td", tag("b", said(run["error"])), ": ", said(run["found"])),
        tag("td", moment(run["at"])),
        tag("td", _FOLLOWS.get(run["follows"], run["follows"]), ended.get(run["ended"], "")),
        tag("td", span_of(run["device_us"]), class_="n"),
        tag("td", money(run["cost_uusd"]), class_="n"),
    )


def _taken_over(fallback: Mapping[str, Any]) -> Child:
    skipped = "; ".join(f"{each['model']}: {each['why']}" for each in fallback["skipped"])
    return [
        f"Shot {fallback['shot'] + 1} was made by ",
        tag("code", said(fallback["to"])),
        " instead of ",
        tag("code", said(fallback["from"])),
        f" ({fallback['because']['error']})",
        said(f"; passed over were {skipped}." if skipped else "."),
    ]
