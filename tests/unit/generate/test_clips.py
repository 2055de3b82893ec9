"""A clip shows the very frames that were asked for, and a plan refuses those that are not there."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.brief import Brief, Clip, Fit, Output, Reference, Shot, Size
from cinefab.core.canonical import sha256_of
from cinefab.core.errors import BriefInvalid
from cinefab.core.ids import TenantId
from cinefab.core.plan import MediaKind, Plan, PreparedReference, Versions
from cinefab.generate.clips import Cut
from cinefab.generate.models.clip import Clip as ClipModel
from cinefab.generate.models.procedural.card import CARD
from cinefab.generate.plan import make_plan, plan_document, plan_from_document

RATES = st.sampled_from(
    [Fraction(24), Fraction(25), Fraction(30), Fraction(24000, 1001), Fraction(30000, 1001)]
)


@given(RATES, st.integers(0, 5000), st.integers(-50, 500))
def test_at_the_videos_own_rate_no_frame_is_lost_or_shown_twice(
    fps: Fraction, start_ms: int, frame: int
) -> None:
    cut = Cut(start_ms=start_ms, speed=Fraction(1), fps=fps, frames=10_000)

    assert cut.place(frame + 1, rate=fps) == cut.place(frame, rate=fps) + 1


@given(RATES, RATES, st.fractions(Fraction(1, 10), 10), st.integers(0, 300))
def test_a_frame_is_the_one_nearest_to_its_time(
    fps: Fraction, rate: Fraction, speed: Fraction, frame: int
) -> None:
    cut = Cut(start_ms=1500, speed=speed, fps=fps, frames=10**6)

    shown_s = cut.place(frame, rate=rate) / fps

    assert abs(shown_s - (Fraction(3, 2) + frame * speed / rate)) <= 1 / fps / 2


def a_video(**changes: object) -> PreparedReference:
    made = PreparedReference(
        name="pan",
        role="background",
        original=sha256_of(b"original"),
        picture=sha256_of(b"picture"),
        mask=None,
        confidence_bp=0,
        width=640,
        height=360,
        kind=MediaKind.VIDEO,
        video=sha256_of(b"video"),
        frames=90,
        fps=Fraction(30),
        duration_us=3_000_000,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def planned(clip: Clip, *, seconds: float = 1, video: PreparedReference | None = None) -> Plan:
    brief = Brief(
        title="Cut in",
        shots=(Shot(length_ms=1000), Shot(length_ms=round(seconds * 1000), clip=clip)),
        references=(Reference(name="pan", location="pan.mp4"),),
        output=Output(size=Size(320, 180), fps=Fraction(24)),
    )
    return make_plan(
        brief,
        references=[video or a_video()],
        card=CARD,
        versions=Versions(model=CARD.ref, machine="m", encoder="e", contract=1),
        tenant=TenantId("ten_x"),
        files={},
        nusd_per_s=1000,
        clips=ClipModel().card,
    )


def test_a_clip_is_a_shot_of_its_own_model_in_the_plan_and_in_what_is_stored_of_it() -> None:
    plan = planned(Clip(reference="pan", start_ms=500))

    assert [shot.model for shot in plan.shots] == [None, "clip@1.0.0"]
    assert plan.shots[1].references == ("pan",)
    assert plan_from_document(plan_document(plan)) == plan


@pytest.mark.parametrize(
    "change",
    [
        {"start_ms": 501},
        {"speed": Fraction(3, 2)},
        {"fit": Fit.CONTAIN},
    ],
)
def test_what_is_cut_is_in_the_key(change: dict[str, object]) -> None:
    clip = Clip(reference="pan", start_ms=500)

    other = planned(replace(clip, **change))  # type: ignore[arg-type]

    assert other.shots[0].segments[-1].key == planned(clip).shots[0].segments[-1].key
    assert other.shots[1].segments[-1].key != planned(clip).shots[1].segments[-1].key


def test_another_video_under_the_same_name_has_other_keys() -> None:
    clip = Clip(reference="pan")

    other = planned(clip, video=a_video(video=sha256_of(b"another")))

    assert other.shots[1].segments[0].key != planned(clip).shots[1].segments[0].key


@pytest.mark.parametrize(
    ("clip", "seconds", "field", "found"),
    [
        (Clip(reference="pan", start_ms=2100), 1, "shots[1].seconds", "it has 0.9"),
        (Clip(reference="pan", start_ms=3000), 1, "shots[1].clip.start", "is 3 seconds long"),
        (Clip(reference="pan", speed=Fraction(2)), 1.6, "shots[1].seconds", "it has 1.5"),
    ],
)
def test_a_clip_beyond_its_videos_end_is_refused(
    clip: Clip, seconds: float, field: str, found: str
) -> None:
    with pytest.raises(BriefInvalid, match=found) as refusal:
        planned(clip, seconds=seconds)

    assert refusal.value.field == field


def test_a_clip_may_end_with_its_video() -> None:
    plan = planned(Clip(reference="pan", start_ms=2000))

    assert plan.shots[1].frames == 24


def test_a_picture_is_no_clip() -> None:
    picture = a_video(kind=MediaKind.PICTURE, video=None, frames=0, fps=None)

    with pytest.raises(BriefInvalid, match="pan is a picture, not a video") as refusal:
        planned(Clip(reference="pan"), video=picture)

    assert refusal.value.field == "shots[1].clip.reference"
