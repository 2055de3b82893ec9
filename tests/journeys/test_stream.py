"""A film as a stream: one set of files for HLS and DASH, made again only where a shot changed."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Tree

import av
import cv2
import pytest
from studio_runs import Studio

STREAMED = """\
title: Three small shots
shots:
  - {seconds: 2.5, caption: First, references: [cup], transition: cut}
  - {seconds: 2, caption: Second, references: [cup], transition: {kind: wipe, seconds: 0.5}}
  - {seconds: 3, caption: Third, references: [cup], transition: cut}
references: {cup: {file: coffee.png, role: product}}
output: {size: 320x180, fps: 12, formats: [mp4, hls, dash]}
brand: {colours: ["#6b1f12", "#f4e6d2"]}
quality: preview
seed: 3
"""
FRAMES = 90
MPD = "{urn:mpeg:dash:schema:mpd:2011}"


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path, f"sqlite:///{tmp_path}/cinefab.db")


def files_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((Path(report["out"]) / "files.json").read_bytes())[
        "files"
    ]
    return found


def frames_by_hls(path: Path) -> dict[tuple[int, int], list[str]]:
    """Decode all that a playlist leads to by FFmpeg's own reader of it; frames by size."""
    found = {}
    with av.open(path) as container:
        count = len(container.streams.video)
    for index in range(count):
        with av.open(path) as container:
            stream = container.streams.video[index]
            size = stream.width, stream.height
            found[size] = [digest(frame) for frame in container.decode(stream)]
    return found


def frames_by_dash(path: Path) -> dict[tuple[int, int], list[str]]:
    """Put together what a description names, in its order, and decode it; frames by size.

    Its lengths must be those of the segments themselves.
    """
    found = {}
    for representation in Tree.parse(path).iter(f"{MPD}Representation"):
        size = int(representation.attrib["width"]), int(representation.attrib["height"])
        (listed,) = representation.iter(f"{MPD}SegmentList")
        (init,) = listed.iter(f"{MPD}Initialization")
        names = [each.attrib["media"] for each in listed.iter(f"{MPD}SegmentURL")]
        head = (path.parent / init.attrib["sourceURL"]).read_bytes()
        whole = path.parent / "whole.mp4"
        whole.write_bytes(head + b"".join((path.parent / name).read_bytes() for name in names))
        found[size] = pixels(whole)
        lengths = [
            int(each.attrib["d"])
            for each in listed.iter(f"{MPD}S")
            for _ in range(1 + int(each.get("r", "0")))
        ]
        assert len(lengths) == len(names)
        with av.open(whole) as film:
            rate = Fraction(int(listed.attrib["timescale"]))
            (last,) = [p for p in film.demux(video=0) if p.pts is not None][-1:]
            assert (last.dts + last.duration) * last.time_base == sum(lengths) / rate
        whole.unlink()
    return found


def digest(frame: av.VideoFrame) -> str:
    return hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest()


def pixels(path: str | Path) -> list[str]:
    with av.open(path) as film:
        return [digest(frame) for frame in film.decode(video=0)]


def stages(report: dict[str, Any]) -> set[str]:
    return {stage["name"] for stage in report["stages"]}


