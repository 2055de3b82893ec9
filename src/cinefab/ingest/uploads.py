"""Uploads as rows: made within the tenant's quota, grown piece by piece, ended once.

    open → received → ready | refused        and from any of these but ready: expired, removed

The length is announced and counts against the quota from the first moment, so that uploads that
race cannot pass it together. What was refused, expired or removed counts no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, canonical_json
from cinefab.core.errors import CinefabError, NothingToDecide, RequestInvalid
from cinefab.core.ids import AssetId, IdSource, PrincipalId, TenantId
from cinefab.ingest.tables import upload, upload_piece
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf
from cinefab.tenancy.principals import hold_tenant, not_here
from cinefab.tenancy.quotas import Quota, check_upload, find_quota

PIECES_MAX: Final = 4096
"""The most pieces of one upload: whoever sends it byte by byte is told to send more at once."""

OPEN: Final = "open"
RECEIVED: Final = "received"
READY: Final = "ready"
REFUSED: Final = "refused"
EXPIRED: Final = "expired"
REMOVED: Final = "removed"

_COUNTED: Final = (OPEN, RECEIVED, READY)
_GONE: Final = (EXPIRED, REMOVED)
_NAME_MAX: Final = 200
_MEDIA_TYPE: Final = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)


class OffsetRefused(CinefabError):
    """A piece that does not begin where the upload ends; `offset` is where it does."""

    def __init__(self, *, attempted: str, found: str, remedy: str, offset: int) -> None:
        super().__init__(attempted=attempted, found=found, remedy=remedy)
        self.offset = offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What is sent in pieces, and how far it is; `refusal` says what was wrong and what to do."""

    id: str
    tenant: TenantId
    principal: PrincipalId
    name: str
    media_type: str
    length_bytes: int
    offset_bytes: int
    state: str
    created_us: int
    expires_us: int
    asset: AssetId | None
    refusal: Json

    @property
    def is_whole(self) -> bool:
        """Whether everything that was announced has come."""
        return self.offset_bytes == self.length_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece that quarantine has."""

    name: str
    size_bytes: int


def create_upload(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    principal: PrincipalId,
    name: str,
    media_type: str,
    length_bytes: int,
    lasts_us: int,
    usual: Quota,
    ids: IdSource,
    now_us: int,
) -> Upload:
    """Write an upload of so many bytes; raise `QuotaExceeded` where the tenant may have no more."""
    # Whoever else creates for this tenant waits here until this one is written or given up.
    hold_tenant(connection, tenant)
    held = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(upload.c.length_bytes), 0)).where(
            upload.c.tenant_id == tenant, upload.c.state.in_(_COUNTED)
        )
    ).scalar_one()
    quota = find_quota(connection, tenant=tenant, usual=usual)
    check_upload(quota, tenant=tenant, held_bytes=int(held), more_bytes=length_bytes)
    made = ids.new("upl")
    connection.execute(
        upload.insert().values(
            id=made,
            tenant_id=tenant,
            principal_id=principal,
            name=plain_name(name),
            media_type=media_type if _MEDIA_TYPE.fullmatch(media_type) else "",
            length_bytes=length_bytes,
            offset_bytes=0,
            state=OPEN,
            created_us=now_us,
            expires_us=now_us + lasts_us,
        )
    )
    return load_upload(connection, tenant=tenant, which=made)


def load_upload(connection: sa.Connection, *, tenant: TenantId, which: str) -> Upload:
    """Return an upload; raise `Unavailable` if the tenant has none by this id, any more or at all."""
    row = connection.execute(
        sa.select(upload).where(
            upload.c.tenant_id == tenant, upload.c.id == which, upload.c.state.not_in(_GONE)
        )
    ).first()
    if row is None:
        raise not_here("upload", which)
    return _upload(row)


def find_sender(connection: sa.Connection, *, tenant: TenantId, which: str) -> PrincipalId | None:
    """Return who sent an upload, whatever became of it; None if the tenant never had one by this id."""
    found = connection.execute(
        sa.select(upload.c.principal_id).where(upload.c.tenant_id == tenant, upload.c.id == which)
    ).scalar()
    return None if found is None else PrincipalId(found)


def find_anyones(connection: sa.Connection, which: str) -> Upload | None:
    """Return an upload of any tenant: for those who take them in, not for a tenant's questions."""
    row = connection.execute(sa.select(upload).where(upload.c.id == which)).first()
    return None if row is None else _upload(row)


