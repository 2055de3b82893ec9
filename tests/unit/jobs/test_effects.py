"""Which effects lie on which shot, with which words."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.core.brief import Brand, Brief, Clip, EffectOrder, Reference, Role, Shot
from cinefab.core.effect import ShotSpan
from cinefab.jobs.effects import chain_of, wrapped
from cinefab.jobs.workshop import FoundEffect


@dataclass
class Shop:
    """The one part of a workshop that is asked here: the effects that are installed."""

    effects: dict[str, FoundEffect]


def chain(brief: Brief, index: int, **given: Any) -> list[tuple[str, dict[str, Any]]]:
    found = {
        name: FoundEffect(effect=load_plugin(point), entry=point.value)
        for name, point in find_plugins("effects").items()
    }
    span = ShotSpan(
        index=index,
        start=24 * index,
        end=24 * index + 24,
        first=24 * index,
        last=24 * index + 24,
        fps=Fraction(24),
    )
    effects = chain_of(Shop(found), brief, **({"draws": {"captions", "logo"}} | given))(span)  # type: ignore[arg-type]
    return [(effect.name, json.loads(effect.settings)) for effect in effects]


def a_brief(**changes: Any) -> Brief:
    sharpen = EffectOrder(name="sharpen", settings='{"amount":0.4}')
    given = {
        "title": "x",
        "shots": (
            Shot(length_ms=1000, effects=(sharpen,), voice="Taste it."),
            Shot(length_ms=1000),
        ),
        "effects": (EffectOrder(name="grade"), EffectOrder(name="captions")),
    }
    return Brief(**{**given, **changes})


def test_a_shots_own_effects_come_before_those_of_the_film() -> None:
    names = [name for name, _ in chain(a_brief(), 0)]

    assert names == ["sharpen", "grade", "captions"]


def test_captions_without_cues_show_what_is_said_and_leave_other_shots_alone() -> None:
    (_, captions) = chain(a_brief(), 0)[-1]

    assert captions["cues"] == [{"start_ms": 0, "end_ms": 1000, "lines": ["Taste it."]}]
    assert [name for name, _ in chain(a_brief(), 1)] == ["grade"]


def test_cues_that_are_timed_to_a_voice_come_first() -> None:
    cues = [{"start_ms": 1200, "end_ms": 1700, "lines": ["Now."]}]

    (_, captions) = chain(a_brief(), 1, cues=cues)[-1]

    assert captions["cues"] == [{"start_ms": 200, "end_ms": 700, "lines": ["Now."]}]


def test_burnt_captions_need_no_effect_of_their_own() -> None:
    cues = [{"start_ms": 0, "end_ms": 700, "lines": ["Now."]}]

    names = [name for name, _ in chain(a_brief(effects=()), 0, cues=cues, burn=True)]

    assert names == ["sharpen", "captions"]


def test_a_clips_caption_is_set_over_it_wherever_it_lies() -> None:
    shot = Shot(length_ms=1000, caption="Elsewhere", clip=Clip(reference="pan"))
    first = chain(Brief(title="x", shots=(shot, shot)), 0)
    second = chain(Brief(title="x", shots=(shot, shot)), 1)

    assert first == second
    assert first[0][1]["cues"][0]["lines"] == ["Elsewhere"]


def test_a_long_line_stands_in_lines_of_about_one_length() -> None:
    text = "A coffee that takes its time, because nobody who drinks it is in a hurry this morning."

    lines = wrapped(text)

    assert " ".join(lines) == text
    assert len(lines) == 3
    assert max(map(len, lines)) - min(map(len, lines)) <= 12


def test_what_a_model_does_not_draw_is_laid_over_its_pictures_unless_the_brief_does_so() -> None:
    branded = a_brief(
        shots=(Shot(length_ms=1000, caption="New"), Shot(length_ms=1000)),
        references=(Reference(name="mark", location="mark.png", role=Role.LOGO),),
        brand=Brand(logo="mark"),
        effects=(),
    )
    placed = replace(branded, effects=(EffectOrder(name="overlay", settings='{"logo":"mark"}'),))

    (caption, over) = chain(branded, 0, draws=set())

    assert (caption[0], caption[1]["cues"][0]["lines"]) == ("captions", ["New"])
    assert over[0] == "overlay"
    assert [name for name, _ in chain(branded, 1, draws=set())] == ["overlay"]
    assert [name for name, _ in chain(branded, 0, draws={"logo"})] == ["captions"]
    assert chain(branded, 0) == []
    assert [name for name, _ in chain(placed, 1, draws=set())] == ["overlay"]
