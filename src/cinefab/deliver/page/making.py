"""What making the film took: each stage's time and cost, and where the devices' time went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import accumulate, repeat
from typing import Any, Final

from cinefab.core.stage import TimeClass
from cinefab.deliver.page.figures import (
    money,
    percent,
    price,
    quantity,
    share,
    span_of,
)
from cinefab.deliver.page.markup import Child, Html, said, tag
from cinefab.deliver.page.timeline import Report

_TICKS_MAX: Final = 6

KNOWN_STAGES: Final = (
    "ingest", "plan", "preview", "generate", "effect", "transition", "speak", "sound", "assemble", "review",
    "gate", "rungs", "package", "deliver",
)  # fmt: skip
"""The stages that have a colour of their own; it is the same on every page."""

_OF_PREVIEW: Final = "preview:"
"""What the stages of a preview film begin with; together they are one kind of stage."""

_BY_SHOT: Final[Mapping[str, str]] = {
    "generate": "shot {}",
    "judge": "shot {}",
    "start": "of shot {}",
    "transition": "into shot {}",
    "rungs": "of piece {}",
}

CLASSES: Final[Mapping[TimeClass, str]] = {
    TimeClass.GOOD: "made what was kept",
    TimeClass.LOAD: "getting ready: starting processes, loading models",
    TimeClass.REWORK: "made again what a check had refused",
    TimeClass.DEGRADED: "made at less than was asked for",
    TimeClass.SCRAP: "made what was thrown away, or was lost",
    TimeClass.SPEC_WASTE: "made ahead for nothing",
    TimeClass.SHADOW: "tried another version of a model beside it, at our expense",
    TimeClass.PREEMPT_WASTE: "lost: the run failed, was stopped, or its worker died",
    TimeClass.IDLE: "held and not used",
    TimeClass.DOWN: "held and out of order",
}
"""What a class of device time means, the useful first."""


def stages(report: Report) -> Html:
    """Return the waterfall: when each stage began, how long it took, what it cost."""
    made = report["stages"]
    if not made:
        return Html("")
    ordered = sorted(made, key=lambda stage: (stage["start_ms"], stage["name"]))
    end_ms = max(stage["start_ms"] + stage["ms"] for stage in made)
    if report["seconds"] is not None:
        end_ms = max(end_ms, round(report["seconds"] * 1000))
    end_ms = max(1, end_ms)
    parts = {lease["stage"]: lease["by_class"] for lease in report["leases"] if lease["charged"]}
    rows = [_stage_row(stage, parts.get(stage["name"], {}), end_ms, report) for stage in ordered]
    return tag(
        "section",
        tag("h2", "Stages"),
        tag(
            "p",
            "From the moment it was asked for. What lies side by side ran side by side; the "
            "paler start of a bar is getting ready. Device time is what was leased and charged.",
            class_="hint",
        ),
        tag(
            "div",
            tag(
                "table",
                _stage_head(end_ms),
                tag("tbody", rows),
                _stage_foot(report),
                class_="stages",
            ),
            class_="wide",
        ),
        _by_kind(report),
        id="stages",
    )


def effects(report: Report) -> Html:
    """Return each effect's share of the stages that it ran in; nothing of a film without any."""
    by_effect: dict[str, list[Mapping[str, Any]]] = {}
    for each in report["effects"]:
        name = "the model and the encoder"
        if each["effect"] is not None:
            name = f"{each['effect']}@{each['version']}"
        by_effect.setdefault(name, []).append(each)
    if not by_effect:
        return Html("")
    rows = [
        tag(
            "tr",
            tag("td", tag("code", said(name)) if "@" in name else name),
            tag(
                "td",
                said(", ".join(str(shot + 1) for shot in dict.fromkeys(e["shot"] for e in each))),
            ),
            tag("td", span_of(sum(e["device_us"] for e in each)), class_="n"),
            tag("td", money(_known_sum(e["cost_uusd"] for e in each)), class_="n"),
        )
        for name, each in by_effect.items()
    ]
    head = tag(
        "tr",
        tag("th", "Effect"),
        tag("th", "Shots"),
        tag("th", "Device time", class_="n"),
        tag("th", "Cost", class_="n"),
    )
    return tag(
        "section",
        tag("h2", "Effects"),
        tag("p", "Their share of the stages above that made the shots they are on.", class_="hint"),
        tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="wide"),
        id="effects",
    )


