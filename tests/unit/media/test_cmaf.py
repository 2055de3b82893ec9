"""Pieces become segments that players can join: cut at keyframes, aligned, and bit for bit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cinefab.core.brief import Quality, Size
from cinefab.core.errors import ContractMismatch
from cinefab.media.cmaf import codecs_of, segment_starts, write_sound, write_video
from cinefab.media.decode import decode, probe
from cinefab.media.encode import FINAL, KEYFRAME_EVERY, PREVIEW, EncoderSettings, encode
from cinefab.media.join import join
from cinefab.media.rungs import WantedRung, encode_rungs

SIZE = Size(160, 90)
FPS = Fraction(24)


def a_piece(
    path: Path, count: int, *, start: int = 0, settings: EncoderSettings = FINAL, size: Size = SIZE
) -> Path:
    y, x = np.mgrid[0 : size.height, 0 : size.width]
    frames = []
    for index in range(start, start + count):
        frame = np.full((size.height * 3 // 2, size.width), 128, np.uint8)
        frame[: size.height] = 128 + 80 * np.sin((x + 3 * index) / 9) * np.cos(y / 7)
        frames.append(frame)
    encode(frames, path, size=size, fps=FPS, settings=settings)
    return path


def a_film(path: Path, picture: Path, *, seconds: float) -> Path:
    """Put a tone beside a picture, as AAC with what a coder puts before it."""
    with av.open(picture) as source, av.open(path, "w") as film:
        video = film.add_stream_from_template(source.streams.video[0], opaque=True)
        sound = film.add_stream("aac", rate=48_000, layout="stereo")
        for packet in source.demux(source.streams.video[0]):
            if packet.pts is not None:
                packet.stream = video
                film.mux(packet)
        t = np.arange(int(seconds * 48_000)) / 48_000
        tone = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
        for at in range(0, len(tone), 1024):
            block = np.stack([tone[at : at + 1024]] * 2)
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", "stereo")
            frame.sample_rate, frame.pts = 48_000, at
            film.mux(sound.encode(frame))
        film.mux(sound.encode(None))
    return path


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
        a_piece(tmp_path / "a.mp4", 70),
        a_piece(tmp_path / "b.mp4", 11, start=70),
        a_piece(tmp_path / "c.mp4", 130, start=81),
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
    piece = a_piece(tmp_path / "a.mp4", 150)
    track = write_video([piece], tmp_path / "out", starts=segment_starts([150], fps=FPS), fps=FPS)

    lengths = [len(pixels(whole(tmp_path, track.init, each.path))) for each in track.segments]

    assert lengths == [48, 48, 54]


def test_one_piece_changed_leaves_the_other_segments_the_same_files(tmp_path: Path) -> None:
    first, last = a_piece(tmp_path / "a.mp4", 48), a_piece(tmp_path / "c.mp4", 96, start=96)
    lengths = [48, 48, 96]

    def written(name: str, start: int) -> list[bytes]:
        middle = a_piece(tmp_path / f"{name}.mp4", 48, start=start)
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
        a_piece(tmp_path / "a.mp4", 10),
        a_piece(tmp_path / "b.mp4", 10, settings=PREVIEW),
    ]

    with pytest.raises(ContractMismatch, match=r"b\.mp4: it needs another decoder"):
        write_video(pieces, tmp_path / "out", starts=(0,), fps=FPS)


def test_a_segment_never_begins_where_there_is_no_keyframe(tmp_path: Path) -> None:
    with pytest.raises(ContractMismatch, match="no keyframe at frame 30"):
        write_video([a_piece(tmp_path / "a.mp4", 60)], tmp_path / "out", starts=(0, 30), fps=FPS)


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
    film = a_film(tmp_path / "film.mp4", a_piece(tmp_path / "a.mp4", 150), seconds=6.25)

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
    assert write_sound(a_piece(tmp_path / "a.mp4", 10), tmp_path, starts_s=[Fraction(0)]) is None
