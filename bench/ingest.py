"""Ingest: what a reference takes, in CPU-seconds; how much memory a film of any length takes.

    python bench/ingest.py [--json]

A photograph's mask at the largest size that ingest keeps (2560 pixels a side), for one that holds
a product and one that holds none; a picture from its bytes to normalised PNG and thumbnail, the
sandbox being warm; and films of 1920x1080, drawn here as moves over the photograph with sound,
made anew in a process of their own whose memory is asked of the kernel, its sandbox's included.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

REPO = Path(__file__).resolve().parent.parent
PHOTOS = {"a cup": REPO / "examples" / "coffee.png", "a cat": REPO / "tests/photos/chelsea.jpg"}
MASK_SECONDS = 1.0
SIDE_PX = 2560
LENGTHS_S = (10, 30)


def main() -> int:
    """Measure, print, and return 1 when the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--film", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.film:
        print(json.dumps(made_anew(options.film)))
        return 0
    result: dict[str, Any] = {}
    for name, path in PHOTOS.items():
        result |= mask(name, path)
    result |= picture()
    with tempfile.TemporaryDirectory() as folder:
        for seconds in LENGTHS_S:
            result |= film(Path(folder), seconds)
    short, long = (result[f"a film of {seconds} s: memory, MiB"] for seconds in LENGTHS_S)
    result["memory of the longer film over the shorter's"] = round(long / short, 2)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for name, value in result.items():
            print(f"{name:58} {value}")
    slowest = max(value for name, value in result.items() if name.startswith("mask"))
    return 0 if slowest <= MASK_SECONDS else 1


def mask(name: str, path: Path) -> dict[str, Any]:
    from cinefab.media.cutout import cut_out

    photo = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    scale = SIDE_PX / max(photo.shape[:2])
    large = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    seconds, cut = best(lambda: cut_out(large))
    return {
        f"mask of {name}, {large.shape[1]}x{large.shape[0]}: CPU-seconds": round(seconds, 2),
        f"its confidence ({name}), basis points": cut.confidence_bp,
    }


def picture() -> dict[str, Any]:
    from cinefab.ingest.prepare import normalised
    from cinefab.media.sandbox import Confinement, Sandbox, SandboxLimits
    from cinefab.media.sandbox.pictures import PICTURE_TASK, decode_picture
    from cinefab.media.still import png_bytes, thumbnail_bytes

    data = PHOTOS["a cup"].read_bytes()
    with Sandbox(SandboxLimits(), confinement=Confinement.REQUIRED) as sandbox:

        def take_in() -> None:
            rgb = normalised(decode_picture(sandbox, data, name="a.png").rgb)
            png_bytes(rgb)
            thumbnail_bytes(rgb)

        times = []
        for _ in range(5):
            sandbox.warm(PICTURE_TASK)
            sandbox.confinement_of("cinefab.media.sandbox.probes:echo")  # loads as long as it
            started = time.perf_counter()
            take_in()
            times.append(time.perf_counter() - started)
    return {"a picture taken in, 600x400, the sandbox warm: ms": round(min(times) * 1000)}


def film(folder: Path, seconds: int) -> dict[str, Any]:
    path = folder / f"{seconds}.mp4"
    draw_film(path, seconds)
    command = [sys.executable, __file__, "--film", str(path)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    cpu = found["cpu_seconds"] / seconds
    return {
        f"a film of {seconds} s: CPU-seconds a second of it": round(cpu, 2),
        f"a film of {seconds} s: memory, MiB": found["memory_mib"],
    }


def made_anew(path: Path) -> dict[str, Any]:
    from cinefab.ingest.films import prepare_film
    from cinefab.media.sandbox.films import FILM_TASK

    argument = {
        "original": str(path),
        "name": path.name,
        "task": FILM_TASK,
        "container": "mp4",
        "pictures": True,
        "confinement": "required",
        "folder": str(path.parent / "made"),
    }
    prepare_film(argument, lambda _news: None)
    ours = resource.getrusage(resource.RUSAGE_SELF)
    theirs = resource.getrusage(resource.RUSAGE_CHILDREN)
    times = (ours.ru_utime, ours.ru_stime, theirs.ru_utime, theirs.ru_stime)
    return {
        "cpu_seconds": sum(times),
        "memory_mib": round(max(ours.ru_maxrss, theirs.ru_maxrss) / 1024),
    }


def draw_film(path: Path, seconds: int) -> None:
    """Write moves over the photograph, 1920x1080 at 24 frames a second, with a tone."""
    photo = cv2.resize(cv2.imread(str(PHOTOS["a cup"]), cv2.IMREAD_COLOR_RGB), (2400, 1600))
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = 1920, 1080, "yuv420p"
        sound = container.add_stream("aac", rate=48_000)
        sound.layout = "stereo"
        for number in range(24 * seconds):
            at = number % 240
            view = np.ascontiguousarray(photo[at : at + 1080, 2 * at : 2 * at + 1920])
            container.mux(video.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        for piece in tone(seconds):
            container.mux(sound.encode(piece))
        for stream in (video, sound):
            container.mux(stream.encode(None))


def tone(seconds: int) -> Iterator[av.AudioFrame]:
    for start in range(0, seconds * 48_000, 1024):
        wave = 0.3 * np.sin(2 * np.pi * 440 * np.arange(start, start + 1024) / 48_000)
        both = np.stack([wave, wave]).astype(np.float32)
        piece = av.AudioFrame.from_ndarray(both, format="fltp", layout="stereo")
        piece.sample_rate, piece.pts = 48_000, start
        yield piece


def best(work: Callable[[], Any], runs: int = 3) -> tuple[float, Any]:
    """Return the least CPU time of a few runs, after one that warms up, and what it gave."""
    answer = work()
    times = []
    for _ in range(runs):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return min(times), answer


if __name__ == "__main__":
    sys.exit(main())