def list_uploads(connection: sa.Connection, *, tenant: TenantId) -> tuple[Upload, ...]:
    """Return a tenant's uploads, newest first."""
    rows = connection.execute(
        sa.select(upload)
        .where(upload.c.tenant_id == tenant, upload.c.state.not_in(_GONE))
        .order_by(upload.c.id.desc())
    )
    return tuple(_upload(row) for row in rows)


def append(
    connection: sa.Connection,
    pieces: Sequence[Piece],
    *,
    tenant: TenantId,
    which: str,
    offset_bytes: int,
    lasts_us: int,
    now_us: int,
) -> Upload:
    """Have pieces follow what there is; raise `OffsetRefused` where they do not, `Unavailable`.

    What is whole then has been received.
    """
    known = load_upload(connection, tenant=tenant, which=which)
    more = sum(piece.size_bytes for piece in pieces)
    whole = offset_bytes + more == known.length_bytes
    grown = connection.execute(
        upload.update()
        .where(
            upload.c.tenant_id == tenant,
            upload.c.id == which,
            upload.c.state == OPEN,
            upload.c.offset_bytes == offset_bytes,
        )
        .values(
            offset_bytes=offset_bytes + more,
            expires_us=now_us + lasts_us,
            state=RECEIVED if whole else OPEN,
            received_us=now_us if whole else None,
        )
    )
    if not grown.rowcount:
        # Somebody else was first, so it is further now than a moment ago.
        raise offset_refused(load_upload(connection, tenant=tenant, which=which), offset_bytes)
    _check_pieces(connection, which, len(pieces))
    at = offset_bytes
    for piece in pieces:
        connection.execute(
            upload_piece.insert().values(
                tenant_id=tenant,
                upload_id=which,
                from_byte=at,
                size_bytes=piece.size_bytes,
                name=piece.name,
            )
        )
        at += piece.size_bytes
    return load_upload(connection, tenant=tenant, which=which)


def pieces_of(connection: sa.Connection, of: Upload) -> tuple[str, ...]:
    """Return what quarantine knows an upload's pieces by, in their order."""
    return tuple(
        connection.execute(
            sa.select(upload_piece.c.name)
            .where(upload_piece.c.tenant_id == of.tenant, upload_piece.c.upload_id == of.id)
            .order_by(upload_piece.c.from_byte)
        ).scalars()
    )


def remove_upload(connection: sa.Connection, *, tenant: TenantId, which: str, now_us: int) -> None:
    """Give an upload up; raise `Unavailable`, and `NothingToDecide` for one that became an asset."""
    known = load_upload(connection, tenant=tenant, which=which)
    if not _end(connection, known, REMOVED, from_states=(OPEN, RECEIVED, REFUSED), now_us=now_us):
        raise NothingToDecide(
            attempted=f"remove {which}",
            found=f"it has become the asset {known.asset}",
            remedy="Assets stay on record; nothing else is kept of the upload.",
        )


def make_ready(connection: sa.Connection, of: Upload, asset: AssetId, *, now_us: int) -> None:
    """Say which asset a received upload became, in the transaction that made it one."""
    said: Json = {"asset": asset, "name": of.name, "bytes": of.length_bytes}
    if _end(connection, of, READY, from_states=(RECEIVED,), now_us=now_us, asset_id=asset):
        _tell(connection, of, "upload.ready", said, now_us=now_us)


def refuse(connection: sa.Connection, of: Upload, *, found: str, remedy: str, now_us: int) -> None:
    """Say why a received upload becomes no asset."""
    said: Json = {"found": found, "remedy": remedy}
    kept = canonical_json(said).decode()
    if _end(connection, of, REFUSED, from_states=(RECEIVED,), now_us=now_us, refusal=kept):
        _tell(connection, of, "upload.refused", said, now_us=now_us)


