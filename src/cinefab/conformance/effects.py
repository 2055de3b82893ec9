"""What every effect must keep, ours and a stranger's, as promises that can be tried one by one.

A package that brings an effect runs each of `PROMISES` on it, with a case for each kind of
settings that it has: `for name, holds in PROMISES.items(): holds(effect, case)`. What is broken
is raised as `ContractMismatch`, saying which promise and how.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np

from cinefab.assemble.effect import Effect, EffectWork, complete_settings
from cinefab.core.brief import Size
from cinefab.core.effect import EffectNeed, Stretch, settings_text, stretches
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.media.frames import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Settings to try an effect with, and what goes with them; files and pictures by setting.

    The shot is `frames` long and reaches two frames further on both sides, under transitions.
    """

    settings: Mapping[str, Any]
    size: Size = field(default_factory=lambda: Size(160, 96))
    fps: Fraction = Fraction(12)
    frames: int = 14
    files: Mapping[str, Path] = field(default_factory=dict)
    pictures: Mapping[str, Path] = field(default_factory=dict)
    masks: Mapping[str, Path] = field(default_factory=dict)


def _gives_the_same_bytes_again(effect: Effect, case: Case) -> None:
    once, again = _whole(effect, case), _whole(type(effect)(), case)
    for index, (a, b) in enumerate(zip(once, again, strict=True)):
        if not np.array_equal(a, b):
            raise _broken(effect, "the same work gives the same bytes", f"frame {index} differed")


