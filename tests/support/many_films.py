"""Many films in one process: `many_films.py HOME DB OUT BRIEF SETTING...`; prints their reports."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from cinefab.app.settings import load_settings
from cinefab.app.studio import Studio
from cinefab.ingest.brief import load_brief


def main() -> None:
    db, out, brief, *settings = sys.argv[1:]
    reports: list[Any] = []
    with Studio(load_settings({"db": db, "out": Path(out)}), tell=lambda _news: None) as studio:
        for setting in settings:
            wanted = load_brief(Path(brief), now_us=0, overrides=setting.split(" "))
            reports.append(studio.make(wanted, base=Path(brief).parent, requested_us=0))
    sys.stdout.write(json.dumps(reports))


if __name__ == "__main__":
    main()
