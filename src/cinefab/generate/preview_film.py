"""The preview film of a brief: the same composition, smaller, on a cheaper model.

Whatever composes a film is decided by the planner from the storyboard, the seeds and the frame
rate: shots and their lengths, cuts, transitions, camera moves, captions, what is heard. So the
preview is planned from the same brief, in which only the model, its care and the picture's size
are others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from cinefab.core.brief import Brief, Quality, Reference, Review, ReviewMode, Role, Shot, Size
from cinefab.core.effect import settings_text
from cinefab.generate.backend import ModelCard

WIDTH_MAX_PX: Final = 640

_START: Final = "preview:"
"""What the names of starting pictures begin with: no reference of a brief can be called so."""


def preview_size(size: Size) -> Size:
    """Return the size of a preview: the film's own, or smaller in its proportions."""
    if size.width <= WIDTH_MAX_PX:
        return size
    height = size.height * WIDTH_MAX_PX // size.width
    return Size(WIDTH_MAX_PX, height - height % 2)


def preview_brief(brief: Brief) -> Brief:
    """Return what the preview film of `brief` is made from; its model must be named.

    It is compared with nothing and sent nowhere; whether a person is asked about it is
    `preview_first.ask`.
    """
    first = brief.preview_first
    assert first is not None, "the brief wants a preview first"
    assert first.model is not None, "the door names the model"
    # Settings are one model's own: another one is given none of them.
    same = first.model.partition("@")[0] == brief.model.partition("@")[0]
    laid_over = first.model_settings
    return replace(
        brief,
        model=first.model,
        quality=Quality.PREVIEW,
        output=replace(
            brief.output, size=preview_size(brief.output.size), formats=("mp4",), ladder=()
        ),
        model_settings=_merged(brief.model_settings if same else "{}", laid_over),
        shots=tuple(
            replace(shot, model_settings=_shots_own(shot.model_settings, laid_over, same=same))
            for shot in brief.shots
        ),
        review=Review(
            mode=ReviewMode.REQUIRED if first.ask else ReviewMode.AUTOMATIC,
            within_us=first.within_us,
            queue=brief.review.queue,
            thresholds=brief.review.thresholds,
        ),
        deliver=(),
        preview_first=None,
    )


def with_starts(brief: Brief, card: ModelCard, starts: Mapping[int, Reference]) -> Brief:
    """Return `brief` with the pictures that shots begin with, by shot, before what they show.

    A model that takes fewer references leaves out the last ones: the picture shows them, too.
    """
    most = _references_max(card)
    shots = tuple(
        replace(shot, references=(starts[index].name, *shot.references)[:most])
        if index in starts
        else shot
        for index, shot in enumerate(brief.shots)
    )
    return replace(brief, shots=shots, references=(*brief.references, *starts.values()))


def starts_wanted(brief: Brief, card: ModelCard) -> dict[int, Reference]:
    """Return, by shot, the pictures that a preview can give the film's model; none have places yet.

    Empty where the model does not begin with a picture: then it shares the plan and the seeds with
    its preview, and nothing else. Clips are shown as they are.
    """
    if not card.begins_with_picture:
        return {}
    return {
        index: start_of(index, location="")
        for index, shot in enumerate(brief.shots)
        if _is_drawn(shot)
    }


def start_of(shot: int, *, location: str) -> Reference:
    """Return the reference that is a shot's starting picture."""
    return Reference(name=f"{_START}{shot}", location=location, role=Role.BACKGROUND)


def is_start(name: str) -> bool:
    """Say whether a reference is a starting picture."""
    return name.startswith(_START)


def _is_drawn(shot: Shot) -> bool:
    return shot.clip is None


def _shots_own(own: str, laid_over: str, *, same: bool) -> str:
    if not same or own == "{}":
        return "{}"
    return _merged(own, laid_over)


def _merged(below: str, above: str) -> str:
    merged: Any = json.loads(below) | json.loads(above)
    return settings_text(merged)


def _references_max(card: ModelCard) -> int | None:
    properties: Any = card.input_schema.get("properties", {})
    most: int | None = properties.get("references", {}).get("maxItems")
    return most