def device_time(report: Report) -> Html:
    """Return where the devices' time went: the classes sum to the leases, to the microsecond."""
    leases = report["leases"]
    if not leases:
        return Html("")
    classes = report["device_us_by_class"]
    leased = sum(lease["device_us"] for lease in leases)
    known = {str(name): words for name, words in CLASSES.items()}
    names = [name for name in (*known, *sorted(classes.keys() - known.keys())) if name in classes]
    rows = [
        tag(
            "tr",
            tag(
                "td",
                tag("span", class_=f"swatch class-{name}"),
                " ",
                name.replace("_", " "),
                class_="name",
            ),
            tag("td", known.get(name, ""), class_="soft"),
            tag("td", span_of(classes[name]), class_="n"),
            tag("td", tag("span", f"{classes[name]:,} µs", class_="num soft"), class_="n"),
            tag("td", share(classes[name], leased), class_="n"),
        )
        for name in names
    ]
    total = sum(classes.values())
    adds_up = total == leased
    foot = tag(
        "tr",
        tag("td", "leased"),
        tag(
            "td",
            f"the sum of {len(leases)} leases, exactly"
            if adds_up
            else f"THE LEASES SAY {leased:,} µs: the books do not balance",
            class_="soft" if adds_up else "failed",
        ),
        tag("td", span_of(total), class_="n"),
        tag("td", tag("span", f"{total:,} µs", class_="num soft"), class_="n"),
        tag("td", share(total, leased), class_="n"),
    )
    return tag(
        "section",
        tag("h2", "Where device time went"),
        _partition([(name, classes[name]) for name in names], leased),
        tag("div", tag("table", tag("tbody", rows), tag("tfoot", foot)), class_="wide"),
        _devices(leases),
        id="devices",
    )


def _stage_head(end_ms: int) -> Html:
    step = _tick_step_ms(end_ms)
    ticks = []
    for at_ms in range(0, end_ms + 1, step):
        at = Fraction(at_ms, end_ms)
        anchor = "start" if at_ms == 0 else "end" if at > Fraction(9, 10) else "middle"
        text = f"{at_ms / 1000:g} s"
        ticks.append(tag("text", text, x=percent(at), y=11, text_anchor=anchor, class_="small"))
    axis = tag("svg", ticks, width="100%", height=14, class_="axis")
    return tag(
        "thead",
        tag(
            "tr",
            tag("th", "Stage"),
            tag("th", axis, class_="bar"),
            tag("th", "Start", class_="n"),
            tag("th", "Length", class_="n"),
            tag("th", "Device time", class_="n"),
            tag("th", "Cost", class_="n"),
        ),
    )


def _stage_row(
    stage: Mapping[str, Any], parts: Mapping[str, int], end_ms: int, report: Report
) -> Html:
    kind = kind_of(stage["name"])
    start, length = Fraction(stage["start_ms"], end_ms), Fraction(stage["ms"], end_ms)
    device_us = max(1, stage["device_us"])
    load = length * Fraction(min(parts.get("load", 0), device_us), device_us)
    picture = report["first_preview_ms"]
    bar = tag(
        "svg",
        tag("title", f"{stage['name']}: from {stage['start_ms']} ms, {stage['ms']} ms long"),
        _grid(end_ms),
        tag("rect", x=percent(start), y=4, width=percent(load), height=12, class_=f"{kind} ready"),
        tag(
            "rect",
            x=percent(start + load),
            y=4,
            width=percent(max(length - load, Fraction(1, 1000))),
            height=12,
            class_=kind,
        ),
        _mark(Fraction(picture, end_ms)) if picture is not None and picture <= end_ms else None,
        width="100%",
        height=20,
        role="img",
    )
    return tag(
        "tr",
        tag("td", said(_stage_words(stage["name"])), class_="part"),
        tag("td", bar, class_="bar"),
        tag("td", span_of(stage["start_ms"] * 1000), class_="n"),
        tag("td", span_of(stage["ms"] * 1000), class_="n"),
        tag("td", span_of(stage["device_us"]), class_="n"),
        tag("td", money(stage["cost_uusd"]), class_="n"),
    )


