"""The models of a running studio and where their versions stand, for whoever may see or move them."""

from __future__ import annotations

from typing import Any, Final

from cinefab.app.models import Broken, Models, look_at
from cinefab.app.registry import next_state, shown, state_of
from cinefab.app.serving.desk import Desk
from cinefab.core.errors import Unavailable
from cinefab.core.units import BasisPoints
from cinefab.generate.card_document import card_document
from cinefab.generate.registry import (
    Change,
    ModelState,
    RegisteredModel,
    list_versions,
    load_version,
    move_version,
    versions_named,
)
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.local import LOCAL_TENANT
from cinefab.tenancy.policy import Resource
from cinefab.tenancy.roles import Action

_ORDER: Final = (
    ModelState.LIVE,
    ModelState.CANARY,
    ModelState.SHADOW,
    ModelState.REGISTERED,
    ModelState.RETIRED,
)


class ServedModels:
    """The registry of the studio; any thread may call.

    Models are the studio's own: whoever may read them sees figures of its own tenant alone, and
    only a caller of the studio's tenant may move them.
    """

    def __init__(self, desk: Desk, models: Models) -> None:
        self._desk = desk
        self._models = models

    def list(self, caller: Caller) -> list[dict[str, Any]]:
        """Return a row for each model that can be asked for, by name, with its versions."""
        self._desk.check(caller, Action.MODEL_READ)
        with self._desk.db.read() as connection:
            registered = list_versions(connection)
        cards = {
            each.card.name: each.card
            for each in look_at(self._models)
            if not isinstance(each, Broken)
        }
        by_name: dict[str, list[RegisteredModel]] = {}
        for version in registered:
            by_name.setdefault(version.card.name, []).append(version)
        rows = []
        for name in sorted(cards.keys() | by_name.keys()):
            versions = sorted(by_name.get(name, ()), key=lambda each: _ORDER.index(each.state))
            # Of a name that nobody has asked for yet, what is installed is what it would get.
            card = versions[0].card if versions else cards[name]
            rows.append(
                {
                    "id": name,
                    "version": card.version,
                    "task": card.task,
                    "capabilities": sorted(card.capabilities),
                    "created_us": versions[0].created_us if versions else 0,
                    **state_of(versions[0] if versions else None),
                    "versions": [
                        {"version": each.card.version, **state_of(each)} for each in versions
                    ],
                }
            )
        return rows

    def show(self, caller: Caller, name: str) -> dict[str, Any]:
        """Return all that is known of a version, or of a name's highest; raise `Unavailable`."""
        self._desk.check(caller, Action.MODEL_READ)
        manages = self._desk.policy.decide(caller, Action.MODEL_MANAGE, _STUDIOS).allowed
        with self._desk.db.read() as connection:
            plain = name.partition("@")[0]
            if versions_named(connection, plain) or plain not in self._models:
                tenant = None if manages else caller.tenant
                return shown(connection, name, tenant=tenant, made=manages)
        card = self._models[plain].card
        if name not in (card.name, card.ref):
            raise Unavailable(
                attempted=f"find the model {name}",
                found=f"{card.ref} is installed, and nothing was registered",
                remedy="See which there are: GET /v1/models.",
            )
        return {
            "model": card.ref,
            "task": card.task,
            "capabilities": sorted(card.capabilities),
            **state_of(None),
            "card": card_document(card),
        }

    def promote(
        self,
        caller: Caller,
        version: str,
        *,
        to: ModelState | None,
        share_bp: BasisPoints | None,
        reason: str,
    ) -> dict[str, Any]:
        """Move a version on, to its next state where none is named; raise as `move_version`."""
        self._check_manages(caller)
        with self._desk.db.write() as connection:
            found = load_version(connection, version)
            state = next_state(connection, found) if to is None else to
            change = self._change(caller, reason)
            move_version(connection, found.ref, to=state, share_bp=share_bp, change=change)
            return shown(connection, found.ref, tenant=None, made=True)

    def retire(
        self, caller: Caller, version: str, *, successor: str | None, reason: str
    ) -> dict[str, Any]:
        """Refuse new jobs with a version; raise as `move_version`."""
        self._check_manages(caller)
        with self._desk.db.write() as connection:
            found = load_version(connection, version)
            move_version(
                connection,
                found.ref,
                to=ModelState.RETIRED,
                successor=successor,
                change=self._change(caller, reason),
            )
            return shown(connection, found.ref, tenant=None, made=True)

    def _check_manages(self, caller: Caller) -> None:
        self._desk.policy.check(caller, Action.MODEL_MANAGE, _STUDIOS)

    def _change(self, caller: Caller, reason: str) -> Change:
        return Change(by=caller.principal, reason=reason, now_us=self._desk.clock.now_us())


_STUDIOS: Final = Resource(tenant=LOCAL_TENANT)
