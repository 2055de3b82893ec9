"""Films and sounds of every format come out of the sandbox as plain frames and samples."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest
from media_samples import FORMATS, a_film, a_sample, container_of

from cinefab.core.brief import Size
from cinefab.media.sandbox import Cause, Confinement, DecodeRefused, Sandbox
from cinefab.media.sandbox.films import (
    DEFAULT_LIMITS,
    FILM_SANDBOX,
    FILM_TASK,
    Film,
    FilmLimits,
    Heard,
    Outline,
    Shown,
)

PROBES = "cinefab.media.sandbox.probes"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(FILM_SANDBOX, confinement=Confinement.REQUIRED) as sandbox:
        yield sandbox


def decoded(
    sandbox: Sandbox,
    data: bytes,
    container: str = "mp4",
    *,
    limits: FilmLimits = DEFAULT_LIMITS,
    pictures: bool = True,
) -> tuple[Outline, list[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    with Film(
        sandbox,
        data,
        task=FILM_TASK,
        container=container,
        pictures=pictures,
        name="film",
        limits=limits,
    ) as film:
        pieces = list(film.pieces())
        frames = [piece.frame for piece in pieces if isinstance(piece, Shown)]
        samples = [piece.samples for piece in pieces if isinstance(piece, Heard)]
        return film.outline, frames, np.concatenate(samples) if samples else np.zeros((0, 2))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_comes_out_plain(sandbox: Sandbox, name: str) -> None:
    outline, frames, samples = decoded(sandbox, a_sample(name), container_of(name))

    if FORMATS[name].get("video", "libx264") is None:
        assert outline.picture is None
        assert frames == []
    else:
        assert outline.picture is not None
        assert (outline.picture.size, outline.picture.fps) == (Size(160, 90), Fraction(24))
        assert len(frames) == 24
        # Red at the top left is dark with a high V; green at the bottom right is bright.
        assert abs(int(frames[5][5, 5]) - 63) < 12
        assert abs(int(frames[5][85, 155]) - 173) < 12
    assert outline.sound is not None
    loudest = np.abs(samples[8_000:36_000]).max()
    assert 0.27 < loudest < 0.33, loudest
    assert 43_000 < len(samples) < 51_000


@pytest.mark.parametrize(
    ("turned", "red"), [(90, "bottom-left"), (180, "bottom-right"), (270, "top-right")]
)
def test_a_film_that_a_phone_turned_comes_out_upright(
    sandbox: Sandbox, turned: int, red: str
) -> None:
    outline, frames, _ = decoded(sandbox, a_film(turned=turned, frames=4, audio=None))

    assert outline.picture is not None
    size = outline.picture.size
    assert size == (Size(160, 90) if turned == 180 else Size(90, 160))
    reds = frames[0][size.height + size.height // 4 :].reshape(-1)
    reds = reds[: size.width * size.height // 4].reshape(size.height // 2, size.width // 2)
    row, column = np.unravel_index(int(reds.argmax()), reds.shape)
    found = f"{'top' if row < size.height // 4 else 'bottom'}-" + (
        "left" if column < size.width // 4 else "right"
    )
    assert found == red


def test_pictures_of_varying_length_come_at_a_constant_rate(sandbox: Sandbox) -> None:
    times = [0, 1, 2, 10, 11, 20, 21, 22]  # twenty-fourths; it stands still in between

    outline, frames, _ = decoded(sandbox, a_film(times=times, frames=8, audio=None))

    assert outline.picture is not None
    length = len(frames) / outline.picture.fps
    assert abs(length - Fraction(23, 24)) <= 1 / outline.picture.fps
    brightness = [float(frame[50:85].mean()) for frame in frames]
    assert all(after >= before - 0.6 for before, after in pairwise(brightness))
    assert len({round(value) for value in brightness}) >= 4


def test_a_large_film_is_scaled_to_the_side_that_is_asked_for(sandbox: Sandbox) -> None:
    film = a_film(size=(320, 181 + 1), frames=3, audio=None)

    outline, _, _ = decoded(sandbox, film, limits=FilmLimits(shown_side_max=100))

    assert outline.picture is not None
    assert outline.picture.size == Size(100, 56)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (FilmLimits(frames_max=10), "24 pictures, at most 10"),
        (FilmLimits(pixels_max=10_000), "160 x 90"),
        (FilmLimits(side_max=100), "160 x 90"),
        (FilmLimits(tracks_max=1), "2 tracks"),
        (FilmLimits(seconds_max=0), "1 s long"),
    ],
    ids=["frames", "pixels", "side", "tracks", "seconds"],
)
def test_what_is_beyond_a_limit_is_refused_with_its_figures(
    sandbox: Sandbox, limits: FilmLimits, words: str
) -> None:
    with pytest.raises(DecodeRefused, match=words) as caught:
        decoded(sandbox, a_sample("mp4"), limits=limits)

    assert caught.value.cause is Cause.TOO_LARGE


def test_of_a_sound_file_only_the_sound_is_looked_at(sandbox: Sandbox) -> None:
    outline, frames, samples = decoded(sandbox, a_sample("mp4"), pictures=False)

    assert outline.picture is None
    assert frames == []
    assert len(samples) > 40_000


@pytest.mark.parametrize("curve", ["smpte2084", "arib-std-b67"])
def test_a_film_of_high_dynamic_range_is_brought_to_an_ordinary_one(
    sandbox: Sandbox, curve: str
) -> None:
    outline, frames, _ = decoded(sandbox, a_ramp_of_light(curve))

    assert outline.picture is not None
    assert outline.picture.high_dynamic_range
    ramp = frames[0][40, 4:156].astype(int)
    assert (np.diff(ramp) >= -3).all()  # it went through an encoder
    assert ramp[0] <= 26
    assert ramp[-1] >= 230
    chroma = frames[0][96:]
    assert np.abs(chroma.astype(int) - 128).max() <= 3  # grey stays grey


def a_ramp_of_light(curve: str) -> bytes:
    """Return a film in HEVC of ten bits: a grey ramp from black to the brightest code."""
    file = io.BytesIO()
    params = f"log-level=none:colorprim=bt2020:transfer={curve}:colormatrix=bt2020nc"
    with av.open(file, "w", format="mp4") as container:
        options = {"x265-params": params, "preset": "ultrafast", "crf": "8"}
        stream = container.add_stream("libx265", rate=24, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p10le"
        for number in range(3):
            frame = av.VideoFrame(160, 96, "yuv420p10le")
            frame.pts = number
            for place, plane in enumerate(frame.planes):
                row = np.full(plane.line_size // 2, 512, np.uint16)
                if place == 0:
                    row[:160] = np.linspace(64, 940, 160)
                plane.update(np.tile(row, plane.height).tobytes())
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


HOSTILE_OUTLINES: dict[str, Any] = {
    "nothing": None,
    "a-list": [],
    "no-tracks": {"picture": None, "sound": {"channels": 2}, "tracks": []},
    "neither": {"picture": None, "sound": None, "tracks": [{"kind": "video", "codec": "x"}]},
    "odd-size": {
        "picture": {"width": 3, "height": 64, "fps": [24, 1]},
        "sound": None,
        "tracks": [{}],
    },
    "endless-size": {
        "picture": {"width": 1 << 40, "height": 64, "fps": [24, 1]},
        "sound": None,
        "tracks": [{}],
    },
    "no-rate": {
        "picture": {"width": 64, "height": 64, "fps": [24, 0]},
        "sound": None,
        "tracks": [{}],
    },
    "endless-rate": {
        "picture": {"width": 64, "height": 64, "fps": [10**9, 1]},
        "sound": None,
        "tracks": [{}],
    },
    "words": {
        "picture": {"width": "64", "height": "64", "fps": "24"},
        "sound": None,
        "tracks": [{}],
    },
    "channels": {"picture": None, "sound": {"channels": 9}, "tracks": [{}]},
    "tracks-are-words": {"picture": None, "sound": {"channels": 1}, "tracks": ["x"]},
}


@pytest.mark.parametrize("name", HOSTILE_OUTLINES)
def test_an_outline_that_no_film_has_is_not_believed(sandbox: Sandbox, name: str) -> None:
    answers = [{"outcome": "piece", "facts": {"outline": HOSTILE_OUTLINES[name]}, "blobs": []}]

    with pytest.raises(DecodeRefused) as caught:
        hostile_film(sandbox, answers)

    assert caught.value.cause is Cause.BAD_ANSWER


SOUND: dict[str, Any] = {"picture": None, "sound": {"channels": 2}, "tracks": [{}]}
MOVING: dict[str, Any] = {
    "picture": {"width": 16, "height": 16, "fps": [24, 1]},
    "sound": None,
    "tracks": [{}],
}

HOSTILE_PIECES: dict[str, tuple[dict[str, Any], list[tuple[dict[str, Any], bytes]]]] = {
    "a-frame-too-short": (MOVING, [({"frame": True}, bytes(10))]),
    "a-frame-too-long": (MOVING, [({"frame": True}, bytes(385))]),
    "again-what-never-was": (MOVING, [({"frame": False}, b"")]),
    "frames-of-a-sound": (SOUND, [({"frame": True}, bytes(384))]),
    "no-frames": (MOVING, []),
    "more-frames-than-allowed": (MOVING, [({"frame": True}, bytes(384))] * 11),
    "samples-of-a-silent-film": (MOVING, [({"samples": 48_000}, bytes(8))]),
    "half-a-sample": (SOUND, [({"samples": 48_000}, bytes(9))]),
    "no-rate": (SOUND, [({"samples": 0}, bytes(8))]),
    "another-rate": (SOUND, [({"samples": 48_000}, bytes(8)), ({"samples": 8_000}, bytes(8))]),
    "a-rate-in-words": (SOUND, [({"samples": "48000"}, bytes(8))]),
    "longer-than-allowed": (SOUND, [({"samples": 4_000}, bytes(8 * 9_000))]),
    "facts-of-nothing": (SOUND, [({}, bytes(8))]),
}


@pytest.mark.parametrize("name", HOSTILE_PIECES)
def test_pieces_that_do_not_fit_the_outline_are_not_believed(sandbox: Sandbox, name: str) -> None:
    outline, pieces = HOSTILE_PIECES[name]
    answers: list[dict[str, Any]] = [
        {"outcome": "piece", "facts": {"outline": outline}, "blobs": []},
        *(
            {"outcome": "piece", "facts": facts, "blobs": [len(blob)] if blob else [], "raw": blob}
            for facts, blob in pieces
        ),
        {"outcome": "done", "facts": {}, "blobs": []},
    ]

    with pytest.raises(DecodeRefused) as caught:
        hostile_film(sandbox, answers)

    assert caught.value.cause is Cause.BAD_ANSWER


def test_samples_that_are_no_numbers_become_silence_or_loud(sandbox: Sandbox) -> None:
    wild = np.array([np.nan, np.inf, -np.inf, 1e30], "<f4").tobytes()
    answers = [
        {"outcome": "piece", "facts": {"outline": SOUND}, "blobs": []},
        {"outcome": "piece", "facts": {"samples": 8_000}, "blobs": [16], "raw": wild},
        {"outcome": "done", "facts": {}, "blobs": []},
    ]

    (heard,) = hostile_film(sandbox, answers)

    assert isinstance(heard, Heard)
    assert np.isfinite(heard.samples).all()
    assert np.abs(heard.samples).max() <= 8


def hostile_film(sandbox: Sandbox, answers: list[dict[str, Any]]) -> list[Shown | Heard]:
    """Take in what a decoder that was taken over answers, word for word."""
    payload = b""
    for answer in answers:
        raw = answer.pop("raw", b"")
        text = json.dumps(answer).encode()
        payload += len(text).to_bytes(4, "big") + text + raw
    with Film(
        sandbox,
        payload,
        task=f"{PROBES}:answer_film",
        container="mp4",
        pictures=True,
        name="film",
        limits=FilmLimits(frames_max=10, seconds_max=1),
    ) as film:
        return list(film.pieces())
