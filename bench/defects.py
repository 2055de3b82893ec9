"""Faults put into clean takes and mixes: how many are found, and how often what is not there.

    python bench/defects.py [--takes N] [--sounds N] [--seed N] [--photos FILE ...] [--json]

Clean takes are drawn by the embedded model, of four photographs and of type alone, in many
layouts, palettes, sizes and rates, a quarter at preview quality. Each is judged as it is, and once
with every fault of `cinefab.conformance.defects` in it. A fault counts as found when the check for
it refuses the take, and as refused when any check does, with a frame of the damaged stretch. The
last fault is put only into takes that show a reference: nothing else says what colours they should
have. With `--photos` other photographs are shown instead.

Clean sounds are mixes of four seconds of music, of every mood in turn and at many tempos, each
delivered as AAC beside a picture; faults go into the mix before it is encoded. `late sound` and
`early sound` are 80 ms apart from the picture.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from drawn_takes import Take, photographs, takes, with_masks
from reviewed_films import a_cut, alive

from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.assemble.sound_task import make_sound
from cinefab.conformance.defects import PICTURE_FAULTS
from cinefab.conformance.sound_defects import SOUND_FAULTS
from cinefab.core.canonical import Sha256
from cinefab.core.sound import Mood
from cinefab.media.audio import Sound, read_sound, write_aac, write_flac
from cinefab.media.hearing import hear
from cinefab.media.join import join
from cinefab.media.look import Look
from cinefab.review.check import CutUnderReview
from cinefab.review.judge import judge_take, run_checks
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
    "silence": {"silence"},
    "clipped sound": {"clipped_sound"},
    "late sound": {"sync"},
    "early sound": {"sync"},
}
PROMISED = set(FOUND_BY) - {"stall"}
FOUND_AT_LEAST, FALSE_AT_MOST = 0.99, 0.01
SOUND_CHECKS = ("loudness", "silence", "clipped_sound", "sync")
SOUND_S = 4
BEFORE_FRAMES, AFTER_FRAMES = 6, 3  # a fault is seen to some frames, or by its end


def main() -> int:
    """Run the comparison and print it; 1 when the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--takes", type=int, default=60)
    parser.add_argument("--sounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--photos", type=Path, nargs="+", default=[])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    began = time.monotonic()
    count = Count()
    with tempfile.TemporaryDirectory() as folder:
        given = {path.stem: path for path in options.photos}
        photos = with_masks(given, Path(folder)) if given else photographs(Path(folder))
        looks = photos.looks
        for take in takes(photos, options.takes, first_seed=options.seed):
            judge_faults_of(take, looks, Path(folder), count)
        heard = Heard(Path(folder))
        for name, sound, seed in sounds(Path(folder), options.sounds, first_seed=options.seed):
            judge_sound_faults_of(name, sound, seed, heard, count)
    put, found, missed = count.put, count.found, count.missed
    promised = sum(put[fault] for fault in PROMISED)
    share = sum(found[fault] for fault in PROMISED) / promised
    refused = sum(count.refused[fault] for fault in PROMISED) / promised
    clean = ("clean take", "clean sound")
    false = sum(found[kind] for kind in clean) / sum(put[kind] for kind in clean)
    if options.json:
        figures = {**asdict(count), "share": share, "refused_share": refused, "false": false}
        print(json.dumps(figures, indent=2))
    else:
        for line in missed:
            print(line)
        for fault in (fault for fault in FOUND_BY if put[fault]):
            print(
                f"{fault:<26} {found[fault]:>4} of {put[fault]:>4}  {found[fault] / put[fault]:.1%}"
                f"  refused {count.refused[fault]:>4}"
            )
        print(f"{'all that are promised':<26} {share:>12.1%}  at least {FOUND_AT_LEAST:.0%}")
        print(f"{'of them refused at all':<26} {refused:>12.1%}")
        for kind in clean:
            print(f"{'false alarms, ' + kind:<26} {found[kind]:>4} of {put[kind]:>4}")
        print(f"{'false alarms':<26} {false:>12.1%}  at most {FALSE_AT_MOST:.0%}")
        print(f"{time.monotonic() - began:.0f} s")
    return 0 if share >= FOUND_AT_LEAST and false <= FALSE_AT_MOST else 1


