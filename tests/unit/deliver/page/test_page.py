"""The page of a report: whole, closed, true to its report, and safe against what people write."""

from __future__ import annotations

import base64
import re
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_sample import a_finding, a_lease, a_reference, a_report, an_ended_job

from cinefab.core.errors import StorageUnavailable
from cinefab.deliver.page import page as page_module
from cinefab.deliver.page.making import _stage_words
from cinefab.deliver.page.page import FILM_EMBEDDED_BYTES_MAX, Media, write_page

VOID = {"meta", "img", "br", "col"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style><style>*{display:none}",
    "</title><script>alert(2)</script>",
    "مرحبا \u202e gnp.exe \u202c שלום",
    "nul \0 bell \x07 half \ud83d pair",
    "Donaudampfschifffahrtsgesellschaftskapitän" * 12,
    "👩‍🚀🏳️‍🌈 ❤️",
    "&lt;b&gt; &amp; {{ 7 * 7 }} ${7*7}",
)


class Outline(HTMLParser):
    """Every element with its attributes, the text, and whether tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self._open[-1:] != ["style"]:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def outline(folder: Path, report: dict[str, Any], media: Media | None = None) -> Outline:
    path = folder / "report.html"
    write_page(report, path, media or Media())
    return Outline(path.read_text(encoding="utf-8"))


def a_film(folder: Path, size_bytes: int = 1000) -> Path:
    path = folder / "film.mp4"
    path.write_bytes(bytes(range(256)) * (size_bytes // 256) + b"x" * (size_bytes % 256))
    return path


def test_a_page_has_every_part_of_the_report_in_order(tmp_path: Path) -> None:
    media = Media(film=a_film(tmp_path), poster=b"jpeg", shots={0: b"one", 1: b"two"})

    page = outline(tmp_path, a_report(), media)

    names = [each.get("id") for each in page.all("section")]
    assert names == [
        "film", "timeline", "checks", "stages", "devices", "lineage", "credentials", "royalties",
        "published",
    ]  # fmt: skip
    assert [each["id"] for each in page.all("symbol")] == ["shot-0", "shot-1"]
    assert all(each.get("id") != "player" or "src" in each for each in page.all("video"))


def test_the_film_is_in_the_page_byte_for_byte(tmp_path: Path) -> None:
    film = a_film(tmp_path, 1_000_001)

    page = outline(tmp_path, a_report(), Media(film=film))

    source = str(page.all("video")[0]["src"])
    assert base64.b64decode(source.removeprefix("data:video/mp4;base64,")) == film.read_bytes()


def test_a_film_too_large_for_a_page_is_linked_to_beside_it(tmp_path: Path) -> None:
    film = tmp_path / "blob"
    with film.open("wb") as file:
        file.truncate(FILM_EMBEDDED_BYTES_MAX + 1)

    page = outline(tmp_path, a_report(), Media(film=film))

    assert page.all("video")[0]["src"] == "film.mp4"
    assert "lies beside it" in page.words


def test_writing_a_large_film_takes_no_memory_for_it(tmp_path: Path) -> None:
    film = tmp_path / "blob"
    with film.open("wb") as file:
        file.truncate(FILM_EMBEDDED_BYTES_MAX)
    tracemalloc.start()

    write_page(a_report(), tmp_path / "report.html", Media(film=film))

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "report.html").stat().st_size > FILM_EMBEDDED_BYTES_MAX * 4 // 3
    assert most < FILM_EMBEDDED_BYTES_MAX // 8


def test_nothing_on_the_page_comes_from_elsewhere(tmp_path: Path) -> None:
    media = Media(film=a_film(tmp_path), poster=b"jpeg", shots={0: b"one"})

    page = outline(tmp_path, a_report(), media)

    for name, attributes in page.elements:
        for attribute in ("src", "href", "poster", "srcset", "action", "data"):
            place = attributes.get(attribute)
            assert place is None or place.startswith(("data:", "#")), (name, place)
        assert "style" not in attributes, "the policy forbids it"
        assert not any(attribute.startswith("on") for attribute in attributes), (name, attributes)
    assert {"link", "iframe", "object", "embed", "base", "form"}.isdisjoint(
        name for name, _ in page.elements
    )


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_page(a_report(), path, Media())
    text = path.read_text(encoding="utf-8")

    policy = next(
        str(each["content"])
        for each in Outline(text).all("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    )

    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    for tag in ("style", "script"):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(inside) == 1
        assert rules[f"{tag}-src"] == f"'{page_module._hash(inside[0])}'"
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("words", HOSTILE)
def test_whatever_people_write_is_shown_as_words(tmp_path: Path, words: str) -> None:
    clean = outline(tmp_path, a_report(title="T", failure=None))
    report = a_report(
        title=words,
        notes=[words],
        model=words,
        references=[a_reference(name=words, title=words, licence=words, role=words)],
        royalties=[{"party": words, "share_bp": 10_000}],
    )
    for shot in report["shots"]:
        shot |= {"caption": words, "prompt": words, "references": [words]}
    for entry in report["lineage"]:
        entry["made_by"] = words
    report["verdict"]["findings"] = [
        a_finding(
            check=words,
            figures={words: words},
            problems=[{"text": words, "frame": 3}],
            questions=[{"text": words, "frame": None}],
        )
    ]
    report["content_credentials"] |= {"signer": words, "reasons": [words], "ingredients": [words]}

    page = outline(tmp_path, report)

    assert len(page.scripts) == len(clean.scripts) == 1
    assert page.scripts == clean.scripts
    assert len(page.all("img")) == len(clean.all("img"))
    assert len(page.all("style")) == 1
    shown = re.sub("[\0\x07\ud83d]", "\ufffd", words)
    assert page.words.count(shown) > 10


def test_words_of_others_cannot_turn_the_line_around_them(tmp_path: Path) -> None:
    path = tmp_path / "report.html"

    write_page(a_report(title="\u202eevil"), path, Media())

    assert "<h1><bdi>\u202eevil</bdi></h1>" in path.read_text(encoding="utf-8")


def test_figures_on_the_page_are_those_of_the_report(tmp_path: Path) -> None:
    report = a_report()

    page = outline(tmp_path, report)

    for stage in report["stages"]:
        assert f"{stage['cost_uusd']} µUSD" in page.words
    assert f"{report['cost_uusd']} µUSD" in page.words
    assert f"{report['cost_per_delivered_minute_uusd']:,} µUSD" in page.words
    leased = sum(lease["device_us"] for lease in report["leases"])
    assert sum(report["device_us_by_class"].values()) == leased
    assert f"{leased:,} µs" in page.words
    assert "the sum of 4 leases, exactly" in page.words
    assert "$0.045 an hour" in page.words
    for share in report["royalties"]:
        assert f"{share['share_bp']:,} bp" in page.words
    assert "70 cents of every dollar" in page.words


def test_the_bar_of_device_time_is_exactly_as_long_as_its_parts(tmp_path: Path) -> None:
    classes = {"good": 333_333, "load": 333_334, "rework": 200_000, "scrap": 133_333}
    lease = a_lease("generate:0", 1_000_000, 13, by_class=classes)

    page = outline(tmp_path, a_report(leases=[lease], device_us_by_class=classes))

    blocks = [each for each in page.all("svg") if each.get("height") == "28" and "x" in each]
    widths = [float(str(each["width"]).rstrip("%")) for each in blocks if "y" not in each]
    assert widths == [33.3333, 33.3334, 20, 13.3333]
    assert sum(widths) == pytest.approx(100, abs=0.001)


def test_leases_that_do_not_sum_to_their_classes_are_called_out(tmp_path: Path) -> None:
    page = outline(tmp_path, a_report(device_us_by_class={"good": 1}))

    assert "the books do not balance" in page.words


def test_a_remark_goes_to_its_frame_and_shows_it(tmp_path: Path) -> None:
    black = a_finding(check="black", problems=[{"text": "it is black", "frame": 30}])
    verdict = {"state": "refused", "check": "black", "reason": "it is black", "findings": [black]}

    page = outline(tmp_path, a_report(verdict=verdict), Media(frames={30: b"jpeg"}))

    assert "it is black at 00:01:06 (frame 30)" in page.words
    assert any(each.get("data-seek") == "1.250000" for each in page.all("a"))
    assert [each["alt"] for each in page.all("img")] == ["Frame 30"]


def test_what_a_person_was_asked_and_decided_is_told(tmp_path: Path) -> None:
    item = {
        "question": "Is this politics?",
        "asked_by": "brief",
        "queue": "strict",
        "opened": "2026-11-25T11:00:00.000000Z",
        "due": "2026-11-26T11:00:00.000000Z",
        "decisions": [
            {
                "choice": "approved",
                "principal": "prn_local",
                "reason": "It is about coffee.",
                "changes": [],
                "at": "2026-11-25T12:00:00.000000Z",
            }
        ],
    }

    page = outline(tmp_path, a_report(asked=item), Media(asked=b"jpeg"))

    assert "Is this politics?" in page.words
    assert "Approved by prn_local" in page.words
    assert "It is about coffee." in page.words


def test_a_preview_is_told_with_its_cost_and_who_said_yes(tmp_path: Path) -> None:
    preview = {
        "model": "small@1",
        "ask": True,
        "answer": {
            "choice": "approved",
            "principal": "prn_ann",
            "at": "2026-11-25T11:01:59.971417Z",
        },
        "cost_uusd": 120_000,
        "film_cost_uusd": 2_500_000,
        "begins_with": [{"shot": 0, "asset": "ast_1", "sha256": "0" * 64}],
    }
    stage = {**a_report()["stages"][0], "name": "preview:generate:0"}

    page = outline(tmp_path, a_report(preview_first=preview, stages=[stage]))

    for words in ("small@1", "approved by prn_ann", "$0.12", "$2.50", "1 starting pictures"):
        assert words in page.words
    assert "Preview, generate shot 1" in page.words


def test_sound_and_captions_are_told_and_drawn_to_scale(tmp_path: Path) -> None:
    line = {
        "shot": 1,
        "text": "Good morning.",
        "language": "en",
        "sha256": "6" * 64,
        "start_ms": 1200,
        "length_ms": 500,
    }
    sound = {
        "key": "5" * 64,
        "asset": None,
        "made_by": "run",
        "music": {"mood": "warm", "tempo_bpm": 92},
        "effects": True,
        "loudness_ordered_clu": -1600,
        "loudness_clu": -1593,
        "peak_cdbtp": -104,
        "lines": [line],
    }
    cue = {"shot": 1, "start_ms": 1200, "end_ms": 1700, "text": "Good morning."}

    page = outline(tmp_path, a_report(sound=sound, captions=[cue]))

    for words in ("warm, 92 beats a minute", "−15.9 LUFS, ordered −16.0 LUFS", "−1.0 dBTP"):
        assert words in page.words
    assert page.words.count("Good morning.") == 4
    drawn = [each for each in page.all("svg") if each.get("x") == "60.0000%"]
    assert [each["width"] for each in drawn] == ["25.0000%"]


def test_a_film_that_came_in_is_shown_with_its_length_loudness_and_waveform(
    tmp_path: Path,
) -> None:
    media = {
        "kind": "video",
        "thumbnail": None,
        "duration_us": 4_010_667,
        "shots": [{"first": 0, "frames": 48}, {"first": 48, "frames": 48}],
        "loudness": {"integrated_clu": -1605},
        "transcript": {"state": "unavailable"},
        "waveform": [0, 128, 255],
    }

    page = outline(
        tmp_path, a_report(references=[a_reference(media=media)]), Media(came_in={"cup": b"jpeg"})
    )

    assert "4.01 s, 2 shots, −16.1 LUFS, transcript unavailable" in page.words
    assert any("M0 20.0L1 11.0L2 2.0L2 38.0" in str(each["d"]) for each in page.all("path"))
    assert len([each for each in page.all("img") if each.get("class") == "small"]) == 1


def test_a_shot_that_was_made_again_says_why_and_what_it_took(tmp_path: Path) -> None:
    first = {
        "shot": 0,
        "attempt": 0,
        "stage": "generate:0",
        "seed": 3,
        "after": None,
        "refused": {"check": "black", "reason": "it is black", "frame": 0},
        "device_us": 900_000,
        "cost_uusd": 0,
    }
    second = first | {"attempt": 1, "seed": 77, "after": "reseed", "refused": None, "cost_uusd": 12}

    page = outline(tmp_path, a_report(attempts=[first, second]))

    assert "black: it is black" in page.words
    assert "again (1)reseed77kept" in page.words


def test_runs_that_failed_are_told_with_what_followed_and_who_took_over(tmp_path: Path) -> None:
    run = {
        "stage": "generate:0",
        "model": "dear@1",
        "error": "NativeCrash",
        "found": HOSTILE[0],
        "remedy": None,
        "at": "2026-11-25T11:02:00.000000Z",
        "ended": "process",
        "follows": "again",
        "device_us": 900_000,
        "cost_uusd": 12,
    }
    died = run | {"model": None, "ended": "worker", "follows": "given_up", "device_us": None}
    took = {
        "shot": 0,
        "from": "dear@1",
        "to": "cheap@2",
        "because": {"error": "NativeCrash", "found": "it crashed"},
        "skipped": [{"model": "short", "why": HOSTILE[1]}],
    }

    page = outline(tmp_path, a_report(failures=[run, died], fallbacks=[took]))

    assert "tried again, and ended its process" in page.words
    assert "given up, and its worker died" in page.words
    assert "Shot 1 was made by cheap@2 instead of dear@1 (NativeCrash)" in page.words
    assert HOSTILE[0] in page.words
    assert _stage_words("generate:0:1:2") == "Generate shot 1 again (1)"
    assert _stage_words("generate:0:0:1") == "Generate shot 1"
    assert _stage_words("fallback:0:1") == "Plan for another model"
    assert "Failed runs" not in outline(tmp_path, a_report()).words


def test_effects_are_summed_over_their_shots(tmp_path: Path) -> None:
    spent = [
        {"shot": shot, "effect": name, "version": "1", "device_us": us, "cost_uusd": cost}
        for shot in (0, 1)
        for name, us, cost in (("grade", 30_000, 2), (None, 500_000, 11))
    ]

    page = outline(tmp_path, a_report(effects=spent))

    assert "grade@1" in page.words
    assert "60 ms" in page.words
    assert "4 µUSD" in page.words


def test_what_has_no_price_is_unknown_and_never_zero(tmp_path: Path) -> None:
    report = a_report(cost_uusd=None, overhead_uusd=None, cost_per_delivered_minute_uusd=None)
    for each in report["stages"]:
        each["cost_uusd"] = None
    for each in report["leases"]:
        each |= {"cost_uusd": None, "nusd_per_s": None}

    page = outline(tmp_path, report)

    assert "no price: what it costs is unknown" in page.words
    assert page.words.count("unknown") > len(report["stages"])
    assert "$" not in page.words.partition("Beside it")[0]


def test_a_piece_that_was_reused_names_the_job_it_came_from(tmp_path: Path) -> None:
    report = a_report()
    report["segments"][1] |= {"made_by": "reuse", "job": "job_01earlierearlierearlierear"}

    page = outline(tmp_path, report)

    assert "reused, from job_…" in page.words
    assert any(each.get("title") == report["segments"][1]["job"] for each in page.all("code"))


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("refused", "Refused by review"),
        ("failed", "Failed"),
        ("cancelled", "Cancelled"),
    ],
)
def test_a_job_without_a_film_says_what_happened_what_was_kept_and_what_to_do(
    tmp_path: Path, status: str, says: str
) -> None:
    failure = {
        "error": "Any",
        "attempted": "publish the film",
        "found": "frame 12 is black",
        "remedy": "Change the caption and order it again.",
        "field": "shots[1].caption",
    }

    page = outline(tmp_path, an_ended_job(status, failure))

    assert says in page.words
    for words in (
        "publish the film: frame 12 is black",
        "Nothing had been made.",
        "Change the caption and order it again.",
        "shots[1].caption",
        "Nobody: the film was not delivered.",
    ):
        assert words in page.words
    assert not page.all("video")


@pytest.mark.parametrize("status", ["waiting", "running", "needs_person"])
def test_a_job_that_has_not_ended_has_a_page_too(tmp_path: Path, status: str) -> None:
    report = an_ended_job(status, None) | {"seconds": None, "first_preview_ms": None}

    page = outline(tmp_path, report)

    assert "What to do" in page.words
    assert "not ended" in page.words


def test_a_page_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="can be written again"):
        write_page(a_report(), tmp_path / "no" / "folder" / "report.html", Media())


def a_place(**changes: Any) -> dict[str, Any]:
    place = {
        "place": "s3://films/spot",
        "at": "2026-11-25T11:02:09.971417Z",
        "sent": 12,
        "replaced": 2,
        "kept": 30,
        "entries": {
            "files.json": "https://cdn.example/f/files.json",
            "master.m3u8": "https://cdn.example/f/master.m3u8",
        },
        "purged": None,
    }
    return place | changes


def test_it_says_where_the_film_was_published_and_which_caches_were_told(tmp_path: Path) -> None:
    told = {"name": "master.m3u8", "url": "https://cdn.example/f/master.m3u8", "failure": None}
    not_told = {"name": "files.json", "url": None, "failure": "it answered 500"}
    published = [
        a_place(),
        a_place(place="/mnt/films", purged=[], entries={"master.m3u8": "/mnt/films/master.m3u8"}),
        a_place(place=HOSTILE[1], purged=[told, not_told], entries={"x": "javascript:alert(1)"}),
    ]

    page = outline(tmp_path, a_report(published=published))

    words = " ".join(page.words.split())
    assert "Where it was published" in words
    assert "no purge hook" in words
    assert "nothing that they held had changed" in words
    assert "told of 1 name" in words
    assert "files.json: it answered 500" in words
    links = [each["href"] for each in page.all("a") if "cdn.example" in (each["href"] or "")]
    assert links == ["https://cdn.example/f/master.m3u8", "https://cdn.example/f/files.json"]
    assert not [each for each in page.all("a") if "javascript" in (each["href"] or "")]


def test_a_film_that_went_nowhere_else_says_so_and_one_that_was_not_made_says_nothing(
    tmp_path: Path,
) -> None:
    failed = an_ended_job("failed", {"found": "no such model"})

    assert "Nowhere else" in outline(tmp_path, a_report()).words
    assert "Where it was published" not in outline(tmp_path, failed).words
