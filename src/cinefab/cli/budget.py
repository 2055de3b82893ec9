"""`cinefab budget`: the most that a tenant, a key or a label may spend."""

from __future__ import annotations

import re
from decimal import Decimal

import click

from cinefab.cli.said import print_json, reports_errors, usd
from cinefab.core.canonical import Json
from cinefab.core.units import Uusd


@click.group()
def budget() -> None:
    """The most that may be reserved and spent, in all or in a month."""


@budget.command("set")
@click.argument("limit")
@click.option("--tenant", help="Whose money; by default the tenant's of this machine.")
@click.option("--key", help="Bound what this key orders.")
@click.option("--label", metavar="NAME=VALUE", help="Bound what is ordered with this label.")
@click.option("--month", is_flag=True, help="Begin anew with each month (UTC).")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def set_(
    *,
    limit: str,
    tenant: str | None,
    key: str | None,
    label: str | None,
    month: bool,
    db: str | None,
    as_json: bool,
) -> None:
    """Bound spending to LIMIT US dollars; `none` lifts the budget."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.ids import KeyId, TenantId  # noqa: PLC0415 - as above
    from cinefab.economics.budgets import (  # noqa: PLC0415 - as above
        Period,
        Scope,
        lift_budget,
        set_budget,
    )
    from cinefab.tenancy.keys import load_key  # noqa: PLC0415 - as above
    from cinefab.tenancy.principals import load_tenant  # noqa: PLC0415 - as above

    if key and label:
        raise click.UsageError("A budget is of a key or of a label: give --key or --label.")
    if label is not None and not re.fullmatch("[^=]+=[^=]+", label):
        raise click.UsageError(f"--label {label}: write it as name=value.")
    amount = None if limit == "none" else _uusd(limit)
    scope = Scope.KEY if key else Scope.LABEL if label else Scope.TENANT
    subject = key or label or ""
    period = Period.MONTH if month else Period.TOTAL
    with open_records(load_settings({"db": db})) as records, records.db.write() as connection:
        of = load_tenant(connection, TenantId(tenant or records.tenant)).id
        if key:
            load_key(connection, tenant=of, key=KeyId(key))
        now_us = records.clock.now_us()
        if amount is None:
            lifted = lift_budget(
                connection,
                tenant=of,
                scope=scope,
                subject=subject,
                period=period,
                by=records.principal,
                now_us=now_us,
            )
            said: dict[str, Json] = {"lifted": lifted}
            line = "The budget is lifted." if lifted else "There was no such budget."
        else:
            made = set_budget(
                connection,
                tenant=of,
                scope=scope,
                subject=subject,
                period=period,
                limit=amount,
                by=records.principal,
                now_us=now_us,
            )
            said = made.as_dict()
            line = f"{made}: {usd(made.limit)}, {usd(made.used)} used, {usd(made.left)} left"
    print_json(said) if as_json else click.echo(line)


@budget.command()
@click.option("--tenant", help="Whose; by default the tenant's of this machine.")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def ls(*, tenant: str | None, db: str | None, as_json: bool) -> None:
    """List the budgets of a tenant as they stand."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.ids import TenantId  # noqa: PLC0415 - as above
    from cinefab.economics.budgets import budgets_of  # noqa: PLC0415 - as above

    with open_records(load_settings({"db": db})) as records, records.db.read() as connection:
        of, now_us = TenantId(tenant or records.tenant), records.clock.now_us()
        found = budgets_of(connection, tenant=of, now_us=now_us)
    if as_json:
        print_json([each.as_dict() for each in found])
        return
    for each in found:
        line = f"{usd(each.limit)}, {usd(each.used)} used, {usd(each.left)} left"
        click.echo(f"{each!s:<44} {line}")


def _uusd(written: str) -> Uusd:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", written, re.ASCII):
        raise click.UsageError(f"{written!r}: write US dollars such as 25 or 0.10, or none.")
    return Uusd(int(Decimal(written) * 1_000_000))
