"""The sender: what is owed is sent by one event loop, many at once, each within its time.

Nothing waits for it, and within it nobody waits for another receiver: each has at most a few
messages under way, on connections of their own, and whoever does not answer is left alone for
longer and longer. Messages are sent at least once: a sender that dies between an answer and the
note of it has the message sent again, under the same id.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from cinefab.core.clock import Clock
from cinefab.core.errors import StorageUnavailable
from cinefab.core.ids import IdSource
from cinefab.core.standard_webhooks import sign
from cinefab.core.units import US_PER_S
from cinefab.deliver.webhooks.deliveries import (
    Claimed,
    Writer,
    claim,
    fan_out,
    is_anything_due,
    settle,
)
from cinefab.deliver.webhooks.retries import Attempt
from cinefab.media.fetching.fetched import Refusal
from cinefab.media.fetching.posting import Poster
from cinefab.store.database import Database
from cinefab.tenancy.sealed import Seal

_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")

_CLOSING_S: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much is under way at once, how often is looked for more, and how long a claim holds.

    While nothing is found, it is looked for less and less often. `claim_s` must be longer than a message may take: then it is somebody else's to send.
    """

    at_once: int = 256
    per_webhook: int = 4
    look_every_s: float = 0.25
    look_every_max_s: float = 1.0
    claim_s: float = 30.0


class Sender:
    """Sends what is owed until it is stopped; any number may run on one database."""

    def __init__(
        self,
        db: Database,
        seal: Seal,
        poster: Poster,
        *,
        clock: Clock,
        ids: IdSource,
        agent: str,
        pace: Pace | None = None,
        write: Writer | None = None,
    ) -> None:
        self._db = db
        self._seal = seal
        self._poster = poster
        self._clock = clock
        self._ids = ids
        self._agent = agent
        self._pace = pace or Pace()
        self._write = write
        self._under_way: set[asyncio.Task[None]] = set()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set; what is under way then is waited for a little."""
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        with ThreadPoolExecutor(1, thread_name_prefix="owed") as self._books:
            pause_s = self._pace.look_every_s
            while not stop.is_set():
                try:
                    begun = await self._begin()
                except StorageUnavailable as error:
                    _log.warning("webhooks_not_read", extra={"found": error.found})
                    begun = 0
                if begun:
                    pause_s = self._pace.look_every_s
                else:
                    await self._rest(pause_s)
                    pause_s = min(pause_s * 2, self._pace.look_every_max_s)
            await self._finish()

    async def _finish(self) -> None:
        """Wait a little for what is under way; the rest is sent again by whoever claims it next."""
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=_CLOSING_S)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)

    async def _begin(self) -> int:
        """Write down what is owed, and begin with what can be sent; return how much was done."""
        if not await self._with_books(self._is_anything_due):
            return 0
        told = await self._with_books(self._fan_out)
        claimed = await self._with_books(self._claim)
        for each in claimed:
            task = asyncio.create_task(self._send(each))
            self._under_way.add(task)
            task.add_done_callback(self._end)
        return told + len(claimed)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # A mistake of ours; the claim runs out, and it is sent again.
            _log.error("webhook_failed", exc_info=error)

    async def _rest(self, pause_s: float) -> None:
        """Wait for a while, or until something under way is over: the next of its subject may go."""
        nap = asyncio.create_task(asyncio.sleep(pause_s))
        await asyncio.wait({nap, *self._under_way}, return_when=asyncio.FIRST_COMPLETED)
        nap.cancel()

    async def _send(self, claimed: Claimed) -> None:
        headers = {
            "Content-Type": claimed.media_type,
            "User-Agent": self._agent,
            **sign(
                claimed.body,
                message=claimed.message,
                at_s=self._clock.now_us() // US_PER_S,
                secrets=claimed.secrets,
            ),
        }
        began_us = self._clock.elapsed_us()
        try:
            answer = await self._poster.post(claimed.url, claimed.body, headers)
            attempt = Attempt(status=answer.status, said=answer.excerpt, asked=answer.retry_after)
        except Refusal as refusal:
            attempt = Attempt(status=None, said=refusal.found)
        took_us = self._clock.elapsed_us() - began_us
        _log.info(
            "webhook_sent",
            extra={
                "webhook": claimed.webhook,
                "delivery": claimed.delivery,
                "status": attempt.status,
                "took_ms": took_us // 1000,
            },
        )
        try:
            await self._with_books(lambda: self._settle(claimed, attempt, took_us))
        except StorageUnavailable as error:
            # The claim runs out, and it is sent again: at least once, never less.
            _log.warning("webhook_not_settled", extra={"found": error.found})

    async def _with_books(self, do: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._books, do)

    def _is_anything_due(self) -> bool:
        with self._db.read() as connection:
            return is_anything_due(connection, self._seal, now_us=self._clock.now_us())

    def _fan_out(self) -> int:
        with self._db.write() as connection:
            return fan_out(connection, ids=self._ids, now_us=self._clock.now_us())

    def _claim(self) -> tuple[Claimed, ...]:
        now_us = self._clock.now_us()
        with self._db.write() as connection:
            return claim(
                connection,
                self._seal,
                now_us=now_us,
                until_us=now_us + round(self._pace.claim_s * US_PER_S),
                at_most=self._pace.at_once - len(self._under_way),
                per_webhook=self._pace.per_webhook,
                write=self._write,
            )

    def _settle(self, claimed: Claimed, attempt: Attempt, took_us: int) -> None:
        with self._db.write() as connection:
            settle(connection, claimed, attempt, took_us=took_us, now_us=self._clock.now_us())
