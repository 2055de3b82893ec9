"""Windows cover a shot, overlap as the model asks, and reassemble a signal exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.brief import Brief, Output, Shot, Size, Transition, TransitionKind
from cinefab.core.effect import Stretch
from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.core.ids import TenantId
from cinefab.core.plan import Plan, Versions
from cinefab.generate.backend import DeviceNeed, Limits, ModelCard, TakeRequest
from cinefab.generate.plan import make_plan
from cinefab.generate.run import ALONE, Run
from cinefab.generate.take import make_takes
from cinefab.generate.windows import Window, are_joined, fade, overlap_add, windows_for
from cinefab.media.decode import decode
from cinefab.media.frames import Frame


def a_stretch(first: int, frames: int, extent_first: int, extent_end: int) -> Stretch:
    return Stretch(
        size=Size(64, 64),
        fps=Fraction(12),
        first=first,
        frames=frames,
        extent_first=extent_first,
        extent_end=extent_end,
        shot_frames=max(1, extent_end),
    )


def limits(window: int, overlap: int) -> Limits:
    return Limits(width_max=64, height_max=64, frames_max=window, overlap_frames=overlap)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Limits, Stretch]:
    window = draw(st.integers(2, 40))
    overlap = draw(st.integers(1, window // 2))
    lead, length = draw(st.integers(0, 12)), draw(st.integers(1, 300))
    first = draw(st.integers(-lead, length - 1))
    frames = draw(st.integers(1, length - first))
    return limits(window, overlap), a_stretch(first, frames, -lead, length)


@given(cases())
def test_windows_cover_what_is_wanted_and_overlap_as_asked(case: tuple[Limits, Stretch]) -> None:
    bounds, wanted = case

    windows = windows_for(bounds, wanted)

    assert windows[0].first <= wanted.first
    assert windows[-1].end >= wanted.first + wanted.frames
    assert all(window.frames <= bounds.frames_max for window in windows)
    if are_joined(bounds, wanted):
        for before, after in pairwise(windows):
            assert before.end - after.first == bounds.overlap_frames
        assert windows[0].first >= wanted.extent_first
        assert windows[-1].end <= wanted.extent_end


@given(cases(), st.sampled_from([(3, 4), (7,), ()]), st.integers(0, 2**32))
def test_overlap_add_reassembles_a_test_signal_exactly(
    case: tuple[Limits, Stretch], shape: tuple[int, ...], seed: int
) -> None:
    bounds, wanted = case
    length = wanted.extent_end - wanted.extent_first
    signal = np.random.default_rng(seed).integers(0, 256, (length, *shape), np.uint8)
    buffer = np.empty(shape, np.uint8)

    def make(window: Window) -> Iterator[Frame]:
        for place in range(window.first, window.end):
            buffer[...] = signal[place - wanted.extent_first]
            yield buffer

    made = [np.array(frame) for frame in overlap_add(windows_for(bounds, wanted), make, wanted)]

    begin = wanted.first - wanted.extent_first
    assert np.array_equal(np.array(made), signal[begin : begin + wanted.frames])


@given(cases())
def test_parts_that_are_made_apart_are_made_of_the_same_runs(case: tuple[Limits, Stretch]) -> None:
    bounds, wanted = case

    def make(window: Window) -> Iterator[Frame]:
        # Every run has a picture of its own, as a model's would.
        for place in range(window.frames):
            yield np.array([(window.first * 37 + place * 5) % 256], np.uint8)

    def joined(stretch: Stretch) -> list[int]:
        frames = overlap_add(windows_for(bounds, stretch), make, stretch)
        return [int(frame[0]) for frame in frames]

    whole = replace(
        wanted, first=wanted.extent_first, frames=wanted.extent_end - wanted.extent_first
    )
    if not are_joined(bounds, wanted):
        return
    begin = wanted.first - wanted.extent_first
    assert joined(wanted) == joined(whole)[begin : begin + wanted.frames]


def test_a_fade_rises_and_its_weights_are_a_whole() -> None:
    for frames in (1, 2, 5, 16):
        weights = [fade(i, frames) for i in range(frames)]

        assert weights == sorted(weights)
        assert 0 < weights[0] <= weights[-1] < 1 << 14
        # The same fade, seen from the other side.
        assert [(1 << 14) - weight for weight in reversed(weights)] == weights


# ── A model with a short window, through the process that makes takes ───────────────────────────


class Ramp:
    """Draws its frame's number as brightness; it can make nine frames in one run."""

    asked: list[int] = []  # noqa: RUF012 - what the runs were, for the test to see
    limits = limits(9, 3)
    drift = 0

    @property
    def card(self) -> ModelCard:
        return ModelCard(
            name="ramp",
            version="1",
            task="shot",
            input_schema={"type": "object"},
            output_schema={"type": "object"},
            limits=self.limits,
            capabilities=frozenset({"deterministic", "any-frame"}),
            devices=(DeviceNeed(device_class="cpu-core", memory_mb=1),),
            training_sets=(),
            digital_source_type="algorithmicMedia",
            cost_us_per_megapixel=1000,
            cost_us_fixed=0,
        )

    def load(self) -> None:
        """Nothing to load."""

    def frames(self, request: TakeRequest, _run: Run = ALONE, /) -> Iterator[Frame]:
        assert request.frames <= self.limits.frames_max, "asked for more than it can make"
        Ramp.asked.append(request.frames)
        shape = (request.size.height * 3 // 2, request.size.width)
        rows = np.arange(shape[0])[:, None] + np.arange(shape[1])[None, :]
        for place in range(request.first_frame, request.first_frame + request.frames):
            level = 60 + 2 * place + self.drift * request.first_frame + rows // 8
            yield np.asarray(level, np.uint8)


class WholeRamp(Ramp):
    limits = limits(1000, 0)


class DriftingRamp(Ramp):
    drift = 1


def takes(model: type[Ramp], folder: Path, spans: list[tuple[str, int, int]]) -> list[Frame]:
    request = {
        "input": {}, "seed": 0, "size": [64, 64], "fps": "12", "shot_frames": 40,
        "references": {}, "masks": {}, "files": {},
    }  # fmt: skip
    parts = [
        {"key": name, "part": "body", "first_frame": a, "frames": b - a, "path": str(folder / name)}
        for name, a, b in spans
    ]
    argument: dict[str, Any] = {
        "entry": f"{__name__}:{model.__name__}",
        "request": request,
        "quality": "final",
        "extent": [-4, 40],
        "parts": parts,
    }
    made: Any = make_takes(argument, lambda _news: None)
    json.dumps(made)
    return [frame for part in parts for frame in decode(Path(part["path"]))]


def test_a_long_shot_is_what_a_model_without_a_window_would_have_made(tmp_path: Path) -> None:
    spans = [("head", -4, 4), ("body", 4, 40)]
    Ramp.asked.clear()

    windowed = takes(Ramp, tmp_path / "a", spans)

    assert Ramp.asked == [9] * 6 + [8]
    assert np.array_equal(windowed, takes(WholeRamp, tmp_path / "b", spans))


def test_windows_that_differ_are_faded_into_each_other(tmp_path: Path) -> None:
    frames = takes(DriftingRamp, tmp_path, [("body", -4, 40)])

    means = np.array([frame[:64].mean() for frame in frames])
    steps = np.diff(means)
    # Between two runs lie six levels more: in one step without a fade, spread over four with it.
    assert steps.max() < 2 + 6 * 0.62
    assert steps.min() > 1


# ── Planning ─────────────────────────────────────────────────────────────────────────────────────


def planned(bounds: Limits, *, second: Transition | None = None, length_ms: int = 4000) -> Plan:
    card = replace(Ramp().card, limits=bounds)
    brief = Brief(
        title="Long",
        model="ramp",
        shots=(
            Shot(length_ms=length_ms),
            Shot(length_ms=1000, transition=second or Transition(kind=TransitionKind.CUT)),
        ),
        output=Output(size=Size(64, 64), fps=Fraction(12)),
    )
    return make_plan(
        brief,
        references=[],
        card=card,
        versions=Versions(model=card.ref, machine="m", encoder="e", contract=1),
        tenant=TenantId("ten_x"),
        files={},
        nusd_per_s=1000,
    )


def test_a_shot_beyond_the_window_is_planned_where_windows_may_be_joined() -> None:
    plan = planned(limits(16, 4))

    assert plan.shots[0].frames == 48
    with pytest.raises(BriefInvalid, match="split the shot"):
        planned(limits(16, 0))


def test_a_card_whose_windows_overlap_by_more_than_half_is_the_models_fault() -> None:
    with pytest.raises(ContractMismatch, match="ask for an overlap of 9 in runs of 16"):
        planned(limits(16, 9))


def test_every_run_of_a_long_shot_is_in_its_estimate() -> None:
    (body, *_) = planned(limits(16, 4)).shots[0].segments
    (whole, *_) = planned(limits(100, 0)).shots[0].segments

    # Four windows, of which three overlap the one before by four frames.
    assert abs(body.estimate_device_us * 48 - whole.estimate_device_us * 60) <= 60


def test_where_a_long_shot_ends_is_in_its_keys_and_a_short_ones_keys_are_what_they_were() -> None:
    wipe = Transition(kind=TransitionKind.WIPE, length_ms=500)

    windowed, short = planned(limits(16, 4)), planned(limits(16, 4), length_ms=1000)
    plain = planned(limits(16, 0), length_ms=1000)

    assert short.shots[0].segments[0].key == plain.shots[0].segments[0].key
    ends_later = planned(limits(16, 4), second=wipe)
    assert windowed.shots[0].segments[0].key != ends_later.shots[0].segments[0].key
