"""`cinefab tenants`: for whom this studio works."""

from __future__ import annotations

from dataclasses import asdict

import click

from cinefab.cli.said import print_json, reports_errors


@click.group()
def tenants() -> None:
    """Who owns jobs, assets and money in this studio."""


@tenants.command()
@click.argument("name")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def create(*, name: str, db: str | None, as_json: bool) -> None:
    """Let the studio work for a tenant called NAME; give it keys with `cinefab keys create`."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.tenancy.principals import create_tenant  # noqa: PLC0415 - as above

    with open_records(load_settings({"db": db})) as records, records.db.write() as connection:
        made = create_tenant(
            connection,
            name=name,
            by=records.principal,
            ids=records.ids,
            now_us=records.clock.now_us(),
        )
    if as_json:
        print_json({"tenant": made, "name": name})
    else:
        click.echo(made)


@tenants.command()
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def ls(*, db: str | None, as_json: bool) -> None:
    """List the tenants of this studio, oldest first."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.tenancy.principals import list_tenants  # noqa: PLC0415 - as above

    with open_records(load_settings({"db": db})) as records, records.db.read() as connection:
        found = list_tenants(connection)
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        click.echo(f"{each.id:<30}  {each.name}")


@tenants.command()
@click.argument("tenant")
@click.option("--jobs", type=click.IntRange(0), help="Jobs that may wait or run.")
@click.option("--requests", type=click.IntRange(1), help="Requests that it may send in a minute.")
@click.option("--upload-bytes", type=click.IntRange(0), help="Bytes that it may have uploaded.")
@click.option("--db", help="Database URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def quota(
    *,
    tenant: str,
    jobs: int | None,
    requests: int | None,
    upload_bytes: int | None,
    db: str | None,
    as_json: bool,
) -> None:
    """Give TENANT a quota of its own; what is left out is as the settings say."""
    from cinefab.app.records import open_records  # noqa: PLC0415 - `--help` needs none of it
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - as above
    from cinefab.core.ids import TenantId  # noqa: PLC0415 - as above
    from cinefab.tenancy.quotas import Quota, set_quota  # noqa: PLC0415 - as above

    given = Quota(jobs_in_flight=jobs, requests_per_minute=requests, upload_bytes=upload_bytes)
    with open_records(load_settings({"db": db})) as records, records.db.write() as connection:
        set_quota(
            connection,
            tenant=TenantId(tenant),
            quota=given,
            by=records.principal,
            now_us=records.clock.now_us(),
        )
    if as_json:
        print_json({"tenant": tenant, **asdict(given)})
        return
    for name, value in asdict(given).items():
        click.echo(f"{name:<22} {'as usual' if value is None else value}")
