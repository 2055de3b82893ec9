"""Joining five shots with dissolves: against re-encoding everything, and against MoviePy.

    python bench/join.py [--json] [--repeat N] [--peer-python PATH]

Five shots of 3 s at 1280x720, 24 frames a second, four dissolves of 0.5 s. All three make the
same film from files that exist already, with the same preset and rate factor, on one encoder
thread. CPU time is this process's and its children's, the median of the runs, interpreter start
and imports excluded. MoviePy runs in an environment of its own:

    python3 -m venv .venv-bench
    .venv-bench/bin/pip install --require-hashes -r requirements/bench.txt
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from cinefab.assemble.cut import assemble_cut
from cinefab.assemble.transition import make_transition
from cinefab.core.brief import Size, TransitionKind
from cinefab.media.blend import dissolve, eased
from cinefab.media.decode import decode, probe
from cinefab.media.encode import FINAL, HANDLE, encode
from cinefab.media.frames import Frame

SIZE, FPS = Size(1280, 720), Fraction(24)
SHOTS, SHOT_FRAMES, TRANSITION_FRAMES = 5, 72, 12
FILM_FRAMES = SHOTS * SHOT_FRAMES
HALF = TRANSITION_FRAMES // 2

AT_MOST = {"reencode": Fraction(1, 3), "moviepy": Fraction(1, 10)}
REPO = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Shot:
    """One shot on disk: whole with its overlaps, as an editor has it; and as the three parts."""

    whole: Path
    head: Path | None
    body: Path
    tail: Path | None


def main() -> int:
    """Run the comparison and print it; 1 when a promise is not kept."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="bench-join-") as name:
        folder = Path(name)
        shots = [_make_shot(folder, index) for index in range(SHOTS)]
        ways: dict[str, Callable[[], float]] = {
            "cinefab": lambda: _cpu_s_of(lambda: _join(shots, folder)),
            "reencode": lambda: _cpu_s_of(lambda: _reencode(shots, folder)),
        }
        if options.peer_python:
            ways["moviepy"] = lambda: _moviepy_cpu_s(options.peer_python, shots, folder)
        # Turn by turn, so that a busy minute on this machine touches all of them.
        runs = [{way: run() for way, run in ways.items()} for _ in range(options.repeat)]
    cpu_s = {way: statistics.median(run[way] for run in runs) for way in ways}
    ratios = {way: cpu_s["cinefab"] / cpu_s[way] for way in cpu_s if way != "cinefab"}
    _report(cpu_s, ratios, as_json=options.json)
    return int(any(ratio > AT_MOST[way] for way, ratio in ratios.items()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="compare ways to join five shots")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--peer-python", type=Path, default=_find_peer())
    return parser.parse_args()


def _find_peer() -> Path | None:
    python = REPO / ".venv-bench" / "bin" / "python"
    return python if python.exists() else None


def _join(shots: list[Shot], folder: Path) -> None:
    pieces = [shots[0].body]
    for number, (before, after) in enumerate(pairwise(shots)):
        assert before.tail is not None
        assert after.head is not None
        piece = folder / f"transition-{number}.mp4"
        make_transition(
            before.tail,
            after.head,
            piece,
            kind=TransitionKind.DISSOLVE,
            frames=TRANSITION_FRAMES,
            colour="#000000",
            size=SIZE,
            fps=FPS,
            settings=FINAL,
        )
        pieces += [piece, after.body]
    assemble_cut(pieces, folder / "cinefab.mp4", fps=FPS, frames_wanted=FILM_FRAMES)


def _reencode(shots: list[Shot], folder: Path) -> None:
    path = folder / "reencode.mp4"
    encode(_mixed(shots), path, size=SIZE, fps=FPS, settings=FINAL)
    assert probe(path).frames == FILM_FRAMES


def _mixed(shots: list[Shot]) -> Iterator[Frame]:
    tail: list[Frame] = []
    for number, shot in enumerate(shots):
        frames = decode(shot.whole)
        for index, old in enumerate(tail):
            yield dissolve(old, next(frames), eased(index, TRANSITION_FRAMES))
        first, last = number == 0, number == SHOTS - 1
        body = SHOT_FRAMES - HALF * (1 if first or last else 2)
        yield from islice(frames, body)
        tail = list(frames)


def _moviepy_cpu_s(python: Path, shots: list[Shot], folder: Path) -> float:
    path = folder / "moviepy.mp4"
    script = Path(__file__).with_name("join_moviepy.py")
    command = [python, script, path, str(TRANSITION_FRAMES / FPS), FINAL.preset, str(FINAL.crf)]
    done = subprocess.run(
        [*command, *(shot.whole for shot in shots)], check=True, capture_output=True, text=True
    )
    assert abs(probe(path).frames - FILM_FRAMES) <= 1, "MoviePy made another film"
    return float(done.stdout)


def _make_shot(folder: Path, index: int) -> Shot:
    into, out_of = (HALF if index > 0 else 0), (HALF if index < SHOTS - 1 else 0)

    def write(name: str, first: int, last: int, *, handle: bool = False) -> Path:
        path = folder / f"{index}-{name}.mp4"
        frames = (_frame(index, number) for number in range(first, last))
        encode(frames, path, size=SIZE, fps=FPS, settings=HANDLE if handle else FINAL)
        return path

    return Shot(
        whole=write("whole", -into, SHOT_FRAMES + out_of),
        head=write("head", -into, into, handle=True) if into else None,
        body=write("body", into, SHOT_FRAMES - out_of),
        tail=write("tail", SHOT_FRAMES - out_of, SHOT_FRAMES + out_of, handle=True)
        if out_of
        else None,
    )


def _frame(shot: int, number: int) -> Frame:
    # Gradients that move in both directions, with the grain that keeps skies from banding.
    chance = np.random.default_rng(1000 * shot + number % 8)
    across = np.arange(SIZE.width) + 3 * number
    down = np.arange(SIZE.height)[:, None] + 2 * number
    waves = 125 + 45 * np.sin(across / (60 + 9 * shot)) + 40 * np.cos(down / (50 + 7 * shot))
    frame = np.empty((SIZE.height * 3 // 2, SIZE.width), np.uint8)
    frame[: SIZE.height] = waves + chance.normal(0, 1.2, (SIZE.height, SIZE.width))
    frame[SIZE.height :].reshape(2, -1)[:] = [[118 + 5 * shot], [138 - 5 * shot]]
    return frame


def _cpu_s_of(work: Callable[[], None]) -> float:
    before = _cpu_s()
    work()
    return _cpu_s() - before


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _report(cpu_s: dict[str, float], ratios: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        film = {"seconds": float(FILM_FRAMES / FPS), "size": str(SIZE), "shots": SHOTS}
        at_most = {way: float(AT_MOST[way]) for way in ratios}
        print(json.dumps({"film": film, "cpu_s": cpu_s, "ratios": ratios, "at_most": at_most}))
    else:
        print(f"{'way':<10} {'CPU s':>8} {'ours is':>9} {'at most':>9}")
        for way, seconds in cpu_s.items():
            ratio = f"1/{1 / ratios[way]:.1f}" if way in ratios else ""
            promise = f"1/{1 / AT_MOST[way]}" if way in ratios else ""
            print(f"{way:<10} {seconds:>8.2f} {ratio:>9} {promise:>9}")
    if "moviepy" not in cpu_s:
        print("MoviePy was not compared: see --peer-python and .venv-bench above", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
