"""What running a diffusion model through Cinefab costs beside calling its pipeline bare.

    python bench/diffusion.py

On a tiny Wan built from a seed, on one core of the CPU, in processor time: our share with and
without a resume point at every step, the bytes of such a point, and four takes in one call against
four calls. Needs the extra `diffusers`.
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from fractions import Fraction
from pathlib import Path

warnings.simplefilter("ignore")
sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import tiny_wan  # noqa: E402

from cinefab.core.brief import Size  # noqa: E402
from cinefab.generate.backend import TakeRequest  # noqa: E402
from cinefab.generate.models.diffusers import Diffusers  # noqa: E402
from cinefab.generate.run import Run  # noqa: E402

SIDE, FRAMES, STEPS, ROUNDS = 128, 17, 4, 2


def request(seed: int, side: int, frames: int) -> TakeRequest:
    given = {"prompt": "a harbour at dawn", "references": [], "settings": {"steps": STEPS}}
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


def cpu(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def backend(folder: Path, side: int, **more) -> Diffusers:
    settings = {"model": str(folder), "width": side, "height": side, "fps": 8}
    made = Diffusers("tiny", settings | more, {})
    made.load()
    return made


def main() -> None:
    import torch

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "wan"
        tiny_wan.build(folder)
        ours = backend(folder, SIDE, preview_every=0)
        every = backend(folder, SIDE, preview_every=0, resume_every=1)
        pipeline = ours._maker.pipeline  # noqa: SLF001 - the very pipeline, called bare

        def bare() -> None:
            pipeline(
                prompt="a harbour at dawn",
                width=SIDE,
                height=SIDE,
                num_frames=FRAMES,
                num_inference_steps=STEPS,
                generator=torch.Generator("cpu").manual_seed(1),
                output_type="np",
            )

        def through(model: Diffusers, run: Run) -> None:
            for _ in model.frames(request(1, SIDE, FRAMES), run):
                pass

        runs = {
            "bare": bare,
            "through us, nothing kept": lambda: through(ours, Run()),
            "a point when it is time": lambda: through(ours, Run(folder=Path(place) / "a")),
            "a point at every step": lambda: through(every, Run(folder=Path(place) / "b")),
        }
        took = {name: [] for name in runs}
        bare()
        for _ in range(ROUNDS):
            for name, work in runs.items():
                took[name].append(cpu(work))
        base = min(took["bare"])
        for name, times in took.items():
            print(f"{name:<28}{min(times):7.2f} CPU-s  {min(times) / base:6.3f} x bare")
        kept = Run(folder=Path(place) / "b").kept()
        size = sum(path.stat().st_size for path in kept.files.values())
        print(f"{'a resume point':<28}{size / 1024:7.0f} KiB")

        small = backend(folder, 32, preview_every=0)
        four = [request(seed, 32, 9) for seed in range(4)]

        def apart() -> None:
            for each in four:
                list(small.frames(each, Run()))

        def together() -> None:
            for frames in small.takes(four, Run()):
                list(frames)

        apart(), together()
        one = min(cpu(apart) for _ in range(ROUNDS))
        batch = min(cpu(together) for _ in range(ROUNDS))
        print(f"{'four in one call':<28}{one / batch:7.2f} x the throughput of four calls")


if __name__ == "__main__":
    main()
