"""Rights: who is paid for a source, and what each party's share of an asset made from it is.

An asset's royalties flow up its edges by their weights, as exact fractions. A source that has a
split takes all that reaches it, whatever it was made from itself; one that has none passes what
reaches it on to its own sources, and where there are none it is attributed to nobody. What is
attributed is made the whole, and rounded to basis points by largest remainder.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction

import sqlalchemy as sa

from cinefab.core.brief import PartyShare
from cinefab.core.errors import ContractMismatch
from cinefab.core.ids import TenantId
from cinefab.core.units import WHOLE_BP, BasisPoints, largest_remainder
from cinefab.provenance.asset import Asset
from cinefab.provenance.lineage import Edge, edges_above, ids_above
from cinefab.provenance.tables import royalty_split

Split = tuple[PartyShare, ...]
"""Who is paid for a source; the shares sum to 10,000."""


def record_split(
    connection: sa.Connection, asset: Asset, split: Sequence[PartyShare], *, valid_from_us: int
) -> None:
    """Say who is paid for the asset from a time on; saying the same again changes nothing.

    Raises `ContractMismatch` if the shares do not sum to 10,000, one is negative, a party is
    named twice, or another split was recorded for the same time.
    """
    _check_split(asset, split)
    wanted = {(share.party, int(share.share_bp)) for share in split}
    rows = connection.execute(
        sa.select(royalty_split.c.party, royalty_split.c.share_bp).where(
            royalty_split.c.asset_id == asset.row_id,
            royalty_split.c.valid_from_us == valid_from_us,
        )
    )
    known = {(row.party, row.share_bp) for row in rows}
    if known == wanted:
        return
    if known:
        raise _mismatch(asset, f"another split from the same time on: {sorted(known)}")
    connection.execute(
        royalty_split.insert(),
        [
            {
                "asset_id": asset.row_id,
                "valid_from_us": valid_from_us,
                "party": party,
                "share_bp": share_bp,
            }
            for party, share_bp in sorted(wanted)
        ],
    )


def current_split(connection: sa.Connection, asset: Asset, *, at_us: int) -> Split:
    """Return who is paid for the asset itself at `at_us`, by party; empty if that was never said."""
    mine = royalty_split.c.asset_id == asset.row_id
    return _latest_splits(connection, mine, at_us=at_us).get(asset.row_id, ())


def royalties_of(
    connection: sa.Connection, tenant: TenantId, asset: Asset, *, at_us: int | None = None
) -> tuple[PartyShare, ...]:
    """Return each party's share of the asset, by party; they sum to 10,000, or nobody is due.

    The splits are those in force at `at_us`, by default when the asset was made. A party whose
    exact share is above nothing is listed even where it rounds to 0.
    """
    at_us = asset.created_us if at_us is None else at_us
    edges = edges_above(connection, tenant, asset)
    above = royalty_split.c.asset_id.in_(sa.select(ids_above(tenant, asset).c.id))
    splits = _latest_splits(connection, above, at_us=at_us)
    return share_out(attribute(asset.row_id, edges, splits))


def attribute(
    target: int, edges: Sequence[Edge], splits: Mapping[int, Split]
) -> dict[str, Fraction]:
    """Return each party's exact part of the asset with row id `target`, before rounding.

    The parts sum to 1 at most; what is missing reached sources that nobody is paid for.
    """
    above: dict[int, list[Edge]] = defaultdict(list)
    for e in edges:
        above[e.dst].append(e)
    flows: dict[int, Fraction] = defaultdict(Fraction, {target: Fraction(1)})
    due: dict[str, Fraction] = defaultdict(Fraction)
    # Ids rise from source to result: in falling order, all that an asset gets is there before
    # it is passed on.
    for row_id in sorted({target, *(e.src for e in edges)}, reverse=True):
        flow = flows[row_id]
        if row_id in splits:
            for share in splits[row_id]:
                due[share.party] += flow * Fraction(share.share_bp, WHOLE_BP)
            continue
        for e in above[row_id]:
            flows[e.src] += flow * Fraction(e.weight_bp, WHOLE_BP)
    return {party: part for party, part in due.items() if part > 0}


def share_out(due: Mapping[str, Fraction]) -> tuple[PartyShare, ...]:
    """Return the parts as basis points of what is attributed, 10,000 in all, by party."""
    if not due:
        return ()
    parties = sorted(due)
    common = math.lcm(*(due[party].denominator for party in parties))
    shares = largest_remainder(WHOLE_BP, [int(due[party] * common) for party in parties])
    return tuple(
        PartyShare(party=party, share_bp=BasisPoints(share_bp))
        for party, share_bp in zip(parties, shares, strict=True)
    )


def _latest_splits(
    connection: sa.Connection, wanted: sa.ColumnElement[bool], *, at_us: int
) -> dict[int, Split]:
    rows = connection.execute(
        sa.select(royalty_split)
        .where(wanted, royalty_split.c.valid_from_us <= at_us)
        .order_by(royalty_split.c.valid_from_us, royalty_split.c.party)
    )
    latest: dict[int, tuple[int, list[PartyShare]]] = {}
    for row in rows:
        since, shares = latest.get(row.asset_id, (row.valid_from_us, []))
        if row.valid_from_us > since:
            shares = []
        shares.append(PartyShare(party=row.party, share_bp=BasisPoints(row.share_bp)))
        latest[row.asset_id] = (row.valid_from_us, shares)
    return {row_id: tuple(shares) for row_id, (_, shares) in latest.items()}


def _check_split(asset: Asset, split: Sequence[PartyShare]) -> None:
    shares = [share.share_bp for share in split]
    if sum(shares) != WHOLE_BP or any(share < 0 for share in shares):
        raise _mismatch(asset, f"shares {shares}, which sum to {sum(shares)}")
    if len({share.party for share in split}) != len(split):
        raise _mismatch(asset, "a party that is named twice")


def _mismatch(asset: Asset, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"record who is paid for asset {asset.public_id}",
        found=found,
        remedy="Give each party once, in whole basis points, none below 0, 10000 in all.",
    )
