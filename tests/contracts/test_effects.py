"""Every effect that is installed keeps every promise of its contract."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.assemble.chain import Chain
from cinefab.assemble.effect import EffectCard, EffectWork
from cinefab.conformance.effects import PROMISES, Case, moving_picture
from cinefab.core.brief import Size
from cinefab.core.effect import EffectNeed, Stretch
from cinefab.core.errors import ContractMismatch
from cinefab.media.frames import Frame
from cinefab.media.still import write_png

SETTINGS: dict[str, list[dict[str, Any]]] = {
    "captions": [{"cues": [{"start_ms": 200, "end_ms": 900, "lines": ["Poured", "slowly"]}]}],
    "denoise": [{"strength": 0.6}, {}],
    "grade": [
        {"slope": [1.1, 1, 0.9], "offset": [0, 0.02, 0], "power": [1, 0.9, 1.2], "saturation": 0.8},
        {"lut": {"file": "look.cube"}},
    ],
    "interpolate": [{"factor": 2}, {"factor": 3}],
    "overlay": [
        {"logo": "mark", "corner": "bottom-left", "width": 0.3, "opacity": 0.7, "plate": True}
    ],
    "sharpen": [{"amount": 1.2}, {}],
    "stabilise": [{"strength": 0.8, "margin": 0.08}],
    "upsample": [{"factor": 2}, {"factor": 3, "detail": 0.3}],
}


def every_case() -> Iterator[Any]:
    for name, point in sorted(find_plugins("effects").items()):
        assert name in SETTINGS, f"give the effect {name} a case"
        for number, settings in enumerate(SETTINGS[name]):
            for promise in PROMISES:
                yield pytest.param(point, settings, promise, id=f"{name}-{number}-{promise}")


@pytest.mark.parametrize(("point", "settings", "promise"), list(every_case()))
def test_an_installed_effect_keeps_its_promise(
    point: Any, settings: dict[str, Any], promise: str, tmp_path: Path
) -> None:
    effect = load_plugin(point)
    case = replace(Case(settings=settings), **given_files(tmp_path))

    PROMISES[promise](effect, case)


def given_files(folder: Path) -> dict[str, Any]:
    rows = [f"{b} {g} {r}" for b in (0, 0.5, 1) for g in (0, 0.5, 1) for r in (0, 0.5, 1)]
    cube = folder / "look.cube"
    cube.write_text("LUT_3D_SIZE 3\n" + "\n".join(rows))
    mark = folder / "mark.png"
    write_png(np.full((20, 40, 3), (200, 30, 40), np.uint8), mark)
    return {"files": {"lut": cube}, "pictures": {"logo": mark}}


class Careless:
    """An effect that breaks one promise at a time: a suite that cannot fail proves nothing."""

    card = EffectCard(
        name="careless",
        version="1",
        settings_schema={
            "type": "object",
            "additionalProperties": False,
            "properties": {"fault": {"type": "string"}},
        },
        neutral={},
    )
    count = 0

    def need(self, settings: Any, /) -> EffectNeed:
        return EffectNeed(before=1, after=1)

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        fault = work.settings.get("fault", "brighter")
        comes, wanted = work.comes, work.wanted
        held = list(frames) if fault == "greedy" else None
        skip = wanted.first - comes.first
        for number, frame in enumerate(held if held is not None else frames):
            index = number - skip
            if not 0 <= index < wanted.frames or (fault == "short" and index == 3):
                continue
            out = frame.copy()
            if fault == "moody":
                Careless.count += 1
                out[0, 0] = Careless.count % 251
            elif fault == "counts":
                out[0, 0] = number
            elif fault == "brighter":
                out += 1
            elif fault == "small":
                out = out[:-2]
            yield out


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("moody", "gives the same bytes again"),
        ("short", "gives what is wanted"),
        ("small", "gives what is wanted"),
        ("counts", "gives parts as a whole"),
        ("brighter", "leaves frames alone when neutral"),
        ("greedy", "keeps nothing of a buffer"),
        ("greedy", "reads as it goes"),
    ],
)
def test_a_broken_promise_is_found(fault: str, promise: str) -> None:
    case = Case(settings={"fault": fault}, size=Size(64, 32))

    with pytest.raises(ContractMismatch, match="hold the effect careless@1 to its contract"):
        PROMISES[promise](Careless(), case)


def in_a_row(*effects: tuple[str, dict[str, Any]]) -> Chain:
    orders = []
    for name, settings in effects:
        point = find_plugins("effects")[name]
        effect = load_plugin(point)
        orders.append(
            {
                "entry": point.value,
                "ref": effect.card.ref,
                "settings": json.dumps(settings),
                "need": asdict(effect.need(settings)),
                "files": {},
                "pictures": {},
                "masks": {},
            }
        )
    return Chain(orders)


@pytest.mark.parametrize(
    "effects",
    [
        [("denoise", {"strength": 0.5}), ("interpolate", {"factor": 2}), ("sharpen", {})],
        [("interpolate", {"factor": 3}), ("upsample", {"factor": 2}), ("stabilise", {})],
        [("interpolate", {"factor": 2}), ("denoise", {"strength": 0.5}), ("interpolate", {})],
    ],
    ids=lambda effects: "-".join(name for name, _ in effects),
)
def test_effects_in_a_row_give_parts_as_a_whole(effects: list[tuple[str, dict[str, Any]]]) -> None:
    whole = Stretch(
        size=Size(96, 64),
        fps=Fraction(24),
        first=-3,
        frames=22,
        extent_first=-3,
        extent_end=19,
        shot_frames=16,
    )

    def made(wanted: Stretch) -> list[Frame]:
        chain = in_a_row(*effects)
        asked = chain.source(wanted)
        drawn = (moving_picture(asked.size, asked.first + i) for i in range(asked.frames))
        return [frame.copy() for frame in chain.finish(drawn, wanted)]

    head, body, tail = (
        made(replace(whole, first=first, frames=frames))
        for first, frames in ((-3, 6), (3, 10), (13, 6))
    )

    assert np.array_equal(np.array(made(whole)), np.array([*head, *body, *tail]))
