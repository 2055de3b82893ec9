"""The timeline that other tools open says what the plan says."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

import opentimelineio as otio
import pytest

from cinefab.core.brief import Brief, Output, Shot, Size, Transition, TransitionKind
from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.ids import TenantId
from cinefab.core.plan import Plan, Versions
from cinefab.generate.backend import Limits, ModelCard
from cinefab.generate.plan import make_plan
from cinefab.generate.timeline import timeline_of, write_timeline

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
    cost_us_per_megapixel=1_000_000,
    cost_us_fixed=0,
)


def a_plan(price: int | None = 1_000) -> Plan:
    def shot(kind: TransitionKind) -> Shot:
        return Shot(length_ms=2000, transition=Transition(kind=kind))

    brief = Brief(
        title="A cup",
        shots=tuple(shot(kind) for kind in map(TransitionKind, ("cut", "dissolve", "cut", "dip"))),
        output=Output(size=Size(320, 180), fps=Fraction(24)),
        seed=2**53 - 1,
    )
    return make_plan(
        brief,
        references=[],
        card=CARD,
        versions=Versions(model="procedural@1", machine="m", encoder="e", contract=1),
        tenant=TenantId("ten_1"),
        files={},
        nusd_per_s=price,
    )


def read(plan: Plan, path: Path) -> otio.schema.Timeline:
    write_timeline(plan, path)
    return otio.adapters.read_from_file(str(path))


def test_clips_and_transitions_lie_where_the_plan_puts_them(tmp_path: Path) -> None:
    plan = a_plan()

    track = read(plan, tmp_path / "film.otio").video_tracks()[0]

    clips = [item for item in track if isinstance(item, otio.schema.Clip)]
    assert [track.range_of_child(clip).start_time.value for clip in clips] == [0, 48, 96, 144]
    assert track.duration().value == plan.frames
    assert [(type(item).__name__, item.name) for item in track] == [
        ("Clip", "shot 0"),
        ("Transition", "dissolve"),
        ("Clip", "shot 1"),
        ("Clip", "shot 2"),
        ("Transition", "dip"),
        ("Clip", "shot 3"),
    ]
    assert (track[1].in_offset.value, track[1].out_offset.value) == (6, 6)
    assert track[4].metadata["cinefab"]["key"] == plan.transitions[1].key


def test_every_clip_carries_its_seed_its_keys_and_its_cost(tmp_path: Path) -> None:
    plan = a_plan()

    clips = read(plan, tmp_path / "film.otio").find_clips()

    for clip, shot in zip(clips, plan.shots, strict=True):
        told = clip.metadata["cinefab"]
        assert told["seed"] == shot.seed
        assert dict(told["keys"]) == {s.part.value: s.key for s in shot.segments}
        assert told["estimate_device_us"] == sum(s.estimate_device_us for s in shot.segments)
        assert told["estimate_uusd"] == sum(s.estimate_uusd or 0 for s in shot.segments)


def test_an_unknown_cost_stays_unknown(tmp_path: Path) -> None:
    clip = read(a_plan(price=None), tmp_path / "film.otio").find_clips()[0]

    assert clip.metadata["cinefab"]["estimate_uusd"] is None


def test_a_take_that_is_made_is_named_by_its_digest_and_one_that_is_not_is_missing() -> None:
    plan = a_plan()
    made: dict[Sha256, Sha256] = {plan.shots[0].segments[0].key: sha256_of(b"take")}

    media = timeline_of(plan, digests=made).find_clips()[0].media_references()

    assert media["body"].target_url == f"sha256:{sha256_of(b'take')}"
    assert media["body"].available_range.duration.value == 42
    assert isinstance(media["tail"], otio.schema.MissingReference)
    assert media["tail"].available_range.start_time.value == 42


def test_equal_plans_are_written_in_equal_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.otio", "b.otio")]

    for path in paths:
        write_timeline(a_plan(), path)

    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert len(digests) == 1


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(60)])
def test_a_frame_rate_survives_the_file(tmp_path: Path, fps: Fraction) -> None:
    brief = Brief(title="x", shots=(Shot(length_ms=1000),), output=Output(fps=fps))
    plan = make_plan(
        brief,
        references=[],
        card=CARD,
        versions=a_plan().versions,
        tenant=TenantId("ten_1"),
        files={},
        nusd_per_s=None,
    )

    timeline = read(plan, tmp_path / "film.otio")

    assert Fraction(timeline.metadata["cinefab"]["fps"]) == fps
    assert timeline.find_clips()[0].source_range.duration.rate == pytest.approx(float(fps))
