"""Tenants with their quotas and budgets: one's own, and all for whoever runs the studio."""

from __future__ import annotations

from dataclasses import dataclass

from cinefab.app.serving.desk import OPERATOR, Desk, create_once
from cinefab.core.errors import Forbidden
from cinefab.core.ids import KeyId, TenantId
from cinefab.core.units import Uusd
from cinefab.economics.budgets import (
    Budget,
    Period,
    Scope,
    budgets_of,
    lift_budget,
    set_budget,
)
from cinefab.jobs.once import Once
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.keys import load_key
from cinefab.tenancy.principals import (
    Tenant,
    create_tenant,
    list_tenants,
    load_tenant,
    not_here,
)
from cinefab.tenancy.quotas import Quota, find_quota, set_quota
from cinefab.tenancy.roles import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A tenant, the quota in force and its budgets; `before` says that it was there already."""

    tenant: Tenant
    quota: Quota
    budgets: tuple[Budget, ...]
    before: bool = False


class Tenants:
    """The tenants that a caller may see; any thread may call."""

    def __init__(self, desk: Desk, *, usual: Quota) -> None:
        self._desk = desk
        self._usual = usual

    def create(self, caller: Caller, *, name: str, once: Once) -> House:
        """Have the studio work for another tenant."""
        desk = self._desk
        desk.check_operator(caller, "create a tenant")
        now_us = desk.clock.now_us()
        with desk.db.write() as connection:

            def make() -> str:
                return create_tenant(
                    connection, name=name, by=caller.principal, ids=desk.ids, now_us=now_us
                )

            made, before = create_once(connection, caller, once, now_us=now_us, make=make)
        found = self._house(TenantId(made))
        return House(tenant=found.tenant, quota=found.quota, budgets=found.budgets, before=before)

    def list(self, caller: Caller) -> tuple[Tenant, ...]:
        """Return the caller's own tenant, or every one for whoever runs the studio; newest first."""
        desk = self._desk
        desk.check(caller, Action.TENANT_MANAGE)
        with desk.db.read() as connection:
            if desk.is_operator(caller):
                return list_tenants(connection)[::-1]
            return (load_tenant(connection, caller.tenant),)

    def show(self, caller: Caller, tenant: str) -> House:
        """Return a tenant; raise `Unavailable` for one that the caller may not see."""
        return self._house(self._seen(caller, tenant))

    def set_quota(self, caller: Caller, tenant: str, quota: Quota) -> House:
        """Give a tenant a quota of its own; who is bound by it does not set it."""
        desk, of = self._desk, self._seen(caller, tenant)
        desk.check_operator(caller, f"set the quota of {of}")
        with desk.db.write() as connection:
            set_quota(
                connection,
                tenant=of,
                quota=quota,
                by=caller.principal,
                now_us=desk.clock.now_us(),
            )
        return self._house(of)

    def set_budget(
        self,
        caller: Caller,
        tenant: str,
        *,
        scope: Scope,
        subject: str,
        period: Period,
        limit: Uusd | None,
    ) -> House:
        """Bound spending, or lift the bound; that of a whole tenant is whoever runs the studio's."""
        desk, of = self._desk, self._seen(caller, tenant)
        if scope is Scope.TENANT and not desk.is_operator(caller):
            raise Forbidden(
                attempted=f"set the budget of {of} as {caller.principal}",
                found="what bounds a whole tenant is for whoever runs the studio to say",
                remedy="Set budgets of keys and labels, or ask whoever runs it.",
                policies=(OPERATOR,),
            )
        now_us = desk.clock.now_us()
        with desk.db.write() as connection:
            if scope is Scope.KEY:
                load_key(connection, tenant=of, key=KeyId(subject))
            if limit is None:
                lift_budget(
                    connection,
                    tenant=of,
                    scope=scope,
                    subject=subject,
                    period=period,
                    by=caller.principal,
                    now_us=now_us,
                )
            else:
                set_budget(
                    connection,
                    tenant=of,
                    scope=scope,
                    subject=subject,
                    period=period,
                    limit=limit,
                    by=caller.principal,
                    now_us=now_us,
                )
        return self._house(of)

    def budgets(self, caller: Caller) -> tuple[Budget, ...]:
        """Return the budgets of the caller's tenant as they stand, for whoever reads its books."""
        self._desk.check(caller, Action.LEDGER_READ)
        with self._desk.db.read() as connection:
            return budgets_of(connection, tenant=caller.tenant, now_us=self._desk.clock.now_us())

    def _seen(self, caller: Caller, tenant: str) -> TenantId:
        self._desk.check(caller, Action.TENANT_MANAGE)
        if tenant != caller.tenant and not self._desk.is_operator(caller):
            raise not_here("tenant", tenant)
        return TenantId(tenant)

    def _house(self, which: TenantId) -> House:
        with self._desk.db.read() as connection:
            return House(
                tenant=load_tenant(connection, which),
                quota=find_quota(connection, tenant=which, usual=self._usual),
                budgets=budgets_of(connection, tenant=which, now_us=self._desk.clock.now_us()),
            )
