"""What review concluded, and what each check saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from cinefab.deliver.page.figures import identity, moment, money, span_of, timecode
from cinefab.deliver.page.markup import Child, Html, join, said, tag
from cinefab.deliver.page.timeline import Report

_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "passed": ("done", "Passed: every check was satisfied."),
    "refused": ("failed", "Refused."),
    "needs_person": ("waits", "Waits for a person's answer."),
}


def checks(report: Report, frames: Mapping[int, str]) -> Html:
    """Return the verdict and each check's figures; nothing of a film that never got there.

    `frames` are pictures, as data URLs, of those that were remarked.
    """
    verdict = report["verdict"]
    if verdict is None:
        return Html("")
    kind, words = _STATES.get(verdict["state"], ("soft", str(verdict["state"])))
    said_by = [verdict.get(name) for name in ("check", "reason", "question")]
    because = ": ".join(str(text) for text in said_by if text)
    return tag(
        "section",
        tag("h2", "Checks"),
        tag("p", tag("b", words, class_=kind), " ", said(because) if because else None),
        _table(verdict["findings"], report),
        _frames(verdict["findings"], frames, report),
        id="checks",
    )


def attempts(report: Report) -> Html:
    """Return which shots were made again, why, and what it took; nothing where none was."""
    tries = report["attempts"]
    if not tries:
        return Html("")
    rows = [
        tag(
            "tr",
            tag("td", f"Shot {each['shot'] + 1}", class_="part"),
            tag("td", _which(each)),
            tag("td", said(str(each["after"] or "").replace("_", " "))),
            tag("td", each["seed"], class_="n"),
            tag("td", _came_out(each["refused"])),
            tag("td", span_of(each["device_us"]), class_="n"),
            tag("td", money(each["cost_uusd"]), class_="n"),
        )
        for each in tries
    ]
    head = tag(
        "tr",
        tag("th", "Shot"),
        tag("th", "Take"),
        tag("th", "Changed for it"),
        tag("th", "Seed", class_="n"),
        tag("th", "Came out"),
        tag("th", "Device time", class_="n"),
        tag("th", "Cost", class_="n"),
    )
    return tag(
        "section",
        tag("h2", "Made again"),
        tag(
            "p",
            "A take that a check refuses is thrown away, and its shot is made again with another "
            "seed and what the check advises. What is thrown away first is scrap, and ours to bear; "
            "what is done again is rework.",
            class_="hint",
        ),
        tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="wide"),
        id="attempts",
    )


def _which(take: Mapping[str, Any]) -> list[Child]:
    number = take["attempt"]
    words: list[Child] = ["first take" if not number else f"again ({number})"]
    if "remembered" in take:
        words += [", not made: known from ", identity(take["remembered"])]
    return words


def _came_out(refused: Mapping[str, Any] | None) -> Html:
    if refused is None:
        return tag("span", "kept", class_="done")
    return said(f"{refused['check']}: {refused['reason']}", class_="failed")


def asked(report: Report, still: str | None) -> Html:
    """Return what a person was asked about the film, and what was decided."""
    item = report.get("asked")
    if item is None:
        return Html("")
    decided = [
        tag(
            "div",
            tag("b", said(str(made["choice"]).replace("_", " ").capitalize())),
            " by ",
            said(made["principal"] or "nobody: its time was over"),
            ", ",
            moment(made["at"]),
            [": ", said(made["reason"])] if made["reason"] else None,
            [tag("div", tag("code", said(change))) for change in made["changes"]],
        )
        for made in item["decisions"]
    ]
    rows: list[tuple[str, Child]] = [
        ("Question", said(item["question"])),
        ("Asked by", tag("code", said(item["asked_by"]))),
        ("Queue", said(item["queue"])),
        ("Asked at", moment(item["opened"])),
        ("Due", moment(item["due"])),
        ("Decided", decided or tag("b", "not yet", class_="waits")),
    ]
    facts = tag("dl", [(tag("dt", name), tag("dd", value)) for name, value in rows])
    picture = still and tag("img", src=still, alt="The frame in question")
    return tag(
        "section",
        tag("h2", "A person was asked"),
        tag("div", picture, facts, class_="asked") if picture else facts,
        id="asked",
    )


def _table(findings: Sequence[Mapping[str, Any]], report: Report) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", tag("code", said(f"{finding['check']}@{finding['version']}"))),
            tag("td", _outcome(finding, report)),
            tag("td", figures_of(finding["figures"])),
        )
        for finding in findings
    ]
    head = tag("tr", tag("th", "Check"), tag("th", "Found"), tag("th", "Figures"))
    return tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="wide")


def _outcome(finding: Mapping[str, Any], report: Report) -> Child:
    problems = [_remark(each, "failed", report) for each in finding["problems"]]
    questions = [_remark(each, "waits", report) for each in finding["questions"]]
    return [*problems, *questions] or tag("span", "nothing wrong", class_="done")


def _remark(remark: Mapping[str, Any], kind: str, report: Report) -> Html:
    return tag("div", said(remark["text"], class_=kind), _place(remark["frame"], report))


def _place(frame: int | None, report: Report) -> Child:
    if frame is None or not report["fps"]:
        return None
    fps = Fraction(report["fps"])
    seek = f"{float(frame / fps):.6f}"
    place = tag("a", timecode(frame, fps), href="#film", data_seek=seek, class_="num")
    return [" at ", place, tag("span", f" (frame {frame:,})", class_="soft")]


def _frames(
    findings: Sequence[Mapping[str, Any]], frames: Mapping[int, str], report: Report
) -> Html:
    remarks = [
        (finding["check"], each)
        for finding in findings
        for each in (*finding["problems"], *finding["questions"])
        if each["frame"] in frames
    ]
    if not remarks:
        return Html("")
    shown = [
        tag(
            "figure",
            tag("img", src=frames[each["frame"]], alt=f"Frame {each['frame']}"),
            tag("figcaption", tag("code", said(check)), _place(each["frame"], report)),
        )
        for check, each in remarks
    ]
    return tag("div", shown, class_="frames")


def figures_of(figures: Any) -> Html:
    """Return a check's figures by name; a long list of them is counted, not written out."""
    if not isinstance(figures, Mapping):
        return said(figures)
    return join(
        [
            tag("span", said(str(name).replace("_", " ")), " ", _figure(value), class_="figure")
            for name, value in figures.items()
        ]
    )


def _figure(value: Any) -> Html:
    match value:
        case bool() | None:
            text = {True: "yes", False: "no", None: "unknown"}[value]
        case int():
            text = f"{value:,}"
        case float():
            text = f"{value:.4g}"
        case str():
            text = value
        case list() if len(value) > 8 or any(isinstance(each, list | dict) for each in value):
            text = f"{len(value)} values"
        case list():
            text = ", ".join(
                f"{each:.4g}" if isinstance(each, float) else str(each) for each in value
            )
        case _:
            text = f"{len(value)} values" if isinstance(value, dict) else str(value)
    return tag("b", said(text), class_="num")
