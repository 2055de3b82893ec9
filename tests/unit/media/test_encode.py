"""Frames become segments that come out the same every time, whole or not at all."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from cinefab.core.brief import Quality, Size
from cinefab.core.errors import StorageUnavailable
from cinefab.core.plan import Part
from cinefab.media.decode import decode, probe
from cinefab.media.encode import (
    FINAL,
    FINAL_BLEND,
    HANDLE,
    PREVIEW,
    EncoderSettings,
    encode,
    encoder_version,
    settings_for,
)

Frame = NDArray[np.uint8]

SMALL = Size(160, 90)
FPS = Fraction(24)


def moving(count: int, *, size: Size = SMALL, seed: int = 0) -> Iterator[Frame]:
    """Yield a gradient that moves, under noise that keeps x264 busy."""
    chance = np.random.default_rng(seed)
    ramp = np.linspace(40, 200, size.width)
    for index in range(count):
        frame = np.full((size.height * 3 // 2, size.width), 128, np.uint8)
        noise = chance.normal(0, 3, (size.height, size.width))
        frame[: size.height] = np.roll(ramp, 2 * index) + noise
        yield frame


def write(path: Path, count: int, *, settings: EncoderSettings = FINAL, seed: int = 0) -> bytes:
    encode(moving(count, seed=seed), path, size=SMALL, fps=FPS, settings=settings)
    return path.read_bytes()


@contextmanager
def a_disk_that_takes_only(size_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("settings", [FINAL, PREVIEW, HANDLE])
@pytest.mark.parametrize("count", [1, 2, 3, 49, 97])
def test_a_segment_of_any_length_has_exactly_its_frames(
    tmp_path: Path, settings: EncoderSettings, count: int
) -> None:
    path = tmp_path / "segment.mp4"

    encoded = encode(moving(count), path, size=SMALL, fps=FPS, settings=settings)

    seen = probe(path)
    assert (encoded.frames, encoded.size_bytes) == (count, path.stat().st_size)
    assert (seen.frames, seen.size, seen.fps) == (count, SMALL, FPS)
    assert seen.duration_s == count / FPS
    assert len(list(decode(path))) == count


@pytest.mark.parametrize("settings", [FINAL, FINAL_BLEND, PREVIEW, HANDLE])
@pytest.mark.parametrize("size", [SMALL, Size(96, 54), Size(128, 72), Size(320, 180)])
def test_the_same_frames_give_the_same_bytes_whatever_memory_holds(
    tmp_path: Path, size: Size, settings: EncoderSettings
) -> None:
    frames = list(moving(20, size=size))
    seen = set()

    for turn in range(6):
        leftovers = [np.full(1000 * (1 + turn) * each, 37 * turn, np.uint8) for each in range(40)]
        del leftovers
        encode(frames, tmp_path / "segment.mp4", size=size, fps=FPS, settings=settings)
        seen.add((tmp_path / "segment.mp4").read_bytes())

    assert len(seen) == 1


def test_every_segment_of_one_use_has_the_same_decoder_configuration(tmp_path: Path) -> None:
    configurations = set()
    for count, seed in [(1, 0), (5, 1), (60, 2)]:
        write(tmp_path / "segment.mp4", count, seed=seed)
        with av.open(tmp_path / "segment.mp4") as container:
            configurations.add(container.streams.video[0].codec_context.extradata)

    assert len(configurations) == 1


def test_a_segment_says_that_it_is_bt709_in_limited_range(tmp_path: Path) -> None:
    write(tmp_path / "segment.mp4", 3)

    with av.open(tmp_path / "segment.mp4") as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)

    assert tags == (1, 1, 1, 1)


@pytest.mark.parametrize("size", [Size(160, 90), Size(96, 54), Size(128, 72), Size(98, 50)])
def test_planes_arrive_where_they_belong_at_every_even_height(tmp_path: Path, size: Size) -> None:
    frame = np.empty((size.height * 3 // 2, size.width), np.uint8)
    frame[: size.height] = 150
    frame[size.height :].reshape(2, -1)[:] = [[90], [200]]

    encode([frame], tmp_path / "one.mp4", size=size, fps=FPS, settings=HANDLE)

    [seen] = decode(tmp_path / "one.mp4")
    assert np.abs(seen.astype(int) - frame).max() <= 1


def test_handles_lose_next_to_nothing(tmp_path: Path) -> None:
    frames = list(moving(12))

    write(tmp_path / "handle.mp4", 12, settings=HANDLE)

    wrong = np.stack(list(decode(tmp_path / "handle.mp4"))).astype(float) - np.stack(frames)
    assert np.mean(wrong**2) < 0.6  # 50 dB


def test_a_buffer_may_be_reused_for_the_next_frame(tmp_path: Path) -> None:
    def reusing() -> Iterator[Frame]:
        buffer = np.empty((144, 128), np.uint8)
        for frame in moving(10, size=Size(128, 96)):
            buffer[:] = frame
            yield buffer

    path = tmp_path / "reused.mp4"
    encode(reusing(), path, size=Size(128, 96), fps=FPS, settings=FINAL)
    fresh = tmp_path / "fresh.mp4"
    encode(moving(10, size=Size(128, 96)), fresh, size=Size(128, 96), fps=FPS, settings=FINAL)

    assert path.read_bytes() == fresh.read_bytes()


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with a_disk_that_takes_only(100_000), pytest.raises(StorageUnavailable) as caught:
        write(tmp_path / "segment.mp4", 200, settings=HANDLE)

    assert caught.value.attempted == f"encode {tmp_path / 'segment.mp4'}"
    assert caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="No such file"):
        write(tmp_path / "nowhere" / "segment.mp4", 3)


def test_a_renderer_that_fails_leaves_the_older_file_alone(tmp_path: Path) -> None:
    def failing() -> Iterator[Frame]:
        yield from moving(60)
        raise RuntimeError("the lens cap is on")

    path = tmp_path / "segment.mp4"
    before = write(path, 3)

    with pytest.raises(RuntimeError, match="lens cap"):
        encode(failing(), path, size=SMALL, fps=FPS, settings=FINAL)

    assert [each.name for each in tmp_path.iterdir()] == ["segment.mp4"]
    assert path.read_bytes() == before


def test_heads_and_tails_are_handles_and_bodies_follow_the_quality() -> None:
    assert settings_for(Quality.FINAL, Part.BODY) is FINAL
    assert settings_for(Quality.PREVIEW, Part.BODY) is PREVIEW
    assert settings_for(Quality.PREVIEW, Part.TAIL) is HANDLE
    assert settings_for(Quality.FINAL, Part.HEAD) is HANDLE


def test_the_encoders_version_names_the_libraries_and_stays_the_same() -> None:
    assert encoder_version() == encoder_version()
    assert av.__version__ in encoder_version()
