"""A cut is what was ordered, and made of the pieces that were looked at."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from reviewed_films import FPS, a_cut, a_cut_of, a_joined_cut, a_piece, alive, black, refusal

from cinefab.core.brief import Size
from cinefab.media.inspect import inspect_film
from cinefab.media.join import join
from cinefab.review.checks.as_ordered import AsOrdered


def test_a_cut_as_ordered_has_no_problems(tmp_path: Path) -> None:
    cut = a_joined_cut(tmp_path, [(alive, 30)], [(black, 7)], [(alive, 23)])

    finding = AsOrdered().examine(cut)

    assert finding.problems == ()
    assert finding.figures == {"frames_decoded": 60}


def test_another_length_is_refused_from_the_first_frame_that_is_missing(tmp_path: Path) -> None:
    cut = replace(a_cut(tmp_path / "cut.mp4", (alive, 20)), frames=24)

    refused = refusal(AsOrdered().examine(cut))

    assert refused.reason == "it has 20 frames, ordered were 24"
    assert refused.frame == 20


def test_another_size_or_rate_is_refused(tmp_path: Path) -> None:
    cut = a_cut(tmp_path / "cut.mp4", (alive, 5))

    small = refusal(AsOrdered().examine(replace(cut, size=Size(1280, 720))))
    slow = refusal(AsOrdered().examine(replace(cut, fps=Fraction(25))))

    assert small.reason == "its pictures are 160x90, ordered were 1280x720"
    assert slow.reason == "it runs at 24 frames a second, ordered were 25"


def test_colours_that_players_would_read_otherwise_are_refused(tmp_path: Path) -> None:
    seen, ordered = a_piece(tmp_path / "cut.mp4", (alive, 5))
    as_601 = replace(seen, colours="5/limited/yuv420p")

    refused = refusal(AsOrdered().examine(a_cut_of(tmp_path / "cut.mp4", [(as_601, ordered)])))

    assert "marked as 5/limited" in refused.reason


def test_a_damaged_picture_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.mp4"
    _, ordered = a_piece(path, (alive, 60))
    film = bytearray(path.read_bytes())
    damage = (film.index(b"mdat") + film.index(b"moov")) // 2
    film[damage : damage + 20] = bytes(20)
    path.write_bytes(film)

    refused = refusal(AsOrdered().examine(a_cut_of(path, [(inspect_film(path), ordered)])))

    assert refused.frame is not None
    assert 0 < refused.frame < 60
    assert "cannot be decoded" in refused.reason


def test_a_piece_that_is_not_the_one_looked_at_is_refused_where_it_begins(tmp_path: Path) -> None:
    first = a_piece(tmp_path / "first.mp4", (alive, 20))
    second = a_piece(tmp_path / "second.mp4", (black, 10))
    a_piece(tmp_path / "other.mp4", (alive, 10))
    join([tmp_path / "first.mp4", tmp_path / "other.mp4"], tmp_path / "cut.mp4", fps=FPS)

    refused = refusal(AsOrdered().examine(a_cut_of(tmp_path / "cut.mp4", [first, second])))

    assert refused.frame == 20
    assert "not those of the piece" in refused.reason
