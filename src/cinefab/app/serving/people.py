"""Principals and their roles, for whoever may manage their tenant."""

from __future__ import annotations

from dataclasses import dataclass

from cinefab.app.serving.desk import Desk, check_reach, create_once
from cinefab.core.ids import PrincipalId
from cinefab.jobs.once import Once
from cinefab.tenancy.caller import Caller, Kind
from cinefab.tenancy.principals import (
    Principal,
    create_principal,
    give_role,
    list_principals,
    load_principal,
    take_role,
)
from cinefab.tenancy.roles import Action, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePrincipal:
    """A principal that a create led to; `before` says that it was there already."""

    principal: Principal
    before: bool


class People:
    """The principals of the caller's tenant; any thread may call."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def create(
        self, caller: Caller, *, kind: Kind, name: str, roles: frozenset[Role], once: Once
    ) -> MadePrincipal:
        """Write a principal, whose roles are among the caller's unless an owner makes it."""
        desk = self._desk
        desk.check(caller, Action.TENANT_MANAGE)
        now_us = desk.clock.now_us()
        check_reach(caller, roles=roles, scopes=caller.scopes, attempted=f"make a {kind}")
        with desk.db.write() as connection:

            def make() -> str:
                return create_principal(
                    connection,
                    tenant=caller.tenant,
                    kind=kind,
                    name=name,
                    roles=roles,
                    by=caller.principal,
                    ids=desk.ids,
                    now_us=now_us,
                )

            made, before = create_once(connection, caller, once, now_us=now_us, make=make)
            found = load_principal(connection, tenant=caller.tenant, which=PrincipalId(made))
        return MadePrincipal(principal=found, before=before)

    def list(self, caller: Caller) -> tuple[Principal, ...]:
        """Return the tenant's principals, newest first."""
        self._desk.check(caller, Action.TENANT_MANAGE)
        with self._desk.db.read() as connection:
            return list_principals(connection, tenant=caller.tenant)[::-1]

    def show(self, caller: Caller, principal: str) -> Principal:
        """Return a principal; raise `Unavailable`."""
        self._desk.check(caller, Action.TENANT_MANAGE)
        with self._desk.db.read() as connection:
            return load_principal(connection, tenant=caller.tenant, which=PrincipalId(principal))

    def give(self, caller: Caller, principal: str, role: Role) -> Principal:
        """Give a role; twice is as once."""
        desk = self._desk
        desk.check(caller, Action.TENANT_MANAGE)
        check_reach(
            caller, roles=frozenset({role}), scopes=caller.scopes, attempted=f"make a {role}"
        )
        who = PrincipalId(principal)
        with desk.db.write() as connection:
            give_role(
                connection,
                tenant=caller.tenant,
                to=who,
                role=role,
                by=caller.principal,
                now_us=desk.clock.now_us(),
            )
            return load_principal(connection, tenant=caller.tenant, which=who)

    def take(self, caller: Caller, principal: str, role: Role) -> Principal:
        """Take a role; raise `RequestInvalid` where the tenant would have no owner."""
        desk = self._desk
        desk.check(caller, Action.TENANT_MANAGE)
        check_reach(
            caller, roles=frozenset({role}), scopes=caller.scopes, attempted=f"unmake a {role}"
        )
        who = PrincipalId(principal)
        with desk.db.write() as connection:
            take_role(
                connection,
                tenant=caller.tenant,
                of=who,
                role=role,
                by=caller.principal,
                now_us=desk.clock.now_us(),
            )
            return load_principal(connection, tenant=caller.tenant, which=who)
