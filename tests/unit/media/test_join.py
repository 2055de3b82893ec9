"""Pieces become a film without a changed pixel."""

from __future__ import annotations

import random
import resource
import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch, StorageUnavailable
from cinefab.media.decode import decode, probe
from cinefab.media.encode import FINAL, HANDLE, PREVIEW, EncoderSettings, encode
from cinefab.media.join import join

SMALL = Size(96, 54)
FPS = Fraction(24)


def a_piece(
    path: Path,
    count: int,
    *,
    size: Size = SMALL,
    fps: Fraction = FPS,
    using: EncoderSettings = FINAL,
) -> Path:
    chance = np.random.default_rng(count)
    ramp = np.linspace(40, 200, size.width) + chance.normal(0, 8, (size.height, 1))
    frames = []
    for index in range(count):
        frame = np.full((size.height * 3 // 2, size.width), 128, np.uint8)
        frame[: size.height] = np.roll(ramp, 3 * index, axis=1)
        frames.append(frame)
    encode(frames, path, size=size, fps=fps, settings=using)
    return path


def pixels(*paths: Path) -> NDArray[np.uint8]:
    return np.stack([frame for path in paths for frame in decode(path)])


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(60)])
@pytest.mark.parametrize("using", [FINAL, PREVIEW])
def test_every_frame_of_the_film_is_its_pieces_frame_to_the_bit(
    tmp_path: Path, fps: Fraction, using: EncoderSettings
) -> None:
    counts = [1, 1, 60, 2, 97, 3, 1, 49, 48]
    pieces = [
        a_piece(tmp_path / f"{number}.mp4", count, fps=fps, using=using)
        for number, count in enumerate(counts)
    ]

    joined = join(pieces, tmp_path / "film.mp4", fps=fps)

    film = probe(tmp_path / "film.mp4")
    assert joined.frames == film.frames == sum(counts)
    assert joined.size_bytes == (tmp_path / "film.mp4").stat().st_size
    assert film.fps == fps
    assert film.duration_s == sum(counts) / fps
    assert np.array_equal(pixels(tmp_path / "film.mp4"), pixels(*pieces))


@settings(max_examples=12, deadline=None)
@given(order=st.lists(st.sampled_from([1, 2, 5, 50]), min_size=1, max_size=6))
def test_pieces_may_come_in_any_order_and_more_than_once(
    tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    made = {count: a_piece(folder / f"{count}.mp4", count) for count in set(order)}
    pieces = [made[count] for count in order]

    join(pieces, folder / "film.mp4", fps=FPS)

    assert np.array_equal(pixels(folder / "film.mp4"), pixels(*pieces))


def test_timestamps_never_go_back_and_no_frame_is_decoded_after_it_is_due(tmp_path: Path) -> None:
    pieces = [a_piece(tmp_path / f"{count}.mp4", count) for count in (7, 1, 50)]
    join(pieces, tmp_path / "film.mp4", fps=FPS)

    with av.open(tmp_path / "film.mp4") as container:
        times = [(p.dts, p.pts) for p in container.demux(video=0) if p.dts is not None]

    assert all(earlier[0] < later[0] for earlier, later in pairwise(times))
    assert all(dts <= pts for dts, pts in times if pts is not None)


def test_the_same_pieces_give_the_same_film_with_its_index_in_front(tmp_path: Path) -> None:
    pieces = [a_piece(tmp_path / f"{count}.mp4", count) for count in (7, 50)]

    join(pieces, tmp_path / "first.mp4", fps=FPS)
    join(pieces, tmp_path / "second.mp4", fps=FPS)

    film = (tmp_path / "first.mp4").read_bytes()
    assert film == (tmp_path / "second.mp4").read_bytes()
    assert film.index(b"moov") < film.index(b"mdat")


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001)])
def test_the_films_own_clock_is_exact_too(tmp_path: Path, fps: Fraction) -> None:
    piece = a_piece(tmp_path / "piece.mp4", 7, fps=fps)

    join([piece, piece], tmp_path / "film.mp4", fps=fps)

    film = (tmp_path / "film.mp4").read_bytes()
    ticks_per_s, movie_ticks = struct.unpack_from(">II", film, film.index(b"mvhd") + 16)
    (shown_ticks,) = struct.unpack_from(">I", film, film.index(b"elst") + 12)
    assert Fraction(movie_ticks, ticks_per_s) == Fraction(shown_ticks, ticks_per_s) == 14 / fps


def test_nothing_in_a_film_tells_when_or_by_which_library_it_was_written(tmp_path: Path) -> None:
    join([a_piece(tmp_path / "piece.mp4", 3)], tmp_path / "film.mp4", fps=FPS)

    with av.open(tmp_path / "film.mp4") as container:
        told = {**container.metadata, **container.streams.video[0].metadata}

    assert not {"encoder", "creation_time"} & set(told)


@pytest.mark.parametrize(
    ("stranger", "says"),
    [
        ({"size": Size(128, 72)}, "pictures of 128x72"),
        ({"fps": Fraction(25)}, "25 frames a second, but the film needs 24"),
        ({"using": HANDLE}, "decoder configuration"),
    ],
)
def test_a_piece_that_does_not_fit_is_named_and_no_film_is_left(
    tmp_path: Path, stranger: dict[str, object], says: str
) -> None:
    good = a_piece(tmp_path / "good.mp4", 3)
    odd = a_piece(tmp_path / "odd.mp4", 3, **stranger)  # type: ignore[arg-type]  # a table of cases

    with pytest.raises(ContractMismatch, match=says) as caught:
        join([good, odd], tmp_path / "film.mp4", fps=FPS)

    assert "odd.mp4" in str(caught.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["good.mp4", "odd.mp4"]


def test_a_missing_piece_and_a_broken_one_are_named(tmp_path: Path) -> None:
    good = a_piece(tmp_path / "good.mp4", 3)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(random.Random(0).randbytes(2000))

    with pytest.raises(StorageUnavailable, match=r"missing\.mp4"):
        join([good, tmp_path / "missing.mp4"], tmp_path / "film.mp4", fps=FPS)
    with pytest.raises(ContractMismatch, match=r"broken\.mp4"):
        join([good, broken], tmp_path / "film.mp4", fps=FPS)


def test_a_piece_cut_short_on_disk_is_refused(tmp_path: Path) -> None:
    good = a_piece(tmp_path / "good.mp4", 60)
    short = tmp_path / "short.mp4"
    short.write_bytes(good.read_bytes()[: good.stat().st_size // 2])

    with pytest.raises(ContractMismatch, match=r"short\.mp4"):
        join([good, short], tmp_path / "film.mp4", fps=FPS)


def test_a_disk_that_fills_up_leaves_no_film(tmp_path: Path) -> None:
    pieces = [a_piece(tmp_path / "piece.mp4", 97)] * 40
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(StorageUnavailable, match=r"write .*/film\.mp4: "):
            join(pieces, tmp_path / "film.mp4", fps=FPS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [each.name for each in tmp_path.iterdir()] == ["piece.mp4"]


def test_memory_does_not_grow_with_the_films_length(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    noise = [chance.integers(16, 235, (270, 320), np.uint8) for _ in range(24)]
    piece = tmp_path / "piece.mp4"
    encode(noise, piece, size=Size(320, 180), fps=FPS, settings=HANDLE)
    join([piece] * 2, tmp_path / "warm.mp4", fps=FPS)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    joined = join([piece] * 40, tmp_path / "film.mp4", fps=FPS)

    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
    assert joined.size_bytes > 50_000_000
    assert grown_kb < 20_000
