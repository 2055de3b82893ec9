"""What the credentials inside any media are worth here: read where a stranger's bytes do no harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cinefab.app.serving.desk import Desk
from cinefab.app.studio import Studio
from cinefab.core.canonical import sha256_of
from cinefab.media.sandbox.outcome import DecodeRefused
from cinefab.provenance.credential_rows import RecordedRelease, find_release
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.roles import Action

TRUSTED: Final = "trusted"
VALID: Final = "valid"
INVALID: Final = "invalid"
ABSENT: Final = "absent"

_TASK: Final = "cinefab.provenance.credentials:judge_embedded"
_STATES: Final = frozenset({TRUSTED, VALID, INVALID, ABSENT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What was found: a state, what the credentials say, and what is recorded here under them."""

    state: str
    facts: Mapping[str, Any]
    recorded: RecordedRelease | None

    def said(self, name: str) -> str | None:
        """Return a text that the credentials say, None where they do not."""
        value = self.facts.get(name)
        return value if isinstance(value, str) and value else None

    def first(self, name: str) -> str | None:
        """Return the first of the texts that the credentials say, None where there is none."""
        value = self.facts.get(name)
        return value[0] if isinstance(value, list) and value and isinstance(value[0], str) else None


class Origins:
    """Reads credentials for the caller's tenant; any thread may call."""

    def __init__(self, desk: Desk, studio: Studio) -> None:
        self._desk = desk
        self._studio = studio

    def check(self, caller: Caller, payload: bytes) -> Origin:
        """Say what the credentials in these bytes are worth; raise as the sandbox does, `Forbidden`.

        What cannot be read without harm has none that hold. Nothing of the bytes is kept.
        """
        self._desk.check(caller, Action.ASSET_READ)
        shop = self._studio.shop
        anchors = shop.authority.trust_anchors_pem.decode()
        try:
            facts: Mapping[str, Any] = shop.sandbox.run(
                _TASK, payload, arguments={"anchors_pem": anchors}, called="the file"
            ).facts
        except DecodeRefused as error:
            facts = {"state": INVALID, "failures": [error.found]}
        state = str(facts.get("state"))
        label = facts.get("label")
        recorded = None
        if isinstance(label, str):
            with self._desk.db.read() as connection:
                recorded = find_release(connection, caller.tenant, label)
        if recorded is not None and recorded.sha256 != sha256_of(payload):
            # Padding and a few boxes lie outside what the credentials hash.
            state = INVALID
        return Origin(state=state if state in _STATES else INVALID, facts=facts, recorded=recorded)