def _grid(end_ms: int) -> list[Html]:
    step = _tick_step_ms(end_ms)
    return [
        tag("line", x1=at, x2=at, y1="0", y2="20", class_="grid")
        for at_ms in range(0, end_ms + 1, step)
        for at in [percent(Fraction(at_ms, end_ms))]
    ]


def _tick_step_ms(end_ms: int) -> int:
    """Return a round step that leaves few ticks: a film may have waited for a person for months."""
    powers = accumulate(repeat(10), int.__mul__)
    steps = (step * power for power in powers for step in (1, 2, 5))
    return next(step for step in steps if end_ms <= step * _TICKS_MAX)


def _mark(at: Fraction) -> Html:
    return tag("line", x1=percent(at), x2=percent(at), y1="0", y2="20", class_="first-picture")


def _stage_foot(report: Report) -> Html:
    seconds, picture = report["seconds"], report["first_preview_ms"]
    marks: Child = None
    if picture is not None:
        marks = [
            tag("span", class_="swatch line"),
            " the first picture, after ",
            span_of(picture * 1000),
        ]
    total = tag(
        "tr",
        tag("td", "The job"),
        tag("td", marks, class_="soft"),
        tag("td"),
        tag("td", "not ended" if seconds is None else span_of(round(seconds * 1e6)), class_="n"),
        tag("td", span_of(sum(stage["device_us"] for stage in report["stages"])), class_="n"),
        tag("td", money(report["cost_uusd"]), class_="n"),
    )
    minute = tag(
        "tr",
        tag("td", "A delivered minute"),
        tag(
            "td",
            f"that cost × 60 s ÷ {report['delivered_seconds']:g} s delivered"
            if report["delivered_seconds"]
            else "nothing was delivered, so a minute has no price",
            class_="soft",
        ),
        tag("td"),
        tag("td"),
        tag("td"),
        tag(
            "td",
            money(report["cost_per_delivered_minute_uusd"]) if report["delivered_seconds"] else "–",
            class_="n",
        ),
    )
    kept = tag(
        "tr",
        tag("td", "Beside it"),
        tag(
            "td",
            "reserved ",
            money(report["reserved_uusd"]),
            " · given back ",
            money(report["voided_uusd"]),
            " · borne by us, not charged ",
            money(report["overhead_uusd"]),
            colspan=5,
            class_="soft",
        ),
    )
    return tag("tfoot", total, minute, kept)


def _by_kind(report: Report) -> Html:
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for stage in report["stages"]:
        kinds.setdefault(_kind(stage["name"]), []).append(stage)
    if len(kinds) == len(report["stages"]):
        return Html("")
    most = max(1, *(sum(stage["device_us"] for stage in each) for each in kinds.values()))
    rows = []
    for kind, each in kinds.items():
        device_us = sum(stage["device_us"] for stage in each)
        bar = tag(
            "svg",
            tag(
                "rect",
                y=4,
                width=percent(Fraction(device_us, most)),
                height=12,
                class_=kind_of(kind),
            ),
            width="100%",
            height=20,
            aria_hidden="true",
        )
        rows.append(
            tag(
                "tr",
                tag("td", said(kind.capitalize()), class_="part"),
                tag("td", bar, class_="bar"),
                tag("td", quantity(len(each), "run" if len(each) == 1 else "runs"), class_="n"),
                tag("td", span_of(device_us), class_="n"),
                tag("td", money(_known_sum(stage["cost_uusd"] for stage in each)), class_="n"),
            )
        )
    head = tag(
        "tr",
        tag("th", "Kind of stage"),
        tag("th", "Device time", class_="bar"),
        tag("th", "Runs", class_="n"),
        tag("th", "Device time", class_="n"),
        tag("th", "Cost", class_="n"),
    )
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", rows), class_="kinds"),
        class_="wide",
    )


