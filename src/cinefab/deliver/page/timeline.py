"""The film's timeline to scale, and where each piece of it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from cinefab.deliver.page.figures import UNKNOWN, digest, identity, percent, quantity, timecode
from cinefab.deliver.page.markup import Html, join, said, tag

Report = Mapping[str, Any]
"""A job's report, as it is published."""

PICTURE_WIDTH: Final = 240
"""Pixels across a shot's small picture, which is drawn twice as dense as it is shown."""

_TICKS_MAX: Final = 12
_TICK_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)
_NAMED_SHOTS_MAX: Final = 12
"""With more shots than this, a shot's share of the width holds its number alone."""

_NAMED_PIECE_MIN: Final = Fraction(1, 25)
"""A piece that is shorter than this part of the film is told by its hint alone."""

_OPEN_SHOTS_MAX: Final = 20
"""The table of a film with more shots than this is opened by whoever wants it, and in print."""

_PICTURES, _WORDS, _PIECES, _UNDER = 20, 106, 130, 162
_HEIGHT, _HEIGHT_HEARD = 190, 232


def shot_pictures(report: Report, pictures: Mapping[int, str]) -> Html:
    """Return the shots' small pictures (data URLs by shot) once, to be shown anywhere by name."""
    width, height = _picture_size(report)
    symbols = [
        tag(
            "symbol",
            tag("image", href=url, width=width, height=height),
            id=f"shot-{index}",
            viewBox=f"0 0 {width} {height}",
            preserveAspectRatio="xMidYMid slice",
        )
        for index, url in sorted(pictures.items())
    ]
    return tag("svg", symbols, class_="pictures", width="0", height="0", aria_hidden="true")


def timeline(report: Report, pictures: Mapping[int, str]) -> Html:
    """Return the timeline as a drawing and as a table; nothing of a film that was not planned."""
    if not report["shots"]:
        return Html("")
    return tag(
        "section",
        tag("h2", "Timeline"),
        tag(
            "p",
            "To scale. A click goes there in the film. Pieces that overlap a transition lie under "
            "it: what is seen there is the transition.",
            class_="hint",
        ),
        _drawing(report, pictures),
        _table(report, pictures),
        id="timeline",
    )


def is_made(piece: Mapping[str, Any]) -> bool:
    """Say whether a piece was made by this job rather than kept from an earlier one."""
    return bool(piece["made_by"] == "run")


def _drawing(report: Report, pictures: Mapping[int, str]) -> Html:
    fps, frames = Fraction(report["fps"]), report["frames"]
    height = _HEIGHT if report["sound"] is None else _HEIGHT_HEARD
    body = [
        _ruler(frames, fps),
        *(_shot(shot, frames, fps, pictures, report) for shot in report["shots"]),
        *(_segment(each, frames, fps) for each in report["segments"]),
        *(_transition(each, frames, fps) for each in report["transitions"]),
        *_heard(report, frames, fps),
        tag(
            "line",
            class_="playhead",
            x1="0",
            x2="0",
            y1=_PICTURES - 6,
            y2=height,
            visibility="hidden",
        ),
    ]
    names = f"{len(report['shots'])} shots, {timecode(frames, fps)} long"
    return tag(
        "svg",
        tag("title", f"The film's timeline: {names}"),
        body,
        class_="timeline",
        width="100%",
        height=height,
        role="img",
    )


def _ruler(frames: int, fps: Fraction) -> Html:
    length_s = Fraction(frames) / fps
    step = next((s for s in _TICK_STEPS_S if length_s / s <= _TICKS_MAX), _TICK_STEPS_S[-1])
    marks = []
    for second in range(0, int(length_s) + 1, step):
        at = percent(second / length_s)
        last = second / length_s > Fraction(19, 20)
        marks.append(tag("line", x1=at, x2=at, y1=12, y2=18, class_="tick"))
        marks.append(
            tag(
                "text",
                f"{second} s",
                x=at,
                y=10,
                class_="small soft",
                text_anchor="end" if last else "middle" if second else "start",
            )
        )
    return join(marks)


