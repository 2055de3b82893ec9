"""Keys: unmoved by what only describes a film, moved by everything that shows."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from cinefab.core.brief import (
    Brand,
    Brief,
    Camera,
    Output,
    PartyShare,
    Quality,
    Reference,
    RightsSource,
    Role,
    Shot,
    Size,
    Tier,
    Transition,
    TransitionKind,
)
from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.ids import TenantId
from cinefab.core.plan import Plan, PreparedReference, Versions
from cinefab.core.units import BasisPoints, Uusd
from cinefab.generate.backend import Limits, ModelCard
from cinefab.generate.key import segment_key, transition_key
from cinefab.generate.plan import make_plan

CARD = ModelCard(
    name="procedural",
    version="1",
    task="film",
    input_schema={},
    output_schema={},
    limits=Limits(width_max=1920, height_max=1920, frames_max=600),
    capabilities=frozenset({"any-frame"}),
    devices=(),
    training_sets=(),
    digital_source_type="algorithmicMedia",
    cost_us_per_megapixel=1,
    cost_us_fixed=1,
)


def a_source(reference: str = "cup", licence: str = "CC0-1.0", party: str = "Ann") -> RightsSource:
    shares = (PartyShare(party=party, share_bp=BasisPoints(10_000)),)
    return RightsSource(reference=reference, licence=licence, parties=shares)


BRIEF = Brief(
    title="A cup",
    shots=(
        Shot(length_ms=2000, caption="Déjà", references=("cup",), camera=Camera.DRIFT),
        Shot(
            length_ms=2000,
            prompt="steam",
            caption="Two",
            references=("cup", "far"),
            camera=Camera.TILT_UP,
            transition=Transition(kind=TransitionKind.DIP),
        ),
    ),
    references=(
        Reference(name="cup", location="cup.png", role=Role.PRODUCT),
        Reference(name="far", location="far.png", role=Role.BACKGROUND),
        Reference(name="mark", location="mark.png", role=Role.LOGO),
    ),
    output=Output(size=Size(320, 180)),
    brand=Brand(logo="mark", colours=("#102030",)),
    rights=(a_source(),),
    seed=4,
)


def a_picture(name: str, **changes: Any) -> PreparedReference:
    roles = {"cup": "product", "far": "background", "mark": "logo"}
    picture = PreparedReference(
        name=name,
        role=roles.get(name, "product"),
        original=sha256_of(b"original " + name.encode()),
        picture=sha256_of(b"picture " + name.encode()),
        mask=sha256_of(b"mask " + name.encode()),
        confidence_bp=9000,
        width=640,
        height=480,
    )
    return replace(picture, **changes)


def planned(
    brief: Brief = BRIEF,
    *,
    pictures: Mapping[str, Mapping[str, Any]] | None = None,
    tenant: str = "ten_1",
    files: Mapping[str, Sha256] | None = None,
    price: int | None = 5,
    **versions: Any,
) -> Plan:
    changed = pictures or {}
    standing = Versions(model="procedural@1", machine="m", encoder="e", contract=1)
    return make_plan(
        brief,
        references=[a_picture(r.name, **changed.get(r.name, {})) for r in brief.references],
        card=CARD,
        versions=replace(standing, **versions),
        tenant=TenantId(tenant),
        files=files or {},
        nusd_per_s=price,
    )


def keys(plan: Plan) -> list[Sha256]:
    segments = [segment.key for shot in plan.shots for segment in shot.segments]
    return segments + [transition.key for transition in plan.transitions]


def with_shot(index: int, **changes: Any) -> Brief:
    shots = list(BRIEF.shots)
    shots[index] = replace(shots[index], **changes)
    return replace(BRIEF, shots=tuple(shots))


def renamed() -> tuple[Brief, dict[str, dict[str, Any]]]:
    """Return the brief with its cup called mug, and the mug's picture being the cup's."""
    brief = replace(
        BRIEF,
        shots=tuple(
            replace(shot, references=tuple({"cup": "mug"}.get(n, n) for n in shot.references))
            for shot in BRIEF.shots
        ),
        references=tuple(
            replace(reference, name={"cup": "mug"}.get(reference.name, reference.name))
            for reference in BRIEF.references
        ),
        rights=(a_source("mug"),),
    )
    cup = a_picture("cup")
    return brief, {"mug": {"picture": cup.picture, "mask": cup.mask, "original": cup.original}}


STABLE: dict[str, Callable[[], Plan]] = {
    "the same again": planned,
    "title": lambda: planned(replace(BRIEF, title="Another")),
    "labels": lambda: planned(replace(BRIEF, labels=(("a", "b"),))),
    "budget": lambda: planned(replace(BRIEF, budget_uusd=Uusd(9))),
    "deadline": lambda: planned(replace(BRIEF, deadline_us=9)),
    "tier": lambda: planned(replace(BRIEF, tier=Tier.INTERACTIVE)),
    "prompt beside shots": lambda: planned(replace(BRIEF, prompt="Cups")),
    "voice": lambda: planned(with_shot(0, voice="Hello")),
    "location": lambda: planned(
        replace(BRIEF, references=tuple(replace(r, location="x") for r in BRIEF.references))
    ),
    "a reference renamed throughout": lambda: planned(renamed()[0], pictures=renamed()[1]),
    "a reference's original": lambda: planned(pictures={"cup": {"original": sha256_of(b"x")}}),
    "a picture that no shot shows": lambda: planned(
        replace(BRIEF, references=(*BRIEF.references, Reference(name="new", location="n")))
    ),
    "who is paid": lambda: planned(replace(BRIEF, rights=(a_source(party="Bo"),))),
    "price": lambda: planned(price=None),
    "unnormalised text": lambda: planned(
        with_shot(0, caption=unicodedata.normalize("NFD", "Déjà"))
    ),
}

MOVING: dict[str, Callable[[], Plan]] = {
    "model": lambda: planned(model="procedural@2"),
    "machine": lambda: planned(machine="other"),
    "encoder": lambda: planned(encoder="other"),
    "contract": lambda: planned(contract=2),
    "seed": lambda: planned(replace(BRIEF, seed=5)),
    "size": lambda: planned(replace(BRIEF, output=Output(size=Size(180, 320)))),
    "fps": lambda: planned(
        replace(BRIEF, output=Output(size=Size(320, 180), fps=Fraction(24000, 1001)))
    ),
    "quality": lambda: planned(replace(BRIEF, quality=Quality.PREVIEW)),
    "tenant": lambda: planned(tenant="ten_2"),
    "licence": lambda: planned(replace(BRIEF, rights=(a_source(licence="CC-BY-4.0"),))),
    "no licence": lambda: planned(replace(BRIEF, rights=())),
    "font": lambda: planned(files={"font": sha256_of(b"font")}),
    "lut": lambda: planned(files={"lut": sha256_of(b"lut")}),
    "colours": lambda: planned(replace(BRIEF, brand=Brand(logo="mark", colours=("#000000",)))),
    "logo": lambda: planned(replace(BRIEF, brand=Brand(logo=None, colours=("#102030",)))),
    "the logo's picture": lambda: planned(pictures={"mark": {"picture": sha256_of(b"x")}}),
    "a picture": lambda: planned(pictures={"cup": {"picture": sha256_of(b"x")}}),
    "a mask": lambda: planned(pictures={"cup": {"mask": None}}),
    "a mask's worth": lambda: planned(pictures={"cup": {"confidence_bp": 10}}),
    "a role": lambda: planned(pictures={"cup": {"role": "background"}}),
}


@pytest.mark.parametrize("change", STABLE)
def test_what_only_describes_the_film_moves_no_key(change: str) -> None:
    assert keys(STABLE[change]()) == keys(planned())


@pytest.mark.parametrize("change", MOVING)
def test_what_shows_in_every_shot_moves_every_key(change: str) -> None:
    assert set(keys(MOVING[change]())).isdisjoint(keys(planned()))


@pytest.mark.parametrize(
    "change",
    [
        {"caption": "Three"},
        {"prompt": "more steam"},
        {"camera": Camera.PAN_LEFT},
        {"references": ("far", "cup")},
        {"references": ("cup",)},
        {"length_ms": 2500},
    ],
    ids=str,
)
def test_a_change_in_one_shot_moves_its_own_keys_and_the_transitions_alone(
    change: dict[str, Any],
) -> None:
    before, after = planned(), planned(with_shot(1, **change))

    assert after.shots[0] == before.shots[0]
    own = {segment.key for segment in before.shots[1].segments}
    assert own.isdisjoint(segment.key for segment in after.shots[1].segments)
    assert after.transitions[0].key != before.transitions[0].key


def test_two_names_that_trade_pictures_are_not_the_same_film() -> None:
    cup, far = a_picture("cup"), a_picture("far")
    traded = {
        "cup": {"picture": far.picture, "mask": far.mask},
        "far": {"picture": cup.picture, "mask": cup.mask},
    }

    assert set(keys(planned(pictures=traded))).isdisjoint(keys(planned()))


def test_no_two_segments_of_a_film_share_a_key() -> None:
    plan = planned()

    assert len(set(keys(plan))) == len(keys(plan))


@pytest.mark.parametrize(
    "change",
    [
        {"before": sha256_of(b"x")},
        {"after": sha256_of(b"x")},
        {"kind": TransitionKind.WIPE},
        {"frames": 14},
        {"colour": "#000000"},
        {"encoder": "other"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_that_makes_a_transition_moves_its_key(change: dict[str, Any]) -> None:
    made_of: dict[str, Any] = {
        "before": sha256_of(b"a"),
        "after": sha256_of(b"b"),
        "kind": TransitionKind.DIP,
        "frames": 12,
        "colour": "#ffffff",
        "encoder": "e",
    }

    assert transition_key(**{**made_of, **change}) != transition_key(**made_of)


@pytest.mark.parametrize(
    "change",
    [{"first_frame": -6}, {"frames": 13}, {"shot_frames": 49}, {"seed": 2}, {"licences": [("a", "x")]}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_each_piece_of_a_shot_has_a_key_of_its_own(change: dict[str, Any]) -> None:
    made_of: dict[str, Any] = {
        "versions": Versions(model="procedural@1", machine="m", encoder="e", contract=1),
        "input": {"references": ["a"], "roles": {"a": "product"}, "logo": None},
        "seed": 1,
        "size": Size(320, 180),
        "fps": Fraction(24),
        "first_frame": 0,
        "frames": 12,
        "shot_frames": 48,
        "references": [a_picture("a")],
        "files": {},
        "quality": Quality.FINAL,
        "tenant": TenantId("ten_1"),
        "licences": [],
    }

    assert segment_key(**{**made_of, **change}) != segment_key(**made_of)
