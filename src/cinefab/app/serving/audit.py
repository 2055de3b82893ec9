"""The audit log of the caller's tenant, for whoever may read it."""

from __future__ import annotations

from dataclasses import dataclass

from cinefab.app.serving.desk import Desk
from cinefab.store.facts import StoredLeaf, leaves_of
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.roles import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which leaves are asked for; what is None is not asked about."""

    kind: str | None = None
    subject: str | None = None
    since_us: int | None = None
    until_us: int | None = None


class Audit:
    """The leaves of the caller's tenant; any thread may call."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def page(
        self, caller: Caller, wanted: Wanted, *, limit: int, before: int | None
    ) -> tuple[StoredLeaf, ...]:
        """Return leaves, newest first, those older than the one at `before`."""
        self._desk.check(caller, Action.AUDIT_READ)
        with self._desk.db.read() as connection:
            return leaves_of(
                connection,
                tenant=caller.tenant,
                kind=wanted.kind,
                subject=wanted.subject,
                since_us=wanted.since_us,
                until_us=wanted.until_us,
                before=before,
                limit=limit,
            )
