"""A tail and a head become the piece between two bodies."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cinefab.assemble.transition import make_transition
from cinefab.core.brief import Size, TransitionKind
from cinefab.core.errors import ContractMismatch, StorageUnavailable
from cinefab.media.blend import yuv_of
from cinefab.media.decode import decode, probe
from cinefab.media.encode import FINAL, HANDLE, PREVIEW, EncoderSettings, encode
from cinefab.media.join import join

SIZE = Size(160, 90)
FPS = Fraction(24)


def a_shot(
    path: Path, count: int, *, luma: int, settings: EncoderSettings = HANDLE, size: Size = SIZE
) -> Path:
    frames = []
    for index in range(count):
        frame = np.full((size.height * 3 // 2, size.width), 128, np.uint8)
        frame[: size.height] = luma + np.roll(np.linspace(-8, 8, size.width), index)
        frames.append(frame)
    encode(frames, path, size=size, fps=FPS, settings=settings)
    return path


def a_transition(
    folder: Path, kind: TransitionKind, *, settings: EncoderSettings = FINAL, frames: int = 12
) -> Path:
    tail = a_shot(folder / "tail.mp4", 12, luma=60)
    head = a_shot(folder / "head.mp4", 12, luma=190)
    path = folder / f"{kind}.mp4"
    make_transition(
        tail,
        head,
        path,
        kind=kind,
        frames=frames,
        colour="#000000",
        size=SIZE,
        fps=FPS,
        settings=settings,
    )
    return path


def luma_of(path: Path) -> NDArray[np.float64]:
    return np.array([frame[: SIZE.height].mean() for frame in decode(path)])


@pytest.mark.parametrize("kind", [TransitionKind.DISSOLVE, TransitionKind.WIPE])
def test_the_old_shot_gives_way_to_the_new_one_without_going_back(
    tmp_path: Path, kind: TransitionKind
) -> None:
    luma = luma_of(a_transition(tmp_path, kind))

    assert len(luma) == 12
    assert np.all(np.diff(luma) > -1)
    assert luma[0] == pytest.approx(60, abs=6)
    assert luma[-1] == pytest.approx(190, abs=6)


def test_a_dip_passes_through_its_colour(tmp_path: Path) -> None:
    luma = luma_of(a_transition(tmp_path, TransitionKind.DIP))

    assert luma.min() == pytest.approx(yuv_of("#000000")[0], abs=6)
    assert luma[0] == pytest.approx(60, abs=6)
    assert luma[-1] == pytest.approx(190, abs=12)


@pytest.mark.parametrize("settings", [FINAL, PREVIEW])
def test_a_transition_joins_its_neighbours_by_packets(
    tmp_path: Path, settings: EncoderSettings
) -> None:
    before = a_shot(tmp_path / "before.mp4", 30, luma=60, settings=settings)
    after = a_shot(tmp_path / "after.mp4", 30, luma=190, settings=settings)
    between = a_transition(tmp_path, TransitionKind.WIPE, settings=settings)

    join([before, between, after], tmp_path / "film.mp4", fps=FPS)

    assert probe(tmp_path / "film.mp4").frames == 72


def test_the_same_handles_give_the_same_bytes(tmp_path: Path) -> None:
    first = a_transition(tmp_path, TransitionKind.DISSOLVE).read_bytes()

    assert a_transition(tmp_path, TransitionKind.DISSOLVE).read_bytes() == first


def test_handles_of_another_length_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ContractMismatch, match=r"tail\.mp4 is 12 frames"):
        a_transition(tmp_path, TransitionKind.WIPE, frames=10)

    assert not (tmp_path / "wipe.mp4").exists()


def test_a_missing_handle_is_named(tmp_path: Path) -> None:
    head = a_shot(tmp_path / "head.mp4", 12, luma=60)

    with pytest.raises(StorageUnavailable, match=r"tail\.mp4"):
        make_transition(
            tmp_path / "tail.mp4",
            head,
            tmp_path / "out.mp4",
            kind=TransitionKind.WIPE,
            frames=12,
            colour="#000000",
            size=SIZE,
            fps=FPS,
            settings=FINAL,
        )
