"""A preview film is the same composition: what it shares with its film, and what it does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cinefab.core.brief import (
    Brief,
    Clip,
    Output,
    PreviewFirst,
    Quality,
    Reference,
    Review,
    ReviewMode,
    Shot,
    Size,
    Transition,
    TransitionKind,
)
from cinefab.core.ids import TenantId
from cinefab.core.plan import Plan, Versions
from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TakeRequest
from cinefab.generate.models.procedural import Procedural
from cinefab.generate.plan import make_plan
from cinefab.generate.preview_film import (
    preview_brief,
    preview_size,
    start_of,
    starts_wanted,
    with_starts,
)
from cinefab.media.still import to_rgb


def a_card(**changes: Any) -> ModelCard:
    card = ModelCard(
        name="procedural",
        version="1",
        task="motion-graphics",
        input_schema={"type": "object"},
        output_schema={},
        limits=Limits(width_max=1280, height_max=720, frames_max=600),
        capabilities=frozenset({"deterministic", "any-frame"}),
        devices=(DeviceNeed(device_class="cpu-core", memory_mb=512),),
        training_sets=(),
        digital_source_type="algorithmicMedia",
        cost_us_per_megapixel=1_000_000,
        cost_us_fixed=1_000,
    )
    return replace(card, **changes)


def a_shot(kind: TransitionKind = TransitionKind.CUT, **changes: Any) -> Shot:
    return replace(Shot(length_ms=2000, transition=Transition(kind=kind)), **changes)


def a_brief(*shots: Shot, **changes: Any) -> Brief:
    return replace(Brief(title="A cup", shots=shots), **changes)


def planned(brief: Brief) -> Plan:
    return make_plan(
        brief,
        references=[],
        card=a_card(),
        versions=Versions(model="procedural@1", machine="m", encoder="e", contract=1),
        tenant=TenantId("ten_1"),
        files={},
        nusd_per_s=1_000,
    )


FIRST = PreviewFirst(model="procedural@1")
SHOTS = (
    a_shot(caption="Slowly", prompt="A cup"),
    a_shot(TransitionKind.DISSOLVE, caption="By hand", seed=11),
    a_shot(TransitionKind.WIPE, caption="Now"),
)
LARGE = Output(size=Size(1280, 720), fps=Fraction(12))


def a_film(**changes: Any) -> Brief:
    return a_brief(*SHOTS, output=LARGE, seed=5, preview_first=FIRST, **changes)


def of_pictures(task: str, **schema: Any) -> Any:
    return a_card(task=task, input_schema={"type": "object", "properties": {"references": schema}})


def test_a_preview_is_planned_as_its_film_is_but_smaller_and_under_other_keys() -> None:
    brief = a_film()

    small, film = planned(preview_brief(brief)), planned(brief)

    assert composition(small) == composition(film)
    assert small.size == Size(640, 360)
    assert small.quality is Quality.PREVIEW
    keys = [{each.key for shot in plan.shots for each in shot.segments} for plan in (small, film)]
    assert not keys[0] & keys[1]


def composition(plan: Plan) -> list[object]:
    """Return all that composes a film: what happens when, from where it is seen, by which chance."""
    return [
        [
            (shot.frames, shot.seed, shot.input, [(e.part, e.first_frame) for e in shot.segments])
            for shot in plan.shots
        ],
        [(each.kind, each.into, each.frames, each.colour) for each in plan.transitions],
        plan.cues,
        plan.fps,
        None if plan.sound is None else plan.sound.key,
    ]


def test_the_embedded_models_preview_shows_what_its_film_shows() -> None:
    brief = replace(a_film(), quality=Quality.FINAL)

    for index in range(len(SHOTS)):
        small, large, other = (
            drawn(plan, index)
            for plan in (
                planned(preview_brief(brief)),
                planned(brief),
                planned(replace(brief, seed=6, shots=tuple(replace(s, seed=7) for s in SHOTS))),
            )
        )
        assert likeness_db(small, large) > 30
        # Another seed composes something else: the figure can tell.
        assert likeness_db(small, other) < 15


def drawn(plan: Plan, index: int) -> NDArray[np.float64]:
    """Return the middle of a shot, at a quarter of the preview's size: its grain is no composition."""
    shot = plan.shots[index]
    request = TakeRequest(
        input=shot.input,
        seed=shot.seed,
        size=plan.size,
        fps=plan.fps,
        first_frame=shot.frames // 2,
        frames=1,
        shot_frames=shot.frames,
        references={},
        masks={},
        files={},
    )
    (frame,) = Procedural().frames(request)
    return to_rgb(frame, Size(640, 360)).reshape(90, 4, 160, 4, 3).mean((1, 3))