def test_a_stream_is_whole_and_a_changed_caption_makes_only_its_own_rungs_again(
    studio: Studio,
) -> None:
    first = studio.make(studio.brief(STREAMED))
    out = Path(first["out"])

    # Both ways to read it lead to every frame at every size, and the largest is the film itself.
    by_hls, by_dash = frames_by_hls(out / "master.m3u8"), frames_by_dash(out / "manifest.mpd")
    assert by_hls == by_dash
    assert {size: len(frames) for size, frames in by_hls.items()} == {
        (320, 180): FRAMES,
        (256, 144): FRAMES,
    }
    assert by_hls[320, 180] == pixels(first["film"])

    # files.json names every file of the release, truly, and each is an asset with a signed record.
    files = files_of(first)
    for each in files:
        content = (out / each["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            each["bytes"],
            each["sha256"],
        )
        if each["path"].startswith("media/"):
            assert each["path"].startswith(f"media/{each['sha256']}.")
            assert each["cache_control"].endswith("immutable")
        else:
            assert "max-age=60" in each["cache_control"]
    roles = {each["role"] for each in files}
    assert roles == {
        *("film", "timeline", "init", "segment", "playlist", "hls", "dash"),
        *("poster", "sprite", "thumbnails"),
    }
    beside = {"film.mp4", "timeline.otio", "preview.jpg", "report.json", "files.json"}
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert there - {each["path"] for each in files} >= beside
    segment = next(out / f["path"] for f in files if f["role"] == "segment" and f["rung"] == "144p")
    trace = json.loads(studio.run("trace", segment, "--json").stdout)
    assert "rung" in json.dumps(trace)
    assert "segment" in json.dumps(trace)

    assert {f"rungs:{i}" for i in range(4)} | {"package"} <= stages(first)

    changed = studio.make(studio.brief(STREAMED.replace("Third", "Fourth"), "changed.yaml"))

    assert {s for s in stages(changed) if s.startswith("rungs:")} == {"rungs:3"}
    before, after = ({f["path"]: f for f in files_of(r)} for r in (first, changed))
    new = [f for path, f in after.items() if path not in before and f["role"] == "segment"]
    assert 2 <= len(new) < sum(f["role"] == "segment" for f in after.values())

    again = studio.make(studio.brief(STREAMED, "again.yaml"))

    assert not {s for s in stages(again) if s.startswith("rungs:")}
    assert {f["path"] for f in files_of(again) if f["role"] == "segment"} == {
        f["path"] for f in files if f["role"] == "segment"
    }

    # Everything may go at once, and only what no release is made of, or shows, goes.
    kinds = ("segment", "transition", "rung", "cut", "preview", "plan", "still", "orphan")
    days = ",".join(f"{kind}=0" for kind in kinds)
    lost = studio.folder / "home" / "blobs" / "sha256" / "00" / ("0" * 64)
    lost.parent.mkdir(exist_ok=True)
    lost.write_bytes(b"left by a stage that broke off")
    before = json.loads(studio.run("report", first["job"], "--json").stdout)
    studio.environment |= {"CINEFAB_RETENTION_DAYS": days, "CINEFAB_SWEEP_GRACE_HOURS": "0"}
    studio.environment["CINEFAB_PRICE_USD_PER_GB_MONTH"] = "900"
    would = json.loads(studio.run("sweep", "--dry-run", "--json").stdout)
    swept = json.loads(studio.run("sweep", "--json").stdout)
    assert would["gone"] == swept["gone"] == {"orphan": 1}
    assert json.loads(studio.run("report", first["job"], "--json").stdout) == before
    assert before["preview"] is not None
    assert swept["storage_charged_uusd"] > 0
    assert "Storage" in studio.run("ledger", "report").stdout

    after_sweep = studio.make(studio.brief(STREAMED, "after-sweep.yaml"))

    assert {each["made_by"] for each in after_sweep["segments"]} == {"reuse"}
    assert not {s for s in stages(after_sweep) if s.startswith("rungs:")}
    assert pixels(after_sweep["film"]) == pixels(first["film"])
    studio.check_books()

    poster = cv2.imread(str(out / "poster.jpg"))
    assert poster is not None
    assert poster.shape == (180, 320, 3)
    assert poster.std() > 20
    sheet = cv2.imread(str(out / next(f["path"] for f in files if f["role"] == "sprite")))
    assert sheet is not None
    assert sheet.shape == (90, 4 * 160, 3)


def test_a_film_that_is_one_file_is_not_packaged(studio: Studio) -> None:
    text = STREAMED.replace("formats: [mp4, hls, dash]", "formats: [mp4]").replace(
        "fps: 12", "fps: 4"
    )

    report = studio.make(studio.brief(text))

    assert not {s for s in stages(report) if s.startswith(("rungs", "package"))}
    assert not (Path(report["out"]) / "media").exists()


@pytest.mark.parametrize(
    ("output", "field"),
    [
        ("{formats: [mp4, webm]}", "output.formats[1]"),
        ("{ladder: [360]}", "output.ladder"),
        ("{formats: [hls], size: 640x360, ladder: [720]}", "output.ladder[0]"),
        ("{formats: [hls], size: 640x360, ladder: [240, 360]}", "output.ladder[1]"),
        ("{formats: [hls], ladder: []}", "output.ladder"),
        ("{formats: [hls], ladder: [361]}", "output.ladder[0]"),
    ],
)
def test_a_ladder_that_cannot_be_climbed_is_named(studio: Studio, output: str, field: str) -> None:
    brief = studio.brief(f"title: A\nprompt: B\noutput: {output}\n")

    done = studio.run("make", brief, "--json")

    assert done.returncode == 2
    assert json.loads(done.stdout)["failure"]["field"] == field
