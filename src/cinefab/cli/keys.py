"""`cinefab keys`: who may come through the doors with a key, as what, and until when."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from cinefab.cli.said import print_json, reports_errors
from cinefab.tenancy.roles import Action, Role


@click.group()
def keys() -> None:
    """API keys: made, listed, rotated and revoked by whoever has this machine."""


@keys.command()
@click.option("--name", required=True, help="What the key is for.")
@click.option("--tenant", help="Whose it is; by default the tenant of this machine.")
@click.option("--principal", help="As whom it acts; by default a new service of that name.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice([each.value for each in Role]),
    help="What the new service is; may be given again.  [default: service]",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([each.value for each in Action]),
    help="What it may be used for at most; may be given again.",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Of what it orders.")
@click.option("--expires-in", metavar="LENGTH", help="When it ends, such as 90d; by default never.")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def create(
    *,
    name: str,
    tenant: str | None,
    principal: str | None,
    roles: tuple[str, ...],
    scopes: tuple[str, ...],
    labels: tuple[str, ...],
    expires_in: str | None,
    db: str | None,
    as_json: bool,
) -> None:
    """Make a key and show its secret, this once."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.ids import PrincipalId, TenantId  # noqa: PLC0415 - as above
    from cinefab.tenancy.caller import Kind  # noqa: PLC0415 - as above
    from cinefab.tenancy.keys import create_key  # noqa: PLC0415 - as above
    from cinefab.tenancy.principals import create_principal  # noqa: PLC0415 - as above

    if principal and roles:
        raise click.UsageError("--role is for a new service: --principal has its roles already.")
    lasts_us = _length(expires_in, "--expires-in")
    with open_records(load_settings({"db": db})) as records, records.db.write() as connection:
        now_us = records.clock.now_us()
        of = TenantId(tenant or records.tenant)
        acts_as = (
            PrincipalId(principal)
            if principal
            else create_principal(
                connection,
                tenant=of,
                kind=Kind.SERVICE,
                name=name,
                roles=frozenset(map(Role, roles)) or frozenset({Role.SERVICE}),
                by=records.principal,
                ids=records.ids,
                now_us=now_us,
            )
        )
        made = create_key(
            connection,
            tenant=of,
            principal=acts_as,
            name=name,
            by=records.principal,
            ids=records.ids,
            now_us=now_us,
            scopes=frozenset(map(Action, scopes)) or None,
            labels=_labels(labels),
            expires_us=None if lasts_us is None else now_us + lasts_us,
        )
    _show(made.id, made.secret, of, acts_as, as_json=as_json)


@keys.command()
@click.argument("key")
@click.option(
    "--overlap", metavar="LENGTH", default="1d", show_default=True, help="How long KEY goes on."
)
@click.option("--tenant", help="Whose it is; by default the tenant of this machine.")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def rotate(*, key: str, overlap: str, tenant: str | None, db: str | None, as_json: bool) -> None:
    """Make a key like KEY, which goes on for an overlap, and show its secret, this once."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.ids import KeyId, TenantId  # noqa: PLC0415 - as above
    from cinefab.tenancy.keys import load_key, rotate_key  # noqa: PLC0415 - as above

    overlap_us = _length(overlap, "--overlap") or 0
    with open_records(load_settings({"db": db})) as records, records.db.write() as connection:
        of = TenantId(tenant or records.tenant)
        made = rotate_key(
            connection,
            tenant=of,
            key=KeyId(key),
            overlap_us=overlap_us,
            by=records.principal,
            ids=records.ids,
            now_us=records.clock.now_us(),
        )
        acts_as = load_key(connection, tenant=of, key=made.id).principal
    _show(made.id, made.secret, of, acts_as, as_json=as_json)


@keys.command()
@click.argument("key")
@click.option("--tenant", help="Whose it is; by default the tenant of this machine.")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def revoke(*, key: str, tenant: str | None, db: str | None, as_json: bool) -> None:
    """End KEY at once."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.ids import KeyId, TenantId  # noqa: PLC0415 - as above
    from cinefab.tenancy.keys import revoke_key  # noqa: PLC0415 - as above

    with open_records(load_settings({"db": db})) as records, records.db.write() as connection:
        revoke_key(
            connection,
            tenant=TenantId(tenant or records.tenant),
            key=KeyId(key),
            by=records.principal,
            now_us=records.clock.now_us(),
        )
    if as_json:
        print_json({"key": key, "state": "revoked"})
    else:
        click.echo(f"{key} is revoked.")


@keys.command()
@click.option("--tenant", help="Whose; by default the tenant of this machine.")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def ls(*, tenant: str | None, db: str | None, as_json: bool) -> None:
    """List the keys of a tenant, and when each was last used, to the hour."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.clock import iso_utc  # noqa: PLC0415 - as above
    from cinefab.core.ids import TenantId  # noqa: PLC0415 - as above
    from cinefab.tenancy.keys import list_keys, state_of  # noqa: PLC0415 - as above

    with open_records(load_settings({"db": db})) as records, records.db.read() as connection:
        found = list_keys(connection, tenant=TenantId(tenant or records.tenant))
        now_us = records.clock.now_us()
    rows: list[dict[str, Any]] = [
        {
            **asdict(each),
            "scopes": None if each.scopes is None else sorted(each.scopes),
            "state": state_of(each, now_us=now_us),
        }
        for each in found
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        used = "never" if row["used_us"] is None else iso_utc(row["used_us"])
        scopes = "everything" if row["scopes"] is None else ", ".join(row["scopes"])
        click.echo(f"{row['id']}  {row['state']:<8} used {used:<28} {row['name']}: {scopes}")


def _show(key: str, secret: str, tenant: str, principal: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": key, "secret": secret, "tenant": tenant, "principal": principal})
        return
    click.echo(f"{'Key':<10} {key}")
    click.echo(f"{'Acts as':<10} {principal} of {tenant}")
    click.echo(f"{'Secret':<10} {secret}")
    click.echo("It is shown this once, and cannot be found again.")


def _labels(written: tuple[str, ...]) -> dict[str, str]:
    pairs = [each.partition("=") for each in written]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise click.UsageError(f"--label {name}{equals}{value}: write it as name=value.")
    return {name: value for name, _, value in pairs}


def _length(written: str | None, option: str) -> int | None:
    from cinefab.ingest.brief_scalars import duration_us  # noqa: PLC0415 - as above

    if written is None:
        return None
    length_us = duration_us(written)
    if length_us is None:
        raise click.UsageError(f"{option} {written}: write a length such as 90d, 24h or 30m.")
    return length_us
