"""The report as one file that loads nothing from anywhere, reads without scripts, and prints.

Everything on it comes from the report, from pictures that are handed in, and from the film. The
film is written through in small pieces, so that its size never becomes memory.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from cinefab.core.errors import StorageUnavailable
from cinefab.deliver.page.checks import asked, attempts, checks
from cinefab.deliver.page.failures import failures
from cinefab.deliver.page.figures import digest, identity, moment, money, quantity, span_of
from cinefab.deliver.page.lineage import lineage
from cinefab.deliver.page.making import device_time, effects, stages
from cinefab.deliver.page.markup import Child, Html, said, tag
from cinefab.deliver.page.origin import credentials, royalties
from cinefab.deliver.page.places import places
from cinefab.deliver.page.sound import sound
from cinefab.deliver.page.timeline import Report, is_made, shot_pictures, timeline

FILM_EMBEDDED_BYTES_MAX: Final = 24_000_000
"""A longer film is linked to, beside the page: Firefox opens data of 32,000,000 letters at most."""

_FOLDER: Final = Path(__file__).parent
_CHUNK_BYTES: Final = 3 << 16  # a multiple of three, so that pieces of base64 can be joined
_FILM_HERE: Final = "\0film\0"

_STATUS: Final[Mapping[str, tuple[str, str]]] = {
    "delivered": ("done", "Delivered"),
    "refused": ("failed", "Refused by review"),
    "failed": ("failed", "Failed"),
    "cancelled": ("failed", "Cancelled"),
    "parked": ("failed", "Parked"),
    "needs_person": ("waits", "Waits for a person"),
    "running": ("running", "Running"),
    "waiting": ("running", "Waiting to start"),
}

_ENDED: Final = frozenset({"delivered", "refused", "failed", "cancelled", "parked"})

_MARKS: Final[Mapping[str, Html]] = {
    "done": tag("circle", cx=5, cy=5, r=4),
    "failed": tag("path", d="M1.5 1.5 8.5 8.5M8.5 1.5 1.5 8.5", class_="stroke"),
    "waits": tag("path", d="M5 0.5 9.5 5 5 9.5 0.5 5Z"),
    "running": tag("path", d="M1.5 0.5 9.5 5 1.5 9.5Z"),
}
"""A meaning is never told by colour alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What the page shows beside figures: the film, its first picture, a small one of each shot.

    `frames` are those that checks remarked, `asked` the one that a person is asked about, and
    `came_in` small pictures of references by name. What is missing is left out.
    """

    film: Path | None = None
    poster: bytes | None = None
    shots: Mapping[int, bytes] = field(default_factory=dict)
    frames: Mapping[int, bytes] = field(default_factory=dict)
    asked: bytes | None = None
    came_in: Mapping[str, bytes] = field(default_factory=dict)


def write_page(report: Report, path: Path, media: Media) -> None:
    """Write the page of a report to `path`; raise `StorageUnavailable` if it cannot be written."""
    embedded = media.film is not None and media.film.stat().st_size <= FILM_EMBEDDED_BYTES_MAX
    text = "".join(_page(report, media, embedded=embedded))
    before, _, after = text.partition(_FILM_HERE)
    try:
        with path.open("wb") as file:
            file.write(before.encode())
            if embedded and media.film is not None:
                _write_base64(media.film, file)
            file.write(after.encode())
    except OSError as error:
        raise StorageUnavailable(
            attempted=f"write {path}",
            found=error.strerror or str(error),
            remedy="Free some room there; the report can be written again at any time.",
        ) from error


def picture_url(content: bytes, media_type: str = "image/jpeg") -> str:
    """Return a picture as the address of itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _write_base64(film: Path, file: BinaryIO) -> None:
    with film.open("rb") as content:
        while chunk := content.read(_CHUNK_BYTES):
            file.write(base64.b64encode(chunk))


def _page(report: Report, media: Media, *, embedded: bool) -> Iterator[str]:
    style, script = _style(), (_FOLDER / "page.js").read_text(encoding="utf-8")
    pictures = {index: picture_url(content) for index, content in media.shots.items()}
    yield "<!doctype html>\n"
    yield f'<html lang="en"><head>{tag("meta", charset="utf-8")}'
    yield tag("meta", http_equiv="Content-Security-Policy", content=_policy(style, script))
    yield tag("meta", name="viewport", content="width=device-width, initial-scale=1")
    yield tag("meta", name="color-scheme", content="light dark")
    yield tag("meta", name="referrer", content="no-referrer")
    yield tag("title", f"{report['title']} · report of {report['job']}")
    yield f"<style>{style}</style></head>"
    yield f'<body data-fps="{_rate(report["fps"] or "24")}" data-frames="{report["frames"] or 0}">'
    yield shot_pictures(report, pictures)
    yield _header(report)
    yield "<main>"
    yield _outcome(report)
    yield _film(report, media, embedded=embedded)
    yield timeline(report, pictures)
    yield sound(report)
    yield checks(report, {frame: picture_url(each) for frame, each in media.frames.items()})
    yield attempts(report)
    yield failures(report)
    yield asked(report, None if media.asked is None else picture_url(media.asked))
    yield stages(report)
    yield effects(report)
    yield device_time(report)
    yield lineage(report)
    yield credentials(report, {name: picture_url(each) for name, each in media.came_in.items()})
    yield royalties(report)
    yield places(report)
    yield _notes(report)
    yield "</main>"
    yield _footer(report)
    yield f"<script>{script}</script></body></html>\n"


