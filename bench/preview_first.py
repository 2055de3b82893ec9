"""A preview beside its film: how alike the two are, and what each takes.

    python bench/preview_first.py [--brief FILE] [--json]

The brief is made once with `preview_first: true` by the embedded model, at its own size and care, and
once with another seed. Every frame of the preview is held against the film's, and against that of the
other seed, at a quarter of the preview's size, where grain and codec leave the composition alone: a peak
signal-to-noise ratio for each. Time is what was leased, in device seconds, load apart.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cinefab.app.settings import Settings
from cinefab.app.studio import Studio
from cinefab.core.brief import Brief, PreviewFirst, Size
from cinefab.core.clock import SystemClock
from cinefab.ingest.brief import load_brief
from cinefab.media.decode import decode
from cinefab.media.still import to_rgb

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "retail-spot.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brief", type=Path, default=EXAMPLE)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    brief = load_brief(words.brief, now_us=SystemClock().now_us())
    brief = replace(brief, budget_uusd=None, deadline_us=None, preview_first=PreviewFirst())
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), out=Path(home) / "out")
        with Studio(settings, tell=lambda _news: None) as studio:
            made = _made(studio, brief, words.brief.parent)
            other = _made(studio, replace(brief, seed=brief.seed + 1), words.brief.parent)
            found = _compared(made, other)
    if words.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:<28} {value}")


def _made(studio: Studio, brief: Brief, base: Path) -> Mapping[str, Any]:
    report = studio.make(brief, base=base, requested_us=SystemClock().now_us())
    assert report["status"] == "delivered", report["failure"]
    return report


def _compared(made: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, float]:
    preview = list(_small(made["preview_first"]["film"]))
    alike = [_db(a, b) for a, b in zip(preview, _small(made["film"]), strict=True)]
    unlike = [_db(a, b) for a, b in zip(preview, _small(other["film"]), strict=False)]
    preview_s, film_s = (_work_s(made, of_preview=of_preview) for of_preview in (True, False))
    return {
        "frames": len(alike),
        "alike_db_least": round(min(alike), 1),
        "alike_db_median": round(float(np.median(alike)), 1),
        "other_seed_db_median": round(float(np.median(unlike)), 1),
        "preview_device_s": round(preview_s, 2),
        "film_device_s": round(film_s, 2),
        "preview_to_film": round(preview_s / film_s, 3),
    }


def _small(film: str) -> Iterator[NDArray[np.float64]]:
    for frame in decode(Path(film)):
        width = frame.shape[1]
        height = frame.shape[0] * 2 // 3
        scale = min(1.0, 640 / width)
        size = Size(int(width * scale) // 8 * 8, int(height * scale) // 8 * 8)
        rgb = to_rgb(frame, size).astype(np.float64)
        yield rgb.reshape(size.height // 4, 4, size.width // 4, 4, 3).mean((1, 3))


def _db(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, float(np.mean((one - other) ** 2)))))


def _work_s(report: Mapping[str, Any], *, of_preview: bool) -> float:
    """Return what making one of the two took; what both need, such as ingest, is in neither."""
    shared = ("ingest", "speak", "transcribe")
    leases = [
        each
        for each in report["leases"]
        if each["charged"] and not each["stage"].startswith(shared)
    ]
    work_us = [
        each["device_us"] - each["by_class"].get("load", 0)
        for each in leases
        if each["stage"].startswith("preview:") == of_preview
    ]
    return sum(work_us) / 1_000_000


if __name__ == "__main__":
    main()
