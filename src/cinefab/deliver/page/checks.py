"""What review concluded, and what each check saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cinefab.deliver.page.markup import Child, Html, join, said, tag
from cinefab.deliver.page.timeline import Report

Pictures = Callable[[str], str | None]
"""Gives a picture by the digest of its bytes as a data URL, or None where it is not kept."""

_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "passed": ("done", "Passed: every check was satisfied."),
    "refused": ("failed", "Refused."),
    "needs_person": ("waits", "Waits for a person's answer."),
}


def checks(report: Report) -> Html:
    """Return the verdict and each check's figures; nothing of a film that never got there."""
    verdict = report["verdict"]
    if verdict is None:
        return Html("")
    kind, words = _STATES.get(verdict["state"], ("soft", str(verdict["state"])))
    rest = [verdict.get(name) for name in ("check", "reason", "question")]
    return tag(
        "section",
        tag("h2", "Checks"),
        tag(
            "p",
            tag("b", words, class_=kind),
            [(" ", said(text)) for text in rest if isinstance(text, str)],
        ),
        _table(verdict["findings"]),
        id="checks",
    )


def _table(findings: Sequence[Mapping[str, Any]]) -> Html:
    rows = [
        tag(
            "tr",
            tag("td", tag("code", said(f"{finding['check']}@{finding['version']}"))),
            tag("td", _outcome(finding)),
            tag("td", figures_of(finding["figures"])),
        )
        for finding in findings
    ]
    head = tag("tr", tag("th", "Check"), tag("th", "Found"), tag("th", "Figures"))
    return tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="wide")


def _outcome(finding: Mapping[str, Any]) -> Child:
    problems = [tag("div", said(text), class_="failed") for text in finding["problems"]]
    questions = [tag("div", said(text), class_="waits") for text in finding["questions"]]
    return [*problems, *questions] or tag("span", "nothing wrong", class_="done")


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