@dataclass
class Count:
    """By fault: how often it was put in, found by its own check, and refused by any."""

    put: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def clean(self, kind: str, name: str, refused: list[str]) -> None:
        """Count what is as it should be."""
        self.put[kind] += 1
        if refused:
            self.found[kind] += 1
            self.missed.append(f"clean {name}: {refused}")

    def damaged(self, fault: str, what: str, refused: list[str]) -> None:
        """Count what has a fault; `refused` are the checks that refuse it for what lies there."""
        self.put[fault] += 1
        self.refused[fault] += bool(refused)
        if FOUND_BY[fault] & set(refused):
            self.found[fault] += 1
        else:
            self.missed.append(f"{fault} {what}: {refused}")


def judge_faults_of(take: Take, looks: dict[Sha256, Look], folder: Path, count: Count) -> None:
    """Judge a take as it is and with every fault of the picture, and count."""
    whole = range(len(take.frames))
    count.clean("clean take", take.name, judged(take, looks, folder, take.frames, whole))
    for number, (fault, damage) in enumerate(PICTURE_FAULTS.items()):
        if fault == "wrong colour throughout" and not take.ordered.references:
            continue
        chance = np.random.default_rng([take.request.seed, number])
        damaged = damage(take.frames, take.request.fps, chance)
        refused = judged(take, looks, folder, list(damaged.frames), damaged.hit)
        count.damaged(fault, f"({damaged.what}) in {take.name}", refused)


def judge_sound_faults_of(name: str, sound: Sound, seed: int, heard: Heard, count: Count) -> None:
    """Judge a mix as it is and with every fault of the sound, and count."""
    count.clean("clean sound", name, heard.refused(sound, sound))
    for number, (fault, damage) in enumerate(SOUND_FAULTS.items()):
        damaged = damage(sound, np.random.default_rng([seed, number]))
        count.damaged(fault, f"({damaged.what}) in {name}", heard.refused(sound, damaged.sound))


def sounds(folder: Path, count: int, *, first_seed: int) -> Iterator[tuple[str, Sound, int]]:
    """Yield mixes that the project makes, with their names and seeds."""
    moods = list(Mood)
    for seed in range(first_seed, first_seed + count):
        chance = np.random.default_rng(seed)
        mood = moods[seed % len(moods)]
        tempo_bpm = int(chance.integers(70, 140)) if chance.random() < 0.5 else None
        kept = folder / "kept.flac"
        make_sound(
            {
                "shots": [24 * SOUND_S // 2] * 2,
                "transitions": [],
                "fps": "24",
                "music": {"mood": mood.value, "tempo_bpm": tempo_bpm, "level_db": 0},
                "effects": False,
                "seed": seed,
                "lines": [],
                "lufs_hundredths": -1600,
                "kept": str(kept),
                "track": str(folder / "track.m4a"),
            },
            lambda _news: None,
        )
        sound = np.concatenate(list(read_sound(kept)), axis=1)
        yield f"sound of seed {seed}, {mood.value}", sound, seed


class Heard:
    """A film whose sound may be any, and the checks of what is heard."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cut: CutUnderReview = a_cut(folder / "picture.mp4", (alive, 24 * SOUND_S))

    def refused(self, mix: Sound, sound: Sound) -> list[str]:
        """The checks that refuse a film that sounds so, though its mix was otherwise."""
        folder = self._folder
        write_flac([mix], folder / "mix.flac")
        write_flac([sound], folder / "heard.flac")
        write_aac(folder / "heard.flac", folder / "heard.m4a")
        film = folder / "film.mp4"
        film.unlink(missing_ok=True)
        join([self._cut.path], film, fps=Fraction(24), sound=folder / "heard.m4a")
        cut = replace(self._cut, path=film, heard=hear(film, folder / "mix.flac"))
        findings = run_checks(cut, SOUND_POINTS)
        return [finding.check for finding in findings if finding.problems]


def judged(
    take: Take, looks: dict[Sha256, Look], folder: Path, frames: list[np.ndarray], hit: range
) -> list[str]:
    """The checks that refuse a take with these frames, for a frame of those that were hit."""
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
    near = range(hit.start - BEFORE_FRAMES, hit.stop + AFTER_FRAMES)
    return [
        finding.check
        for finding in findings
        if any(problem.frame is None or problem.frame in near for problem in finding.problems)
    ]


TAKE_CHECKS = [
    point
    for _, point in sorted(find_plugins("checks").items())
    if getattr(load_plugin(point), "takes", False)
]

SOUND_POINTS = [find_plugins("checks")[name].value for name in SOUND_CHECKS]


if __name__ == "__main__":
    sys.exit(main())
