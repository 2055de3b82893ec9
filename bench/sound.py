"""What a film's sound costs: processor seconds a second of film, memory, and what comes out.

    python bench/sound.py [--json] [--seconds N ...]

The process that makes sound is started afresh for each film, as the bare cost includes imports:
music that follows a cut every three seconds, effects on every transition and, where the extra
`speech` is installed, a line in every other shot, which is spoken in the same process. Another
process hears the AAC beside its mix as review does. Loudness and true peak are measured on the AAC
that is delivered, by FFmpeg's ebur128. Memory must not grow with the film: the longest is held
against the shortest of those that last a minute.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LINES = (
    "Some mornings deserve a slower start.",
    "Roasted on Tuesday, poured today.",
    "One farm. One harvest. Nothing to hide.",
)
AT_MOST = {"CPU s / s of film": 0.1, "memory, MB": 700.0}
GROWS_AT_MOST_MB = 10.0
KINDS = ("wipe", "dissolve", "cut", "dip")


def main() -> int:
    """Run the films and print what they took; 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=int, nargs="+", default=[15, 60, 600])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(_one(options.one)))
        return 0
    figures = {}
    for seconds in options.seconds:
        line = [sys.executable, __file__, "--one", str(seconds)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        figures[f"{seconds} s"] = json.loads(done.stdout)
    kept = all(each[name] <= limit for each in figures.values() for name, limit in AT_MOST.items())
    kept &= all(abs(each["LUFS"] + 16) <= 0.5 for each in figures.values())
    kept &= all(each["dBTP"] <= -1 for each in figures.values())
    long = [figures[f"{seconds} s"] for seconds in options.seconds if seconds >= 60]
    for what in ("memory, MB", "memory of hearing it, MB") if long else ():
        kept &= long[-1][what] - long[0][what] <= GROWS_AT_MOST_MB
    if options.json:
        print(json.dumps({"figures": figures, "kept": kept}, indent=2))
    else:
        for name, each in figures.items():
            print(name, *(f"{what} {value:.3f}" for what, value in each.items()), sep="   ")
        print("kept" if kept else "MISSED", AT_MOST)
    return 0 if kept else 1


def _one(seconds: int) -> dict[str, float]:
    began_s = time.process_time()
    from cinefab.assemble.sound_task import make_sound

    shots = [72] * (seconds // 3)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        made = make_sound(
            {
                "shots": shots,
                "transitions": [
                    [into, KINDS[into % 4], 12] for into in range(1, len(shots)) if into % 4 != 2
                ],
                "fps": "24",
                "music": {"mood": "warm", "tempo_bpm": None, "level_db": 0},
                "effects": True,
                "seed": 7,
                "lines": _lines(out, len(shots)),
                "lufs_hundredths": -1600,
                "kept": str(out / "kept.flac"),
                "track": str(out / "track.m4a"),
            },
            lambda _news: None,
        )
        took_s = time.process_time() - began_s
        assert isinstance(made, dict)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        heard_in = _memory_of_hearing(out / "track.m4a", out / "kept.flac")
        lufs, peak = _heard(out / "track.m4a")
    return {
        "CPU s / s of film": took_s / seconds,
        "CPU s": took_s,
        "memory, MB": memory,
        "memory of hearing it, MB": heard_in,
        "LUFS": lufs,
        "dBTP": peak,
    }


def _lines(folder: Path, shots: int) -> list[dict[str, object]]:
    if importlib.util.find_spec("espeakng_loader") is None:
        return []
    from cinefab.assemble.speak_task import speak

    wanted = range(0, shots, 2)
    made = speak(
        {
            "entry": "cinefab.assemble.voices.espeak:Espeak",
            "lines": [
                {
                    "text": LINES[n % len(LINES)],
                    "voice": "en-us",
                    "rate_wpm": 170,
                    "pitch": 50,
                    "room_ms": 2_770,
                    "field": f"shots[{n}].voice",
                    "path": str(folder / f"{n}.flac"),
                }
                for n in wanted
            ],
        },
        lambda _news: None,
    )
    return [
        {"path": line["path"], "start_ms": n * 3000 + 150, "length_ms": line["length_ms"]}
        for n, line in zip(wanted, made, strict=True)
    ]


def _memory_of_hearing(track: Path, mix: Path) -> float:
    # A child's ru_maxrss begins with what its parent had; VmHWM is its own.
    code = (
        "import sys; from pathlib import Path; from cinefab.media.hearing import hear; "
        "hear(Path(sys.argv[1]), Path(sys.argv[2])); "
        "said = Path('/proc/self/status').read_text().partition('VmHWM:')[2]; "
        "print(int(said.split()[0]) / 1024)"
    )
    line = [sys.executable, "-c", code, str(track), str(mix)]
    return float(subprocess.run(line, capture_output=True, text=True, check=True).stdout)


def _heard(path: Path) -> tuple[float, float]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
    from heard import loudness

    measured = loudness(path)
    return measured.lufs, measured.peak_dbtp


if __name__ == "__main__":
    sys.exit(main())