def _shot(
    shot: Mapping[str, Any],
    frames: int,
    fps: Fraction,
    pictures: Mapping[int, str],
    report: Report,
) -> Html:
    index = shot["index"]
    named = len(report["shots"]) <= _NAMED_SHOTS_MAX
    words = f"{index + 1}  {shot['caption'] or ''}" if named else str(index + 1)
    inside = [
        tag("rect", width="100%", height=82, class_="empty"),
        tag("use", href=f"#shot-{index}", width="100%", height=82) if index in pictures else None,
        tag("rect", x="0", y="0", width="1", height=108, class_="edge") if index else None,
        tag("text", words, x=6, y=_WORDS - _PICTURES - 5 + 16, class_="small words"),
        tag("title", f"Shot {index + 1}: {shot['caption'] or 'no caption'}"),
    ]
    cell = tag(
        "svg",
        inside,
        x=percent(Fraction(shot["first_frame"], frames)),
        y=_PICTURES,
        width=percent(Fraction(shot["frames"], frames)),
        height=_PIECES - _PICTURES - 4,
    )
    return _seeks(cell, shot["first_frame"], fps)


def _segment(segment: Mapping[str, Any], frames: int, fps: Fraction) -> Html:
    body = segment["part"] == "body"
    kind = "made" if is_made(segment) else "reused"
    first = max(0, segment["first_frame"])
    last = min(frames, segment["first_frame"] + segment["frames"])
    if body:
        y, height = _PIECES, 28
    else:
        y, height = (_UNDER if segment["part"] == "tail" else _UNDER + 13), 10
    named = body and Fraction(last - first, frames) >= _NAMED_PIECE_MIN
    label = tag("text", kind, x=6, y=18) if named else None
    words = f"Shot {segment['shot'] + 1}, {segment['part']}: {kind}, {last - first} frames"
    block = tag(
        "svg",
        tag("rect", width="100%", height="100%", class_=f"piece {kind}"),
        label,
        tag("title", words),
        x=percent(Fraction(first, frames)),
        y=y,
        width=percent(Fraction(last - first, frames)),
        height=height,
    )
    return _seeks(block, first, fps)


def _transition(transition: Mapping[str, Any], frames: int, fps: Fraction) -> Html:
    kind = "made" if is_made(transition) else "reused"
    words = f"{transition['kind']} into shot {transition['into'] + 1}: {kind}"
    block = tag(
        "svg",
        tag("rect", width="100%", height="100%", class_=f"piece blend {kind}"),
        tag("text", transition["kind"], x="50%", y=18, text_anchor="middle")
        if Fraction(transition["frames"], frames) >= _NAMED_PIECE_MIN / 2
        else None,
        tag("title", words),
        x=percent(Fraction(transition["first_frame"], frames)),
        y=_PIECES,
        width=percent(Fraction(transition["frames"], frames)),
        height=28,
    )
    return _seeks(block, transition["first_frame"], fps)


def _heard(report: Report, frames: int, fps: Fraction) -> list[Html]:
    """Return the sound below the pieces: the music all along, and each line where it is spoken."""
    heard = report["sound"]
    if heard is None:
        return []
    music = heard["music"]
    words = f"music, {music['mood']}" if music else "sound"
    bed = tag(
        "svg",
        tag("rect", width="100%", height=20, class_="piece heard"),
        tag("text", words, x=6, y=14),
        y=_HEIGHT,
        width="100%",
        height=20,
    )
    length_ms = Fraction(frames) / fps * 1000
    lines = []
    for line in heard["lines"]:
        block = tag(
            "svg",
            tag("rect", width="100%", height=20, class_="piece said"),
            tag("text", line["text"], x=6, y=14),
            tag("title", f"spoken: {line['text']}"),
            x=percent(line["start_ms"] / length_ms),
            y=_HEIGHT + 21,
            width=percent(line["length_ms"] / length_ms),
            height=20,
        )
        lines.append(_seeks(block, int(line["start_ms"] * fps / 1000), fps))
    return [bed, *lines]