def _partition(parts: list[tuple[str, int]], whole: int) -> Html:
    starts = accumulate((us for _, us in parts), initial=0)
    blocks = []
    for (name, us), start in zip(parts, starts, strict=False):
        words = name.replace("_", " ")
        label = f"{words}  {100 * us / whole:.1f} %" if us * 8 > whole else None
        blocks.append(
            tag(
                "svg",
                tag("rect", width="100%", height="100%", class_=f"class-{name}"),
                label and tag("text", label, x=8, y=19, class_="small on-bar"),
                tag("title", f"{words}: {us:,} µs"),
                x=percent(Fraction(start, whole)),
                width=percent(Fraction(us, whole)),
                height=28,
            )
        )
    return tag("svg", blocks, class_="partition", width="100%", height=28, role="img")


def _devices(leases: list[Mapping[str, Any]]) -> Html:
    by_device: dict[tuple[str, int | None], list[Mapping[str, Any]]] = {}
    for lease in leases:
        by_device.setdefault((lease["device_class"], lease["nusd_per_s"]), []).append(lease)
    rows = [
        tag(
            "tr",
            tag("td", tag("code", device)),
            tag("td", price(nusd_per_s)),
            tag("td", quantity(len(each), "leases" if len(each) > 1 else "lease"), class_="n"),
            tag("td", span_of(sum(lease["device_us"] for lease in each)), class_="n"),
            tag("td", money(_known_sum(lease["cost_uusd"] for lease in each)), class_="n"),
        )
        for (device, nusd_per_s), each in by_device.items()
    ]
    lost = [lease for lease in leases if not lease["charged"]]
    head = tag(
        "tr",
        tag("th", "Device"),
        tag("th", "Price"),
        tag("th", "Leases", class_="n"),
        tag("th", "Time", class_="n"),
        tag("th", "Owed for it", class_="n"),
    )
    note = lost and tag(
        "p",
        f"{len(lost)} {'lease was' if len(lost) == 1 else 'leases were'} lost or given up (",
        said(", ".join(sorted({lease["stage"] for lease in lost}))),
        "): its time is in the table above, and nobody was charged for it.",
        class_="hint",
    )
    table = tag("table", tag("thead", head), tag("tbody", rows))
    return Html(tag("div", table, class_="wide") + (note or ""))


def kind_of(stage: str) -> str:
    """Return the class by which a stage gets its colour."""
    kind = _kind(stage)
    return f"stage-{kind}" if kind in KNOWN_STAGES else "stage-other"


def _kind(stage: str) -> str:
    return stage.partition("~")[0].partition(":")[0]


def _stage_words(name: str) -> str:
    name, _, revision = name.partition("~")
    if name.startswith(_OF_PREVIEW):
        inner = name.removeprefix(_OF_PREVIEW)
        said_of = "first picture" if inner == "preview" else _stage_words(inner).lower()
        return f"Preview, {said_of}" + (f" (revision {revision})" if revision else "")
    kind, _, which = name.partition(":")
    attempt = ""
    if kind in _BY_SHOT:
        # After the attempt comes how many models gave the shot up before.
        which, attempt, *_ = [*which.split(":"), ""]
    if kind == "fallback":
        kind, which = "plan for another model", ""
    words = [kind.capitalize()]
    if which.isdecimal() and kind in _BY_SHOT:
        words.append(_BY_SHOT[kind].format(int(which) + 1))
    elif which:
        words.append(which)
    if attempt.isdecimal() and attempt != "0":
        words.append(f"again ({attempt})")
    # A film that was sent back is made again, in part: its stages count their revisions.
    return " ".join(words) + (f" (revision {revision})" if revision else "")


def _known_sum(amounts: Iterable[int | None]) -> int | None:
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total
