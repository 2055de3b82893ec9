"""API keys: shown once, stored hashed, scoped, expiring, revocable; each acts as a principal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, canonical_json
from cinefab.core.clock import iso_utc
from cinefab.core.errors import NotAuthenticated, RequestInvalid
from cinefab.core.ids import IdSource, KeyId, PrincipalId, TenantId
from cinefab.tenancy.caller import Caller, Kind
from cinefab.tenancy.principals import checked_name, hold_tenant, load_principal, not_here, tell
from cinefab.tenancy.roles import Action, Role
from cinefab.tenancy.secret import id_in, is_secret, new_secret
from cinefab.tenancy.tables import api_key, principal, role_binding

PREFIX: Final = "cfk"

NOTED_EVERY_US: Final = 3_600_000_000
"""A key's last use is written once an hour: a write for each request would cost more than it says."""

# Built once: it is asked by every request, and to build it takes as long as to ask.
_WHOSE: Final = (
    sa.select(api_key, principal.c.kind, role_binding.c.role)
    .join(principal, principal.c.id == api_key.c.principal_id)
    .outerjoin(role_binding, role_binding.c.principal_id == api_key.c.principal_id)
    .where(api_key.c.id == sa.bindparam("named"))
)

_LABELS_MAX: Final = 16
_LABEL_LENGTH_MAX: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made; `secret` is shown to whoever asked for it, this once."""

    id: KeyId
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key, as far as anybody may see it. `used_us` is right to the hour."""

    id: KeyId
    principal: PrincipalId
    name: str
    scopes: frozenset[Action] | None
    labels: Mapping[str, str]
    created_us: int
    expires_us: int | None
    revoked_us: int | None
    used_us: int | None
    rotated_from: KeyId | None


def create_key(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    principal: PrincipalId,
    name: str,
    by: PrincipalId,
    ids: IdSource,
    now_us: int,
    scopes: frozenset[Action] | None = None,
    labels: Mapping[str, str] | None = None,
    expires_us: int | None = None,
) -> NewKey:
    """Make a key that acts as a principal of the tenant, for `scopes` at most.

    Raises `Unavailable` if the tenant has no such principal, and `RequestInvalid`.
    """
    load_principal(connection, tenant=tenant, which=principal)
    checked_name(name, attempted="create a key")
    _check_labels(labels or {})
    if expires_us is not None and expires_us <= now_us:
        raise RequestInvalid(
            attempted="create a key",
            field="expires",
            found=f"{iso_utc(expires_us)} is over",
            remedy="Give a moment in the future, or none.",
        )
    return _write(
        connection,
        Key(
            id=KeyId(""),
            principal=principal,
            name=name.strip(),
            scopes=scopes,
            labels=labels or {},
            created_us=now_us,
            expires_us=expires_us,
            revoked_us=None,
            used_us=None,
            rotated_from=None,
        ),
        tenant=tenant,
        by=by,
        ids=ids,
    )


def rotate_key(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    key: KeyId,
    overlap_us: int,
    by: PrincipalId,
    ids: IdSource,
    now_us: int,
) -> NewKey:
    """Make a key like another one, which ends `overlap_us` from now; raise as `revoke_key` does."""
    assert overlap_us >= 0, "an overlap is not negative"
    hold_tenant(connection, tenant)
    old = load_key(connection, tenant=tenant, key=key)
    if state_of(old, now_us=now_us) != "in force":
        raise RequestInvalid(
            attempted=f"rotate {key}",
            field="key",
            found="it is over",
            remedy="Create a new one.",
        )
    made = _write(
        connection,
        Key(
            id=KeyId(""),
            principal=old.principal,
            name=old.name,
            scopes=old.scopes,
            labels=old.labels,
            created_us=now_us,
            expires_us=old.expires_us,
            revoked_us=None,
            used_us=None,
            rotated_from=key,
        ),
        tenant=tenant,
        by=by,
        ids=ids,
    )
    ends_us = min(now_us + overlap_us, old.expires_us or now_us + overlap_us)
    connection.execute(
        api_key.update()
        .where(api_key.c.tenant_id == tenant, api_key.c.id == key)
        .values(expires_us=ends_us)
    )
    said: Json = {"by": by, "to": made.id, "ends_us": ends_us}
    tell(connection, "key.rotated", key, said, tenant=tenant, now_us=now_us)
    return made


def revoke_key(
    connection: sa.Connection, *, tenant: TenantId, key: KeyId, by: PrincipalId, now_us: int
) -> None:
    """End a key at once; twice is as once. Raises `Unavailable` if the tenant has no such key."""
    hold_tenant(connection, tenant)
    if load_key(connection, tenant=tenant, key=key).revoked_us is not None:
        return
    connection.execute(
        api_key.update()
        .where(api_key.c.tenant_id == tenant, api_key.c.id == key)
        .values(revoked_us=now_us)
    )
    tell(connection, "key.revoked", key, {"by": by}, tenant=tenant, now_us=now_us)


def list_keys(connection: sa.Connection, *, tenant: TenantId) -> tuple[Key, ...]:
    """Return a tenant's keys, those that are over too, oldest first."""
    return _keys(connection, tenant)


def load_key(connection: sa.Connection, *, tenant: TenantId, key: KeyId) -> Key:
    """Return a key; raise `Unavailable` if the tenant has none by this id."""
    found = _keys(connection, tenant, api_key.c.id == key)
    if not found:
        raise not_here("key", key)
    return found[0]