def _seeks(what: Html, frame: int, fps: Fraction) -> Html:
    return tag("a", what, href="#film", data_seek=f"{float(frame / fps):.6f}")


def _table(report: Report, pictures: Mapping[int, str]) -> Html:
    head = ("Piece", "In", "Frames", "Origin", "Made by", "Shows", "Seed", "Key")
    numeric = {"In", "Frames", "Seed"}
    titles = [tag("th", name, class_="n" if name in numeric else None) for name in head]
    groups = [_group(shot, report, pictures) for shot in report["shots"]]
    table = tag("table", tag("thead", tag("tr", titles)), groups, class_="pieces")
    return tag(
        "details",
        tag("summary", f"All {len(report['segments']) + len(report['transitions'])} pieces"),
        tag("div", table, class_="wide"),
        open=len(report["shots"]) <= _OPEN_SHOTS_MAX,
        data_print=True,
    )


def _group(shot: Mapping[str, Any], report: Report, pictures: Mapping[int, str]) -> Html:
    fps, index = Fraction(report["fps"]), shot["index"]
    small = [
        tag("svg", tag("use", href=f"#shot-{index}", width=96, height=54), width=96, height=54)
        if index in pictures
        else None
    ]
    words = [
        tag("b", f"Shot {index + 1}"),
        " · ",
        quantity(f"{float(shot['frames'] / fps):g}", "s"),
        " · " if shot["caption"] else None,
        said(shot["caption"] or "", class_="caption"),
        said(shot["prompt"], class_="prompt") if shot["prompt"] else None,
    ]
    header = tag(
        "tr",
        tag("th", tag("div", small, tag("div", words), class_="shot"), colspan=5, scope="rowgroup"),
        tag("td", ", ".join(shot["references"]) or "type and colour"),
        tag("td", shot["seed"], class_="n"),
        tag("td"),
        class_="head",
    )
    own = [_row(each, shot, report) for each in report["segments"] if each["shot"] == index]
    into = [_blend_row(each, report) for each in report["transitions"] if each["into"] == index]
    return tag("tbody", header, into, own)


def _row(segment: Mapping[str, Any], shot: Mapping[str, Any], report: Report) -> Html:
    return _piece_row(
        segment["part"],
        segment,
        report,
        made_by=segment["model"],
        shows=", ".join(shot["references"]),
        seed=segment["seed"],
        job=segment["job"],
    )


def _blend_row(transition: Mapping[str, Any], report: Report) -> Html:
    origin = {entry["asset"]: entry for entry in report["lineage"]}.get(transition["asset"], {})
    return _piece_row(
        f"{transition['kind']} from shot {transition['into']}",
        transition,
        report,
        made_by=origin.get("made_by"),
        shows="",
        seed=None,
        job=origin.get("job"),
    )


def _piece_row(
    name: str,
    piece: Mapping[str, Any],
    report: Report,
    *,
    made_by: str | None,
    shows: str,
    seed: int | None,
    job: str | None,
) -> Html:
    fps, first = Fraction(report["fps"]), max(0, piece["first_frame"])
    origin: Sequence[Html | str]
    if is_made(piece):
        origin = [tag("span", class_="swatch made"), " made here"]
    else:
        origin = [tag("span", class_="swatch reused"), " reused, from ", _job(job)]
    place = tag("a", timecode(first, fps), href="#film", data_seek=f"{float(first / fps):.6f}")
    return tag(
        "tr",
        tag("td", name, class_="part"),
        tag("td", place, class_="n"),
        tag("td", piece["frames"], class_="n"),
        tag("td", origin, class_="origin"),
        tag("td", UNKNOWN if made_by is None else tag("code", made_by)),
        tag("td", said(shows)),
        tag("td", "" if seed is None else seed, class_="n"),
        tag("td", digest(piece["key"])),
    )


def _job(job: str | None) -> Html:
    return identity(job) if job else Html("an earlier job")


def _picture_size(report: Report) -> tuple[int, int]:
    size = report["size"] or {"width": 16, "height": 9}
    return PICTURE_WIDTH, round(PICTURE_WIDTH * size["height"] / size["width"])
