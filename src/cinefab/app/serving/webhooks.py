"""Webhooks, for whoever may manage those of their tenant."""

from __future__ import annotations

from dataclasses import dataclass

from cinefab.app.serving.desk import Desk, create_once
from cinefab.app.settings import Settings
from cinefab.app.telling import poster_of, seal_of
from cinefab.core.errors import RequestInvalid
from cinefab.core.standard_webhooks import secret_of
from cinefab.core.units import US_PER_S
from cinefab.deliver.webhooks.deliveries import (
    Delivery,
    Form,
    list_deliveries,
    load_delivery,
    ping,
    replay_one,
    replay_range,
    tell_about,
)
from cinefab.deliver.webhooks.endpoints import (
    USUAL,
    Changes,
    Webhook,
    change_webhook,
    checked_url,
    create_webhook,
    list_webhooks,
    load_webhook,
    remove_webhook,
    rotate_secret,
)
from cinefab.jobs.once import Once
from cinefab.media.fetching.fetched import Refusal
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.roles import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A webhook that a create led to; `secret` is None where it was there before."""

    webhook: Webhook
    secret: str | None


class Webhooks:
    """The webhooks of the caller's tenant; any thread may call."""

    def __init__(self, desk: Desk, settings: Settings) -> None:
        self._desk = desk
        self._seal = seal_of(settings)
        self._poster = poster_of(settings)

    def create(
        self,
        caller: Caller,
        *,
        url: str,
        events: tuple[str, ...] = USUAL,
        description: str = "",
        once: Once,
    ) -> Made:
        """Make a webhook, whose secret is shown this once; raise `RequestInvalid`.

        Sent again under its key it is the same webhook.
        """
        self._check_may(caller)
        self._check_address(url)
        now_us, secrets = self._desk.clock.now_us(), list[str]()
        with self._desk.db.write() as connection:

            def make() -> str:
                made, secret = create_webhook(
                    connection,
                    self._seal,
                    tenant=caller.tenant,
                    url=url,
                    events=events,
                    description=description,
                    by=caller.principal,
                    ids=self._desk.ids,
                    now_us=now_us,
                )
                secrets.append(secret)
                return made.id

            which, _ = create_once(connection, caller, once, now_us=now_us, make=make)
            found = load_webhook(connection, tenant=caller.tenant, which=which, now_us=now_us)
        return Made(webhook=found, secret=secrets[0] if secrets else None)

    def list(self, caller: Caller) -> tuple[Webhook, ...]:
        """Return the tenant's webhooks, oldest first."""
        self._check_may(caller)
        with self._desk.db.read() as connection:
            return list_webhooks(connection, tenant=caller.tenant, now_us=self._desk.clock.now_us())

    def show(self, caller: Caller, which: str) -> Webhook:
        """Return a webhook; raise `Unavailable` if the tenant has none by this id."""
        self._check_may(caller)
        with self._desk.db.read() as connection:
            return load_webhook(
                connection,
                tenant=caller.tenant,
                which=which,
                now_us=self._desk.clock.now_us(),
            )

    def change(self, caller: Caller, which: str, changes: Changes) -> Webhook:
        """Change a webhook, or enable it again; raise as `show` and `create` do."""
        self.show(caller, which)
        if changes.url is not None:
            self._check_address(changes.url)
        with self._desk.db.write() as connection:
            return change_webhook(
                connection,
                changes,
                tenant=caller.tenant,
                which=which,
                by=caller.principal,
                now_us=self._desk.clock.now_us(),
            )

    def remove(self, caller: Caller, which: str) -> None:
        """Tell a webhook nothing any more; raise `Unavailable`."""
        self._check_may(caller)
        with self._desk.db.write() as connection:
            remove_webhook(
                connection,
                tenant=caller.tenant,
                which=which,
                by=caller.principal,
                now_us=self._desk.clock.now_us(),
            )

    def rotate(self, caller: Caller, which: str, *, overlap_s: int) -> Made:
        """Give a webhook another secret, shown this once; both sign for `overlap_s`."""
        self._check_may(caller)
        with self._desk.db.write() as connection:
            changed, secret = rotate_secret(
                connection,
                self._seal,
                tenant=caller.tenant,
                which=which,
                overlap_us=overlap_s * US_PER_S,
                by=caller.principal,
                now_us=self._desk.clock.now_us(),
            )
        return Made(webhook=changed, secret=secret)

    def ping(self, caller: Caller, which: str) -> Delivery:
        """Have a message sent that says nothing but that it arrived; raise `Unavailable`."""
        self._check_may(caller)
        with self._desk.db.write() as connection:
            return ping(
                connection,
                tenant=caller.tenant,
                which=which,
                by=caller.principal,
                ids=self._desk.ids,
                now_us=self._desk.clock.now_us(),
            )

    def deliveries(
        self, caller: Caller, which: str, *, state: str | None, after: str | None, limit: int
    ) -> tuple[Delivery, ...]:
        """Return a page of what a webhook was sent and is owed, newest first."""
        self.show(caller, which)
        with self._desk.db.read() as connection:
            return list_deliveries(
                connection,
                tenant=caller.tenant,
                which=which,
                state=state,
                after=after,
                limit=limit,
            )

    def delivery(self, caller: Caller, which: str, delivery: str) -> Delivery:
        """Return a delivery with each of its attempts; raise `Unavailable`."""
        self._check_may(caller)
        with self._desk.db.read() as connection:
            return load_delivery(connection, tenant=caller.tenant, which=which, delivery=delivery)

    def replay(self, caller: Caller, which: str, delivery: str) -> Delivery:
        """Have a message sent again under its own id; raise `Unavailable`."""
        self._check_may(caller)
        with self._desk.db.write() as connection:
            return replay_one(
                connection,
                tenant=caller.tenant,
                which=which,
                delivery=delivery,
                by=caller.principal,
                ids=self._desk.ids,
                now_us=self._desk.clock.now_us(),
            )

    def replay_range(
        self, caller: Caller, which: str, *, since_us: int, until_us: int | None, after: int
    ) -> tuple[int, int | None]:
        """Have all of a time sent again; return how many, and the event to go on after."""
        self._check_may(caller)
        now_us = self._desk.clock.now_us()
        with self._desk.db.write() as connection:
            return replay_range(
                connection,
                tenant=caller.tenant,
                which=which,
                since_us=since_us,
                until_us=now_us if until_us is None else until_us,
                after=after,
                by=caller.principal,
                ids=self._desk.ids,
                now_us=now_us,
            )

    def default_secret(self, caller: Caller) -> str:
        """Return what signs messages about single things that the tenant ordered."""
        self._check_may(caller)
        return self._default_secret(caller)

    def check_address(self, url: str, field: str) -> None:
        """Raise `RequestInvalid` for a URL that nothing is sent to."""
        self._check_address(url, field)

    def tell_about(
        self, caller: Caller, subject: str, *, url: str, events: tuple[str, ...], form: Form
    ) -> None:
        """Have what becomes of one thing that the caller ordered told to a URL that was checked.

        Whoever may order it may have it told; it is once told, however often this is asked.
        """
        with self._desk.db.write() as connection:
            tell_about(
                connection,
                self._seal,
                tenant=caller.tenant,
                subject=subject,
                url=url,
                events=events,
                form=form,
                secret=self._default_secret(caller),
                ids=self._desk.ids,
                now_us=self._desk.clock.now_us(),
            )

    def _default_secret(self, caller: Caller) -> str:
        return secret_of(self._seal.derive(f"webhooks of single things of {caller.tenant}"))

    def _check_may(self, caller: Caller) -> None:
        self._desk.check(caller, Action.WEBHOOK_MANAGE)

    def _check_address(self, url: str, field: str = "url") -> None:
        try:
            self._poster.check(checked_url(url))
        except Refusal as refusal:
            raise RequestInvalid(
                attempted="read the webhook",
                field=field,
                found=refusal.found,
                remedy=refusal.remedy,
            ) from refusal
