"""What a job's page costs: CPU for the retail spot, and memory for a film of any length.

    python bench/report.py [--json] [--rounds N]

CPU is this process's, for the page alone: pictures found, text built, film and all written to a
file. `without kept pictures` decodes a keyframe of each shot instead. Memory is what Python holds
at most while a page with the largest film that is put into one is written.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio
from cinefab.core.clock import SystemClock
from cinefab.deliver.page.page import FILM_EMBEDDED_BYTES_MAX, Media, write_page
from cinefab.ingest.brief import load_brief
from cinefab.jobs.report_page import write_report_page

SPOT = Path(__file__).resolve().parent.parent / "examples" / "retail-spot.yaml"
AT_MOST = {"page, CPU ms": 30.0, "memory / film": 1 / 8}


def main() -> int:
    """Measure and print; 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        figures = _measure(Path(name), options.rounds)
    kept = {name: figures[name] <= limit for name, limit in AT_MOST.items()}
    if options.json:
        print(json.dumps({"figures": figures, "kept": kept}, indent=2))
    else:
        for name, value in figures.items():
            limit = f"  at most {AT_MOST[name]:.3f}" if name in AT_MOST else ""
            word = {True: "  kept", False: "  MISSED", None: ""}[kept.get(name)]
            print(f"{name:<34} {value:>12.3f}{limit}{word}")
    return 0 if all(kept.values()) else 1


def _measure(folder: Path, rounds: int) -> dict[str, float]:
    os.environ["CINEFAB_HOME"] = f"{folder}/home"
    spot = load_brief(SPOT, now_us=SystemClock().now_us())
    path = folder / "page.html"
    with Studio(load_settings({"out": folder / "out"}), tell=lambda _news: None) as studio:
        shop = studio.shop
        report: Any = dict(studio.make(spot, base=SPOT.parent, requested_us=SystemClock().now_us()))
        bare = report | {"segments": [each | {"thumbnail": None} for each in report["segments"]]}
        figures = {
            "page, CPU ms": _cpu_ms(lambda: write_report_page(shop, report, path), rounds),
            "without kept pictures, CPU ms": _cpu_ms(
                lambda: write_report_page(shop, bare, path), rounds
            ),
            "page, MB": path.stat().st_size / 1e6,
            "film, MB": Path(report["film"]).stat().st_size / 1e6,
        }
    largest = folder / "largest.mp4"
    with largest.open("wb") as file:
        file.truncate(FILM_EMBEDDED_BYTES_MAX)
    tracemalloc.start()
    write_page(report, path, Media(film=largest))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return figures | {"memory, MB": most / 1e6, "memory / film": most / FILM_EMBEDDED_BYTES_MAX}


def _cpu_ms(write: Callable[[], None], rounds: int) -> float:
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        write()
        spent.append(1000 * (time.process_time() - began))
    return statistics.median(spent)


if __name__ == "__main__":
    sys.exit(main())
