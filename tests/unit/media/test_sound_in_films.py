"""A film's sound is joined beside its picture: to the sample, and without a bit of it changed."""

from __future__ import annotations

import base64
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from browser import browser, find_browser
from heard import samples

from cinefab.core.brief import Quality, Size
from cinefab.core.errors import ContractMismatch, StorageUnavailable
from cinefab.core.plan import Part
from cinefab.media.audio import AAC_PRIMING, read_sound, write_aac, write_flac
from cinefab.media.decode import probe
from cinefab.media.encode import encode, settings_for
from cinefab.media.join import join

SIZE = Size(96, 64)
FRAMES = 40


@pytest.fixture(params=[Fraction(24), Fraction(30000, 1001), Fraction(60)], ids=str)
def fps(request: pytest.FixtureRequest) -> Fraction:
    rate: Fraction = request.param
    return rate


@pytest.fixture
def piece(tmp_path: Path, fps: Fraction) -> Path:
    chance = np.random.default_rng(1)
    frames = (
        chance.integers(16, 230, (SIZE.height * 3 // 2, SIZE.width), dtype=np.uint8)
        for _ in range(FRAMES)
    )
    settings = settings_for(Quality.FINAL, Part.BODY)
    encode(frames, tmp_path / "piece.mp4", size=SIZE, fps=fps, settings=settings)
    return tmp_path / "piece.mp4"


def clicks(path: Path, *, length: int, at: list[int]) -> Path:
    sound = np.zeros((2, length), np.float32)
    sound[:, at] = 0.8
    write_flac([sound], path.with_suffix(".flac"))
    write_aac(path.with_suffix(".flac"), path)
    return path


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as film:
        return [bytes(packet) for packet in film.demux(video=0)]


def test_a_click_is_heard_at_its_sample_and_the_pictures_are_bit_exact(
    piece: Path, fps: Fraction, tmp_path: Path
) -> None:
    length = int(2 * FRAMES * 48_000 / fps)
    sound = clicks(tmp_path / "clicks.m4a", length=length, at=[24_000, length - 60])

    join([piece, piece], tmp_path / "film.mp4", fps=fps, sound=sound)
    join([piece, piece], tmp_path / "again.mp4", fps=fps, sound=sound)
    join([piece, piece], tmp_path / "silent.mp4", fps=fps)

    heard = np.concatenate(list(read_sound(tmp_path / "film.mp4")), axis=1)
    by_ffmpeg = samples(tmp_path / "film.mp4")
    assert heard.shape == (2, length)
    assert np.abs(heard[0]).argmax() in (24_000, length - 60)
    for at in (24_000, length - 60):
        near = by_ffmpeg[0, at - 200 : at + 60]
        assert abs(int(np.abs(near).argmax()) - 200) <= 1
    assert packets(tmp_path / "film.mp4") == packets(tmp_path / "silent.mp4")
    assert probe(tmp_path / "film.mp4") == probe(tmp_path / "silent.mp4")
    assert (tmp_path / "film.mp4").read_bytes() == (tmp_path / "again.mp4").read_bytes()


def test_a_film_lasts_as_long_as_its_picture(piece: Path, fps: Fraction, tmp_path: Path) -> None:
    length = int(FRAMES * 48_000 / fps)
    sound = clicks(tmp_path / "clicks.m4a", length=length, at=[100])

    join([piece], tmp_path / "film.mp4", fps=fps, sound=sound)

    with av.open(str(tmp_path / "film.mp4")) as film:
        assert film.duration == round(FRAMES / fps * 1_000_000)
        (audio,) = film.streams.audio
        assert audio.start_time == 0
        assert 0 <= FRAMES / fps - audio.duration * audio.time_base < Fraction(1, 48_000)
        first = next(packet for packet in film.demux(audio))
        assert first.pts == -AAC_PRIMING


def test_the_same_samples_give_the_same_files(tmp_path: Path) -> None:
    one = clicks(tmp_path / "one.m4a", length=30_000, at=[5_000])
    other = clicks(tmp_path / "other.m4a", length=30_000, at=[5_000])

    assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "one.flac").read_bytes() == (tmp_path / "other.flac").read_bytes()


def test_what_holds_no_sound_is_named(piece: Path, tmp_path: Path) -> None:
    with pytest.raises(ContractMismatch, match=r"piece\.mp4.*no sound"):
        list(read_sound(piece))
    with pytest.raises(StorageUnavailable, match=r"gone\.flac"):
        list(read_sound(tmp_path / "gone.flac"))
    (tmp_path / "noise.flac").write_bytes(b"no such thing" * 100)
    with pytest.raises(ContractMismatch, match=r"noise\.flac"):
        list(read_sound(tmp_path / "noise.flac"))


def test_chromium_hears_a_click_at_its_sample(tmp_path: Path) -> None:
    if find_browser() is None:
        pytest.skip("Chromium is not installed: tools/need-chromium")
    fps = Fraction(24)
    grey = (np.full((SIZE.height * 3 // 2, SIZE.width), 90, np.uint8) for _ in range(48))
    settings = settings_for(Quality.FINAL, Part.BODY)
    encode(grey, tmp_path / "piece.mp4", size=SIZE, fps=fps, settings=settings)
    sound = clicks(tmp_path / "clicks.m4a", length=96_000, at=[48_000])
    join([tmp_path / "piece.mp4"], tmp_path / "film.mp4", fps=fps, sound=sound)
    film = base64.b64encode((tmp_path / "film.mp4").read_bytes()).decode()
    (tmp_path / "page.html").write_text("<body>a page</body>")

    with browser() as page:
        page.open((tmp_path / "page.html").as_uri())
        at = page.run(
            f"""(async () => {{
              const bytes = Uint8Array.from(atob("{film}"), c => c.charCodeAt(0));
              const context = new OfflineAudioContext(2, 96000, 48000);
              const heard = (await context.decodeAudioData(bytes.buffer)).getChannelData(0);
              return heard.reduce((best, v, i) => Math.abs(v) > Math.abs(heard[best]) ? i : best, 0);
            }})()"""
        )

    assert abs(at - 48_000) <= 1
