"""Royalties are exact: over any lineage, in any order, and to the last basis point."""

from __future__ import annotations

import random
from collections import defaultdict
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.brief import PartyShare
from cinefab.core.stage import Relation
from cinefab.core.units import BasisPoints, largest_remainder
from cinefab.provenance.lineage import Edge
from cinefab.provenance.rights import Split, attribute, share_out


def an_edge(dst: int, src: int, weight_bp: int = 10_000) -> Edge:
    return Edge(dst=dst, src=src, relation=Relation.COMPONENT_OF, weight_bp=BasisPoints(weight_bp))


def a_split(**shares_bp: int) -> Split:
    return tuple(
        PartyShare(party=party, share_bp=BasisPoints(bp)) for party, bp in shares_bp.items()
    )


def due_by_paths(target: int, edges: list[Edge], splits: dict[int, Split]) -> dict[str, Fraction]:
    """Follow every path from the target by itself: slow, and too simple to be wrong."""
    if target in splits:
        return {s.party: Fraction(s.share_bp, 10_000) for s in splits[target] if s.share_bp}
    due: dict[str, Fraction] = defaultdict(Fraction)
    for edge in edges:
        if edge.dst == target and edge.weight_bp:
            for party, part in due_by_paths(edge.src, edges, splits).items():
                due[party] += part * Fraction(edge.weight_bp, 10_000)
    return dict(due)


@st.composite
def lineages(draw: st.DrawFn) -> tuple[int, list[Edge], dict[int, Split]]:
    size = draw(st.integers(1, 9))
    edges: list[Edge] = []
    for dst in range(2, size + 1):
        sources = draw(st.lists(st.integers(1, dst - 1), max_size=4, unique=True))
        if sources:
            parts = draw(st.lists(st.integers(0, 99), min_size=len(sources), max_size=len(sources)))
            weights = largest_remainder(10_000, [parts[0] + 1, *parts[1:]])
            edges += [an_edge(dst, s, w) for s, w in zip(sources, weights, strict=True)]
    splits = {}
    for row_id in draw(st.lists(st.integers(1, size), unique=True)):
        parties = draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=3, unique=True))
        shares = largest_remainder(10_000, [draw(st.integers(1, 99)) for _ in parties])
        splits[row_id] = a_split(**dict(zip(parties, shares, strict=True)))
    return size, edges, splits


@given(lineages())
def test_attribution_equals_the_sum_over_every_path(
    lineage: tuple[int, list[Edge], dict[int, Split]],
) -> None:
    target, edges, splits = lineage

    due = attribute(target, edges, splits)

    assert due == due_by_paths(target, edges, splits)
    assert sum(due.values()) <= 1


@given(lineages(), st.integers())
def test_shares_sum_to_the_whole_and_do_not_depend_on_any_order(
    lineage: tuple[int, list[Edge], dict[int, Split]], seed: int
) -> None:
    target, edges, splits = lineage
    chance = random.Random(seed)
    shuffled = chance.sample(edges, len(edges))
    reordered = {
        row_id: tuple(chance.sample(split, len(split)))
        for row_id, split in chance.sample(sorted(splits.items()), len(splits))
    }

    shares = share_out(attribute(target, edges, splits))

    assert shares == share_out(attribute(target, shuffled, reordered))
    assert sum(share.share_bp for share in shares) == (10_000 if shares else 0)


@given(lineages())
def test_rounding_moves_nobody_by_a_whole_basis_point(
    lineage: tuple[int, list[Edge], dict[int, Split]],
) -> None:
    due = attribute(*lineage)
    whole = sum(due.values())

    for share in share_out(due):
        assert abs(share.share_bp - due[share.party] / whole * 10_000) < 1


def test_a_diamond_pays_its_source_once_for_each_way_down() -> None:
    edges = [an_edge(4, 2, 3_000), an_edge(4, 3, 7_000), an_edge(2, 1), an_edge(3, 1)]

    due = attribute(4, edges, {1: a_split(maker=10_000)})

    assert due == {"maker": 1}


def test_what_reaches_a_source_without_a_split_is_shared_by_those_who_are_due() -> None:
    edges = [an_edge(4, 1, 5_000), an_edge(4, 2, 3_000), an_edge(4, 3, 2_000)]
    splits = {2: a_split(photographer=10_000), 3: a_split(musician=5_000, label=5_000)}

    shares = share_out(attribute(4, edges, splits))

    assert {share.party: share.share_bp for share in shares} == {
        "label": 2_000,
        "musician": 2_000,
        "photographer": 6_000,
    }


def test_a_split_takes_all_that_reaches_it_whatever_its_asset_was_made_from() -> None:
    splits = {1: a_split(old=10_000), 2: a_split(new=10_000)}

    assert attribute(3, [an_edge(3, 2), an_edge(2, 1)], splits) == {"new": 1}


def test_nobody_is_due_without_a_split() -> None:
    assert share_out(attribute(2, [an_edge(2, 1)], {})) == ()


def test_thirty_generations_stay_exact() -> None:
    library, first, last = 1, 2, 32
    edges = [
        edge
        for n in range(first + 1, last + 1)
        for edge in (an_edge(n, n - 1, 3_333), an_edge(n, library, 6_667))
    ]
    splits = {library: a_split(library=10_000), first: a_split(origin=10_000)}

    due = attribute(last, edges, splits)

    assert due["origin"] == Fraction(3_333, 10_000) ** 30
    assert sum(due.values()) == 1
    assert [share.share_bp for share in share_out(due)] == [10_000, 0]
