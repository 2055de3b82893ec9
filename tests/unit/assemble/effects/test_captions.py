"""Captions are there while they are spoken, can be read on anything, and stay inside."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from effect_frames import as_frame, run

from cinefab.assemble.effects.captions import Captions
from cinefab.core.brief import Size
from cinefab.core.effect import ShotSpan
from cinefab.core.errors import BriefInvalid
from cinefab.media.contrast import contrast_ratio
from cinefab.media.still import to_rgb

SIZE = Size(320, 180)
SCRIPTS = ["Made slowly", "καφές, αργά", "Кофе медленно", "قهوة تُصب ببطء", "קפה לאט"]


def ground(level: int, size: Size = SIZE) -> np.ndarray:
    return as_frame(np.full((size.height, size.width, 3), level, np.uint8))


def shown(*lines: str, level: int = 255, size: Size = SIZE) -> np.ndarray:
    cues = [{"start_ms": 0, "end_ms": 1000, "lines": list(lines)}]
    (out,) = run(Captions(), [ground(level, size)], {"cues": cues}, size=size, wanted_frames=1)
    return to_rgb(out)


@pytest.mark.parametrize("text", SCRIPTS)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_words_in_any_script_can_be_read_on_any_ground(text: str, level: int) -> None:
    rgb = shown(text, level=level, size=Size(640, 360))

    # On black the plate itself cannot be seen, and the words stand for themselves.
    rows, columns = np.where(np.abs(rgb[..., 1].astype(int) - level) > 3)
    inside = rgb[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    plate = tuple(int(v) for v in np.median(inside.reshape(-1, 3), axis=0))
    ink = tuple(int(v) for v in inside.reshape(-1, 3)[inside.reshape(-1, 3)[:, 1].argmax()])
    assert contrast_ratio(plate, ink) >= 4.5  # type: ignore[arg-type]
    assert (inside[..., 1] > 230).sum() > 20  # there are words


@pytest.mark.parametrize("size", [SIZE, Size(180, 320), Size(240, 240)])
def test_two_lines_stay_inside_the_safe_area(size: Size) -> None:
    rgb = shown("Poured by hand, every single", "morning of the year", level=90, size=size)

    rows, columns = np.where(np.abs(rgb[..., 1].astype(int) - 90) > 3)
    assert columns.min() >= round(0.05 * size.width) - 1
    assert columns.max() < size.width - round(0.05 * size.width) + 1
    assert rows.max() < size.height - round(0.05 * size.height) + 1
    assert rows.min() > size.height / 2


def test_a_cue_is_there_from_its_start_to_its_end() -> None:
    cues = [{"start_ms": 250, "end_ms": 625, "lines": ["Now"]}]
    frames = [ground(90)] * 12

    out = run(Captions(), frames, {"cues": cues}, size=SIZE, wanted_frames=12, fps=Fraction(12))

    there = [not np.array_equal(frame, frames[0]) for frame in out]
    assert there == [3 <= i < 7 for i in range(12)]  # their middles lie from 291 to 583 ms


def test_a_shot_is_given_its_own_cues_on_its_own_clock() -> None:
    cues = [
        {"start_ms": 0, "end_ms": 900, "lines": ["First"]},
        {"start_ms": 1100, "end_ms": 1900, "lines": ["Second"]},
    ]
    second = ShotSpan(index=1, start=12, end=24, first=12, last=24, fps=Fraction(12))
    third = ShotSpan(index=2, start=24, end=36, first=24, last=36, fps=Fraction(12))

    local = Captions().local({"cues": cues, "size": 1}, second)

    assert local == {"cues": [{"start_ms": 100, "end_ms": 900, "lines": ["Second"]}], "size": 1}
    assert Captions().local({"cues": cues}, third) is None


@pytest.mark.parametrize(
    ("cue", "field"),
    [
        ({"start_ms": 500, "end_ms": 500, "lines": ["x"]}, "cues[0].end_ms"),
        ({"start_ms": 0, "end_ms": 500, "lines": ["咖啡"]}, "cues[0].lines"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_there_is_a_job(
    cue: dict[str, object], field: str
) -> None:
    with pytest.raises(BriefInvalid) as refusal:
        Captions().check({"cues": [cue]}, {})

    assert refusal.value.field == field
