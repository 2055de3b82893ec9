"""A plan's pieces, in order and to the frame."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.assemble.cut import BodyPiece, TransitionPiece, assemble_cut, cut_order
from cinefab.core.brief import Quality, Size, TransitionKind
from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.errors import ContractMismatch
from cinefab.core.plan import (
    Part,
    Plan,
    PlannedSegment,
    PlannedShot,
    PlannedTransition,
    Versions,
)
from cinefab.core.units import DeviceUs
from cinefab.media.decode import probe
from cinefab.media.encode import FINAL, encode

FPS = Fraction(24)
SIZE = Size(96, 54)


def key(name: str) -> Sha256:
    return sha256_of(name.encode())


def a_segment(shot: int, part: Part, *, first: int, frames: int) -> PlannedSegment:
    return PlannedSegment(
        key=key(f"{shot} {part}"),
        part=part,
        first_frame=first,
        frames=frames,
        estimate_device_us=DeviceUs(1),
        estimate_uusd=None,
    )


def a_shot(index: int, frames: int, *, into: int, out_of: int) -> PlannedShot:
    """Plan a shot whose transitions are `into` and `out_of` frames long, both even."""
    body = frames - into // 2 - out_of // 2
    segments = [
        (Part.HEAD, -into // 2, into),
        (Part.BODY, into // 2, body),
        (Part.TAIL, frames - out_of // 2, out_of),
    ]
    return PlannedShot(
        index=index,
        frames=frames,
        seed=0,
        input=None,
        references=(),
        segments=tuple(
            a_segment(index, part, first=first, frames=length)
            for part, first, length in segments
            if length > 0
        ),
    )


def a_plan(shots: list[int], transitions: list[int]) -> Plan:
    """Plan shots of these lengths with transitions of those between them; 0 is a cut."""
    around = [0, *transitions, 0]
    return Plan(
        title="t",
        model="m",
        quality=Quality.FINAL,
        size=SIZE,
        fps=FPS,
        shots=tuple(
            a_shot(index, frames, into=around[index], out_of=around[index + 1])
            for index, frames in enumerate(shots)
        ),
        transitions=tuple(
            PlannedTransition(
                key=key(f"into {index}"),
                kind=TransitionKind.WIPE,
                into=index,
                frames=frames,
                colour="#000000",
            )
            for index, frames in enumerate(transitions, start=1)
            if frames
        ),
        references=(),
        versions=Versions(model="m@1", machine="x", encoder="e", contract=1),
    )


def test_transitions_stand_where_a_tail_and_a_head_overlap() -> None:
    pieces = cut_order(a_plan([72, 48, 60], [12, 0]))

    assert pieces == (
        BodyPiece(key=key("0 body"), shot=0, frames=66),
        TransitionPiece(
            key=key("into 1"),
            into=1,
            frames=12,
            kind=TransitionKind.WIPE,
            colour="#000000",
            tail=key("0 tail"),
            head=key("1 head"),
        ),
        BodyPiece(key=key("1 body"), shot=1, frames=42),
        BodyPiece(key=key("2 body"), shot=2, frames=60),
    )


@given(st.data())
def test_the_pieces_are_exactly_as_long_as_the_shots_together(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 6))
    halves = data.draw(st.lists(st.integers(0, 12), min_size=count - 1, max_size=count - 1))
    around = [0, *halves, 0]
    spare = data.draw(st.lists(st.integers(0, 90), min_size=count, max_size=count))
    shots = [max(1, around[i] + around[i + 1] + spare[i]) for i in range(count)]

    pieces = cut_order(a_plan(shots, [2 * half for half in halves]))

    assert sum(piece.frames for piece in pieces) == sum(shots)
    assert [p.into for p in pieces if isinstance(p, TransitionPiece)] == [
        index for index, half in enumerate(halves, start=1) if half
    ]


def test_two_transitions_may_meet_in_a_shot_without_a_body() -> None:
    pieces = cut_order(a_plan([48, 12, 48], [12, 12]))

    assert [type(piece) for piece in pieces] == [
        BodyPiece,
        TransitionPiece,
        TransitionPiece,
        BodyPiece,
    ]


def test_a_plan_whose_segments_do_not_fill_the_film_is_our_mistake() -> None:
    plan = a_plan([48, 48], [12])
    shorter = replace(plan.shots[1], segments=plan.shots[1].segments[:1])

    with pytest.raises(AssertionError, match="the film is 96"):
        cut_order(replace(plan, shots=(plan.shots[0], shorter)))


def test_a_transition_without_its_handles_is_our_mistake() -> None:
    plan = a_plan([48, 48], [0])
    orphan = a_plan([48, 48], [12]).transitions

    with pytest.raises(AssertionError, match="no tail"):
        cut_order(replace(plan, transitions=orphan))
    with pytest.raises(AssertionError, match="no transition"):
        cut_order(replace(a_plan([48, 48], [12]), transitions=()))


def a_piece(path: Path, count: int) -> Path:
    frames = [np.full((81, 96), 40 + index, np.uint8) for index in range(count)]
    encode(frames, path, size=SIZE, fps=FPS, settings=FINAL)
    return path


def test_a_cut_has_exactly_the_planned_frames(tmp_path: Path) -> None:
    pieces = [a_piece(tmp_path / "a.mp4", 5), a_piece(tmp_path / "b.mp4", 7)]

    joined = assemble_cut(pieces, tmp_path / "cut.mp4", fps=FPS, frames_wanted=12)

    assert joined.frames == probe(tmp_path / "cut.mp4").frames == 12


def test_a_cut_of_another_length_is_refused_and_thrown_away(tmp_path: Path) -> None:
    pieces = [a_piece(tmp_path / "a.mp4", 5), a_piece(tmp_path / "b.mp4", 7)]

    with pytest.raises(ContractMismatch, match="12 frames long together, planned were 13"):
        assemble_cut(pieces, tmp_path / "cut.mp4", fps=FPS, frames_wanted=13)

    assert not (tmp_path / "cut.mp4").exists()
