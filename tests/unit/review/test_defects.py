"""Faults put into clean takes are found by the check for them; clean takes pass.

`bench/defects.py` does the same to many more, and counts.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from drawn_takes import Take, photographs, takes

from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.conformance.defects import PICTURE_FAULTS
from cinefab.core.canonical import Sha256
from cinefab.core.verdict import CheckFinding
from cinefab.media.frames import Frame
from cinefab.media.look import Look
from cinefab.review.judge import judge_take
from cinefab.review.thresholds import DEFAULTS

SEEDS = range(3, 7)  # 320x180 and others, both qualities, with and without a photograph
FOUND_BY = {"stall": "rhythm", "wrong colour": "colour", "wrong colour throughout": "colour"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Take], dict[Sha256, Look]]:
    photos = photographs(tmp_path_factory.mktemp("photographs"))
    return list(takes(photos, len(SEEDS), first_seed=SEEDS.start)), photos.looks


@cache
def take_checks() -> tuple[str, ...]:
    points = [point for _, point in sorted(find_plugins("checks").items())]
    return tuple(point.value for point in points if getattr(load_plugin(point), "takes", False))


def judged(
    take: Take, frames: list[Frame], looks: dict[Sha256, Look], folder: Path
) -> dict[str, CheckFinding]:
    path = folder / "take.mp4"
    findings = judge_take(
        take.seen(frames, path),
        replace(take.ordered, frames=len(frames)),
        path=path,
        size=take.request.size,
        fps=take.request.fps,
        checks=take_checks(),
        thresholds=DEFAULTS,
        looks=looks,
    )
    return {finding.check: finding for finding in findings if finding.problems}


def test_clean_takes_pass(drawn: tuple[list[Take], dict[Sha256, Look]], tmp_path: Path) -> None:
    shot, looks = drawn

    assert [judged(take, take.frames, looks, tmp_path) for take in shot] == [{}] * len(SEEDS)


@pytest.mark.parametrize(
    "fault", ["freeze", "black", "flicker", "blur", "blocks", "clipping", "wrong colour"]
)
def test_a_fault_is_found_by_its_check_at_its_frame(
    drawn: tuple[list[Take], dict[Sha256, Look]], fault: str, tmp_path: Path
) -> None:
    shot, looks = drawn
    for take in shot[:2]:
        chance = np.random.default_rng([take.request.seed, len(fault)])
        damaged = PICTURE_FAULTS[fault](take.frames, take.request.fps, chance)

        found = judged(take, list(damaged.frames), looks, tmp_path)

        check = FOUND_BY.get(fault, fault)
        assert check in found, f"{fault} ({damaged.what}) in {take.name}: {sorted(found)}"
        frame = found[check].problems[0].frame
        assert frame is not None
        # Where a fault begins it is seen to a frame or two; one that is seen by its end, at that.
        assert damaged.hit.start - 6 <= frame <= damaged.hit.stop + 2
