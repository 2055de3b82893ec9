"""What running a diffusion model through Cinefab costs beside calling its pipeline bare.

    python bench/diffusion.py [--rounds 5] [--quick]

On Wans built from a seed, on one core of the CPU, in processor time, children included. First a run
of more than ten seconds with steps of about one, in turns: its pipeline called bare; through us with
a resume point at every step; and so in a process of its own, which encodes the take too. Our
share of one run is also counted directly, within it: all of its time but what the pipeline and its
solver took themselves. Then a run of short steps, with what its points cost and how many steps lie
between two; a run that is stopped at a point and gone on with; and four takes in one call against
four calls. `--quick` leaves the long run out. Needs the extra `diffusers`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import median

warnings.simplefilter("ignore")
os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import tiny_wan  # noqa: E402

from cinefab.core.brief import Size  # noqa: E402
from cinefab.engine.processes import LocalProcesses  # noqa: E402
from cinefab.generate.backend import TakeRequest  # noqa: E402
from cinefab.generate.models.diffusers import Diffusers, points, stepping  # noqa: E402
from cinefab.generate.run import Run  # noqa: E402

ENTRY = "cinefab.generate.models.diffusers:Diffusers"
PROMPT = "a harbour at dawn"
SIDE, FRAMES, STEPS = 128, 17, 10
SHORT_SIDE, SHORT_STEPS = 64, 24
KILLED_AT = 13


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        small = Path(place) / "tiny"
        tiny_wan.build(small)
        if not given.quick:
            large = Path(place) / "large"
            tiny_wan.build(large, transformer={**WIDE})
            long_steps(large, Path(place), given.rounds)
        short_steps(small, Path(place))
        batches(small, given.rounds)


WIDE = {"num_attention_heads": 8, "attention_head_dim": 64, "ffn_dim": 2048, "num_layers": 12}
"""A transformer whose step takes more than a second of one core at 17 frames of 128x128."""


def long_steps(model: Path, place: Path, rounds: int) -> None:
    every = backend(model, SIDE, resume_every=1)
    pipeline = every._maker.pipeline  # noqa: SLF001 - the very pipeline, called bare
    child = Child(model)
    steps: dict[str, list[float]] = {"bare": [], "through us": []}
    ways: dict[str, Callable[[], float]] = {
        "bare": lambda: cpu(lambda: bare(pipeline, SIDE, STEPS, ticks=steps["bare"])),
        "through us": lambda: cpu(
            lambda: through(every, SIDE, STEPS, fresh(place / "every", ticks=steps["through us"]))
        ),
        "in a process of its own, encoded": lambda: child.take(SIDE, STEPS, place / "child"),
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        # Each round in another order: what a busy machine does to one way it does to each.
        turned = [*ways][number % len(ways) :] + [*ways][: number % len(ways)]
        for name in turned:
            took[name].append(ways[name]())
    child.close()
    base = median(took["bare"])
    print(f"{STEPS} steps, a point at each, in {rounds} rounds:")
    for name, times in took.items():
        ratio = median(one / other for one, other in zip(times, took["bare"], strict=True))
        spread = f"{min(times):.2f} to {max(times):.2f}"
        print(f"  {name:<34}{median(times):7.2f} CPU-s {ratio:7.4f} x bare  ({spread})")
    quickest = {name: lower_quartile(between(each)) for name, each in steps.items()}
    more = quickest["through us"] / quickest["bare"] - 1
    print(
        f"  a step of {quickest['bare']:.3f} CPU-s takes {more:+.2%} through us (lower quartiles)"
    )
    counted = Counted()
    with counted:
        whole = cpu(lambda: through(every, SIDE, STEPS, fresh(place / "counted")))
    size = kept_bytes(place / "every")
    print(
        f"  counted within one run of {whole:.2f} CPU-s, a point of {size / 1024:.0f} KiB a step:"
    )
    print(f"    all that is ours      {counted.ours(whole) / whole:8.4%} of the run")
    print(f"    of it previews        {counted.took['previews'] / whole:8.4%}")
    print(f"    of it resume points   {counted.took['points'] / whole:8.4%}")
    print(
        f"    {base / STEPS:.2f} CPU-s a step of the bare run, all that comes before and after in it"
    )


def between(ticks: list[float]) -> list[float]:
    """Return the times between ticks of one run; None stands between two runs."""
    pairs = pairwise(ticks)
    return [after - before for before, after in pairs if after > before > 0]


def lower_quartile(times: list[float]) -> float:
    return sorted(times)[len(times) // 4]


def short_steps(model: Path, place: Path) -> None:
    ours = backend(model, SHORT_SIDE, preview_every=0)
    pipeline = ours._maker.pipeline  # noqa: SLF001 - the very pipeline, called bare
    bare(pipeline, SHORT_SIDE, SHORT_STEPS)
    base = min(cpu(lambda: bare(pipeline, SHORT_SIDE, SHORT_STEPS)) for _ in range(3))
    print(f"steps of {base / SHORT_STEPS * 1000:.0f} CPU-ms, points when it is time:")
    counted, run = Counted(), Run(folder=place / "short")
    with counted:
        whole = cpu(lambda: through(ours, SHORT_SIDE, SHORT_STEPS, run))
    said = run.notes["resume_points"]
    print(f"  {said['kept']} points, at most {said['steps_between']} steps between two")
    print(f"  points cost {counted.took['points'] / whole:.2%} of the run")
    told: list[int] = []
    every = backend(model, SHORT_SIDE, preview_every=0, resume_every=1)
    broken = Run(folder=place / "broken", tell=lambda news: stop_at(news, told))
    try:
        through(every, SHORT_SIDE, SHORT_STEPS, broken)
    except Stopped:
        done = len(told)
    rest: list[int] = []
    again = backend(model, SHORT_SIDE, preview_every=0, resume_every=1)
    through(
        again,
        SHORT_SIDE,
        SHORT_STEPS,
        Run(folder=place / "broken", tell=lambda news: rest.append(1) if "step" in news else None),
    )
    repeated = done + len(rest) - SHORT_STEPS
    print(f"  broken off after step {done}: {repeated} steps were made again")


def batches(model: Path, rounds: int) -> None:
    small = backend(model, 32, preview_every=0)
    four = [request(seed, 32, 4, 9) for seed in range(4)]

    def apart() -> None:
        for each in four:
            list(small.frames(each, Run()))

    def together() -> None:
        for frames in small.takes(four, Run()):
            list(frames)

    apart(), together()
    ratios = [(cpu(apart), cpu(together)) for _ in range(max(3, rounds))]
    one, batch = min(each[0] for each in ratios), min(each[1] for each in ratios)
    print(f"four takes in one call have {one / batch:.2f} x the throughput of four calls")


def request(seed: int, side: int, steps: int, frames: int = FRAMES) -> TakeRequest:
    given = {"prompt": PROMPT, "references": [], "settings": {"steps": steps}}
    return TakeRequest(
        input=given,
        seed=seed,
        size=Size(side, side),
        fps=Fraction(8),
        first_frame=0,
        frames=frames,
        shot_frames=frames,
        references={},
        masks={},
        files={},
    )


def settings_of(model: Path, side: int, **more: object) -> dict[str, object]:
    return {"model": str(model), "width": side, "height": side, "fps": 8, **more}


def backend(model: Path, side: int, **more: object) -> Diffusers:
    made = Diffusers("tiny", settings_of(model, side, **more), {})
    made.load()
    return made


def bare(pipeline, side: int, steps: int, *, ticks: list[float] | None = None) -> None:
    import torch

    def ticked(_pipeline, _step, _time, given):
        if ticks is not None:
            ticks.append(time.process_time())
        return given

    if ticks is not None:
        ticks.append(0.0)
    pipeline(
        callback_on_step_end=ticked,
        prompt=PROMPT,
        width=side,
        height=side,
        num_frames=FRAMES,
        num_inference_steps=steps,
        generator=torch.Generator("cpu").manual_seed(1),
        output_type="np",
    )


def through(model: Diffusers, side: int, steps: int, run: Run) -> None:
    for _ in model.frames(request(1, side, steps), run):
        pass


def fresh(folder: Path, *, ticks: list[float] | None = None) -> Run:
    """Return a run with nothing to go on from, which tells when each step was over."""

    def tell(news) -> None:
        if ticks is not None and "step" in news:
            ticks.append(time.process_time())

    if ticks is not None:
        ticks.append(0.0)
    run = Run(folder=folder, tell=tell)
    run.close()
    return run


def cpu(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


class Child:
    """The model in the kind of process that a worker keeps for it: a take is drawn and encoded."""

    def __init__(self, model: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._pool = LocalProcesses(1)
        self._pool.start()
        self._configured = {
            "name": "tiny",
            "settings": settings_of(model, SIDE, resume_every=1),
            "secrets": {},
        }
        # What loads the model, once for many takes, is no part of a run.
        self._count = 0
        self.take(SIDE, 1, model.parent / "first")

    def take(self, side: int, steps: int, folder: Path) -> float:
        self._count += 1
        asked = request(1, side, steps)
        argument = {
            "entry": ENTRY,
            "configured": self._configured,
            "request": {
                "input": asked.input,
                "seed": 1,
                "size": [side, side],
                "fps": "8",
                "shot_frames": FRAMES,
                "references": {},
                "masks": {},
                "files": {},
            },
            "quality": "final",
            "parts": [
                {
                    "key": "k",
                    "part": "body",
                    "first_frame": 0,
                    "frames": FRAMES,
                    "path": str(folder / "take.mp4"),
                }
            ],
            "run_folder": str(folder / f"run-{self._count}"),
        }
        start = time.process_time() + of_children()
        self._loop.run_until_complete(
            self._pool.run("cinefab.generate.take:make_takes", argument, timeout_s=3600)
        )
        return time.process_time() + of_children() - start

    def close(self) -> None:
        self._pool.close()
        self._loop.close()


def of_children() -> float:
    """Return the processor time of all processes that live below this one."""
    ticks, mine = 0, {os.getpid()}
    found = sorted(int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())
    for pid in found:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) in mine:
            mine.add(pid)
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class Counted:
    """Counts, within a run, the time of the pipeline's call and of what in it is ours."""

    def __init__(self) -> None:
        self.took = {"call": 0.0, "steps": 0.0, "solver": 0.0, "points": 0.0, "previews": 0.0}

    def ours(self, whole: float) -> float:
        """Return what was ours: all but the call, and of the call what steps took beside the solver."""
        return whole - self.took["call"] + self.took["steps"] - self.took["solver"]

    def __enter__(self) -> Counted:
        from diffusers import UniPCMultistepScheduler, WanPipeline

        from cinefab.generate.models.diffusers import making

        self._undo = [
            self._count(WanPipeline, "__call__", "call"),
            self._count(stepping.Watch, "step", "steps"),
            self._count(UniPCMultistepScheduler, "step", "solver"),
            self._count(points.Points, "stepped", "points"),
            self._count(points.Points, "finish", "points"),
            self._count(making._Run, "_preview", "previews"),  # noqa: SLF001 - to be measured
        ]
        return self

    def __exit__(self, *_error: object) -> None:
        for undo in self._undo:
            undo()

    def _count(self, kind: type, name: str, as_what: str) -> Callable[[], None]:
        import functools

        own = getattr(kind, name)

        @functools.wraps(own)
        def counted(*given, **named):
            with self._timed(as_what):
                return own(*given, **named)

        setattr(kind, name, counted)
        return lambda: setattr(kind, name, own)

    @contextmanager
    def _timed(self, as_what: str) -> Iterator[None]:
        start = time.process_time()
        try:
            yield
        finally:
            self.took[as_what] += time.process_time() - start


class Stopped(BaseException):
    """Stands for the end of the machine."""


def stop_at(news, told: list[int]) -> None:
    if "step" in news:
        told.append(news["step"])
        if len(told) == KILLED_AT:
            raise Stopped


def kept_bytes(folder: Path) -> int:
    kept = Run(folder=folder).kept()
    return 0 if kept is None else sum(path.stat().st_size for path in kept.files.values())


if __name__ == "__main__":
    main()
