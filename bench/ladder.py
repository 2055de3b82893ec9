"""A ladder of four rungs against its top rung alone, in CPU time.

    python bench/ladder.py [--json] [--rounds N]

The same frames, drawn before anything is measured: 10 s at 1280x720, 24 frames a second, a camera
over a photograph with type that moves. The peer is the top rung alone, encoded as films are. The
ladder is that, plus one decoding of it, three scalings of each frame and three encodings: what
`make_rungs` does for a piece.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from cinefab.core.brief import Quality, Size
from cinefab.deliver.ladder import rung_name, rungs_of
from cinefab.media.encode import FINAL, encode
from cinefab.media.frames import Frame
from cinefab.media.rungs import WantedRung, encode_rungs

PHOTO = Path(__file__).resolve().parent.parent / "examples" / "coffee.png"
SIZE = Size(1280, 720)
FPS = Fraction(24)
FRAMES = 240
AT_MOST = 2.0


def main() -> int:
    """Run the comparison and print it; 1 when the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    frames = drawn()
    lower = [size for size in rungs_of(SIZE) if size != SIZE]
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            top = folder / "top.mp4"
            began = time.process_time()
            encode(iter(frames), top, size=SIZE, fps=FPS, settings=FINAL)
            top_s = time.process_time() - began
            wanted = [WantedRung(size=size, path=folder / f"{size}.mp4") for size in lower]
            began = time.process_time()
            encode_rungs(top, wanted, fps=FPS, quality=Quality.FINAL)
            rounds.append((top_s, time.process_time() - began))
    ratio = statistics.median((top_s + rest_s) / top_s for top_s, rest_s in rounds)
    figures = {
        "rungs": [rung_name(size) for size in rungs_of(SIZE)],
        "top rung alone, CPU s a media second": statistics.median(r[0] for r in rounds) / 10,
        "three lower rungs, CPU s a media second": statistics.median(r[1] for r in rounds) / 10,
        "ladder / top rung": ratio,
    }
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for label, value in figures.items():
            print(f"{label:<42} {value if isinstance(value, list) else round(value, 3)}")
        print(f"at most {AT_MOST}: {'kept' if ratio <= AT_MOST else 'MISSED'}")
    return int(ratio > AT_MOST)


def drawn() -> list[Frame]:
    """Draw the frames: a slow push into a photograph, and a word that slides."""
    photo = cv2.imread(str(PHOTO))
    height, width = photo.shape[:2]
    frames = []
    for index in range(FRAMES):
        zoom = 1.0 + 0.25 * index / FRAMES
        scale = max(SIZE.width / width, SIZE.height / height) * zoom
        matrix = np.float32(
            [
                [scale, 0, SIZE.width / 2 - scale * width / 2],
                [0, scale, SIZE.height / 2 - scale * height / 2],
            ]
        )
        picture = cv2.warpAffine(photo, matrix, (SIZE.width, SIZE.height), flags=cv2.INTER_LINEAR)
        place = (80 + index, 640)
        cv2.putText(picture, "Cinefab", place, cv2.FONT_HERSHEY_DUPLEX, 3, (240, 240, 240), 6)
        frames.append(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420))
    return frames


if __name__ == "__main__":
    raise SystemExit(main())