def state_of(key: Key, *, now_us: int) -> str:
    """Say whether a key is `in force`, `revoked` or `expired`."""
    if key.revoked_us is not None:
        return "revoked"
    return "expired" if key.expires_us is not None and key.expires_us <= now_us else "in force"


def authenticate(connection: sa.Connection, secret: str, *, now_us: int) -> Caller:
    """Return who has this key; raise `NotAuthenticated`.

    It only reads, so it may be asked within a transaction that reads; `note_use` writes. Whether an
    id is known cannot be told from the answer or its time: that needs the secret.
    """
    name = id_in(secret, prefix=PREFIX)
    rows = connection.execute(_WHOSE, {"named": name or ""}).all()
    if not is_secret(secret, digest=rows[0].secret_hash if rows else None):
        raise _not_authenticated("it is no key of this studio")
    row = rows[0]
    if row.revoked_us is not None:
        raise _not_authenticated(f"{row.id} was revoked at {iso_utc(row.revoked_us)}")
    if row.expires_us is not None and row.expires_us <= now_us:
        raise _not_authenticated(f"{row.id} ended at {iso_utc(row.expires_us)}")
    return Caller(
        tenant=TenantId(row.tenant_id),
        principal=PrincipalId(row.principal_id),
        kind=Kind(row.kind),
        roles=frozenset(Role(each.role) for each in rows if each.role is not None),
        scopes=_scopes(row.scopes),
        labels=json.loads(row.labels),
        key=KeyId(row.id),
        used_us=row.used_us,
    )


def is_worth_noting(caller: Caller, *, now_us: int) -> bool:
    """Say whether a caller's key was last noted so long ago that its use should be written down."""
    if caller.key is None:
        return False
    return caller.used_us is None or now_us - caller.used_us >= NOTED_EVERY_US


def note_use(connection: sa.Connection, caller: Caller, *, now_us: int) -> None:
    """Write down that a caller's key is in use, where that is worth a write."""
    if is_worth_noting(caller, now_us=now_us):
        connection.execute(
            api_key.update()
            .where(api_key.c.tenant_id == caller.tenant, api_key.c.id == caller.key)
            .values(used_us=now_us)
        )


def _not_authenticated(found: str) -> NotAuthenticated:
    return NotAuthenticated(
        attempted="find out who asks by the key",
        found=found,
        remedy="Send `Authorization: Bearer cfk_…` with a key that is in force; "
        "an owner makes one with: cinefab keys create",
    )


def _write(
    connection: sa.Connection, made: Key, *, tenant: TenantId, by: PrincipalId, ids: IdSource
) -> NewKey:
    secret = new_secret(PREFIX, ids)
    connection.execute(
        api_key.insert().values(
            id=secret.id,
            tenant_id=tenant,
            principal_id=made.principal,
            name=made.name,
            secret_hash=secret.digest,
            scopes=canonical_json(_scope_list(made.scopes)).decode(),
            labels=canonical_json(dict(made.labels)).decode(),
            created_us=made.created_us,
            expires_us=made.expires_us,
            rotated_from=made.rotated_from,
        )
    )
    said: Json = {
        "by": by,
        "principal": made.principal,
        "name": made.name,
        "scopes": _scope_list(made.scopes),
        "labels": dict(made.labels),
        "expires_us": made.expires_us,
    }
    tell(connection, "key.created", secret.id, said, tenant=tenant, now_us=made.created_us)
    return NewKey(id=KeyId(secret.id), secret=secret.text)


def _scope_list(scopes: frozenset[Action] | None) -> list[str]:
    return ["*"] if scopes is None else sorted(scopes)


def _scopes(stored: str) -> frozenset[Action] | None:
    named: list[str] = json.loads(stored)
    # An action that a later release has dropped is none that could be asked for.
    known = {each.value for each in Action}
    return None if named == ["*"] else frozenset(Action(each) for each in named if each in known)


def _check_labels(labels: Mapping[str, str]) -> None:
    fits = len(labels) <= _LABELS_MAX and all(
        0 < len(text) <= _LABEL_LENGTH_MAX and text.isprintable() and "=" not in text
        for pair in labels.items()
        for text in pair
    )
    if not fits:
        raise RequestInvalid(
            attempted="create a key",
            field="labels",
            found=f"{len(labels)} labels, one of which is empty, long or has a '=' in it"
            if len(labels) <= _LABELS_MAX
            else f"{len(labels)} labels",
            remedy=f"Give at most {_LABELS_MAX}, names and values of 1 to {_LABEL_LENGTH_MAX} "
            "printable characters without '='.",
        )


def _keys(
    connection: sa.Connection, tenant: TenantId, *which: sa.ColumnElement[bool]
) -> tuple[Key, ...]:
    rows = connection.execute(
        sa.select(api_key)
        .where(api_key.c.tenant_id == tenant, *which)
        .order_by(api_key.c.created_us, api_key.c.id)
    )
    return tuple(_key(row) for row in rows)


def _key(row: Any) -> Key:
    return Key(
        id=KeyId(row.id),
        principal=PrincipalId(row.principal_id),
        name=row.name,
        scopes=_scopes(row.scopes),
        labels=json.loads(row.labels),
        created_us=row.created_us,
        expires_us=row.expires_us,
        revoked_us=row.revoked_us,
        used_us=row.used_us,
        rotated_from=None if row.rotated_from is None else KeyId(row.rotated_from),
    )
