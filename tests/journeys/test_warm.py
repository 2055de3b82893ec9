"""What loading costs is expected, measured and charged apart; on a warm model there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from strangers import install
from studio_runs import Studio

SLOW = (Path(__file__).parents[1] / "support" / "slow_to_load.py").read_text()
SETTINGS = """\
[models.kept]
backend = "slow-to-load"

[models.cold]
backend = "slow-to-load"

[models.gang]
backend = "slow-to-load"
device_class = "cuda"
count = 2

[devices.card]
class = "cuda"
memory_gb = 8
count = 2

[warm]
models = ["kept"]
"""
BRIEF = """\
title: Warm or cold
model: {model}
tier: {tier}
shots: [{{seconds: 1, prompt: A grey wall, transition: cut}}]
output: {{size: 320x180, fps: 12}}
quality: preview
refine: {{attempts: 0}}
seed: {seed}
"""
PROGRAM = """\
import json, sys, time
from pathlib import Path
from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio
from cinefab.core.clock import SystemClock
from cinefab.core.errors import NotWarm
from cinefab.ingest.brief import load_written

if __name__ == "__main__":
    found = []
    with Studio(load_settings({"db": sys.argv[1]}), tell=lambda _news: None) as studio:
        studio.launch()
        studio.keep_warm()
        end = time.monotonic() + 60
        while not studio.instances.is_kept_warm(studio.shop.models["kept"]):
            assert time.monotonic() < end
            time.sleep(0.05)
        for path in map(Path, sys.argv[2:]):
            brief = load_written(path, now_us=SystemClock().now_us()).brief
            try:
                made = studio.make(brief, base=path.parent, requested_us=SystemClock().now_us())
            except NotWarm as error:
                made = {"status": type(error).__name__}
            found.append(made)
    print(json.dumps(found))
"""


def test_interactive_work_on_a_warm_model_charges_no_loading_and_a_cold_start_is_charged(
    tmp_path: Path,
) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")
    points = {"models": {"slow-to-load": "slow_to_load:SlowToLoad"}}
    install(studio, module="slow_to_load", source=SLOW, points=points)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cinefab.toml").write_text(SETTINGS)
    wanted = [
        ("kept", "interactive"),
        ("cold", "interactive"),
        ("cold", "batch"),
        ("cold", "batch"),
        ("gang", "batch"),
    ]
    briefs = [
        studio.brief(BRIEF.format(model=model, tier=tier, seed=seed), name=f"{seed}.yaml")
        for seed, (model, tier) in enumerate(wanted)
    ]

    warm, refused, cold, again, gang = made(studio, briefs)

    assert refused["status"] == "NotWarm"
    assert [each["status"] for each in (warm, cold, again, gang)] == ["delivered"] * 4
    assert "load" not in of_takes(warm)
    assert of_takes(cold)["load"] >= 200_000
    assert "load" not in of_takes(again)
    # The card says an hour of loading; only what was cold was expected to take it.
    assert warm["reserved_uusd"] < 45_000 < cold["reserved_uusd"]
    assert again["reserved_uusd"] < 45_000
    # The time of a gang is that of each of its devices.
    lease = next(each for each in gang["leases"] if each["stage"] == "generate:0")
    took_ms = next(each["ms"] for each in gang["stages"] if each["name"] == "generate:0")
    assert lease["device_class"] == "cuda"
    assert abs(lease["device_us"] - 2000 * took_ms) <= 1000
    studio.check_books()


def of_takes(report: Any) -> Any:
    """Return what the time of the film's one take went into, by class."""
    return next(each["by_class"] for each in report["leases"] if each["stage"] == "generate:0")


def made(studio: Studio, briefs: list[Path]) -> Any:
    """Make films one after the other in one process that keeps a model warm."""
    program = studio.folder / "program.py"
    program.write_text(PROGRAM)
    line = [sys.executable, str(program), studio.db, *map(str, briefs)]
    done = subprocess.run(
        line,
        env=studio.env,
        cwd=studio.folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
