"""What review costs: CPU-seconds for a second of film at 1280x720, decoding included.

    python bench/review.py [--json] [--repeat N]

Five shots of 3 s, drawn and encoded by the embedded model as `examples/retail-spot.yaml` asks for
them, are looked at once each, joined, and the joined film is held against them and judged by every
check. The peer is decoding the same film and doing nothing with it. CPU time is this process's,
the median of the runs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parent))

from render import FPS, SHOT_FRAMES, SIZE, requests

from cinefab.app.plugins import find_plugins
from cinefab.core.canonical import Sha256
from cinefab.generate.models.procedural import Procedural
from cinefab.media.decode import decode_luma
from cinefab.media.encode import FINAL, encode
from cinefab.media.join import join
from cinefab.media.look import look_document, look_of
from cinefab.review.examine import examine
from cinefab.review.figures import Ordered, ordered_document
from cinefab.review.measure import measured
from cinefab.review.thresholds import DEFAULTS

AT_MOST = 0.15


def main() -> int:
    """Run the comparison and print it; 1 when the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        figures = _measured(Path(folder), options.repeat)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:<44} {value:.4f}")
    return 0 if figures["review, CPU s per media second"] <= AT_MOST else 1


def _measured(folder: Path, repeat: int) -> dict[str, float]:
    model, asked = Procedural(), requests(folder)
    paths = [folder / f"{number}.mp4" for number in range(len(asked))]
    for request, path in zip(asked, paths, strict=True):
        encode(model.frames(request), path, size=SIZE, fps=FPS, settings=FINAL)
    film = folder / "film.mp4"
    join(paths, film, fps=FPS)
    pictures = {name: path for request in asked for name, path in request.references.items()}

    def decode() -> None:
        for _ in decode_luma(film):
            pass

    def look() -> None:
        seen[:] = [measured(path) for path in paths]

    def judge() -> None:
        masks = {name: mask for request in asked for name, mask in request.masks.items()}
        looks = {
            name: look_document(look_of(path, masks.get(name))) for name, path in pictures.items()
        }
        ordered = [
            Ordered(
                shots=(number,),
                frames=SHOT_FRAMES,
                colours=tuple(request.input["colours"]),
                references=tuple(Sha256(name) for name in request.references),
                masks={Sha256(name): Sha256(f"{name}-mask") for name in request.masks},
                words=True,
            )
            for number, request in enumerate(asked)
        ]
        found = examine(
            {
                "path": str(film),
                "stills": str(folder),
                "checks": [point.value for point in find_plugins("checks").values()],
                "size": [SIZE.width, SIZE.height],
                "fps": str(FPS),
                "frames": SHOT_FRAMES * len(asked),
                "thresholds": DEFAULTS.as_dict(),
                "looks": looks,
                "mix": None,
                "pieces": [
                    {"figures": each, "ordered": ordered_document(what)}
                    for each, what in zip(seen, ordered, strict=True)
                ],
            },
            lambda _news: None,
        )
        assert not any(finding["problems"] for finding in found["findings"]), found["findings"]

    seen: list[dict[str, object]] = []
    rounds = [
        {part.__name__: _cpu_s(part) for part in (decode, look, judge)} for _ in range(repeat)
    ]
    seconds = float(SHOT_FRAMES * len(asked) / FPS)
    decode_s, look_s, judge_s = (
        statistics.median(each[name] for each in rounds) / seconds
        for name in ("decode", "look", "judge")
    )
    return {
        "review, CPU s per media second": look_s + judge_s,
        "of which decoding and figures, once a piece": look_s,
        "of which proof, references and checks": judge_s,
        "decoding alone": decode_s,
        "review against decoding alone": (look_s + judge_s) / decode_s,
    }


def _cpu_s(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
