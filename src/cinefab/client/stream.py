"""Server-sent events, put together from lines as they arrive, and resumed where they broke off."""

from __future__ import annotations

import json
from typing import Final

from cinefab.client.values import ENDED, Event

_OVER: Final = frozenset(f"job.{status}" for status in ENDED)


class Follower:
    """Knows where in a job's events a client is; `is_over` once the last of them was told."""

    def __init__(self) -> None:
        self.last_id: str | None = None
        self.is_over = False
        self._fields: dict[str, list[str]] = {}

    @property
    def headers(self) -> dict[str, str]:
        """What asks for the events that are missing."""
        accept = {"accept": "text/event-stream"}
        return accept if self.last_id is None else {**accept, "last-event-id": self.last_id}

    def begin(self) -> None:
        """Forget half an event: a new answer begins."""
        self._fields = {}

    def feed(self, line: str) -> Event | None:
        """Take a line without its end; return an event if that completes one."""
        if line:
            name, _, value = line.partition(":")
            if name:  # a line that begins with a colon only says that somebody is there
                self._fields.setdefault(name, []).append(value.removeprefix(" "))
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        event = Event(
            id=fields["id"][-1] if "id" in fields else None,
            type=fields["event"][-1] if "event" in fields else "message",
            data=json.loads("\n".join(fields["data"])),
        )
        self.last_id = event.id or self.last_id
        self.is_over = self.is_over or event.type in _OVER
        return event
