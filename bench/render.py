"""Rendering the retail spot: against the bare work of its pixels.

    python bench/render.py [--json] [--repeat N] [--shots N]

Five shots of 3 s at 1280x720, 24 frames a second, as `examples/retail-spot.yaml` asks for them.
The peer does what no renderer of such frames can do without, for as many frames and with the same
photograph: two planes warped, the nearer one laid over the farther, finished to I420, encoded by
x264. CPU time is this process's, the median of the runs; everything is drawn once beforehand, so
that compiled code is in memory for both. Preparing each shot is part of ours.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import yaml

from cinefab.core.brief import Camera, Size
from cinefab.generate.backend import TakeRequest
from cinefab.generate.camera import view_of
from cinefab.generate.models.procedural import Procedural
from cinefab.generate.models.procedural.motion import moment_of
from cinefab.generate.models.procedural.raster import blend_picture
from cinefab.media.cutout import cut_out
from cinefab.media.encode import FINAL, encode
from cinefab.media.finish import Finisher, Look
from cinefab.media.frames import Frame

SIZE, FPS = Size(1280, 720), Fraction(24)
SHOT_FRAMES = 72
AT_MOST = 1.3
REPO = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run the comparison and print it; 1 when the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--shots", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        result = _compared(Path(folder), shots=options.shots, repeat=options.repeat)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for name, value in result.items():
            print(f"{name:32} {value}")
    return 0 if result["ratio"] <= AT_MOST else 1


def requests(folder: Path) -> list[TakeRequest]:
    """The retail spot's shots as the model is asked for them."""
    brief = yaml.safe_load((REPO / "examples" / "retail-spot.yaml").read_text("utf-8"))
    photo = REPO / "examples" / "coffee.png"
    mask = folder / "mask.png"
    image = cv2.imread(str(photo), cv2.IMREAD_COLOR_RGB)
    assert image is not None, "the example's photograph is there"
    cv2.imwrite(str(mask), cut_out(np.asarray(image, np.uint8)).mask)
    return [
        TakeRequest(
            input={
                "prompt": shot.get("prompt", ""),
                "caption": shot["caption"],
                "camera": shot["camera"],
                "index": index,
                "references": shot.get("references", []),
                "roles": dict.fromkeys(shot.get("references", []), "product"),
                "colours": brief["brand"]["colours"],
                "logo": None,
            },
            seed=brief["seed"],
            size=SIZE,
            fps=FPS,
            first_frame=0,
            frames=SHOT_FRAMES,
            shot_frames=SHOT_FRAMES,
            references=dict.fromkeys(shot.get("references", []), photo),
            masks=dict.fromkeys(shot.get("references", []), mask),
            files={},
        )
        for index, shot in enumerate(brief["shots"])
    ]


def bare_frames(request: TakeRequest, folder: Path) -> Iterator[Frame]:
    """Two planes, warped and laid over one another, finished: the least a parallax shot takes."""
    photo = cv2.imread(str(REPO / "examples" / "coffee.png"), cv2.IMREAD_COLOR_RGB)
    mask = cv2.imread(str(folder / "mask.png"), cv2.IMREAD_GRAYSCALE)
    assert photo is not None, "the example's photograph is there"
    assert mask is not None, "its mask was just written"
    near = np.dstack([photo, mask])
    far = np.dstack([cv2.GaussianBlur(photo, (0, 0), 9), np.full_like(mask, 255)])
    finisher = Finisher(width=SIZE.width, height=SIZE.height, seed=1)
    canvas = np.empty((SIZE.height, SIZE.width, 4), np.uint8)
    warped = np.empty_like(canvas)
    for number in range(request.frames):
        at = moment_of(number, shot_frames=request.shot_frames, fps=FPS)
        _warp(far, view_of(Camera.PUSH_IN, at.progress * 0.5).zoom, canvas, cv2.BORDER_REFLECT_101)
        _warp(near, view_of(Camera.PUSH_IN, at.progress).zoom, warped, cv2.BORDER_CONSTANT)
        blend_picture(canvas, warped, (0, 0))
        yield finisher.finish(canvas, frame=number, look=Look())


def _warp(texture: np.ndarray, zoom: float, into: np.ndarray, border: int) -> None:
    scale = SIZE.width / texture.shape[1] * 1.05 * zoom
    offset_x = SIZE.width / 2 - texture.shape[1] / 2 * scale
    offset_y = SIZE.height / 2 - texture.shape[0] / 2 * scale
    matrix = np.array([[scale, 0, offset_x], [0, scale, offset_y]])
    size = (SIZE.width, SIZE.height)
    cv2.warpAffine(texture, matrix, size, dst=into, flags=cv2.INTER_LINEAR, borderMode=border)


def _compared(folder: Path, *, shots: int, repeat: int) -> dict[str, float]:
    asked = requests(folder)[:shots]
    frames = sum(request.frames for request in asked)

    def ours() -> None:
        model = Procedural()
        for number, request in enumerate(asked):
            _encode(model.frames(request), folder / f"ours-{number}.mp4")

    def bare() -> None:
        for number, request in enumerate(asked):
            _encode(bare_frames(request, folder), folder / f"bare-{number}.mp4")

    def render_only() -> None:
        model = Procedural()
        for request in asked:
            for _ in model.frames(request):
                pass

    next(iter(bare_frames(asked[0], folder)))
    next(iter(Procedural().frames(asked[0])))
    rounds = [(_cpu_s(bare), _cpu_s(ours), _cpu_s(render_only)) for _ in range(repeat)]
    bare_s, ours_s, render_s = (statistics.median(column) for column in zip(*rounds, strict=True))
    setup = [_cpu_s(lambda r=request: next(iter(Procedural().frames(r)))) for request in asked]
    return {
        "frames": frames,
        "bare_cpu_s": round(bare_s, 3),
        "ours_cpu_s": round(ours_s, 3),
        "ratio": round(statistics.median(o / b for b, o, _ in rounds), 3),
        "ratio_at_most": AT_MOST,
        "rendered_frames_per_cpu_s": round(frames / render_s, 1),
        "encoded_frames_per_cpu_s": round(frames / ours_s, 1),
        "times_real_time_on_one_core": round(frames / ours_s / float(FPS), 2),
        "shot_setup_cpu_ms": round(1000 * statistics.mean(setup), 1),
        "first_frame_of_a_process_s": round(_first_frame_s(folder), 3),
    }


def _first_frame_s(folder: Path) -> float:
    """Wall time from a fresh interpreter to one finished frame of 640x360, the best of three."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import dataclasses, pickle;"
        "from pathlib import Path; request = pickle.loads(Path(sys.argv[2]).read_bytes());"
        "from cinefab.generate.models.procedural import Procedural; model = Procedural();"
        "model.load(); next(iter(model.frames(request)))"
    )
    request = dataclasses.replace(requests(folder)[0], size=Size(640, 360), frames=1)
    stored = folder / "request"
    stored.write_bytes(pickle.dumps(request))
    took = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", script, str(REPO), str(stored)], check=True)
        took.append(time.perf_counter() - start)
    return min(took)


def _encode(frames: Iterator[Frame], path: Path) -> None:
    encode(frames, path, size=SIZE, fps=FPS, settings=FINAL)


def _cpu_s(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
