"""The most memory that any process of a job takes: a film of 60 s at 1080p against one of 30 s.

    python bench/memory.py [--json]

Each film is made by `cinefab make` in a home of its own, as a stream with four rungs, and every
process of it is looked at ten times a second (VmHWM, the most it ever had resident). Shots last six
seconds and show one photograph; music and effects are heard. Signing reads the whole film into
memory and is told apart: it is
done by the process that runs the job, so that one is listed as `job, signing included`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
LIMIT_MB = 700


def main() -> int:
    """Make both films and print what their processes took; 1 when the promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = {f"{seconds} s": measured(seconds) for seconds in (30, 60)}
    short, long = figures["30 s"], figures["60 s"]
    kept = max(long.values()) <= LIMIT_MB
    if options.json:
        print(json.dumps({"peak_mb": figures, "kept": kept}, indent=2))
        return int(not kept)
    print(f"{'peak resident, MB':<32} {'30 s':>8} {'60 s':>8} {'ratio':>7}")
    for name in long:
        print(f"{name:<32} {short[name]:>8.0f} {long[name]:>8.0f} {long[name] / short[name]:>7.2f}")
    print(f"at most {LIMIT_MB} MB: {'kept' if kept else 'MISSED'}")
    return int(not kept)


def measured(seconds: int) -> dict[str, float]:
    """Return the peak of the job's own process and of the largest of the others, in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "brief.yaml").write_text(brief(seconds))
        (folder / "coffee.png").write_bytes((REPO / "examples" / "coffee.png").read_bytes())
        command = [sys.executable, "-m", "cinefab", "make", "brief.yaml", "--json", "--out", "out"]
        environment = os.environ | {"CINEFAB_HOME": str(folder / "home")}
        peaks: dict[int, float] = {}
        with (
            (folder / "said").open("w") as said,
            subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said) as job,
        ):
            while job.poll() is None:
                for pid in [job.pid, *children(job.pid)]:
                    peaks[pid] = max(peaks.get(pid, 0.0), peak_mb(pid))
                time.sleep(0.1)
        assert job.returncode == 0, (folder / "said").read_text()[-2000:]
        own = peaks.pop(job.pid)
        return {"job, signing included": own, "largest other process": max(peaks.values())}


def brief(seconds: int) -> str:
    """Return a brief of shots of six seconds."""
    shots = "".join(
        f"  - {{seconds: 6, caption: Shot {i}, references: [cup]}}\n" for i in range(seconds // 6)
    )
    return (
        f"title: Long enough\nshots:\n{shots}references: {{cup: coffee.png}}\n"
        "output: {size: 1920x1080, fps: 24, formats: [mp4, hls, dash]}\nseed: 3\n"
        "sound: {music: warm}\n"
    )


def children(pid: int) -> list[int]:
    """Return every descendant of a process."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *children(int(child))]
    except OSError:
        pass
    return found


def peak_mb(pid: int) -> float:
    """Return the most that a process ever had resident; 0 once it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


if __name__ == "__main__":
    raise SystemExit(main())
