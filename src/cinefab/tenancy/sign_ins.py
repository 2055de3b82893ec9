"""A browser that somebody signed in with: found by its cookie's secret, closed when it is over.

The cookie itself is the door's. What a page sends must bring the sign-in's CSRF secret, which the
cookie does not have: another site can make a browser send the one, and cannot read the other.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.errors import Forbidden, NotAuthenticated
from cinefab.core.ids import IdSource, PrincipalId, SignInId, TenantId
from cinefab.tenancy.caller import Caller, Kind
from cinefab.tenancy.principals import load_principal, not_here, tell
from cinefab.tenancy.roles import Role
from cinefab.tenancy.secret import id_in, is_secret, new_secret
from cinefab.tenancy.tables import principal, role_binding, sign_in

PREFIX: Final = "cfs"

LASTS_US: Final = 12 * 3_600_000_000
"""How long a sign-in lasts, a working day: who needs it longer signs in again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """What the door gives a browser: `secret` for its cookie, `csrf` for its pages."""

    id: SignInId
    secret: str = field(repr=False)
    csrf: str = field(repr=False)
    expires_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSignIn:
    """A browser that somebody is signed in with, as far as anybody may see it."""

    id: SignInId
    principal: PrincipalId
    opened_us: int
    expires_us: int


def open_sign_in(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    principal: PrincipalId,
    ids: IdSource,
    now_us: int,
    lasts_us: int = LASTS_US,
) -> SignIn:
    """Sign a person of the tenant in, who was found to be that person by then."""
    load_principal(connection, tenant=tenant, which=principal)
    secret, csrf = new_secret(PREFIX, ids), secrets.token_urlsafe(32)
    connection.execute(
        sign_in.insert().values(
            id=secret.id,
            tenant_id=tenant,
            principal_id=principal,
            secret_hash=secret.digest,
            csrf_secret=csrf,
            opened_us=now_us,
            expires_us=now_us + lasts_us,
        )
    )
    said: Json = {"by": principal, "expires_us": now_us + lasts_us}
    tell(connection, "sign_in.opened", secret.id, said, tenant=tenant, now_us=now_us)
    return SignIn(
        id=SignInId(secret.id), secret=secret.text, csrf=csrf, expires_us=now_us + lasts_us
    )


def find_sign_in(connection: sa.Connection, secret: str, *, now_us: int) -> tuple[Caller, str]:
    """Return who signed in with this secret and its CSRF secret; raise `NotAuthenticated`."""
    name = id_in(secret, prefix=PREFIX)
    rows = connection.execute(
        sa.select(sign_in, principal.c.kind, role_binding.c.role)
        .join(principal, principal.c.id == sign_in.c.principal_id)
        .outerjoin(role_binding, role_binding.c.principal_id == sign_in.c.principal_id)
        .where(sign_in.c.id == (name or ""))
    ).all()
    if not is_secret(secret, digest=rows[0].secret_hash if rows else None):
        raise _signed_out("it is no sign-in of this studio")
    row = rows[0]
    if row.closed_us is not None or row.expires_us <= now_us:
        raise _signed_out("the sign-in is over")
    caller = Caller(
        tenant=TenantId(row.tenant_id),
        principal=PrincipalId(row.principal_id),
        kind=Kind(row.kind),
        roles=frozenset(Role(each.role) for each in rows if each.role is not None),
        sign_in=SignInId(row.id),
    )
    return caller, str(row.csrf_secret)


def check_csrf(given: str | None, *, csrf: str) -> None:
    """Raise `Forbidden` unless what a page sent has the sign-in's CSRF secret."""
    sent = (given or "").encode("utf-8", "surrogatepass")
    if not hmac.compare_digest(sent, csrf.encode()):
        raise Forbidden(
            attempted="change something from a page",
            found="what was sent does not have the page's CSRF token",
            remedy="Reload the page and try again. Programs use a key and need no token.",
            policies=("csrf",),
        )


def sign_ins_of(
    connection: sa.Connection, *, tenant: TenantId, principal: PrincipalId, now_us: int
) -> tuple[OpenSignIn, ...]:
    """Return the browsers that somebody is signed in with, newest first."""
    rows = connection.execute(
        sa.select(sign_in)
        .where(
            sign_in.c.tenant_id == tenant,
            sign_in.c.principal_id == principal,
            sign_in.c.closed_us.is_(None),
            sign_in.c.expires_us > now_us,
        )
        .order_by(sign_in.c.opened_us.desc(), sign_in.c.id.desc())
    )
    return tuple(_open(row) for row in rows)


def load_sign_in(connection: sa.Connection, *, tenant: TenantId, which: SignInId) -> OpenSignIn:
    """Return a sign-in, one that is over too; raise `Unavailable` if the tenant has none such."""
    row = connection.execute(
        sa.select(sign_in).where(sign_in.c.tenant_id == tenant, sign_in.c.id == which)
    ).first()
    if row is None:
        raise not_here("sign-in", which)
    return _open(row)


def close_sign_in(
    connection: sa.Connection, *, tenant: TenantId, which: SignInId, by: PrincipalId, now_us: int
) -> None:
    """End a sign-in; twice is as once, and of another tenant's nothing is changed."""
    closed = connection.execute(
        sign_in.update()
        .where(sign_in.c.tenant_id == tenant, sign_in.c.id == which, sign_in.c.closed_us.is_(None))
        .values(closed_us=now_us)
    )
    if closed.rowcount:
        tell(connection, "sign_in.closed", which, {"by": by}, tenant=tenant, now_us=now_us)


def close_sign_ins_of(
    connection: sa.Connection,
    *,
    tenant: TenantId,
    principal: PrincipalId,
    by: PrincipalId,
    now_us: int,
) -> int:
    """Sign a person out everywhere, such as one who has left; return of how many browsers."""
    closed = connection.execute(
        sign_in.update()
        .where(
            sign_in.c.tenant_id == tenant,
            sign_in.c.principal_id == principal,
            sign_in.c.closed_us.is_(None),
            sign_in.c.expires_us > now_us,
        )
        .values(closed_us=now_us)
    )
    said: Json = {"by": by, "closed": closed.rowcount}
    tell(connection, "sign_ins.closed", principal, said, tenant=tenant, now_us=now_us)
    return closed.rowcount


def _open(row: Any) -> OpenSignIn:
    return OpenSignIn(
        id=SignInId(row.id),
        principal=PrincipalId(row.principal_id),
        opened_us=row.opened_us,
        expires_us=row.expires_us,
    )


def _signed_out(found: str) -> NotAuthenticated:
    return NotAuthenticated(
        attempted="find out who asks by the cookie", found=found, remedy="Sign in again."
    )
