"""What each effect costs: CPU-seconds per second of film at 1280x720 and 24 frames a second.

    python bench/effects.py

Frames are cut from the photograph in `examples/` by a moving camera, with grain; each effect runs on one
second of them, after a first frame that loads and compiles what it needs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from effect_frames import camera, seen_from

from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.assemble.effect import Effect, EffectWork
from cinefab.core.brief import Size
from cinefab.core.effect import Stretch, stretches
from cinefab.media.frames import Frame
from cinefab.media.still import write_png

SIZE = Size(1280, 720)
FPS = 24
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("captions", {"cues": [{"start_ms": 0, "end_ms": 1000, "lines": ["Made slowly", "by hand"]}]}),
    ("denoise", {"strength": 0.5}),
    ("grade", {"slope": [1.1, 1, 0.9], "power": [1.1, 1, 1], "saturation": 0.9}),
    ("grade", {"lut": {"file": "look.cube"}}),
    ("interpolate", {"factor": 2}),
    ("overlay", {"logo": "mark"}),
    ("sharpen", {"amount": 0.5}),
    ("stabilise", {}),
    ("upsample", {"factor": 2}),
]


def main() -> None:
    with TemporaryDirectory() as folder:
        cube, mark = Path(folder) / "look.cube", Path(folder) / "mark.png"
        at = np.linspace(0, 1, 33) ** 1.1
        rows = (f"{r} {g} {b}" for b in at for g in at for r in at)
        cube.write_text("LUT_3D_SIZE 33\n" + "\n".join(rows))
        write_png(np.full((60, 120, 3), (200, 30, 40), np.uint8), mark)
        print("CPU-seconds per second of film at 1280x720, 24 frames a second")
        for name, settings in SETTINGS:
            effect = load_plugin(find_plugins("effects")[name])
            files = {"lut": cube} if "lut" in settings else {}
            given = {"files": files, "pictures": {"logo": mark}, "masks": {}}
            _seconds(effect, settings, given, frames=2)
            cpu_s = _seconds(effect, settings, given, frames=FPS)
            said = ", ".join(key for key in settings if key != "cues")
            print(f"  {name:12} {said:26} {cpu_s:6.2f}")


def _seconds(effect: Effect, settings: dict[str, Any], given: Any, *, frames: int) -> float:
    wanted = Stretch(
        size=SIZE,
        fps=Fraction(FPS),
        first=0,
        frames=frames,
        extent_first=0,
        extent_end=frames,
        shot_frames=frames,
    )
    comes = stretches([effect.need(settings)], wanted)[0]
    source = list(_drawn(comes))
    started = time.process_time()
    for _ in effect.apply(
        iter(source), EffectWork(settings=settings, comes=comes, wanted=wanted, **given)
    ):
        pass
    return time.process_time() - started


def _drawn(stretch: Stretch) -> Iterator[Frame]:
    scale = stretch.size.width / 500
    rng = np.random.default_rng(1)
    for i in range(stretch.frames):
        frame = seen_from(stretch.size, camera(20 + i, 30, turn=0.1 * i) * scale)
        # A clean picture would spare denoising its work.
        yield np.clip(frame + rng.normal(0, 3, frame.shape), 16, 235).astype(np.uint8)


if __name__ == "__main__":
    main()