def is_any_late(connection: sa.Connection, *, now_us: int) -> bool:
    """Say whether there is an upload of any tenant of which nothing more has come in time."""
    late = sa.select(upload.c.id).where(upload.c.state == OPEN, upload.c.expires_us <= now_us)
    return connection.execute(late.limit(1)).first() is not None


def expire(connection: sa.Connection, *, now_us: int) -> int:
    """Give up the uploads of all tenants of which nothing more has come; return how many."""
    return connection.execute(
        upload.update()
        .where(upload.c.state == OPEN, upload.c.expires_us <= now_us)
        .values(state=EXPIRED, ended_us=now_us)
    ).rowcount


def ended_with_pieces(connection: sa.Connection, *, at_most: int) -> tuple[str, ...]:
    """Return uploads of all tenants that are over and may still have pieces."""
    return tuple(
        connection.execute(
            sa.select(upload.c.id)
            .where(upload.c.state.not_in((OPEN, RECEIVED)), upload.c.dropped_us.is_(None))
            .limit(at_most)
        ).scalars()
    )


def record_dropped(connection: sa.Connection, which: str, *, now_us: int) -> None:
    """Write down that nothing of an upload is in quarantine any more."""
    connection.execute(upload_piece.delete().where(upload_piece.c.upload_id == which))
    connection.execute(upload.update().where(upload.c.id == which).values(dropped_us=now_us))


def received_before(connection: sa.Connection, before_us: int) -> tuple[str, ...]:
    """Return uploads of all tenants that were received by then and that nobody decided about."""
    return tuple(
        connection.execute(
            sa.select(upload.c.id).where(
                upload.c.state == RECEIVED, upload.c.received_us < before_us
            )
        ).scalars()
    )


def offset_refused(known: Upload, offset_bytes: int) -> OffsetRefused:
    """Return the error for a piece that does not begin where the upload ends."""
    return OffsetRefused(
        attempted=f"go on with {known.id} from byte {offset_bytes}",
        found=f"{known.offset_bytes} of its {known.length_bytes} bytes are there"
        + ("" if known.state == OPEN else f", and it is {known.state}"),
        remedy="Ask by HEAD how far it is, and go on from there.",
        offset=known.offset_bytes,
    )


def plain_name(name: str) -> str:
    """Return a file's name as it is kept: no folder, nothing that does not print."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if letter.isprintable())[-_NAME_MAX:].strip(" .")
    return shown or "upload"


def _check_pieces(connection: sa.Connection, which: str, more: int) -> None:
    count = connection.execute(
        sa.select(sa.func.count()).where(upload_piece.c.upload_id == which)
    ).scalar_one()
    if count + more > PIECES_MAX:
        raise RequestInvalid(
            attempted=f"go on with {which}",
            field="Content-Length",
            found=f"it would be in more than {PIECES_MAX} pieces",
            remedy="Send more in one request.",
        )


def _end(
    connection: sa.Connection,
    of: Upload,
    state: str,
    *,
    from_states: Sequence[str],
    now_us: int,
    **values: Any,
) -> bool:
    ended = connection.execute(
        upload.update()
        .where(
            upload.c.tenant_id == of.tenant,
            upload.c.id == of.id,
            upload.c.state.in_(from_states),
        )
        .values(state=state, ended_us=now_us, **values)
    )
    return ended.rowcount == 1


def _tell(connection: sa.Connection, of: Upload, kind: str, said: Json, *, now_us: int) -> None:
    leaf = AuditLeaf(kind=kind, subject=of.id, body=said)
    event = OutboxEvent(kind=kind, subject=of.id, body=said)
    record_leaf(connection, leaf, tenant=of.tenant, now_us=now_us)
    record_event(connection, event, tenant=of.tenant, now_us=now_us)


def _upload(row: Any) -> Upload:
    return Upload(
        id=row.id,
        tenant=TenantId(row.tenant_id),
        principal=PrincipalId(row.principal_id),
        name=row.name,
        media_type=row.media_type,
        length_bytes=row.length_bytes,
        offset_bytes=row.offset_bytes,
        state=row.state,
        created_us=row.created_us,
        expires_us=row.expires_us,
        asset=None if row.asset_id is None else AssetId(row.asset_id),
        refusal=None if row.refusal is None else json.loads(row.refusal),
    )
