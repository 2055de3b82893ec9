"""What every verb of a running studio needs: the records, the time, and whether somebody may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from cinefab.core.clock import Clock
from cinefab.core.errors import Forbidden
from cinefab.core.ids import IdSource
from cinefab.jobs.once import Once, find_by_key, lock_key, record_key
from cinefab.store.database import Database
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.local import LOCAL_TENANT
from cinefab.tenancy.policy import Policy, Resource
from cinefab.tenancy.roles import Action, Role

REACH = "nobody-gives-more-than-they-have"
"""What is named as deciding where somebody would get more out of a key or a role than they have."""

OPERATOR = "the-studio-s-own-tenant"
"""What is named as deciding where only whoever runs the studio may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The records of a studio and its policy; any thread may call."""

    db: Database
    clock: Clock
    ids: IdSource
    policy: Policy

    def check(self, caller: Caller, action: Action) -> None:
        """Raise `Forbidden`, naming what decided, unless a caller may do this in its tenant."""
        self.policy.check(caller, action, Resource(tenant=caller.tenant))

    def is_operator(self, caller: Caller) -> bool:
        """Say whether a caller runs the studio: it acts for the studio's own tenant and manages it."""
        mine = Resource(tenant=caller.tenant)
        may = self.policy.decide(caller, Action.TENANT_MANAGE, mine).allowed
        return caller.tenant == LOCAL_TENANT and may

    def check_operator(self, caller: Caller, attempted: str) -> None:
        """Raise `Forbidden` unless a caller runs the studio."""
        self.check(caller, Action.TENANT_MANAGE)
        if not self.is_operator(caller):
            raise Forbidden(
                attempted=f"{attempted} as {caller.principal}",
                found="that is for whoever runs the studio to do",
                remedy="Ask whoever runs it; `cinefab tenants` does it on its own machine.",
                policies=(OPERATOR,),
            )


def create_once(
    connection: sa.Connection,
    caller: Caller,
    once: Once,
    *,
    now_us: int,
    make: Callable[[], str],
) -> tuple[str, bool]:
    """Return the id that a create leads to, and whether it had been sent before under its key.

    Raises `IdempotencyKeyReused`.
    """
    lock_key(connection, caller, once)
    known = find_by_key(connection, caller, once)
    if known is not None:
        return known, True
    made = make()
    record_key(connection, caller, once, made, now_us=now_us)
    return made, False


def check_reach(
    caller: Caller,
    *,
    roles: frozenset[Role],
    scopes: frozenset[Action] | None,
    attempted: str,
) -> None:
    """Raise `Forbidden` where a caller would give away more than it has itself."""
    beyond = roles - caller.roles
    if Role.OWNER not in caller.roles and beyond:
        found = f"you are not {', '.join(sorted(beyond))} yourself"
    elif caller.scopes is not None and (scopes is None or not scopes <= caller.scopes):
        found = f"your key was made for {', '.join(sorted(caller.scopes)) or 'nothing'} alone"
    else:
        return
    raise Forbidden(
        attempted=f"{attempted} as {caller.principal}",
        found=found,
        remedy="Have an owner do it, with a key that has no scopes.",
        policies=(REACH,),
    )