def likeness_db(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return how alike two pictures are, as a peak signal-to-noise ratio."""
    return float(10 * np.log10(255**2 / np.mean((one - other) ** 2)))


def test_a_preview_is_asked_about_and_sent_nowhere_as_its_switch_says() -> None:
    asked = PreviewFirst(model="cheap", ask=True, within_us=7)
    brief = replace(a_film(), preview_first=asked, deliver=("s3://films/spot",))

    preview = preview_brief(brief)

    assert preview.review == Review(mode=ReviewMode.REQUIRED, within_us=7)
    assert preview_brief(a_film()).review.mode is ReviewMode.AUTOMATIC
    assert preview.deliver == ()
    assert preview.preview_first is None


@pytest.mark.parametrize(
    ("model", "film", "shot"),
    [("other@1", '{"a":1}', "{}"), ("big@2", '{"a":1,"b":2}', '{"a":1,"b":2}')],
)
def test_settings_belong_to_one_model_and_the_previews_lie_over_them(
    model: str, film: str, shot: str
) -> None:
    first = PreviewFirst(model=model, model_settings='{"a":1}')
    brief = a_brief(
        a_shot(model_settings='{"a":9,"b":2}'),
        a_shot(),
        model="big@2",
        model_settings='{"b":2}',
        preview_first=first,
    )

    preview = preview_brief(brief)

    assert preview.model_settings == film
    assert [each.model_settings for each in preview.shots] == [shot, "{}"]


def test_a_film_is_given_pictures_to_begin_with_if_its_model_begins_with_one() -> None:
    brief = a_brief(
        a_shot(references=("cup",)),
        Shot(length_ms=2000, clip=Clip(reference="film")),
        a_shot(),
        references=(Reference(name="cup", location="cup.png"),),
    )
    declares = a_card(capabilities=frozenset({"start-picture"}))

    assert starts_wanted(brief, of_pictures("text-to-video")) == {}
    assert list(starts_wanted(brief, of_pictures("image-to-image"))) == [0, 2]
    assert list(starts_wanted(brief, declares)) == [0, 2]


@pytest.mark.parametrize(("most", "shown"), [(1, ["preview:0"]), (2, ["preview:0", "cup"])])
def test_what_a_shot_begins_with_comes_before_what_it_shows(most: int, shown: list[str]) -> None:
    brief = a_brief(
        a_shot(references=("cup",)), references=(Reference(name="cup", location="cup.png"),)
    )
    starts: Mapping[int, Reference] = {0: start_of(0, location="blob:x/p.png")}

    film = with_starts(brief, of_pictures("image-to-video", maxItems=most), starts)

    assert list(film.shots[0].references) == shown
    assert [each.name for each in film.references] == ["cup", "preview:0"]


@pytest.mark.parametrize(
    ("size", "small"),
    [((1920, 1080), (640, 360)), ((1080, 1920), (640, 1136)), ((320, 180), (320, 180))],
)
def test_a_preview_has_its_films_proportions(size: tuple[int, int], small: tuple[int, int]) -> None:
    assert preview_size(Size(*size)) == Size(*small)
