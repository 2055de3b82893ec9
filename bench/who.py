"""What it costs to know who asks and whether they may: CPU against the smallest read there is."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from cinefab.core.clock import SystemClock
from cinefab.core.ids import PrincipalId, RandomIds
from cinefab.store.database import Database
from cinefab.store.migrate import migrate
from cinefab.tenancy.caller import Kind
from cinefab.tenancy.keys import authenticate, create_key
from cinefab.tenancy.policy import Resource, load_policy
from cinefab.tenancy.principals import create_principal, create_tenant
from cinefab.tenancy.roles import Action, Role
from cinefab.tenancy.tables import tenant as tenant_table

TIMES = 2000


def cpu_us(work: Callable[[int], object]) -> float:
    begin = time.process_time()
    for number in range(TIMES):
        work(number)
    return (time.process_time() - begin) / TIMES * 1e6


def main() -> None:
    clock = SystemClock()
    ids, by = RandomIds(clock), PrincipalId("prn_bench")
    with tempfile.TemporaryDirectory() as folder:
        db = Database(f"sqlite:///{Path(folder) / 'bench.db'}")
        migrate(db)
        with db.write() as connection:
            tenant = create_tenant(connection, name="Bench", by=by, ids=ids, now_us=1)
            who = create_principal(
                connection,
                tenant=tenant,
                kind=Kind.SERVICE,
                name="bench",
                roles=frozenset({Role.PRODUCER}),
                by=by,
                ids=ids,
                now_us=1,
            )
            key = create_key(
                connection, tenant=tenant, principal=who, name="b", by=by, ids=ids, now_us=1
            )
        policy = load_policy(None)
        with db.read() as connection:
            caller = authenticate(connection, key.secret, now_us=2)
            bare = cpu_us(
                lambda _n: connection.execute(
                    sa.select(tenant_table).where(tenant_table.c.id == tenant)
                ).first()
            )
            found = cpu_us(lambda _n: authenticate(connection, key.secret, now_us=2))
        theirs = Resource(tenant=tenant, owner=who)
        anew = cpu_us(
            lambda n: policy.decide(
                caller, Action.JOB_READ, Resource(tenant=tenant, owner=PrincipalId(f"prn_{n}"))
            )
        )
        kept = cpu_us(lambda _n: policy.decide(caller, Action.JOB_READ, theirs))
        db.close()
    print(f"a read of one row           {bare:8.1f} us")
    print(f"who has a key               {found:8.1f} us  {found / bare:5.2f} reads")
    print(f"a decision, taken           {anew:8.1f} us  {anew / bare:5.2f} reads")
    print(f"a decision, kept            {kept:8.1f} us  {kept / bare:5.2f} reads")


if __name__ == "__main__":
    main()
