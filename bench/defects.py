"""Faults put into clean takes: how many the checks find, and how often they find what is not there.

    python bench/defects.py [--takes N] [--seed N] [--json]

Clean takes are drawn by the embedded model, of four photographs and of type alone, in many
layouts, palettes, sizes and rates, a quarter at preview quality. Each is judged as it is, and once
with every fault of `cinefab.conformance.defects` in it. A fault counts as found when the check for
it refuses the take. The last fault is put only into takes that show a reference: nothing else
says what colours they should have.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from drawn_takes import Take, photographs, takes

from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.conformance.defects import PICTURE_FAULTS
from cinefab.core.canonical import Sha256
from cinefab.media.look import Look
from cinefab.review.judge import judge_take
from cinefab.review.thresholds import DEFAULTS

FOUND_BY = {
    "freeze": {"freeze"},
    "stall": {"rhythm", "freeze"},
    "black": {"black"},
    "flicker": {"flicker"},
    "blur": {"blur"},
    "blocks": {"blocks"},
    "clipping": {"clipping"},
    "wrong colour": {"colour"},
    "wrong colour throughout": {"colour"},
}
PROMISED = set(FOUND_BY) - {"stall"}
FOUND_AT_LEAST, FALSE_AT_MOST = 0.99, 0.01


def main() -> int:
    """Run the comparison and print it; 1 when the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--takes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    began = time.monotonic()
    put, found, missed = Counter[str](), Counter[str](), []
    with tempfile.TemporaryDirectory() as folder:
        photos = photographs(Path(folder))
        looks = photos.looks
        for take in takes(photos, options.takes, first_seed=options.seed):
            put["clean"] += 1
            refused = judged(take, looks, Path(folder), take.frames)
            if refused:
                found["clean"] += 1
                missed.append(f"clean {take.name}: {refused}")
            for number, (fault, damage) in enumerate(PICTURE_FAULTS.items()):
                if fault == "wrong colour throughout" and not take.ordered.references:
                    continue
                chance = np.random.default_rng([take.request.seed, number])
                damaged = damage(take.frames, take.request.fps, chance)
                refused = judged(take, looks, Path(folder), list(damaged.frames))
                put[fault] += 1
                if FOUND_BY[fault] & set(refused):
                    found[fault] += 1
                else:
                    missed.append(f"{fault} ({damaged.what}) in {take.name}: {refused}")
    promised = sum(put[fault] for fault in PROMISED)
    share = sum(found[fault] for fault in PROMISED) / promised
    false = found["clean"] / put["clean"]
    if options.json:
        figures = {"put": put, "found": found, "share": share, "false": false, "missed": missed}
        print(json.dumps(figures, indent=2))
    else:
        for line in missed:
            print(line)
        for fault in FOUND_BY:
            print(
                f"{fault:<26} {found[fault]:>4} of {put[fault]:>4}  {found[fault] / put[fault]:.1%}"
            )
        print(f"{'all that are promised':<26} {share:>12.1%}  at least {FOUND_AT_LEAST:.0%}")
        print(f"{'false alarms':<26} {found['clean']:>4} of {put['clean']:>4}  {false:.1%}")
        print(f"{time.monotonic() - began:.0f} s")
    return 0 if share >= FOUND_AT_LEAST and false <= FALSE_AT_MOST else 1


def judged(
    take: Take, looks: dict[Sha256, Look], folder: Path, frames: list[np.ndarray]
) -> list[str]:
    """The checks that refuse a take with these frames."""
    path = folder / "take.mp4"
    seen = take.seen(frames, path)
    path.unlink()
    findings = judge_take(
        seen,
        replace(take.ordered, frames=len(frames)),
        path=path,
        size=take.request.size,
        fps=take.request.fps,
        checks=[point.value for point in TAKE_CHECKS],
        thresholds=DEFAULTS,
        looks=looks,
    )
    return [finding.check for finding in findings if finding.problems]


TAKE_CHECKS = [
    point
    for _, point in sorted(find_plugins("checks").items())
    if getattr(load_plugin(point), "takes", False)
]


if __name__ == "__main__":
    sys.exit(main())