def _gives_what_is_wanted(effect: Effect, case: Case) -> None:
    wanted = _wanted(case)
    given = _whole(effect, case)
    if len(given) != wanted.frames:
        found = f"{len(given)} frames for {wanted.frames}"
        raise _broken(effect, "exactly the wanted frames are given", found)
    shape = (wanted.size.height * 3 // 2, wanted.size.width)
    for frame in given:
        if frame.shape != shape or frame.dtype != np.uint8:
            found = f"{frame.shape} of {frame.dtype} for {shape}"
            raise _broken(effect, "frames have the wanted size", found)


def _gives_parts_as_a_whole(effect: Effect, case: Case) -> None:
    wanted = _wanted(case)
    whole = _whole(effect, case)
    for cut in (1, 2, 3, wanted.frames // 2, wanted.frames - 1):
        head = replace(wanted, frames=cut)
        rest = replace(wanted, first=wanted.first + cut, frames=wanted.frames - cut)
        parts = [*_run(effect, case, head), *_run(effect, case, rest)]
        for index, (a, b) in enumerate(zip(whole, parts, strict=True)):
            if not np.array_equal(a, b):
                found = f"cut after {cut} frames, frame {index} differed"
                raise _broken(effect, "parts have the frames of the whole", found)


def _leaves_frames_alone_when_neutral(effect: Effect, case: Case) -> None:
    if effect.card.neutral is None:
        return
    neutral = replace(case, settings=effect.card.neutral, files={}, pictures={}, masks={})
    wanted = _wanted(neutral)
    for index, frame in enumerate(_run(effect, neutral, wanted)):
        if not np.array_equal(frame, moving_picture(wanted.size, wanted.first + index)):
            found = f"frame {index} differed"
            raise _broken(effect, "neutral settings leave frames as they are", found)


def _keeps_nothing_of_a_buffer(effect: Effect, case: Case) -> None:
    wanted = _wanted(case)
    whole = _whole(effect, case)
    given = _run(effect, case, wanted, source=_in_one_buffer)
    for index, (a, b) in enumerate(zip(whole, given, strict=True)):
        if not np.array_equal(a, b):
            found = f"frame {index} differed where one buffer was used for all"
            raise _broken(effect, "what is kept of a frame is copied", found)


def _reads_as_it_goes(effect: Effect, case: Case) -> None:
    wanted = _wanted(case)
    need = _need(effect, case)
    source = stretches([need], wanted)[0]
    taken = 0

    def counted() -> Iterator[Frame]:
        nonlocal taken
        for frame in _frames(source):
            taken += 1
            yield frame

    for index, _ in enumerate(effect.apply(counted(), _work(case, source, wanted))):
        due = source.first + taken - need.after - 1 - (wanted.first + index) // need.thin
        if due > 2:
            found = f"{taken} frames were taken for the first {index + 1}"
            raise _broken(effect, "frames are read as they are needed", found)


def _refuses_what_its_schema_does_not_have(effect: Effect, case: Case) -> None:
    text = settings_text({**case.settings, "no-such-setting": 1})
    try:
        complete_settings(effect.card, text, field="effects[0]", known_references=[])
    except BriefInvalid as error:
        if error.field == "effects[0].no-such-setting":
            return
        found = f"the refusal names {error.field}"
    else:
        found = "it was taken"
    raise _broken(effect, "a setting that the schema does not have is refused", found)


def _takes_its_own_settings(effect: Effect, case: Case) -> None:
    text = settings_text(case.settings)
    names = [value for value in case.settings.values() if isinstance(value, str)]
    complete = complete_settings(effect.card, text, field="effects[0]", known_references=names)
    json.dumps(complete)
    again = complete_settings(
        effect.card, settings_text(complete), field="effects[0]", known_references=names
    )
    if again != complete:
        raise _broken(effect, "complete settings are complete", f"{again} after {complete}")


Promise = Callable[[Effect, Case], None]

PROMISES: Final[Mapping[str, Promise]] = {
    "gives the same bytes again": _gives_the_same_bytes_again,
    "gives what is wanted": _gives_what_is_wanted,
    "gives parts as a whole": _gives_parts_as_a_whole,
    "leaves frames alone when neutral": _leaves_frames_alone_when_neutral,
    "keeps nothing of a buffer": _keeps_nothing_of_a_buffer,
    "reads as it goes": _reads_as_it_goes,
    "refuses what its schema does not have": _refuses_what_its_schema_does_not_have,
    "takes its own settings": _takes_its_own_settings,
}
"""Every promise of the contract by its name; each takes an effect and a case."""


def moving_picture(size: Size, index: int) -> Frame:
    """Return frame `index` of a texture that drifts, turns brighter and carries fine grain."""
    x = np.arange(size.width, dtype=np.float64)[None, :] + 1.5 * index
    y = np.arange(size.height, dtype=np.float64)[:, None] - 0.75 * index
    waves = np.sin(x / 7) * np.cos(y / 5) + np.sin((x + 2 * y) / 23) + 0.5 * np.sin(x * y / 400)
    grain = np.random.default_rng([7, index & 0xFFFF]).standard_normal(waves.shape)
    luma = 125 + 34 * waves + 1.5 * grain + (index % 5)
    blue = 128 + 30 * np.sin(x[:, ::2] / 31) * np.ones((size.height // 2, 1))
    red = 128 + 30 * np.cos(y[::2] / 19) * np.ones((1, size.width // 2))
    frame = np.concatenate([luma.ravel(), blue.ravel(), red.ravel()])
    limited: Frame = np.clip(np.rint(frame), 16, 235).astype(np.uint8)
    return limited.reshape(size.height * 3 // 2, size.width)


def _wanted(case: Case) -> Stretch:
    return Stretch(
        size=case.size,
        fps=case.fps,
        first=-2,
        frames=case.frames + 4,
        extent_first=-2,
        extent_end=case.frames + 2,
        shot_frames=case.frames,
    )


def _whole(effect: Effect, case: Case) -> list[Frame]:
    return _run(effect, case, _wanted(case))


def _need(effect: Effect, case: Case) -> EffectNeed:
    return effect.need(case.settings)


def _run(
    effect: Effect,
    case: Case,
    wanted: Stretch,
    *,
    source: Callable[[Stretch], Iterator[Frame]] | None = None,
) -> list[Frame]:
    comes = stretches([_need(effect, case)], wanted)[0]
    frames = (source or _frames)(comes)
    return [frame.copy() for frame in effect.apply(frames, _work(case, comes, wanted))]


def _work(case: Case, comes: Stretch, wanted: Stretch) -> EffectWork:
    return EffectWork(
        settings=case.settings,
        comes=comes,
        wanted=wanted,
        files=case.files,
        pictures=case.pictures,
        masks=case.masks,
    )


def _frames(stretch: Stretch) -> Iterator[Frame]:
    for index in range(stretch.first, stretch.first + stretch.frames):
        yield moving_picture(stretch.size, index)


def _in_one_buffer(stretch: Stretch) -> Iterator[Frame]:
    buffer = np.empty((stretch.size.height * 3 // 2, stretch.size.width), np.uint8)
    for frame in _frames(stretch):
        buffer[...] = frame
        yield buffer
    buffer[...] = 0


def _broken(effect: Effect, promise: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"hold the effect {effect.card.ref} to its contract",
        found=f"{promise}: {found}",
        remedy="Mend the effect; see assemble/effect.py for what it promises.",
    )
