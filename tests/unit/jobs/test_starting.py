"""A preview is an order of its own: its stages are, and no version is tried on it."""

from __future__ import annotations

from pathlib import Path

from cinefab.core.brief import Brief, PreviewFirst, Shot
from cinefab.core.ids import JobId
from cinefab.jobs.pins import Pins
from cinefab.jobs.stages import Order
from cinefab.jobs.starting import preview_order


def test_a_previews_order_has_stages_of_its_own_and_none_of_the_films_trials() -> None:
    brief = Brief(
        title="A cup",
        shots=(Shot(length_ms=1000),),
        model="dear@2",
        preview_first=PreviewFirst(model="cheap@1"),
    )
    film = Order(
        job=JobId("job_1"),
        brief=brief,
        out=Path("out"),
        pins=Pins(asked="dear", model="dear@2"),
    )

    preview = preview_order(film)

    assert preview.named("plan") == "preview:plan"
    assert film.named("plan") == "plan"
    assert preview.brief.model == "cheap@1"
    assert preview.film == brief
    assert preview.pins is None
