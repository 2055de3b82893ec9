"""A whole job against the bare render of its segments; a changed caption; nothing changed.

    python bench/job.py [--json] [--rounds N]

The retail spot of the examples without its music, which the peer has no part in
(`bench/sound.py` measures it), in one studio process that is warm: a small film of another kind was
made in it before, so that starting processes, imports and compiled code are in no figure but
`first preview`, which is counted from the start of a fresh process. CPU time is the whole
process tree's. The peer is `make_takes` alone: the same segments, drawn and encoded by one
process, with nothing stored, signed, reviewed or charged.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio
from cinefab.core.brief import Brief, Output, Shot, Size
from cinefab.core.clock import SystemClock
from cinefab.core.plan import Part, Plan
from cinefab.generate.plan import plan_from_document
from cinefab.ingest.brief import load_brief

REPO = Path(__file__).resolve().parent.parent
SPOT = REPO / "examples" / "retail-spot.yaml"
AT_MOST = {
    "whole job / bare render": 1.4,
    "one caption changed / first run": 1 / 4,
    "nothing changed / first run": 1 / 20,
    "first preview, s": 2.0,
}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def main() -> int:
    """Run the comparison and print it; 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["CINEFAB_HOME"] = f"{folder}/home"
            rounds.append(_measure(Path(folder)))
    figures = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    bare_s = figures["bare takes, CPU s"] + figures["bare transitions, CPU s"]
    ratios = {
        "whole job / bare render": figures["first run, CPU s"] / bare_s,
        "one caption changed / first run": figures["caption changed, CPU s"]
        / figures["first run, CPU s"],
        "nothing changed / first run": figures["nothing changed, CPU s"]
        / figures["first run, CPU s"],
        "first preview, s": figures["first preview, s"],
    }
    kept = {name: ratios[name] <= limit for name, limit in AT_MOST.items()}
    ratios["whole job / bare takes alone"] = (
        figures["first run, CPU s"] / figures["bare takes, CPU s"]
    )
    if options.json:
        print(json.dumps({"figures": figures, "ratios": ratios, "kept": kept}, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:<34} {value:>10.3f}")
        for name, value in ratios.items():
            if name not in AT_MOST:
                print(f"{name:<34} {value:>10.3f}")
                continue
            word = "kept" if kept[name] else "MISSED"
            print(f"{name:<34} {value:>10.3f}  at most {AT_MOST[name]:.3f}  {word}")
    return 0 if all(kept.values()) else 1


def _measure(folder: Path) -> dict[str, float]:
    spot = replace(load_brief(SPOT, now_us=SystemClock().now_us()), sound=None)
    settings = load_settings({"out": folder / "out"})
    figures: dict[str, float] = {}
    with Studio(settings, tell=lambda _news: None) as studio:
        _make(studio, _warm_up(spot))
        for name, brief in (
            ("first run", spot),
            ("caption changed", _with_caption(spot, 2, "Still warm")),
            ("nothing changed", spot),
        ):
            cpu_s, wall_s = _cpu_s(), time.monotonic()
            report = _make(studio, brief)
            figures[f"{name}, CPU s"] = _cpu_s() - cpu_s
            figures[f"{name}, wall s"] = time.monotonic() - wall_s
            if name == "first run":
                plan, request = _plan(studio, report)
        argument = [_argument(studio, shot, request, plan, folder) for shot in plan.shots]
    figures["bare takes, CPU s"] = _bare("cinefab.generate.take", "make_takes", argument)
    blends = _blends(plan, folder)
    figures["bare transitions, CPU s"] = _bare("cinefab.assemble.blend_task", "blend", blends)
    figures["first preview, s"] = _preview_s(folder / "fresh")
    return figures


def _make(studio: Studio, brief: Brief) -> dict[str, Any]:
    report = dict(studio.make(brief, base=SPOT.parent, requested_us=SystemClock().now_us()))
    assert report["status"] == "delivered", report["failure"]
    return report


def _warm_up(spot: Brief) -> Brief:
    # Another photograph's worth of work would be kept and reused; this one shows none.
    shot = Shot(length_ms=500, caption="Warm")
    return replace(
        spot,
        shots=(shot, shot, shot, shot),
        references=(),
        rights=(),
        brand=replace(spot.brand, logo=None),
        output=Output(size=Size(320, 180), fps=spot.output.fps),
    )


def _with_caption(brief: Brief, index: int, caption: str) -> Brief:
    shots = list(brief.shots)
    shots[index] = replace(shots[index], caption=caption)
    return replace(brief, shots=tuple(shots))


def _plan(studio: Studio, report: dict[str, Any]) -> tuple[Plan, dict[str, Any]]:
    blobs = studio.shop.blobs
    kinds = {entry["kind"]: entry["sha256"] for entry in report["lineage"]}
    from cinefab.record.commit import load_stages

    with studio.shop.recorder.db.read() as connection:
        stages = load_stages(connection, tenant=studio.shop.tenant, job=report["job"])
    facts: Any = next(stage.facts for stage in stages if stage.name == "plan")
    plan = plan_from_document(json.loads(blobs.load(facts["plan"])))
    return plan, {
        "picture": str(blobs.local_path(kinds["picture"])),
        "mask": str(blobs.local_path(kinds["mask"])) if "mask" in kinds else None,
    }


def _argument(
    studio: Studio, shot: Any, files: dict[str, Any], plan: Plan, folder: Path
) -> dict[str, Any]:
    names = list(shot.references)
    return {
        "entry": studio.shop.models[plan.model.partition("@")[0]].entry,
        "quality": plan.quality,
        "request": {
            "input": shot.input,
            "seed": shot.seed,
            "size": [plan.size.width, plan.size.height],
            "fps": str(plan.fps),
            "shot_frames": shot.frames,
            "references": dict.fromkeys(names, files["picture"]),
            "masks": dict.fromkeys(names, files["mask"]) if files["mask"] else {},
            "files": {},
        },
        "parts": [
            {
                "key": each.key,
                "part": each.part,
                "first_frame": each.first_frame,
                "frames": each.frames,
                "path": str(folder / "bare" / f"{each.key}.mp4"),
            }
            for each in shot.segments
        ],
    }


def _blends(plan: Plan, folder: Path) -> list[dict[str, Any]]:
    keys = {(shot.index, each.part): each.key for shot in plan.shots for each in shot.segments}
    return [
        {
            "tail": str(folder / "bare" / f"{keys[each.into - 1, Part.TAIL]}.mp4"),
            "head": str(folder / "bare" / f"{keys[each.into, Part.HEAD]}.mp4"),
            "path": str(folder / "bare" / f"{each.key}.mp4"),
            "kind": each.kind,
            "frames": each.frames,
            "colour": each.colour,
            "size": [plan.size.width, plan.size.height],
            "fps": str(plan.fps),
            "quality": plan.quality,
        }
        for each in plan.transitions
    ]


def _bare(module: str, function: str, arguments: list[dict[str, Any]]) -> float:
    program = (
        "import json, sys, time\n"
        f"from {module} import {function} as make\n"
        "arguments = json.load(sys.stdin)\n"
        "tell = lambda news: None\n"
        "first = arguments[0]\n"
        "if 'parts' in first: first = dict(first, parts=[dict(first['parts'][0], frames=2)])\n"
        "make(first, tell)\n"
        "began = time.process_time()\n"
        "for argument in arguments: make(argument, tell)\n"
        "print(time.process_time() - began)\n"
    )
    count = len(os.sched_getaffinity(0))
    shares = [share for n in range(count) if (share := arguments[n::count])]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for _ in shares
    ]
    for process, share in zip(processes, shares, strict=True):
        assert process.stdin is not None
        process.stdin.write(json.dumps(share))
        process.stdin.close()
    total_s = 0.0
    for process in processes:
        assert process.stdout is not None
        total_s += float(process.stdout.read())
        assert process.wait() == 0
    return total_s


def _preview_s(folder: Path) -> float:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "cinefab", "make", SPOT, "--json", "--out", folder],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"CINEFAB_HOME": str(folder / "home")},
    )
    return float(json.loads(done.stdout)["first_preview_ms"]) / 1000


def _cpu_s() -> float:
    """Return the CPU time of this process, of the living below it, and of the dead."""
    total = 0
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            for task in Path(f"/proc/{pid}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
        # utime, stime, and those of children that were waited for
        total += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return total * TICK_S


if __name__ == "__main__":
    sys.exit(main())
