"""What the film sounds like: its music, its lines, how loud it came out, and its captions."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from cinefab.deliver.page.figures import UNKNOWN, digest, quantity, timecode
from cinefab.deliver.page.markup import Child, Html, said, tag
from cinefab.deliver.page.timeline import Report


def sound(report: Report) -> Html:
    """Return the film's sound and captions; nothing of a film that has neither."""
    heard, captions = report["sound"], report["captions"]
    if heard is None and not captions:
        return Html("")
    return tag(
        "section",
        tag("h2", "Sound" if heard else "Captions"),
        _facts(heard) if heard else None,
        _spoken("Spoken", heard["lines"], report) if heard and heard["lines"] else None,
        _spoken("Captions", captions, report) if captions else None,
        id="sound",
    )


def _facts(heard: Mapping[str, Any]) -> Html:
    music = heard["music"]
    tempo = music and (
        f"{music['tempo_bpm']} beats a minute" if music["tempo_bpm"] else "its mood's tempo"
    )
    rows: list[tuple[str, Child]] = [
        ("Music", said(f"{music['mood']}, {tempo}") if music else "none"),
        ("Effects", "on transitions" if heard["effects"] else "none"),
        (
            "Loudness",
            [
                _level(heard["loudness_clu"], "LUFS"),
                ", ordered ",
                _level(heard["loudness_ordered_clu"], "LUFS"),
            ],
        ),
        ("True peak", _level(heard["peak_cdbtp"], "dBTP")),
        ("Made", "here" if heard["made_by"] == "run" else "by an earlier job, and reused"),
        ("Key", digest(heard["key"])),
    ]
    return tag("dl", [(tag("dt", name), tag("dd", value)) for name, value in rows])


def _level(hundredths: int | None, unit: str) -> Html:
    if hundredths is None:
        return UNKNOWN
    return quantity(f"{hundredths / 100:.1f}".replace("-", "−"), unit)


def _spoken(name: str, lines: list[Mapping[str, Any]], report: Report) -> Html:
    fps = Fraction(report["fps"])
    rows = []
    for line in lines:
        at = int(line["start_ms"] * fps / 1000)
        length_ms = line.get("length_ms", line.get("end_ms", 0) - line["start_ms"])
        place = tag(
            "a", timecode(at, fps), href="#film", data_seek=f"{line['start_ms'] / 1000:.6f}"
        )
        rows.append(
            tag(
                "tr",
                tag("td", place, class_="n"),
                tag("td", quantity(f"{length_ms / 1000:.2f}", "s"), class_="n"),
                tag("td", line["shot"] + 1, class_="n"),
                tag("td", said(line["text"])),
            )
        )
    head = tag(
        "tr",
        tag("th", "In", class_="n"),
        tag("th", "Length", class_="n"),
        tag("th", "Shot", class_="n"),
        tag("th", "Words"),
    )
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="spoken")
    return Html(tag("h3", name) + tag("div", table, class_="wide"))
