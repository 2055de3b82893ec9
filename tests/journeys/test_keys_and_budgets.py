"""Tenants, keys, budgets and quotas from the command line, as an operator types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from studio_runs import Studio

from cinefab.cli.main import main
from cinefab.core.clock import SystemClock
from cinefab.core.errors import NotAuthenticated
from cinefab.store.database import Database
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.keys import authenticate


def _said(studio: Studio, *words: str, expect: int = 0) -> Any:
    done = _typed(studio, *words, "--json")
    assert done.exit_code == expect, f"{words}: {done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


def _typed(studio: Studio, *words: str) -> Result:
    # In this process: twenty starts of one would take longer than all that they do.
    environment = {"CINEFAB_HOME": str(studio.folder / "home")}
    return CliRunner().invoke(main, [*words, "--db", studio.db], env=environment)


def _caller(studio: Studio, secret: str) -> Caller | None:
    db = Database(studio.db)
    try:
        with db.read() as connection:
            return authenticate(connection, secret, now_us=SystemClock().now_us())
    except NotAuthenticated:
        return None
    finally:
        db.close()


def test_a_tenant_gets_a_key_that_is_rotated_and_revoked(database_url: str, tmp_path: Path) -> None:
    studio = Studio(tmp_path, database_url)
    tenant = _said(studio, "tenants", "create", "North")["tenant"]
    of = ("--tenant", tenant)

    made = _said(
        studio,
        "keys",
        "create",
        *("--name", "press"),
        *("--role", "producer"),
        *("--scope", "job:create"),
        *("--label", "project=spot"),
        *("--expires-in", "90d"),
        *of,
    )
    caller = _caller(studio, made["secret"])
    newer = _said(studio, "keys", "rotate", made["key"], "--overlap", "1h", *of)
    _said(studio, "keys", "revoke", made["key"], *of)
    listed = _said(studio, "keys", "ls", *of)

    assert caller is not None
    assert (caller.tenant, caller.principal, set(caller.roles)) == (
        tenant,
        made["principal"],
        {"producer"},
    )
    assert (caller.scopes, caller.labels) == ({"job:create"}, {"project": "spot"})
    assert [each["id"] for each in _said(studio, "tenants", "ls")] == ["ten_local", tenant]
    assert _caller(studio, made["secret"]) is None
    assert _caller(studio, newer["secret"]) is not None
    assert [(each["id"], each["state"]) for each in listed] == [
        (made["key"], "revoked"),
        (newer["key"], "in force"),
    ]
    assert _said(studio, "keys", "ls") == []
    assert made["secret"] not in json.dumps(listed)
    refused = _said(studio, "keys", "revoke", made["key"], expect=1)
    assert refused["failure"]["error"] == "Unavailable"


def test_a_budget_on_the_command_line_stops_a_film_before_it_is_begun(
    database_url: str, tmp_path: Path
) -> None:
    studio = Studio(tmp_path, database_url)
    _said(studio, "budget", "set", "0.000001", "--month")

    refused = studio.make(studio.brief(), expect=4)
    (standing,) = _said(studio, "budget", "ls")
    lifted = _said(studio, "budget", "set", "none", "--month")

    assert "the budget of the tenant for this month" in refused["failure"]["found"]
    assert (standing["limit_uusd"], standing["used_uusd"]) == (1, 0)
    assert lifted == {"lifted": True}
    assert _said(studio, "budget", "ls") == []
    studio.check_books()


def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    studio = Studio(tmp_path, f"sqlite:///{tmp_path / 'cinefab.db'}")

    for words in (
        ("keys", "create", "--name", "x", "--role", "owner", "--principal", "prn_local"),
        ("keys", "create", "--name", "x", "--label", "novalue"),
        ("keys", "create", "--name", "x", "--expires-in", "soon"),
        ("budget", "set", "1e3"),
        ("budget", "set", "-1"),
        ("budget", "set", "1", "--label", "novalue"),
        ("tenants", "quota", "ten_local", "--jobs", "-1"),
    ):
        assert _typed(studio, *words).exit_code == 2, words
    for unknown in (
        ("keys", "create", "--name", "x", "--tenant", "ten_none"),
        ("budget", "set", "1", "--key", "cfk_none"),
        ("tenants", "quota", "ten_none", "--jobs", "1"),
        ("tenants", "create", " "),
    ):
        assert _typed(studio, *unknown).exit_code == 1, unknown
    assert _said(studio, "keys", "ls") == []
    assert len(_said(studio, "tenants", "ls")) == 1
