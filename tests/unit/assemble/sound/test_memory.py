"""Sound is made and heard in blocks: what is held does not grow with the film."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cinefab.assemble.sound.mixing import Mix, mixed
from cinefab.assemble.sound.timeline import timeline_of
from cinefab.core.brief import TransitionKind
from cinefab.core.sound import Music
from cinefab.media.audio import write_flac
from cinefab.media.hearing import hear

FEW_BYTES = 3_000_000


def peak_bytes(act: Callable[[], object]) -> int:
    """Return the most that was held at once, arrays included."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def played(seconds: int, *, music: Music | None) -> Callable[[], object]:
    shots = [48] * (seconds // 2)
    wipes = [(into, TransitionKind.WIPE, 12) for into in range(1, len(shots))]
    mix = Mix(
        timeline=timeline_of(shots, wipes, fps=Fraction(24)),
        music=music,
        effects=music is None,
        lines=(),
        seed=1,
    )
    return lambda: sum(block.shape[1] for block in mixed(mix))


@pytest.mark.parametrize("music", [None, Music()])
def test_a_long_film_with_many_cuts_is_mixed_in_the_memory_of_a_short_one(
    music: Music | None,
) -> None:
    played(20, music=music)()  # tables that are drawn once

    assert peak_bytes(played(200, music=music)) < peak_bytes(played(40, music=music)) + FEW_BYTES


def test_a_long_film_is_heard_in_the_memory_of_a_short_one(tmp_path: Path) -> None:
    def blocks(seconds: int) -> Iterable[np.ndarray]:
        chance = np.random.default_rng(1)
        for _ in range(seconds):
            yield chance.uniform(-0.2, 0.2, (2, 48_000)).astype(np.float32)

    for seconds in (10, 120):
        write_flac(blocks(seconds), tmp_path / f"{seconds}.flac")

    short, long = (
        peak_bytes(lambda path=tmp_path / f"{seconds}.flac": hear(path, path))  # type: ignore[misc]
        for seconds in (10, 120)
    )

    assert long < short + FEW_BYTES