def _style() -> str:
    faces = "".join(
        f"@font-face{{font-family:Inter;font-weight:{weight};src:url(data:font/woff2;base64,"
        f"{base64.b64encode((_FOLDER / name).read_bytes()).decode()}) format('woff2')}}"
        for weight, name in (("400", "Inter-Regular.woff2"), ("700", "Inter-Bold.woff2"))
    )
    return faces + (_FOLDER / "page.css").read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return what the page may do: nothing but be shown. Only its own style and script count."""
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            "media-src data: 'self' file:",  # a film that is too large lies beside the page
            "font-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _header(report: Report) -> Html:
    kind, words = _STATUS.get(report["status"], ("soft", report["status"]))
    mark = tag("svg", _MARKS.get(kind), viewBox="0 0 10 10", width=10, height=10, class_="mark")
    return tag(
        "header",
        tag("p", "Report ", tag("code", report["job"]), class_="soft"),
        tag("h1", said(report["title"])),
        tag(
            "p",
            tag("span", mark, " ", words, class_=f"status {kind}"),
            tag("span", "asked for ", moment(report["created"]), class_="soft"),
            class_="line",
        ),
    )


def _outcome(report: Report) -> Html:
    """Return, of a job without a film, what happened, what was kept, what to do."""
    if report["status"] == "delivered":
        return Html("")
    failure = report["failure"] or {}
    happened = [failure.get(name) for name in ("attempted", "found")]
    rows: list[tuple[str, Child]] = [
        (
            "What happened",
            said(": ".join(text for text in happened if text) or _still(report)),
        ),
        ("What was kept", _kept(report)),
        ("What to do", said(failure.get("remedy") or _next(report["status"]))),
    ]
    if failure.get("field"):
        rows.insert(1, ("Where", tag("code", said(failure["field"]))))
    kind, words = _STATUS.get(report["status"], ("soft", report["status"]))
    return tag(
        "section",
        tag("h2", words),
        tag("dl", [(tag("dt", name), tag("dd", value)) for name, value in rows]),
        class_=f"outcome {kind}",
        id="outcome",
    )


def _kept(report: Report) -> str:
    pieces = len(report["segments"])
    if not report["stages"] and not pieces:
        return "Nothing had been made."
    made = f"{pieces} of its segments" if pieces else "what came in"
    if report["status"] not in _ENDED:
        return f"{len(report['stages'])} finished stages and {made}. No film is published yet."
    return (
        f"{len(report['stages'])} finished stages and {made}: they are reused when it is ordered "
        "again. No film was published."
    )


def _still(report: Report) -> str:
    question = report.get("asked", {}).get("question", "A check has a question.")
    return {
        "needs_person": f"{question} A person has to answer, or it is not published.",
        "running": "The job was still running when this page was written.",
        "waiting": "The job had not begun when this page was written.",
    }.get(report["status"], "Nothing is recorded of why it ended.")


def _next(status: str) -> str:
    return {
        "needs_person": "cinefab review ls shows it; approve it, reject it, or send it back.",
        "running": "Wait; the page is written again when the job ends.",
        "waiting": "Wait, or start a worker.",
        "parked": "See what ended its processes, then release it: cinefab jobs retry JOB.",
    }.get(status, "Order it again if it is still wanted.")


def _film(report: Report, media: Media, *, embedded: bool) -> Html:
    poster = media.poster and tag(
        "img", src=picture_url(media.poster), alt="The film's first picture", class_="poster"
    )
    screen: Child = poster or tag("p", "There is no picture of it yet.", class_="hint")
    if media.film is not None:
        name = Path(str(report["film"])).name
        source = f"data:video/mp4;base64,{_FILM_HERE}" if embedded else name
        # The poster is put there by the script: named here, its bytes would be in the page twice.
        video = Html(
            f'<video id="player" controls playsinline preload="metadata" src="{source}"></video>'
        )
        beside = (
            None
            if embedded
            else tag(
                "p",
                "The film is too large to be part of this page; it lies beside it: ",
                tag("a", name, href=name),
                ".",
                class_="hint",
            )
        )
        screen = [video, poster, _controls(), beside]
    return tag(
        "section",
        tag("h2", "The film" if media.film else "As far as it got", class_="hidden"),
        tag("div", screen, class_="screen"),
        tag("dl", [(tag("dt", k), tag("dd", v)) for k, v in _facts(report)], class_="facts"),
        id="film",
        class_="film",
    )


def _controls() -> Html:
    buttons = (
        ("back", "−1 frame", ","),
        ("play", "Play", "Space"),
        ("ahead", "+1 frame", "."),
        ("half", "½×", "1"),
        ("normal", "1×", "2"),
        ("double", "2×", "3"),
    )
    return tag(
        "div",
        [
            tag("button", words, " ", tag("kbd", key), type="button", data_do=name)
            for name, words, key in buttons
        ],
        tag("output", "00:00:00", class_="num", id="timecode"),
        class_="controls",
        hidden=True,
    )


def _facts(report: Report) -> list[tuple[str, Child]]:
    facts: list[tuple[str, Child]] = []
    if report["frames"]:
        fps = _rate(report["fps"])
        seconds = report["frames"] / fps
        facts += [
            ("Length", [quantity(f"{seconds:g}", "s"), ", ", quantity(report["frames"], "frames")]),
            (
                "Picture",
                [
                    quantity(f"{report['size']['width']}×{report['size']['height']}", "px"),
                    ", ",
                    quantity(f"{fps:.5g}", "fps"),
                    f", {report['quality']}",
                ],
            ),
            ("Model", tag("code", said(report["model"]))),
        ]
    facts += [
        ("Made in", _made_in(report)),
        ("First picture", span_of(_ms(report["first_preview_ms"]))),
    ]
    if report["deadline"] is not None:
        late = {True: tag("b", "late", class_="failed"), False: "kept", None: "running"}
        facts.append(("Deadline", [moment(report["deadline"]), ", ", late[report["late"]]]))
    made = sum(is_made(each) for each in report["segments"])
    reused = len(report["segments"]) - made
    verdict = report["verdict"]
    facts += [
        ("Segments", [quantity(made, "made"), ", ", quantity(reused, "reused")]),
        *_preview(report),
        ("Cost", money(report["cost_uusd"])),
        ("A delivered minute", _minute(report)),
        ("Budget", "none set" if report["budget_uusd"] is None else money(report["budget_uusd"])),
        ("First-pass yield", _yield(report)),
        ("Review", "not reached" if verdict is None else verdict["state"].replace("_", " ")),
        *_lines(report),
        ("Credentials", report["content_credentials"]["state"]),
    ]
    return facts


def _preview(report: Report) -> list[tuple[str, Child]]:
    """Return what is to be known of the preview film that was made first, if one was."""
    preview = report.get("preview_first")
    if preview is None:
        return []
    answer = preview["answer"]
    decided: Child = "not answered" if preview["ask"] else "nobody was asked"
    if answer is not None:
        by = answer["principal"] or "its deadline"
        decided = [f"{answer['choice'].replace('_', ' ')} by {by}, ", moment(answer["at"])]
    cost = [money(preview["cost_uusd"]), ", of the film itself ", money(preview["film_cost_uusd"])]
    begins = len(preview["begins_with"])
    shared = f"{begins} starting pictures" if begins else "plan and seeds"
    return [
        ("Preview", [tag("code", said(preview["model"])), ", ", decided]),
        ("Cost of the preview", cost),
        ("Taken from the preview", shared),
    ]


def _lines(report: Report) -> list[tuple[str, Child]]:
    """Return the thresholds that the brief had drawn elsewhere than the studio does."""
    lines = report.get("thresholds")
    if not lines:
        return []
    return [("Lines of its brief", ", ".join(f"{name} {value}" for name, value in lines.items()))]


def _made_in(report: Report) -> Child:
    if report["seconds"] is None:
        return "not ended"
    return span_of(round(report["seconds"] * 1_000_000))


def _minute(report: Report) -> Child:
    if not report["delivered_seconds"]:
        return "nothing delivered"
    return money(report["cost_per_delivered_minute_uusd"])


def _yield(report: Report) -> Child:
    share = report["yield"]
    if report["status"] not in _ENDED:
        return "not ended"
    return "nothing was made" if share is None else quantity(f"{100 * share:.4g}", "%")


def _notes(report: Report) -> Html:
    if not report["notes"]:
        return Html("")
    items = [tag("li", said(note)) for note in report["notes"]]
    return tag("section", tag("h2", "Notes"), tag("ul", items), id="notes")


def _footer(report: Report) -> Html:
    return tag(
        "footer",
        tag(
            "p",
            "Written from report.json (",
            tag("code", report["schema"]),
            "), which has every figure in full. Rounded amounts show their µUSD on hover, and in "
            "print. This page loads nothing from anywhere.",
        ),
        tag("p", identity(report["job"]), " · ", digest(_sha256(report))),
    )


def _sha256(report: Report) -> Any:
    return report["content_credentials"].get("sha256")


def _ms(value: int | None) -> int | None:
    return None if value is None else value * 1000


def _rate(fps: str) -> float:
    numerator, _, denominator = fps.partition("/")
    return int(numerator) / int(denominator or 1)
