"""Write the golden plans and the brief's JSON Schema anew: python tests/golden/update.py

A changed golden file is a decision: the change that carries it says why.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinefab.core.brief import Brief, Output, Shot, Size, Transition, TransitionKind
from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.ids import TenantId
from cinefab.core.plan import PreparedReference, Versions
from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TrainingSet
from cinefab.generate.plan import make_plan, plan_document
from cinefab.generate.timeline import timeline_of
from cinefab.ingest.brief import brief_document, brief_schema, load_brief
from cinefab.ingest.template import template_schema

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"
NOW_US = 1_800_000_000_000_000

CARD = ModelCard(
    name="procedural",
    version="1",
    task="film",
    input_schema={"type": "object"},
    output_schema={"type": "object"},
    limits=Limits(width_max=1920, height_max=1920, frames_max=3600),
    capabilities=frozenset({"deterministic", "any-frame"}),
    devices=(DeviceNeed(device_class="cpu", memory_mb=512),),
    training_sets=(TrainingSet(name="none", share_bp=10_000, licence="none"),),
    digital_source_type="algorithmicMedia",
    cost_us_per_megapixel=40_000,
    cost_us_fixed=150_000,
)
VERSIONS = Versions(model="procedural@1", machine="golden", encoder="golden", contract=1)


def golden_texts() -> dict[str, str]:
    """Return the text of every golden file by its name."""
    cases = {
        path.stem: brief
        for path in EXAMPLES.glob("*.yaml")
        if "\ntemplate:" not in path.read_text(encoding="utf-8")
        # Only the embedded model's card stands still.
        and (brief := load_brief(path, now_us=NOW_US)).model == CARD.name
    }
    cases["ntsc-short-shots"] = _ntsc_short_shots()
    texts = {
        "brief.schema.json": _pretty(brief_schema()),
        "template.schema.json": _pretty(template_schema()),
    }
    for name, brief in sorted(cases.items()):
        plan = make_plan(
            brief,
            references=[_prepared(reference.name) for reference in brief.references],
            card=CARD,
            versions=VERSIONS,
            tenant=TenantId("ten_golden"),
            files={},
            nusd_per_s=12_000,
        )
        document = brief_document(brief)
        for reference in document["references"]:
            reference["location"] = Path(reference["location"]).name  # not this machine's folders
        texts[f"brief-{name}.json"] = _pretty(document)
        texts[f"plan-{name}.json"] = _pretty(plan_document(plan))
        texts[f"timeline-{name}.otio"] = timeline_of(plan).to_json_string(indent=2) + "\n"
    return texts


def _ntsc_short_shots() -> Brief:
    """Return a brief whose lengths fall between frames and whose transitions do not fit."""
    wipe = Transition(kind=TransitionKind.WIPE, length_ms=2000)
    return Brief(
        title="Between frames",
        shots=tuple(Shot(length_ms=333 + i, transition=wipe, voice="Hush") for i in range(4)),
        output=Output(size=Size(320, 180), fps=Fraction(30000, 1001)),
        seed=2,
    )


def _prepared(name: str) -> PreparedReference:
    def digest(kind: str) -> Sha256:
        return sha256_of(f"{name} {kind}".encode())

    return PreparedReference(
        name=name,
        role="product",
        original=digest("original"),
        picture=digest("picture"),
        mask=digest("mask"),
        confidence_bp=9_000,
        width=600,
        height=400,
    )


def _pretty(document: Any) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name, text in golden_texts().items():
        (HERE / name).write_text(text, encoding="utf-8", newline="\n")
