"""Webhooks as their owners know them: made, shown, changed, given another secret, removed.

Each is one tenant's. What its owners do to it leaves an audit leaf; the URL is in the leaf without
its query, which may hold a secret.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json
from cinefab.core.errors import RequestInvalid
from cinefab.core.ids import IdSource, PrincipalId, TenantId
from cinefab.core.standard_webhooks import new_secret
from cinefab.deliver.webhooks.tables import webhook, webhook_delivery, webhook_secret
from cinefab.store.facts import newest_event
from cinefab.tenancy.principals import hold_tenant, not_here, tell
from cinefab.tenancy.sealed import Seal

USUAL: Final = ("job.*", "review.*", "release.*")
"""What is told to a webhook that does not say what it wants: no single stages."""

WEBHOOKS_MAX: Final = 50
"""The most that one tenant may have: each event is written once for each that wants it."""

SECRETS_MAX: Final = 3
"""The most secrets that sign one message: the one in force, and those that it replaced lately."""

_URL_MAX: Final = 2048
_DESCRIPTION_MAX: Final = 200
_PATTERNS_MAX: Final = 32
_PATTERN: Final = re.compile(r"\*|[a-z][a-z_]{0,31}\.(?:\*|[a-z][a-z_]{0,31})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where a tenant is told of what; `disabled_why` is None while it is told at all."""

    id: str
    tenant: TenantId
    url: str = field(repr=False)
    events: tuple[str, ...]
    description: str
    created_us: int
    disabled_us: int | None
    disabled_why: str | None
    failures: int
    hold_until_us: int
    succeeded_us: int | None
    from_event: int
    secrets_expire_us: tuple[int, ...] = ()
    only_subject: str | None = None
    ends_with: tuple[str, ...] = ()

    def wants(self, kind: str, subject: str) -> bool:
        """Say whether it asked to be told of events of this kind about this subject."""
        if self.only_subject not in (None, subject):
            return False
        return any(each in ("*", kind, f"{kind.partition('.')[0]}.*") for each in self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be different; None leaves it as it is."""

    url: str | None = None
    events: Sequence[str] | None = None
    description: str | None = None
    enabled: bool | None = None


def create_webhook(
    connection: sa.Connection,
    seal: Seal,
    *,
    tenant: TenantId,
    url: str,
    events: Sequence[str],
    description: str,
    by: PrincipalId,
    ids: IdSource,
    now_us: int,
) -> tuple[Webhook, str]:
    """Write a webhook that is told what happens from now on; return it and its secret, this once.

    `url` was checked by whoever posts there. Raises `RequestInvalid`.
    """
    hold_tenant(connection, tenant)
    count = connection.execute(
        sa.select(sa.func.count()).where(
            webhook.c.tenant_id == tenant,
            webhook.c.removed_us.is_(None),
            webhook.c.only_subject.is_(None),
        )
    ).scalar_one()
    if count >= WEBHOOKS_MAX:
        raise RequestInvalid(
            attempted="create a webhook",
            field="url",
            found=f"there are {count} webhooks already",
            remedy="Remove one that nobody needs.",
        )
    made = ids.new("whk")
    connection.execute(
        webhook.insert().values(
            id=made,
            tenant_id=tenant,
            url=checked_url(url),
            events=json.dumps(checked_events(events)),
            description=_checked_description(description),
            from_event=newest_event(connection),
            created_us=now_us,
        )
    )
    secret = add_secret(connection, seal, tenant=tenant, which=made, now_us=now_us)
    said: Json = {"by": by, "url": _shown(url), "events": list(events)}
    tell(connection, "webhook.created", made, said, tenant=tenant, now_us=now_us)
    return load_webhook(connection, tenant=tenant, which=made, now_us=now_us), secret


def list_webhooks(
    connection: sa.Connection, *, tenant: TenantId, now_us: int
) -> tuple[Webhook, ...]:
    """Return a tenant's webhooks, oldest first."""
    rows = connection.execute(
        sa.select(webhook)
        .where(
            webhook.c.tenant_id == tenant,
            webhook.c.removed_us.is_(None),
            webhook.c.only_subject.is_(None),
        )
        .order_by(webhook.c.id)
    ).all()
    expiries = _expiries(connection, tenant, now_us)
    return tuple(_webhook(row, expiries) for row in rows)


def all_told(connection: sa.Connection) -> tuple[Webhook, ...]:
    """Return the webhooks of all tenants that are told of anything: for those who tell them."""
    rows = connection.execute(
        sa.select(webhook).where(
            webhook.c.disabled_us.is_(None),
            webhook.c.removed_us.is_(None),
            webhook.c.over_us.is_(None),
        )
    )
    return tuple(_webhook(row, {}) for row in rows)


def load_webhook(
    connection: sa.Connection, *, tenant: TenantId, which: str, now_us: int
) -> Webhook:
    """Return a webhook; raise `Unavailable` if the tenant has none by this id."""
    row = connection.execute(
        sa.select(webhook).where(
            webhook.c.tenant_id == tenant,
            webhook.c.id == which,
            webhook.c.removed_us.is_(None),
            webhook.c.only_subject.is_(None),
        )
    ).first()
    if row is None:
        raise not_here("webhook", which)
    return _webhook(row, _expiries(connection, tenant, now_us))


def change_webhook(
    connection: sa.Connection,
    changes: Changes,
    *,
    tenant: TenantId,
    which: str,
    by: PrincipalId,
    now_us: int,
) -> Webhook:
    """Change a webhook; enabled again, it is told what happens from then on.

    Raises `Unavailable` and `RequestInvalid`.
    """
    hold_tenant(connection, tenant)
    known = load_webhook(connection, tenant=tenant, which=which, now_us=now_us)
    values: dict[str, Any] = {}
    said: dict[str, Json] = {"by": by}
    if changes.url is not None:
        # Whether somebody answers there is found out anew.
        values |= {"url": checked_url(changes.url), "failures": 0, "hold_until_us": 0}
        values |= {"succeeded_us": None}
        said["url"] = _shown(changes.url)
    if changes.events is not None:
        checked = checked_events(changes.events)
        values["events"] = json.dumps(checked)
        said["events"] = list(checked)
    if changes.description is not None:
        values["description"] = _checked_description(changes.description)
    if changes.enabled is not None and changes.enabled == (known.disabled_us is not None):
        said["enabled"] = changes.enabled
        if changes.enabled:
            values |= {"disabled_us": None, "disabled_why": None, "failures": 0}
            values |= {"hold_until_us": 0, "from_event": newest_event(connection)}
        else:
            values |= {"disabled_us": now_us, "disabled_why": "by its owner"}
    if values:
        connection.execute(
            webhook.update()
            .where(webhook.c.tenant_id == tenant, webhook.c.id == which)
            .values(**values)
        )
        tell(connection, "webhook.changed", which, said, tenant=tenant, now_us=now_us)
    return load_webhook(connection, tenant=tenant, which=which, now_us=now_us)


def remove_webhook(
    connection: sa.Connection, *, tenant: TenantId, which: str, by: PrincipalId, now_us: int
) -> None:
    """Tell a webhook nothing any more, and forget its secrets; raise `Unavailable`."""
    hold_tenant(connection, tenant)
    load_webhook(connection, tenant=tenant, which=which, now_us=now_us)
    connection.execute(
        webhook.update()
        .where(webhook.c.tenant_id == tenant, webhook.c.id == which)
        .values(removed_us=now_us)
    )
    connection.execute(
        webhook_secret.delete().where(
            webhook_secret.c.tenant_id == tenant, webhook_secret.c.webhook_id == which
        )
    )
    end_waiting(connection, which, now_us=now_us)
    tell(connection, "webhook.removed", which, {"by": by}, tenant=tenant, now_us=now_us)


def rotate_secret(
    connection: sa.Connection,
    seal: Seal,
    *,
    tenant: TenantId,
    which: str,
    overlap_us: int,
    by: PrincipalId,
    now_us: int,
) -> tuple[Webhook, str]:
    """Give a webhook another secret, and return it, this once; raise `Unavailable`.

    For `overlap_us` its messages are signed with the old one too, so that receivers can change
    over one after the other.
    """
    hold_tenant(connection, tenant)
    load_webhook(connection, tenant=tenant, which=which, now_us=now_us)
    mine = (webhook_secret.c.tenant_id == tenant, webhook_secret.c.webhook_id == which)
    until = now_us + overlap_us
    connection.execute(
        webhook_secret.update()
        .where(
            *mine,
            sa.or_(webhook_secret.c.expires_us.is_(None), webhook_secret.c.expires_us > until),
        )
        .values(expires_us=until)
    )
    kept = connection.execute(
        sa.select(webhook_secret.c.id)
        .where(*mine, webhook_secret.c.expires_us > now_us)
        .order_by(webhook_secret.c.id.desc())
        .limit(SECRETS_MAX - 1)
    ).scalars()
    connection.execute(
        webhook_secret.delete().where(*mine, webhook_secret.c.id.not_in(kept.all() or [-1]))
    )
    secret = add_secret(connection, seal, tenant=tenant, which=which, now_us=now_us)
    said: Json = {"by": by, "overlap_us": overlap_us}
    tell(connection, "webhook.secret_rotated", which, said, tenant=tenant, now_us=now_us)
    return load_webhook(connection, tenant=tenant, which=which, now_us=now_us), secret


def end_waiting(connection: sa.Connection, which: str, *, now_us: int) -> None:
    """Give up everything that a webhook is still owed."""
    connection.execute(
        webhook_delivery.update()
        .where(webhook_delivery.c.webhook_id == which, webhook_delivery.c.state == "waiting")
        .values(state="dead", ended_us=now_us)
    )


def add_secret(
    connection: sa.Connection,
    seal: Seal,
    *,
    tenant: TenantId,
    which: str,
    now_us: int,
    secret: str | None = None,
) -> str:
    """Have a webhook's messages signed by a secret, a new one where none is given; return it."""
    secret = new_secret() if secret is None else secret
    connection.execute(
        webhook_secret.insert().values(
            tenant_id=tenant,
            webhook_id=which,
            sealed=seal.close(secret, of=which),
            seal_id=seal.id,
            created_us=now_us,
        )
    )
    return secret


def checked_url(url: str) -> str:
    """Return a URL as it is kept; raise `RequestInvalid` for one that could be no header's part."""
    if not 0 < len(url) <= _URL_MAX or not url.isascii() or not url.isprintable() or " " in url:
        raise RequestInvalid(
            attempted="read the webhook",
            field="url",
            found=f"{len(url)} characters, some of which no URL has" if url else "nothing",
            remedy=f"Give an https URL of at most {_URL_MAX} visible ASCII characters.",
        )
    return url


def checked_events(events: Sequence[str]) -> list[str]:
    """Return patterns of events as they are kept; raise `RequestInvalid`."""
    kept = list(dict.fromkeys(events))
    wrong = next((each for each in kept if not _PATTERN.fullmatch(each)), None)
    if wrong is not None or not 0 < len(kept) <= _PATTERNS_MAX:
        raise RequestInvalid(
            attempted="read the webhook",
            field="events",
            found=f"{len(kept)} of them" if wrong is None else f"{wrong[:40]!r}",
            remedy=f"Give 1 to {_PATTERNS_MAX} kinds, such as job.delivered, job.* or *.",
        )
    return kept


def _checked_description(description: str) -> str:
    if len(description) > _DESCRIPTION_MAX or not description.isprintable():
        raise RequestInvalid(
            attempted="read the webhook",
            field="description",
            found=f"{len(description)} characters, or some that do not print",
            remedy=f"Give at most {_DESCRIPTION_MAX} printable characters.",
        )
    return description


def _expiries(
    connection: sa.Connection, tenant: TenantId, now_us: int
) -> Mapping[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for row in connection.execute(
        sa.select(webhook_secret.c.webhook_id, webhook_secret.c.expires_us)
        .where(webhook_secret.c.tenant_id == tenant, webhook_secret.c.expires_us > now_us)
        .order_by(webhook_secret.c.id)
    ):
        found[row.webhook_id] = (*found.get(row.webhook_id, ()), row.expires_us)
    return found


def _webhook(row: Any, expiries: Mapping[str, tuple[int, ...]]) -> Webhook:
    return Webhook(
        id=row.id,
        tenant=TenantId(row.tenant_id),
        url=row.url,
        events=tuple(json.loads(row.events)),
        description=row.description,
        created_us=row.created_us,
        disabled_us=row.disabled_us,
        disabled_why=row.disabled_why,
        failures=row.failures,
        hold_until_us=row.hold_until_us,
        succeeded_us=row.succeeded_us,
        from_event=row.from_event,
        secrets_expire_us=expiries.get(row.id, ()),
        only_subject=row.only_subject,
        ends_with=() if row.form is None else tuple(json.loads(row.form)["ends_with"]),
    )


def _shown(url: str) -> str:
    return url.partition("?")[0]
