"""How people come in with a browser: by a link, once, and how they leave again."""

from __future__ import annotations

from dataclasses import dataclass

from cinefab.app.serving.desk import Desk, check_reach, create_once
from cinefab.core.ids import PrincipalId, SignInId, TenantId
from cinefab.jobs.once import Once
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.local import LOCAL_TENANT
from cinefab.tenancy.owner_links import (
    find_invitation,
    makes_owner,
    needs_owner,
    open_invitation,
    open_owner_link,
    use_owner_link,
)
from cinefab.tenancy.principals import Principal, load_principal
from cinefab.tenancy.roles import Action
from cinefab.tenancy.sign_ins import (
    OpenSignIn,
    SignIn,
    close_sign_in,
    find_sign_in,
    load_sign_in,
    open_sign_in,
    sign_ins_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A link for a person; its secret is known to whoever asked for it, this once."""

    id: str
    principal: PrincipalId
    expires_us: int
    secret: str | None
    before: bool


class Entrance:
    """Signs people in and out; any thread may call."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def owner_link(self) -> str | None:
        """Return the secret of a new link that makes an owner, None where somebody is."""
        desk = self._desk
        with desk.db.write() as connection:
            if not needs_owner(connection, tenant=LOCAL_TENANT):
                return None
            return open_owner_link(
                connection, tenant=LOCAL_TENANT, ids=desk.ids, now_us=desk.clock.now_us()
            )

    def asks_name(self, link: str) -> bool:
        """Say whether who opens a link has to say their name; raise `NotAuthenticated`."""
        with self._desk.db.read() as connection:
            return makes_owner(connection, link, now_us=self._desk.clock.now_us())

    def come_in(self, link: str, *, name: str) -> tuple[SignIn, Principal]:
        """Use a link up and sign in whom it is for; raise `NotAuthenticated`, `RequestInvalid`."""
        desk = self._desk
        now_us = desk.clock.now_us()
        with desk.db.write() as connection:
            tenant, who = use_owner_link(connection, link, name=name, ids=desk.ids, now_us=now_us)
            made = open_sign_in(
                connection, tenant=tenant, principal=who, ids=desk.ids, now_us=now_us
            )
            return made, load_principal(connection, tenant=tenant, which=who)

    def sign_in(self, tenant: TenantId, principal: PrincipalId) -> SignIn:
        """Sign in who was found to be that person by other means."""
        desk = self._desk
        with desk.db.write() as connection:
            return open_sign_in(
                connection,
                tenant=tenant,
                principal=principal,
                ids=desk.ids,
                now_us=desk.clock.now_us(),
            )

    def find(self, secret: str) -> tuple[Caller, str]:
        """Return who signed in with a cookie's secret, and the CSRF secret of their pages."""
        with self._desk.db.read() as connection:
            return find_sign_in(connection, secret, now_us=self._desk.clock.now_us())

    def invite(self, caller: Caller, principal: str, *, once: Once) -> Invitation:
        """Make a link that signs a person of the tenant in, once."""
        desk = self._desk
        desk.check(caller, Action.TENANT_MANAGE)
        now_us, secrets, who = desk.clock.now_us(), list[str](), PrincipalId(principal)
        with desk.db.write() as connection:
            known = load_principal(connection, tenant=caller.tenant, which=who)
            check_reach(caller, roles=known.roles, scopes=None, attempted=f"invite {who}")

            def make() -> str:
                made = open_invitation(
                    connection,
                    tenant=caller.tenant,
                    principal=who,
                    by=caller.principal,
                    ids=desk.ids,
                    now_us=now_us,
                )
                secrets.append(made.text)
                return made.id

            made, before = create_once(connection, caller, once, now_us=now_us, make=make)
            whom, expires_us = find_invitation(connection, tenant=caller.tenant, which=made)
        return Invitation(
            id=made,
            principal=whom,
            expires_us=expires_us,
            secret=secrets[0] if secrets else None,
            before=before,
        )

    def list(self, caller: Caller, principal: str | None) -> tuple[OpenSignIn, ...]:
        """Return one's own sign-ins, or for whoever manages the tenant another person's."""
        desk, whose = self._desk, PrincipalId(principal or caller.principal)
        if whose != caller.principal:
            desk.check(caller, Action.TENANT_MANAGE)
        with desk.db.read() as connection:
            load_principal(connection, tenant=caller.tenant, which=whose)
            return sign_ins_of(
                connection, tenant=caller.tenant, principal=whose, now_us=desk.clock.now_us()
            )

    def show(self, caller: Caller) -> tuple[Principal, OpenSignIn | None]:
        """Return who the caller is, and the sign-in that it asks with, if it does."""
        with self._desk.db.read() as connection:
            who = load_principal(connection, tenant=caller.tenant, which=caller.principal)
            if caller.sign_in is None:
                return who, None
            return who, load_sign_in(connection, tenant=caller.tenant, which=caller.sign_in)

    def leave(self, caller: Caller, which: str) -> OpenSignIn:
        """End a sign-in: one's own, or for whoever manages the tenant another person's."""
        desk = self._desk
        with desk.db.write() as connection:
            found = load_sign_in(connection, tenant=caller.tenant, which=SignInId(which))
            if found.principal != caller.principal:
                desk.check(caller, Action.TENANT_MANAGE)
            close_sign_in(
                connection,
                tenant=caller.tenant,
                which=found.id,
                by=caller.principal,
                now_us=desk.clock.now_us(),
            )
        return found
