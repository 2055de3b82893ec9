"""The report's page of a real film, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, browser, find_browser
from studio_runs import SMALL_BRIEF, Studio

from cinefab.deliver.page import page as page_module
from cinefab.deliver.page.page import Media, write_page

CLIP = """\
title: A stretch of another film
shots: [{seconds: 1, clip: {reference: pan}}]
references: {pan: {file: film.mp4}}
output: {size: 320x180, fps: 12}
quality: preview
"""
_HOW_TO = "Chromium is missing: run tools/need-chromium, then run again"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a small film, whose title and caption try what they can; return its folder."""
    folder = tmp_path_factory.mktemp("report")
    studio = Studio(folder, f"sqlite:///{folder}/a.db")
    hostile = SMALL_BRIEF.replace("Three small shots", "</title><script>document.title=1</script>")
    report = studio.make(studio.brief(hostile))
    return Path(report["out"])


def test_a_report_is_written_again_for_a_job_or_its_folder_with_the_same_figures(
    made: Path,
) -> None:
    studio = Studio(made.parents[1], f"sqlite:///{made.parents[1]}/a.db")
    before = (made / "report.json").read_text()
    (made / "report.html").unlink()

    by_folder = studio.run("report", made)
    by_id = studio.run("report", made.name, "--json")

    assert by_folder.stdout.split() == [f"{made.name}:", "delivered", str(made / "report.html")]
    assert (made / "report.html").is_file()
    assert json.loads(by_id.stdout) == json.loads(before)
    assert (made / "report.json").read_text() == before


def test_a_job_that_is_not_there_has_no_report(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")

    done = studio.run("report", "job_nowhere")

    assert done.returncode == 1
    assert "there is none by that id here" in done.stderr


def test_each_shot_keeps_a_small_picture_so_that_nobody_decodes_it_again(made: Path) -> None:
    report = json.loads((made / "report.json").read_text())

    kept = {each["shot"]: each["thumbnail"] for each in report["segments"] if each["thumbnail"]}

    blobs = made.parents[1] / "home" / "blobs" / "sha256"
    assert set(kept) == {0, 1, 2}
    assert all((blobs / d[:2] / d).read_bytes()[:2] == b"\xff\xd8" for d in kept.values())
    page = (made / "report.html").read_text()
    assert all(f'<symbol id="shot-{shot}"' in page for shot in kept)


def test_a_refused_film_has_a_page_that_says_why_and_shows_how_far_it_got(
    made: Path, tmp_path: Path
) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")
    settings = tmp_path / "strict.toml"
    settings.write_text("[review_thresholds]\nblack_level_max = 255\nblack_ms_max = 100\n")
    studio.environment["CINEFAB_CONFIG"] = str(settings)
    (tmp_path / "film.mp4").write_bytes((made / "film.mp4").read_bytes())

    report = studio.make(studio.brief(CLIP), expect=3)

    page = Path(report["out"], "report.html").read_text()
    assert "Refused by review" in page
    assert report["failure"]["found"] in page
    assert "No film was published." in page
    assert "<video" not in page
    assert page.count("<symbol") == 1
    assert report["lineage"][-1]["kind"] == "cut"
    assert 'alt="Frame 0"' in page


@pytest.fixture
def page() -> Iterator[Page]:
    if find_browser() is None:
        pytest.skip(_HOW_TO)
    with browser() as opened:
        yield opened


def test_the_page_opens_without_a_complaint_and_its_film_plays(made: Path, page: Page) -> None:
    report = json.loads((made / "report.json").read_text())

    page.open((made / "report.html").as_uri())
    page.wait_for("document.getElementById('player').readyState >= 2")
    page.run("(p => { p.muted = true; return p.play(); })(document.getElementById('player'))")
    page.wait_for(
        "document.getElementById('player').getVideoPlaybackQuality().totalVideoFrames > 6"
    )

    assert page.complaints == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in page.requested)
    assert page.run("document.querySelector('h1').textContent") == report["title"]
    assert page.run("document.getElementById('player').videoWidth") == report["size"]["width"]
    assert page.run("document.getElementById('player').duration") == pytest.approx(3, abs=0.01)
    assert page.run("document.fonts.check('13px Inter')")


def test_frames_are_stepped_through_and_the_timeline_goes_to_its_place(
    made: Path, page: Page
) -> None:
    page.open((made / "report.html").as_uri())
    page.wait_for("document.getElementById('player').readyState >= 2")

    page.run("document.querySelectorAll('.pieces tbody')[2].querySelector('[data-seek]').click()")
    page.wait_for("document.getElementById('timecode').value === '00:02:00'")
    page.run("document.querySelector('[data-do=ahead]').click()")
    page.wait_for("document.getElementById('timecode').value === '00:02:01'")
    for _ in range(2):
        page.run("document.querySelector('[data-do=back]').click()")
        page.wait_for("!document.getElementById('player').seeking")

    page.wait_for("document.getElementById('timecode').value === '00:01:11'")
    assert page.run("document.querySelector('.playhead').getAttribute('visibility')") == "visible"
    assert page.complaints == []


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_off_at_the_side(made: Path, page: Page, width: int) -> None:
    page.open((made / "report.html").as_uri())

    page.ask(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip

    root = "document.documentElement"
    assert page.run("innerWidth") == width
    assert page.run(f"{root}.scrollWidth - {root}.clientWidth") == 0


def test_printed_the_film_is_its_picture_and_nothing_is_dark(made: Path, page: Page) -> None:
    page.open((made / "report.html").as_uri())

    page.ask(
        "Emulation.setEmulatedMedia",
        media="print",
        features=[{"name": "prefers-color-scheme", "value": "dark"}],
    )

    shown = "getComputedStyle(document.querySelector('{}')).display"
    assert page.run(shown.format("video")) == "none"
    assert page.run(shown.format(".poster")) == "block"
    assert page.run(shown.format(".exact")) == "inline"
    assert page.run("getComputedStyle(document.documentElement).backgroundColor") == (
        "rgb(255, 255, 255)"
    )


def test_on_paper_no_table_is_cut_off(made: Path, page: Page) -> None:
    page.open((made / "report.html").as_uri())

    # A4 within its margins, in CSS pixels.
    page.ask("Emulation.setEmulatedMedia", media="print")
    page.ask(
        "Emulation.setDeviceMetricsOverride",
        width=703, height=1000, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip

    cut_off = "[...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth)"
    assert page.run(f"{cut_off}.map(e => e.textContent.slice(0, 40))") == []


def test_a_film_beside_the_page_plays_from_there(
    made: Path, page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = json.loads((made / "report.json").read_text())
    film = tmp_path / "film.mp4"
    film.write_bytes((made / "film.mp4").read_bytes())
    monkeypatch.setattr(page_module, "FILM_EMBEDDED_BYTES_MAX", 1000)
    write_page(report, tmp_path / "report.html", Media(film=film))

    page.open((tmp_path / "report.html").as_uri())
    page.wait_for("document.getElementById('player').readyState >= 2")

    assert page.complaints == []
    assert page.run("document.getElementById('player').currentSrc") == film.as_uri()
