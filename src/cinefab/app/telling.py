"""What tells webhooks: its parts made from settings, and its process beside a service's.

A service that has no webhook has no such process. It is started with the first one, started again
when it dies, and ends when its input does, which the kernel sees to if the service is killed.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from contextlib import suppress
from typing import Final

import cinefab
from cinefab.app.records import Records
from cinefab.app.settings import Settings, child_environment
from cinefab.core.errors import StorageUnavailable
from cinefab.deliver.webhooks.deliveries import Writer, is_anybody_owed, is_anybody_told
from cinefab.deliver.webhooks.sender import Pace, Sender
from cinefab.media.fetching.guard import Guard
from cinefab.media.fetching.posting import Poster, PostLimits
from cinefab.store.database import Database
from cinefab.tenancy.sealed import Seal, open_seal

_log: Final = logging.getLogger(__name__)

_PORTS: Final = frozenset({443, 8443})
_LOOK_EVERY_S: Final = 1.0
_PAUSE_MAX_S: Final = 60.0
_CLOSING_S: Final = 10.0


def sender_of(
    settings: Settings, records: Records, *, pace: Pace | None = None, write: Writer | None = None
) -> Sender:
    """Return a sender for the webhooks of a studio, as its settings say; `write` writes dialects."""
    return Sender(
        records.db,
        seal_of(settings),
        poster_of(settings),
        clock=records.clock,
        ids=records.ids,
        agent=f"cinefab/{cinefab.__version__}",
        pace=pace,
        write=write,
    )


def seal_of(settings: Settings) -> Seal:
    """Return what seals the secrets of a studio's webhooks; raise `SecretsUnreadable`."""
    return open_seal(settings.secrets_key, file=settings.home / "secrets.key")


def poster_of(settings: Settings) -> Poster:
    """Return what posts to webhooks, and refuses to where the settings allow it not."""
    guard = Guard(
        allow_networks=settings.webhook_networks,
        ports=_PORTS,
        setting="webhook_networks",
        verb="webhooks are sent to",
    )
    return Poster(guard, PostLimits(), tls=None)


class SenderProcess:
    """Keeps `cinefab webhooks` running beside this process, once there is a webhook."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to look whether there is a webhook."""
        self._thread.start()

    def close(self) -> None:
        """End the process; what it is sending is finished first."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        deaths = 0
        while not self._stop.wait(min(_LOOK_EVERY_S * 2**deaths, _PAUSE_MAX_S)):
            if not self._is_wanted():
                continue
            code = self._run()
            deaths = min(deaths + 1, 6)
            if not self._stop.is_set():
                _log.warning("webhooks_process_died", extra={"code": code, "deaths": deaths})

    def _is_wanted(self) -> bool:
        try:
            with self._db.read() as connection:
                return is_anybody_told(connection) or is_anybody_owed(connection)
        except StorageUnavailable:
            return False

    def _run(self) -> int:
        level = logging.getLevelName(logging.getLogger().level).lower()
        command = [sys.executable, "-m", "cinefab", "--log", level, "webhooks"]
        command.append("--until-end-of-input")
        process = subprocess.Popen(  # noqa: S603 - our own command, in words of ours
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=child_environment(self._settings),
        )
        assert process.stdin is not None, "it was asked for"
        while process.poll() is None and not self._stop.wait(_LOOK_EVERY_S):
            pass
        with suppress(OSError):
            process.stdin.close()
        try:
            return process.wait(_CLOSING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
