"""Rights as a brief states them, put on the asset they are about."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from cinefab.core.brief import PartyShare
from cinefab.core.ids import AssetId, TenantId
from cinefab.provenance.assets import load_asset
from cinefab.provenance.rights import current_split, record_split


def record_rights(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    asset: AssetId,
    split: Sequence[PartyShare],
    now_us: int,
) -> None:
    """Record who is paid for an asset from now on, unless that is what holds already."""
    of = load_asset(connection, tenant, asset)
    if set(current_split(connection, of, at_us=now_us)) != set(split):
        record_split(connection, of, split, valid_from_us=now_us)
