"""The report outlives the process: its shape and its words are held against a kept sample.

Rewrite the sample after a change that is meant with `UPDATE_GOLDEN=1 make test`.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from studio_runs import Studio

SAMPLE = Path(__file__).with_name("report-three-shots.json")
VOLATILE = {
    "seconds": "<seconds>",
    "first_preview_ms": "<ms>",
    "ms": "<ms>",
    "start_ms": "<ms>",
    "device_us": "<us>",
    "cost_uusd": "<uusd>",
    "overhead_uusd": "<uusd>",
    "voided_uusd": "<uusd>",
    "reserved_uusd": "<uusd>",
    "cost_per_delivered_minute_uusd": "<uusd>",
    "device_us_by_class": "<us by class>",
    "by_class": "<us by class>",
    "figures": "<figures>",
    "label": "<label>",
    "signer": "<signer>",
    "size_bytes": "<bytes>",
}
IDS = re.compile(r"\b(ast|job)_[0-9a-z]{26}\b")
DIGESTS = re.compile(r"\b[0-9a-f]{64}\b")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def test_the_report_of_a_small_film_is_as_it_was(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path}/a.db")

    report = _without_volatile(studio.make(studio.brief()), tmp_path)

    text = json.dumps(report, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        SAMPLE.write_text(text)
    assert text == SAMPLE.read_text()


def _without_volatile(value: Any, folder: Path, name: str = "") -> Any:
    if name in VOLATILE:
        # What may be unknown is not volatile: null would be another report.
        return value if value is None else VOLATILE[name]
    match value:
        case dict():
            return {key: _without_volatile(item, folder, key) for key, item in value.items()}
        case list():
            items = [_without_volatile(item, folder) for item in value]
            # Shots are made side by side, so what is listed as it was made may come in any order.
            unordered = name in {"stages", "leases", "lineage", "weights_bp"}
            return sorted(items, key=json.dumps) if unordered else items
        case str():
            text = value.replace(str(folder), "<folder>")
            for pattern, word in ((IDS, r"<\1>"), (DIGESTS, "<sha256>"), (TIMES, "<time>")):
                text = pattern.sub(word, text)
            return text
        case _:
            return value
