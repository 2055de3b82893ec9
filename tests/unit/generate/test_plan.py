"""Planning: frames that add up, transitions that fit, limits that are told by field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.brief import (
    Brand,
    Brief,
    Camera,
    Output,
    Reference,
    Role,
    Shot,
    Size,
    Transition,
    TransitionKind,
)
from cinefab.core.canonical import canonical_json, sha256_of
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.core.ids import TenantId
from cinefab.core.plan import Part, Plan, PreparedReference, Versions
from cinefab.core.units import price_of
from cinefab.generate.backend import DeviceNeed, Limits, ModelCard
from cinefab.generate.direction import choose_cameras, choose_joins
from cinefab.generate.plan import (
    Instead,
    estimate_uusd,
    make_plan,
    plan_document,
    plan_from_document,
)

STRICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "prompt": {"type": "string"},
        "caption": {"type": "string", "maxLength": 40},
        "camera": {"enum": [camera.value for camera in Camera if camera is not Camera.AUTO]},
        "index": {"type": "integer"},
        "references": {"type": "array", "maxItems": 2, "items": {"type": "string"}},
        "roles": {"type": "object"},
        "colours": {"type": "array", "maxItems": 3},
        "logo": {"type": ["string", "null"]},
    },
    "required": ["caption", "camera", "index"],
    "additionalProperties": False,
}


def a_card(**changes: Any) -> ModelCard:
    card = ModelCard(
        name="procedural",
        version="1",
        task="film",
        input_schema=STRICT_SCHEMA,
        output_schema={},
        limits=Limits(width_max=1280, height_max=720, frames_max=600),
        capabilities=frozenset({"deterministic", "any-frame"}),
        devices=(DeviceNeed(device_class="cpu", memory_mb=512),),
        training_sets=(),
        digital_source_type="algorithmicMedia",
        cost_us_per_megapixel=1_000_000,
        cost_us_fixed=1_000,
    )
    return replace(card, **changes)


def a_brief(*shots: Shot, **changes: Any) -> Brief:
    return replace(Brief(title="A cup", shots=shots or (Shot(length_ms=2000),)), **changes)


def a_shot(kind: TransitionKind = TransitionKind.CUT, *, ms: int = 500, **changes: Any) -> Shot:
    shot = Shot(length_ms=2000, transition=Transition(kind=kind, length_ms=ms))
    return replace(shot, **changes)


def planned(
    brief: Brief,
    *,
    card: ModelCard | None = None,
    price: int | None = 1_000,
    model: str = "procedural@1",
) -> Plan:
    return make_plan(
        brief,
        references=[prepared(reference) for reference in brief.references],
        card=card or a_card(),
        versions=Versions(model=model, machine="m", encoder="e", contract=1),
        tenant=TenantId("ten_1"),
        files={},
        nusd_per_s=price,
    )


def prepared(reference: Reference) -> PreparedReference:
    role = Role.PRODUCT if reference.role is Role.AUTO else reference.role
    return PreparedReference(
        name=reference.name,
        role=role.value,
        original=sha256_of(f"{reference.name} original".encode()),
        picture=sha256_of(f"{reference.name} picture".encode()),
        mask=None,
        confidence_bp=0,
        width=640,
        height=480,
    )


def spans(plan: Plan) -> list[list[tuple[str, int, int]]]:
    return [[(s.part.value, s.first_frame, s.frames) for s in shot.segments] for shot in plan.shots]


def kinds(plan: Plan) -> list[tuple[int, str, int]]:
    return [(t.into, t.kind.value, t.frames) for t in plan.transitions]


SHOTS = st.lists(
    st.builds(
        Shot,
        length_ms=st.integers(250, 5000),
        camera=st.sampled_from(Camera),
        transition=st.builds(
            Transition, kind=st.sampled_from(TransitionKind), length_ms=st.integers(40, 5000)
        ),
    ),
    min_size=1,
    max_size=6,
)
RATES = st.sampled_from([Fraction(24), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60)])


# ── Frames ──────────────────────────────────────────────────────────────────────────────────────


@given(SHOTS, RATES, st.integers(0, 5))
def test_a_film_is_as_long_as_its_seconds_say_to_the_frame(
    shots: list[Shot], fps: Fraction, seed: int
) -> None:
    brief = a_brief(*shots, output=Output(size=Size(64, 64), fps=fps), seed=seed)

    plan = planned(brief)

    exact = sum(shot.length_ms for shot in shots) * fps / 1000
    assert abs(plan.frames - exact) <= Fraction(1, 2)


@given(SHOTS, RATES, st.integers(0, 5))
def test_segments_cover_every_shot_once_and_reach_under_its_transitions(
    shots: list[Shot], fps: Fraction, seed: int
) -> None:
    brief = a_brief(*shots, output=Output(size=Size(64, 64), fps=fps), seed=seed)

    plan = planned(brief)

    into = {transition.into: transition.frames for transition in plan.transitions}
    for shot in plan.shots:
        begins, ends = into.get(shot.index, 0), into.get(shot.index + 1, 0)
        parts = [segment.part for segment in shot.segments]
        assert parts == [Part.HEAD] * bool(begins) + [Part.BODY] + [Part.TAIL] * bool(ends)
        assert shot.segments[0].first_frame == -begins // 2
        last = shot.segments[-1]
        assert last.first_frame + last.frames == shot.frames + ends // 2
        for before, after in pairwise(shot.segments):
            assert before.first_frame + before.frames == after.first_frame
        assert all(segment.frames > 0 for segment in shot.segments)


@given(SHOTS, st.integers(0, 5))
def test_transitions_are_even_and_never_more_than_half_of_a_shot(
    shots: list[Shot], seed: int
) -> None:
    plan = planned(a_brief(*shots, output=Output(size=Size(64, 64)), seed=seed))

    for transition in plan.transitions:
        sides = plan.shots[transition.into - 1 : transition.into + 1]
        assert transition.frames % 2 == 0
        assert 2 <= transition.frames <= min(shot.frames for shot in sides) / 2


def test_a_shot_between_two_transitions_has_a_head_a_body_and_a_tail() -> None:
    wipe = a_shot(TransitionKind.WIPE)

    plan = planned(a_brief(a_shot(), wipe, a_shot(TransitionKind.DIP, ms=1000)))

    assert spans(plan) == [
        [("body", 0, 42), ("tail", 42, 12)],
        [("head", -6, 12), ("body", 6, 30), ("tail", 36, 24)],
        [("head", -12, 24), ("body", 12, 36)],
    ]
    assert kinds(plan) == [(1, "wipe", 12), (2, "dip", 24)]


def test_a_shot_shorter_than_a_frame_is_refused() -> None:
    brief = a_brief(Shot(length_ms=400), output=Output(fps=Fraction(1)))

    with pytest.raises(BriefInvalid) as refusal:
        planned(brief)

    assert refusal.value.field == "shots[0].seconds"


# ── Direction ───────────────────────────────────────────────────────────────────────────────────


def test_a_dissolve_that_would_show_the_product_twice_becomes_a_wipe() -> None:
    cup = Reference(name="cup", location="c", role=Role.PRODUCT)
    far = Reference(name="far", location="f", role=Role.BACKGROUND)
    dissolve = a_shot(TransitionKind.DISSOLVE, references=("cup", "far"))

    plan = planned(
        a_brief(a_shot(references=("far", "cup")), dissolve, references=(cup, far)),
    )

    assert kinds(plan) == [(1, "wipe", 12)]
    assert plan.notes == ("shots[1].transition: a dissolve would show 'cup' twice; made a wipe",)


def test_a_dissolve_between_shots_whose_only_reference_is_shared_becomes_a_wipe() -> None:
    far = Reference(name="far", location="f", role=Role.BACKGROUND)
    dissolve = a_shot(TransitionKind.DISSOLVE, references=("far",))

    plan = planned(a_brief(a_shot(references=("far",)), dissolve, references=(far,)))

    assert kinds(plan) == [(1, "wipe", 12)]


def test_a_dissolve_between_different_pictures_stays_one() -> None:
    cup, mug = (Reference(name=n, location=n, role=Role.PRODUCT) for n in ("cup", "mug"))
    dissolve = a_shot(TransitionKind.DISSOLVE, references=("mug",))

    plan = planned(a_brief(a_shot(references=("cup",)), dissolve, references=(cup, mug)))

    assert kinds(plan) == [(1, "dissolve", 12)]
    assert plan.notes == ()


@given(st.lists(st.sampled_from(Camera), min_size=1, max_size=8), st.integers(0, 50))
def test_a_camera_left_open_moves_unlike_its_neighbours(cameras: list[Camera], seed: int) -> None:
    moves = choose_cameras([a_shot(camera=camera) for camera in cameras], seed=seed)

    for i, asked in enumerate(cameras):
        if asked is not Camera.AUTO:
            assert moves[i] is asked
        else:
            neighbours = (*moves[max(0, i - 1) : i], *moves[i + 1 : i + 2])
            assert moves[i] not in (*neighbours, Camera.AUTO)


@given(st.integers(0, 2**53 - 1))
def test_a_transition_left_open_never_shows_the_product_twice(seed: int) -> None:
    shots = [a_shot(TransitionKind.AUTO, references=("cup",)) for _ in range(8)]

    joins, notes = choose_joins(
        shots, frames=[48] * 8, fps=Fraction(24), roles={"cup": "product"}, seed=seed
    )

    assert TransitionKind.DISSOLVE not in [join.kind for join in joins]
    assert notes == ()


@given(st.integers(0, 2**53 - 1))
def test_transitions_left_open_take_turns(seed: int) -> None:
    shots = [a_shot(TransitionKind.AUTO) for _ in range(8)]

    joins, _ = choose_joins(shots, frames=[48] * 8, fps=Fraction(24), roles={}, seed=seed)

    assert all(before.kind is not after.kind for before, after in pairwise(joins))


@pytest.mark.parametrize(("ms", "frames"), [(40, 2), (520, 12), (550, 14), (1000, 24)])
def test_a_transition_is_rounded_to_the_nearest_even_number_of_frames(ms: int, frames: int) -> None:
    plan = planned(a_brief(a_shot(), a_shot(TransitionKind.WIPE, ms=ms)))

    assert kinds(plan) == [(1, "wipe", frames)]


def test_the_seed_chooses_what_the_brief_leaves_open() -> None:
    shots = [Shot(length_ms=2000) for _ in range(4)]

    plans = [planned(a_brief(*shots, seed=seed)) for seed in range(8)]

    assert len({tuple(kinds(plan)) for plan in plans}) > 2
    assert len({str([shot.input for shot in plan.shots]) for plan in plans}) > 4


def test_a_dip_passes_through_the_brands_first_colour_or_black() -> None:
    shots = (a_shot(), a_shot(TransitionKind.DIP), a_shot(TransitionKind.WIPE))

    branded = planned(a_brief(*shots, brand=Brand(colours=("#123456", "#ffffff"))))
    plain = planned(a_brief(*shots))

    assert [transition.colour for transition in branded.transitions] == ["#123456", ""]
    assert [transition.colour for transition in plain.transitions] == ["#000000", ""]


def test_what_cannot_be_granted_is_noted() -> None:
    plan = planned(
        a_brief(
            a_shot(TransitionKind.WIPE, voice="Hello"),
            a_shot(TransitionKind.WIPE, ms=5000),
            a_shot(TransitionKind.WIPE, length_ms=120),
            references=(Reference(name="cup", location="c"),),
        )
    )

    assert plan.notes == (
        "shots[0].transition: nothing comes before the first shot; made a cut",
        "shots[1].transition.seconds: half of the shorter shot is 24 frames; made it 24 frames",
        "shots[2].transition.seconds: half of the shorter shot is 0 frames; made a cut",
        "shots[0].voice: not spoken; no voice is installed (pip install 'cinefab[speech]')",
        "references.cup: no shot shows it",
    )
    assert kinds(plan) == [(1, "wipe", 24)]


# ── What the model is given ─────────────────────────────────────────────────────────────────────


def test_a_shot_is_given_to_the_model_in_the_words_of_its_contract() -> None:
    cup = Reference(name="cup", location="c", role=Role.PRODUCT)
    mark = Reference(name="mark", location="m", role=Role.LOGO)
    shot = a_shot(prompt="steam", caption="Hi", references=("cup",), camera=Camera.DRIFT)

    plan = planned(
        a_brief(
            shot,
            references=(cup, mark),
            brand=Brand(logo="mark", colours=("#123456",)),
            seed=9,
        )
    )

    assert plan.shots[0].input == {
        "prompt": "steam",
        "caption": "Hi",
        "camera": "drift",
        "index": 0,
        "references": ["cup"],
        "roles": {"cup": "product", "mark": "logo"},
        "colours": ["#123456"],
        "logo": "mark",
    }
    assert plan.shots[0].references == ("cup", "mark")
    assert plan.shots[0].seed == 9
    assert [reference.name for reference in plan.references] == ["cup", "mark"]


@pytest.mark.parametrize(
    ("brief", "field"),
    [
        (a_brief(a_shot(), a_shot(caption="x" * 41)), "shots[1].caption"),
        (a_brief(brand=Brand(colours=("#000000",) * 4)), "brand.colours"),
        (a_brief(output=Output(size=Size(1920, 720))), "output.size"),
        (a_brief(output=Output(size=Size(1280, 722))), "output.size"),
        (a_brief(a_shot(), a_shot(length_ms=26_000)), "shots[1].seconds"),
        (a_brief(model="other"), "model"),
        (a_brief(model="procedural@2"), "model"),
    ],
)
def test_what_the_model_cannot_make_is_told_by_its_field(brief: Brief, field: str) -> None:
    with pytest.raises(BriefInvalid) as refusal:
        planned(brief)

    assert refusal.value.field == field


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "https://example.com/schema.json"},
        {"properties": {"caption": {"type": "integer"}}},
        {"required": ["negative_prompt"]},
        {"properties": {"caption": {}}, "additionalProperties": False},
    ],
)
def test_a_card_that_no_shot_could_fit_is_a_broken_contract(schema: dict[str, Any]) -> None:
    with pytest.raises(ContractMismatch, match="procedural@1"):
        planned(a_brief(), card=a_card(input_schema=schema))


def test_a_model_may_be_named_with_its_version() -> None:
    assert planned(a_brief(model="procedural@1")).model == "procedural@1"


# ── Cost ────────────────────────────────────────────────────────────────────────────────────────


def test_a_segment_is_estimated_from_the_cards_figures_in_whole_numbers() -> None:
    plan = planned(a_brief(a_shot(length_ms=125), output=Output(size=Size(100, 102))), price=7_777)

    segment = plan.shots[0].segments[0]
    assert segment.frames == 3
    assert segment.estimate_device_us == 1_000 + 30_600
    assert segment.estimate_uusd == price_of(segment.estimate_device_us, nusd_per_s=7_777)


def test_a_part_of_a_microsecond_is_estimated_as_a_whole_one() -> None:
    brief = a_brief(a_shot(length_ms=125), output=Output(size=Size(100, 102)))

    plan = planned(brief, card=a_card(cost_us_per_megapixel=7))

    assert plan.shots[0].segments[0].estimate_device_us == 1_000 + 1


def test_every_reference_that_is_shown_is_allowed_for() -> None:
    cup = Reference(name="cup", location="c", role=Role.PRODUCT)

    with_it = estimate_uusd(planned(a_brief(a_shot(references=("cup",)), references=(cup,))))
    without = estimate_uusd(planned(a_brief(a_shot())))

    assert with_it is not None
    assert without is not None
    assert with_it >= without + 4


def test_an_unpriced_device_makes_the_cost_unknown_and_not_zero() -> None:
    plan = planned(a_brief(), price=None)

    assert plan.shots[0].segments[0].estimate_uusd is None
    assert estimate_uusd(plan) is None


@given(SHOTS, st.integers(0, 10**7))
def test_a_jobs_estimate_covers_its_takes_and_the_other_stages(
    shots: list[Shot], price: int
) -> None:
    plan = planned(a_brief(*shots, output=Output(size=Size(320, 180))), price=price)

    segments = [segment for shot in plan.shots for segment in shot.segments]
    takes_us = sum(segment.estimate_device_us for segment in segments)
    total = estimate_uusd(plan)
    assert total is not None
    assert total >= price_of(takes_us * 16 // 10 + 8_000_000, nusd_per_s=price)
    assert total >= sum(segment.estimate_uusd or 0 for segment in segments)


# ── The same again ──────────────────────────────────────────────────────────────────────────────


@given(SHOTS, RATES, st.integers(0, 5))
def test_the_same_brief_gives_the_same_plan_byte_for_byte_and_is_read_back(
    shots: Sequence[Shot], fps: Fraction, seed: int
) -> None:
    brief = a_brief(*shots, output=Output(size=Size(64, 64), fps=fps), seed=seed)

    plan = planned(brief)

    spelled = canonical_json(plan_document(plan))
    assert canonical_json(plan_document(planned(brief))) == spelled
    assert plan_from_document(json.loads(spelled)) == plan


def test_a_plan_stored_in_another_format_is_refused() -> None:
    document = {**plan_document(planned(a_brief())), "schema": "cinefab.plan/0"}

    with pytest.raises(BriefInvalid, match=r"cinefab\.plan/0"):
        plan_from_document(document)


def test_a_prompt_without_shots_is_planned_from_its_storyboard() -> None:
    plan = planned(Brief(title="A cup", prompt="Steam rises. The cup waits."))

    assert 3 <= len(plan.shots) <= 5


def test_a_shot_that_another_model_makes_has_that_models_keys_price_and_limits_and_no_other_shot() -> (
    None
):
    brief = a_brief(a_shot(), a_shot(), a_shot())
    cheap = a_card(name="cheap", cost_us_fixed=7, cost_us_per_megapixel=10)
    price = 3_000

    def made(card: ModelCard) -> Plan:
        return make_plan(
            brief,
            references=[],
            card=a_card(),
            versions=Versions(model="procedural@1", machine="m", encoder="e", contract=1),
            tenant=TenantId("ten_1"),
            files={},
            nusd_per_s=1_000,
            instead={1: Instead(card=card, nusd_per_s=price)},
        )

    own = planned(brief).shots
    mixed = made(cheap).shots
    theirs = planned(replace(brief, model="cheap"), card=cheap, price=price, model="cheap@1").shots

    assert mixed[0] == own[0]
    assert mixed[2] == own[2]
    assert mixed[1].model == "cheap@1"
    assert mixed[1].segments == theirs[1].segments
    assert mixed[1].segments != own[1].segments
    assert plan_from_document(plan_document(made(cheap))) == made(cheap)
    with pytest.raises(BriefInvalid, match="cheap@1"):
        made(a_card(name="cheap", limits=Limits(width_max=64, height_max=64, frames_max=600)))


def test_what_a_version_that_is_tried_does_not_take_the_films_own_model_makes() -> None:
    brief = a_brief(a_shot(), a_shot())
    small = a_card(version="2", limits=Limits(width_max=64, height_max=64, frames_max=600))

    def made(card: ModelCard) -> Plan:
        return make_plan(
            brief,
            references=[],
            card=a_card(),
            versions=Versions(model="procedural@1", machine="m", encoder="e", contract=1),
            tenant=TenantId("ten_1"),
            files={},
            nusd_per_s=1_000,
            instead={0: Instead(card=card, nusd_per_s=1_000, is_tried=True)},
        )

    assert made(small).shots == planned(brief).shots
    assert [each.model for each in made(a_card(version="2")).shots] == ["procedural@2", None]
