"""A noised film comes nearer to the clean one, wherever things move."""

from __future__ import annotations

import numpy as np
import pytest
from effect_frames import camera, psnr, run, seen_from

from cinefab.assemble.effects.denoise import Denoise
from cinefab.core.brief import Size
from cinefab.media.frames import Frame

SIZE = Size(320, 180)


def a_pan() -> list[Frame]:
    return [seen_from(SIZE, camera(60 + 3.3 * i, 80 + 1.1 * i, turn=0.2 * i)) for i in range(7)]


def noised(frames: list[Frame], spread: float) -> list[Frame]:
    rng = np.random.default_rng(1)
    return [
        np.clip(np.rint(f + rng.normal(0, spread, f.shape)), 16, 235).astype(np.uint8)
        for f in frames
    ]


@pytest.mark.parametrize(("spread", "gain_db"), [(3, 3), (6, 5.5), (12, 7.5)])
def test_a_noised_film_comes_nearer_to_the_clean_one(spread: float, gain_db: float) -> None:
    clean = a_pan()
    noisy = noised(clean, spread)

    out = run(Denoise(), noisy, {"strength": 0.5}, size=SIZE, wanted_frames=7)

    before = np.mean([psnr(a, b) for a, b in zip(noisy, clean, strict=True)])
    after = np.mean([psnr(a, b) for a, b in zip(out, clean, strict=True)])
    assert after > before + gain_db


def test_a_clean_film_stays_nearly_what_it_is() -> None:
    clean = a_pan()

    out = run(Denoise(), clean, {"strength": 0.5}, size=SIZE, wanted_frames=7)

    assert min(psnr(a, b) for a, b in zip(out, clean, strict=True)) > 43


def test_what_is_not_the_same_picture_is_not_mixed_in() -> None:
    clean = a_pan()
    flipped = [np.ascontiguousarray(f[:, ::-1]) for f in clean]
    cut = noised([*clean[:3], *flipped[3:]], 4)

    out = run(Denoise(), cut, {"strength": 0.5}, size=SIZE, wanted_frames=7)

    # The frame before a cut and the one after it are no worse than the noise.
    assert psnr(out[2], clean[2]) > psnr(cut[2], clean[2])
    assert psnr(out[3], flipped[3]) > psnr(cut[3], flipped[3])
