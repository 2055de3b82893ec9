"""Pieces become segments that players can join: cut at keyframes, aligned, and bit for bit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from streams import a_piece, with_a_tone

from cinefab.core.brief import Quality, Size
from cinefab.core.errors import ContractMismatch
from cinefab.media.cmaf import codecs_of, segment_starts, write_sound, write_video
from cinefab.media.decode import decode, probe
from cinefab.media.encode import KEYFRAME_EVERY, PREVIEW
from cinefab.media.join import join
from cinefab.media.rungs import WantedRung, encode_rungs

SIZE = Size(160, 90)
FPS = Fraction(24)


def whole(folder: Path, *files: Path) -> Path:
    path = folder / "whole.mp4"
    path.write_bytes(b"".join(file.read_bytes() for file in files))
    return path


def pixels(path: Path) -> list[bytes]:
    return [frame.tobytes() for frame in decode(path)]


@given(
    st.lists(st.integers(1, 700), min_size=1, max_size=20),
    st.sampled_from([Fraction(1), Fraction(8), Fraction(24), Fraction(30000, 1001), Fraction(60)]),
)
def test_segments_begin_at_keyframes_and_last_two_seconds_or_more(
    lengths: list[int], fps: Fraction
) -> None:
    starts = segment_starts(lengths, fps=fps)

    ends = [*starts[1:], sum(lengths)]
    firsts = [sum(lengths[:i]) for i in range(len(lengths))]
    keyframes = {
        first + inside
        for first, length in zip(firsts, lengths, strict=True)
        for inside in range(0, length, KEYFRAME_EVERY)
    }
    assert set(starts) <= keyframes
    assert all(end - start >= 2 * fps for start, end in list(zip(starts, ends, strict=True))[:-1])
    assert len(starts) == 1 or ends[-1] - starts[-1] >= fps
    # No longer than two seconds, one keyframe's distance, and the short end it may take in.
    assert all(e - s <= 3 * fps + KEYFRAME_EVERY for s, e in zip(starts, ends, strict=True))


def test_a_track_plays_every_frame_of_its_pieces_bit_for_bit(tmp_path: Path) -> None:
    pieces = [
        a_piece(tmp_path / "a.mp4", 70, size=SIZE),
        a_piece(tmp_path / "b.mp4", 11, size=SIZE, start=70),
        a_piece(tmp_path / "c.mp4", 130, size=SIZE, start=81),
    ]
    starts = segment_starts([70, 11, 130], fps=FPS)

    track = write_video(pieces, tmp_path / "out", starts=starts, fps=FPS)

    film = whole(tmp_path, track.init, *(each.path for each in track.segments))
    joined = tmp_path / "joined.mp4"
    join(pieces, joined, fps=FPS)
    assert pixels(film) == pixels(joined)
    assert probe(film).frames == 211
    assert probe(film).duration_s == Fraction(211, 24)
    a_frame = track.track.ticks_per_s // 24
    assert tuple(each.starts_at // a_frame for each in track.segments) == starts
    assert sum(each.ticks for each in track.segments) == 211 * a_frame
    assert track.peak_bits_per_s >= track.average_bits_per_s > 0


def test_each_segment_decodes_alone_after_the_init_file(tmp_path: Path) -> None:
    piece = a_piece(tmp_path / "a.mp4", 150, size=SIZE)
    track = write_video([piece], tmp_path / "out", starts=segment_starts([150], fps=FPS), fps=FPS)

    lengths = [len(pixels(whole(tmp_path, track.init, each.path))) for each in track.segments]

    assert lengths == [48, 48, 54]


def test_one_piece_changed_leaves_the_other_segments_the_same_files(tmp_path: Path) -> None:
    first, last = (
        a_piece(tmp_path / "a.mp4", 48, size=SIZE),
        a_piece(tmp_path / "c.mp4", 96, size=SIZE, start=96),
    )
    lengths = [48, 48, 96]

    def written(name: str, start: int) -> list[bytes]:
        middle = a_piece(tmp_path / f"{name}.mp4", 48, size=SIZE, start=start)
        track = write_video(
            [first, middle, last],
            tmp_path / name,
            starts=segment_starts(lengths, fps=FPS),
            fps=FPS,
        )
        return [track.init.read_bytes(), *(each.path.read_bytes() for each in track.segments)]

    once, again, other = written("one", 48), written("two", 48), written("other", 900)

    assert once == again
    assert [a == b for a, b in zip(once, other, strict=True)] == [True, True, False, True, True]


def test_pieces_of_two_encoders_are_refused_by_name(tmp_path: Path) -> None:
    pieces = [
        a_piece(tmp_path / "a.mp4", 10, size=SIZE),
        a_piece(tmp_path / "b.mp4", 10, size=SIZE, settings=PREVIEW),
    ]

    with pytest.raises(ContractMismatch, match=r"b\.mp4: it needs another decoder"):
        write_video(pieces, tmp_path / "out", starts=(0,), fps=FPS)


def test_a_segment_never_begins_where_there_is_no_keyframe(tmp_path: Path) -> None:
    with pytest.raises(ContractMismatch, match="no keyframe at frame 30"):
        write_video(
            [a_piece(tmp_path / "a.mp4", 60, size=SIZE)], tmp_path / "out", starts=(0, 30), fps=FPS
        )


def test_rungs_have_the_pieces_frames_and_keyframes_at_their_own_size(tmp_path: Path) -> None:
    piece = a_piece(tmp_path / "a.mp4", 100, size=Size(320, 180))
    wanted = [
        WantedRung(size=Size(256, 144), path=tmp_path / "144.mp4"),
        WantedRung(size=Size(96, 54), path=tmp_path / "54.mp4"),
    ]

    encode_rungs(piece, wanted, fps=FPS, quality=Quality.FINAL)
    first = [each.path.read_bytes() for each in wanted]
    encode_rungs(piece, wanted, fps=FPS, quality=Quality.FINAL)

    assert [each.path.read_bytes() for each in wanted] == first
    for each in wanted:
        assert (probe(each.path).size, probe(each.path).frames) == (each.size, 100)
        track = write_video([each.path], tmp_path / str(each.size), starts=(0, 48), fps=FPS)
        assert [segment.ticks * 24 / track.track.ticks_per_s for segment in track.segments] == [
            48,
            52,
        ]
    # The same picture: the mean of every sixteenth of it is within two levels.
    large, small = next(decode(piece))[:180], next(decode(wanted[0].path))[:144]
    assert np.abs(blocks(large) - blocks(small)).max() < 2


def blocks(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    height, width = luma.shape
    grid: NDArray[np.float64] = luma.reshape(4, height // 4, 4, width // 4).mean(axis=(1, 3))
    return grid


def test_sound_is_cut_beside_the_pictures_and_begins_with_them(tmp_path: Path) -> None:
    film = with_a_tone(
        tmp_path / "film.mp4", a_piece(tmp_path / "a.mp4", 150, size=SIZE), seconds=6.25
    )

    track = write_sound(film, tmp_path / "out", starts_s=[Fraction(0), Fraction(2), Fraction(4)])

    assert track is not None
    assert track.track.codec == "mp4a.40.2"
    assert codecs_of(film).startswith("avc1.64")
    assert codecs_of(film).endswith(",mp4a.40.2")
    assert track.segments[0].starts_at == 0
    for segment, at in zip(track.segments, (0, 2, 4), strict=True):
        assert 0 <= at - segment.starts_at / 48_000 < 1024 / 48_000
    heard = tone_of(whole(tmp_path, track.init, *(each.path for each in track.segments)))
    wanted = tone_of(film)
    assert abs(len(heard) - 6.25 * 48_000) <= 1024
    # After the first packet, which has nothing before it to overlap with, it is the same sound.
    middle = slice(4096, 6 * 48_000)
    assert np.abs(heard[middle] - wanted[middle]).max() < 1e-3


def tone_of(path: Path) -> NDArray[np.float32]:
    with av.open(path) as container:
        return np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])


def test_a_silent_film_has_no_sound_track(tmp_path: Path) -> None:
    assert (
        write_sound(a_piece(tmp_path / "a.mp4", 10, size=SIZE), tmp_path, starts_s=[Fraction(0)])
        is None
    )
