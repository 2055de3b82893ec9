"""People whom an OpenID provider knows: what it must say of them, and who they are here.

The provider's word is a signed token, whose signature the caller has checked by then. Who comes for
the first time becomes a person of the tenant; each time, they have the roles that the provider's
groups stand for, and no other.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.errors import Forbidden, NotAuthenticated, RequestInvalid, Unavailable
from cinefab.core.ids import IdSource, PrincipalId, TenantId
from cinefab.tenancy.caller import Kind
from cinefab.tenancy.principals import (
    NAME_LENGTH_MAX,
    create_principal,
    give_role,
    hold_tenant,
    load_principal,
    take_role,
)
from cinefab.tenancy.roles import Role
from cinefab.tenancy.tables import identity

BY: Final = PrincipalId("openid")
"""Who gives and takes roles as the provider says, in the audit log."""

_LEEWAY_S: Final = 60
_SUBJECT_MAX: Final = 255


class ProviderUnavailable(Unavailable):
    """The OpenID provider cannot be reached, or does not answer as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Whose word counts, and what of it: `roles` are by the values of `claim`."""

    issuer: str
    client_id: str
    tenant: TenantId
    claim: str
    roles: Mapping[str, Role]
    everybody: frozenset[Role]
    domains: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Somebody whom the provider knows, as `subject`."""

    subject: str
    name: str
    roles: frozenset[Role]


def person_in(claims: Mapping[str, Any], rules: Rules, *, nonce: str, now_s: int) -> Known:
    """Return whom a token is about; raise `NotAuthenticated` for one that is not for us, now.

    Raises `Forbidden` for somebody of another domain, or with no role here.
    """
    _check_token(claims, rules, nonce=nonce, now_s=now_s)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_MAX:
        raise _not_believed("it says of nobody in particular that they signed in")
    email = claims.get("email") if claims.get("email_verified") is True else None
    domain = email.rpartition("@")[2].lower() if isinstance(email, str) else None
    if rules.domains and domain not in rules.domains:
        raise _kept_out(
            f"their verified address is {'of ' + domain if domain else 'not told'}",
            policy="the-domains-of-the-provider",
        )
    groups = claims.get(rules.claim)
    named = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    mapped = {rules.roles[each] for each in named if isinstance(each, str) and each in rules.roles}
    roles = frozenset(mapped) | rules.everybody
    if not roles:
        raise _kept_out(
            f"none of their {rules.claim} stands for a role", policy="the-roles-of-the-provider"
        )
    given = (claims.get("name"), email, subject)
    name = next(each for each in given if isinstance(each, str) and each.strip())
    shown = "".join(each for each in name if each.isprintable()).strip()[:NAME_LENGTH_MAX]
    return Known(subject=subject, name=shown or "somebody", roles=roles)


def admit(
    connection: sa.Connection, known: Known, rules: Rules, *, ids: IdSource, now_us: int
) -> PrincipalId:
    """Return who somebody is here, with the roles that the provider gives them; new, at first."""
    tenant = rules.tenant
    hold_tenant(connection, tenant)
    found = connection.execute(
        sa.select(identity.c.principal_id).where(
            identity.c.tenant_id == tenant,
            identity.c.issuer == rules.issuer,
            identity.c.subject == known.subject,
        )
    ).scalar()
    if found is None:
        made = create_principal(
            connection,
            tenant=tenant,
            kind=Kind.PERSON,
            name=known.name,
            roles=known.roles,
            by=BY,
            ids=ids,
            now_us=now_us,
        )
        connection.execute(
            identity.insert().values(
                issuer=rules.issuer,
                subject=known.subject,
                tenant_id=tenant,
                principal_id=made,
                created_us=now_us,
            )
        )
        return made
    who = PrincipalId(found)
    has = load_principal(connection, tenant=tenant, which=who).roles
    for role in sorted(known.roles - has):
        give_role(connection, tenant=tenant, to=who, role=role, by=BY, now_us=now_us)
    for role in sorted(has - known.roles):
        try:
            take_role(connection, tenant=tenant, of=who, role=role, by=BY, now_us=now_us)
        except RequestInvalid:
            # The last owner stays one: a studio that nobody owns would be anybody's.
            continue
    return who


def _check_token(claims: Mapping[str, Any], rules: Rules, *, nonce: str, now_s: int) -> None:
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if claims.get("iss") != rules.issuer:
        raise _not_believed("it is of another issuer")
    if not isinstance(audiences, list) or rules.client_id not in audiences:
        raise _not_believed("it is for another audience")
    if (len(audiences) > 1 or "azp" in claims) and claims.get("azp") != rules.client_id:
        raise _not_believed("it was asked for by another party")
    expires, issued = _moment(claims, "exp"), _moment(claims, "iat")
    if expires + _LEEWAY_S <= now_s:
        raise _not_believed("it has expired")
    if issued - _LEEWAY_S > now_s:
        raise _not_believed("it is from the future: the clocks disagree")
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise _not_believed("it is not the answer to what this browser asked")


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _not_believed(f"it does not say {name}")
    return float(value)


def _not_believed(found: str) -> NotAuthenticated:
    return NotAuthenticated(
        attempted="sign in by the provider's token", found=found, remedy="Sign in again."
    )


def _kept_out(found: str, *, policy: str) -> Forbidden:
    return Forbidden(
        attempted="sign in by the provider",
        found=found,
        remedy="Have whoever runs the studio or the provider let them in: [oidc] in its settings.",
        policies=(policy,),
    )
