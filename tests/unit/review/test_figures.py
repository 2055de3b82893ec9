"""Figures outlive the process that took them, and join to those of a film."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from reviewed_films import a_joined_cut, a_piece, alive, black, standing

from cinefab.media.inspect import inspect_film
from cinefab.review.figures import (
    Ordered,
    figures_document,
    figures_from_document,
    ordered_document,
    ordered_from_document,
)
from cinefab.review.proof import differences


def test_figures_come_back_from_json_as_they_were(tmp_path: Path) -> None:
    seen, _ = a_piece(tmp_path / "a.mp4", (alive, 9))
    ordered = Ordered(shots=(1, 2), frames=9, transition="dip", colours=("#102030",))

    assert figures_from_document(figures_document(seen)) == seen
    assert ordered_from_document(ordered_document(ordered)) == ordered


def test_a_joined_film_has_the_figures_of_its_pieces_and_those_across_their_borders(
    tmp_path: Path,
) -> None:
    cut = a_joined_cut(tmp_path, [(standing, 20)], [(standing, 10)], [(black, 10)])

    whole = inspect_film(cut.path)

    footage = cut.footage
    for name in ("luma", "peak"):
        assert footage.series[name].tolist() == whole.series[name]
    assert footage.series["still"].tolist() == whole.series["still"]
    step = footage.series["step"]
    assert abs(int(step[30]) - whole.series["step"][30]) < 100
    assert np.array_equal(step[1:20], whole.series["step"][1:20])


def test_a_film_of_its_pieces_does_not_differ_from_them(tmp_path: Path) -> None:
    cut = a_joined_cut(tmp_path, [(alive, 50)], [(black, 7)])

    assert differences(cut.path, cut.footage) == ()


def test_a_film_that_ends_early_or_late_differs_from_where_it_does(tmp_path: Path) -> None:
    cut = a_joined_cut(tmp_path, [(alive, 20)], [(black, 7)])
    without_last = replace(cut.footage, stretches=cut.footage.stretches[:1])

    early = differences(tmp_path / "piece-0.mp4", cut.footage)
    late = differences(cut.path, without_last)

    assert early[0].frame == 20
    assert "7 pictures follow" in late[0].text


def test_what_is_no_film_differs_from_its_beginning(tmp_path: Path) -> None:
    cut = a_joined_cut(tmp_path, [(alive, 5)])
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"not a film" * 100)

    assert differences(noise, cut.footage)[0].frame == 0
