#!/usr/bin/env python3
"""Run models of diffusers in processes of their own, some of which are killed half-way.

Each line that comes in is a run, and runs in a process that has imported the libraries and done nothing else: the
imports take seconds, and what is looked at is whether anything of a run outlives its process. The
answer is a line of JSON: its exit, the digest of its frames, the steps it told, its notes.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

PIPELINES = ("WanPipeline", "StableDiffusionPipeline", "CogVideoXPipeline")


class ModelRuns:
    """A process that has imported the libraries, and lends itself to each run as a new process.

    The pipelines named `ahead` are imported before the first run, the others in the runs.
    """

    def __init__(self, ahead: Sequence[str] = PIPELINES) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, *ahead],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        )

    def __call__(self, runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Run them in order.

        A run has `settings`, `input`, and may have `folder` (of its resume points), `kill_at` (how
        many of them it keeps before it is killed), `size`, `frames`, `fps`, `seed`.
        """
        return [self._run(run) for run in runs]

    def _run(self, run: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(run) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def run_afresh(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Run each in an interpreter of its own from the start."""
    answers = []
    for run in runs:
        one = ModelRuns(ahead=())
        try:
            answers += one([run])
        finally:
            one.close()
    return answers


def _main() -> None:
    import warnings

    warnings.simplefilter("ignore")
    import diffusers
    import peft  # noqa: F401
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    import cinefab.generate.fitting
    import cinefab.generate.models.diffusers.loading
    import cinefab.generate.models.diffusers.making  # noqa: F401

    get_checkpoint_conversion_mapping("t5")  # a table that takes half a second to write
    for pipeline in sys.argv[1:]:
        getattr(diffusers, pipeline)
    for line in sys.stdin:
        run = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.write(writing, json.dumps(_answer(run)).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        answer = json.loads(said) if said else {}
        print(json.dumps({"exit": os.waitstatus_to_exitcode(status), **answer}), flush=True)


def _answer(run: Mapping[str, Any]) -> dict[str, Any]:
    from cinefab.core.errors import CinefabError

    try:
        return _run(run)
    except CinefabError as error:
        return {**error.as_dict()}


def _run(run: Mapping[str, Any]) -> dict[str, Any]:
    from cinefab.core.brief import Size
    from cinefab.generate.backend import TakeRequest
    from cinefab.generate.models.diffusers import Diffusers
    from cinefab.generate.run import Run

    kept, steps = 0, []

    def tell(news: Any) -> None:
        nonlocal kept
        if "step" in news:
            steps.append([news["step"], news["steps"]])
        if "kept" in news:
            kept += 1
            if kept == run.get("kill_at"):
                os.kill(os.getpid(), signal.SIGKILL)

    folder = run.get("folder")
    told = Run(folder=None if folder is None else Path(folder), tell=tell)
    backend = Diffusers("tried", run["settings"], {})
    request = TakeRequest(
        input={"references": [], **run["input"]},
        seed=run.get("seed", 7),
        size=Size(*run.get("size", (64, 64))),
        fps=Fraction(run.get("fps", 8)),
        first_frame=0,
        frames=run.get("frames", 9),
        shot_frames=run.get("frames", 9),
        references={},
        masks={},
        files={},
    )
    found = hashlib.sha256()
    for frame in backend.frames(request, told):
        found.update(frame.tobytes())
    return {"digest": found.hexdigest(), "steps": steps, "kept": kept, "notes": dict(told.notes)}


if __name__ == "__main__":
    _main()
