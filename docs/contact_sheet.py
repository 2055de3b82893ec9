"""Draw docs/contact-sheet.jpg: the retail spot's five shots, a row for each of three seeds.

    python docs/contact_sheet.py [--out FILE]

A seed chooses the layouts, the typeface and how type arrives; the brief stays the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import yaml

from cinefab.core.brief import Size
from cinefab.generate.backend import TakeRequest
from cinefab.generate.models.procedural import Procedural
from cinefab.media.cutout import cut_out
from cinefab.media.finish import to_rgb
from cinefab.media.frames import Rgb

REPO: Final = Path(__file__).resolve().parent.parent
SEEDS: Final = (7, 4, 5)
SIZE: Final = Size(1280, 720)
FPS: Final = Fraction(24)
THUMB: Final = (416, 234)
GAP: Final = 8
BYTES_MAX: Final = 600_000


def main() -> int:
    """Write the sheet and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REPO / "docs" / "contact-sheet.jpg")
    out = parser.parse_args().out
    brief = yaml.safe_load((REPO / "examples" / "retail-spot.yaml").read_text("utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.png"
        photo = cv2.imread(str(REPO / "examples" / "coffee.png"), cv2.IMREAD_COLOR_RGB)
        assert photo is not None, "the example's photograph is there"
        cv2.imwrite(str(mask), cut_out(np.asarray(photo, np.uint8)).mask)
        model = Procedural()
        rows = [_row(model, brief, seed, mask) for seed in SEEDS]
    sheet = _framed(rows)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    cv2.imwrite(str(out), sheet[..., ::-1], quality)
    size = out.stat().st_size
    sys.stdout.write(f"{out}: {sheet.shape[1]} x {sheet.shape[0]}, {size // 1000} kB\n")
    return 0 if size <= BYTES_MAX else 1


def _row(model: Procedural, brief: dict[str, Any], seed: int, mask: Path) -> list[Rgb]:
    row = []
    for index, shot in enumerate(brief["shots"]):
        names = shot.get("references", [])
        frames = round(shot["seconds"] * FPS)
        request = TakeRequest(
            input={
                "prompt": shot.get("prompt", ""),
                "caption": shot["caption"],
                "camera": shot["camera"],
                "index": index,
                "references": names,
                "roles": dict.fromkeys(names, "product"),
                "colours": brief["brand"]["colours"],
                "logo": None,
            },
            seed=seed,
            size=SIZE,
            fps=FPS,
            first_frame=round(frames * 0.62),
            frames=1,
            shot_frames=frames,
            references=dict.fromkeys(names, REPO / "examples" / "coffee.png"),
            masks=dict.fromkeys(names, mask),
            files={},
        )
        rgb = to_rgb(next(iter(model.frames(request))))
        row.append(np.asarray(cv2.resize(rgb, THUMB, interpolation=cv2.INTER_AREA), np.uint8))
    return row


def _framed(rows: list[list[Rgb]]) -> Rgb:
    width, height = THUMB
    across, down = len(rows[0]), len(rows)
    sheet = np.full((down * (height + GAP) + GAP, across * (width + GAP) + GAP, 3), 250, np.uint8)
    for i, row in enumerate(rows):
        for k, thumb in enumerate(row):
            y, x = GAP + i * (height + GAP), GAP + k * (width + GAP)
            sheet[y : y + height, x : x + width] = thumb
    return sheet


if __name__ == "__main__":
    sys.exit(main())
