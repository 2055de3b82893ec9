"""Films made at once in one process: `side_by_side.py DB OUT BRIEF...`; prints their reports."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio
from cinefab.ingest.brief import load_brief
from cinefab.jobs.door import open_job
from cinefab.jobs.report import build_report


def main() -> None:
    db, out, *briefs = sys.argv[1:]
    with Studio(load_settings({"db": db, "out": Path(out)}), tell=lambda _news: None) as studio:
        shop = studio.shop
        studio.launch()
        jobs = [
            open_job(
                shop,
                load_brief(Path(brief), now_us=0),
                base=Path(brief).parent,
                out=Path(out),
                requested_us=shop.recorder.clock.now_us(),
                written=None,
            ).job
            for brief in briefs
        ]
        for job in jobs:
            studio.begin(job)
        reports = [build_report(shop, job) for job in jobs]
        while any(report["status"] in ("waiting", "running") for report in reports):
            time.sleep(0.1)
            reports = [build_report(shop, job) for job in jobs]
    sys.stdout.write(json.dumps(reports))


if __name__ == "__main__":
    main()
