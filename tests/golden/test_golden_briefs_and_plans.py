"""What outlives the process keeps its form: stored briefs, plans, timelines, the schema."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from cinefab.generate.plan import plan_document, plan_from_document
from cinefab.ingest.brief import brief_document, brief_from_document

HERE = Path(__file__).resolve().parent
UPDATE = "a golden file changed: decide, then run python tests/golden/update.py"


def test_every_golden_file_is_what_the_code_writes_today() -> None:
    texts: dict[str, str] = runpy.run_path(str(HERE / "update.py"))["golden_texts"]()

    changed = [name for name, text in texts.items() if _kept(name) != text]

    assert changed == [], UPDATE


@pytest.mark.parametrize("path", sorted(HERE.glob("plan-*.json")), ids=lambda path: path.stem)
def test_a_stored_plan_is_read_back_exactly(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))

    assert plan_document(plan_from_document(document)) == document


@pytest.mark.parametrize("path", sorted(HERE.glob("brief-*.json")), ids=lambda path: path.stem)
def test_a_stored_brief_is_read_back_exactly(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))

    assert brief_document(brief_from_document(document)) == document


def _kept(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
