"""API keys, for whoever may manage those of their tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cinefab.app.serving.desk import Desk, check_reach, create_once
from cinefab.core.ids import KeyId, PrincipalId
from cinefab.jobs.once import Once
from cinefab.tenancy.caller import Caller, Kind
from cinefab.tenancy.keys import Key, create_key, list_keys, load_key, revoke_key, rotate_key
from cinefab.tenancy.principals import create_principal, load_principal
from cinefab.tenancy.roles import Action, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A key, with its secret where it was just made; `before` says that it was there already."""

    key: Key
    secret: str | None = None
    before: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOrder:
    """What a key is to be. It acts as `principal`, or as a new service that has `roles`."""

    name: str
    principal: str | None
    roles: frozenset[Role]
    scopes: frozenset[Action] | None
    labels: Mapping[str, str]
    lasts_us: int | None


class Keys:
    """The keys of the caller's tenant; any thread may call."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def create(self, caller: Caller, order: KeyOrder, *, once: Once) -> Shown:
        """Make a key, for no more than the caller has; its secret is shown this once."""
        desk = self._desk
        desk.check(caller, Action.KEY_MANAGE)
        now_us, secrets = desk.clock.now_us(), list[str]()
        with desk.db.write() as connection:

            def make() -> str:
                if order.principal is None:
                    check_reach(
                        caller, roles=order.roles, scopes=order.scopes, attempted="make a key"
                    )
                    who = create_principal(
                        connection,
                        tenant=caller.tenant,
                        kind=Kind.SERVICE,
                        name=order.name,
                        roles=order.roles,
                        by=caller.principal,
                        ids=desk.ids,
                        now_us=now_us,
                    )
                else:
                    who = PrincipalId(order.principal)
                    known = load_principal(connection, tenant=caller.tenant, which=who)
                    check_reach(
                        caller, roles=known.roles, scopes=order.scopes, attempted="make a key"
                    )
                made = create_key(
                    connection,
                    tenant=caller.tenant,
                    principal=who,
                    name=order.name,
                    by=caller.principal,
                    ids=desk.ids,
                    now_us=now_us,
                    scopes=order.scopes,
                    labels=order.labels,
                    expires_us=None if order.lasts_us is None else now_us + order.lasts_us,
                )
                secrets.append(made.secret)
                return made.id

            name, before = create_once(connection, caller, once, now_us=now_us, make=make)
            key = load_key(connection, tenant=caller.tenant, key=KeyId(name))
        return Shown(key=key, secret=secrets[0] if secrets else None, before=before)

    def rotate(self, caller: Caller, key: str, *, overlap_us: int, once: Once) -> Shown:
        """Make a key like another one, which ends after an overlap."""
        desk = self._desk
        desk.check(caller, Action.KEY_MANAGE)
        now_us, secrets = desk.clock.now_us(), list[str]()
        with desk.db.write() as connection:

            def make() -> str:
                old = load_key(connection, tenant=caller.tenant, key=KeyId(key))
                who = load_principal(connection, tenant=caller.tenant, which=old.principal)
                check_reach(
                    caller, roles=who.roles, scopes=old.scopes, attempted=f"rotate {old.id}"
                )
                made = rotate_key(
                    connection,
                    tenant=caller.tenant,
                    key=old.id,
                    overlap_us=overlap_us,
                    by=caller.principal,
                    ids=desk.ids,
                    now_us=now_us,
                )
                secrets.append(made.secret)
                return made.id

            name, before = create_once(connection, caller, once, now_us=now_us, make=make)
            made = load_key(connection, tenant=caller.tenant, key=KeyId(name))
        return Shown(key=made, secret=secrets[0] if secrets else None, before=before)

    def revoke(self, caller: Caller, key: str) -> Key:
        """End a key at once; twice is as once."""
        desk = self._desk
        desk.check(caller, Action.KEY_MANAGE)
        with desk.db.write() as connection:
            revoke_key(
                connection,
                tenant=caller.tenant,
                key=KeyId(key),
                by=caller.principal,
                now_us=desk.clock.now_us(),
            )
            return load_key(connection, tenant=caller.tenant, key=KeyId(key))

    def list(self, caller: Caller) -> tuple[Key, ...]:
        """Return the tenant's keys, those that are over too, newest first."""
        self._desk.check(caller, Action.KEY_MANAGE)
        with self._desk.db.read() as connection:
            return list_keys(connection, tenant=caller.tenant)[::-1]

    def show(self, caller: Caller, key: str) -> Key:
        """Return a key; raise `Unavailable`."""
        self._desk.check(caller, Action.KEY_MANAGE)
        with self._desk.db.read() as connection:
            return load_key(connection, tenant=caller.tenant, key=KeyId(key))
