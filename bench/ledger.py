"""How many transfers a second the ledger writes, against a bare INSERT loop in the same run.

    python bench/ledger.py [--charges 300]

Each charge is one transaction, as in the running system: a lease opened before, then closed,
split into classes, posted against its reservation and paid on, every balance moved. The bare
loop writes as many rows of the same table, with the same commits and nothing else around them,
so the ratio is what double entry, idempotency and limits cost. The check is timed over the
result, because a proof that is too slow is not asked for.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import sqlalchemy as sa

from cinefab.core.clock import ManualClock, SystemClock
from cinefab.core.ids import JobId, SeededIds, TenantId, WorkerId
from cinefab.core.stage import Charge, TimeClass
from cinefab.core.units import DeviceUs, Uusd
from cinefab.economics.check import check_ledger
from cinefab.economics.leases import open_lease
from cinefab.economics.ledger import Overrun, post_charge, reserve, void_rest
from cinefab.economics.prices import PriceBook
from cinefab.economics.tables import account, transfer
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

TENANT, JOB = TenantId("ten_bench"), JobId("job_bench")
CPU = PriceBook.from_usd_per_hour({"cpu": "0.045"})
BY_CLASS = {TimeClass.LOAD: DeviceUs(400_000), TimeClass.GOOD: DeviceUs(1_600_000)}
CLOCK = SystemClock()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--charges", type=int, default=300)
    charges = parser.parse_args().charges
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), charges), indent=2))


def measure(folder: Path, charges: int) -> dict[str, float | int]:
    db = Database(f"sqlite:///{folder / 'ledger.db'}")
    METADATA.create_all(db.engine)
    charging_us = time_charges(db, charges)
    with db.read() as connection:
        started = CLOCK.elapsed_us()
        found = check_ledger(connection, tenant=TENANT, ended=[JOB])
        checking_us = CLOCK.elapsed_us() - started
    assert found.holds, found.findings
    per_charge = 4  # two classes of time, the post, the payment
    bare_us = time_bare_inserts(db, commits=charges, rows=per_charge)
    db.close()
    return {
        "charges": charges,
        "transfers_per_s": round(per_charge * charges * 1e6 / charging_us),
        "charges_per_s": round(charges * 1e6 / charging_us),
        "bare_inserts_per_s": round(per_charge * charges * 1e6 / bare_us),
        "ratio_to_bare": round(charging_us / bare_us, 2),
        "check_transfers_per_s": round(found.transfers * 1e6 / checking_us),
    }


def time_charges(db: Database, charges: int) -> int:
    ids = SeededIds(ManualClock(), 1)
    with db.write() as connection:
        reserve(connection, tenant=TENANT, job=JOB, amount=Uusd(10**9), key="bench", now_us=1)
        leases = [
            open_lease(
                connection,
                tenant=TENANT,
                device_class="cpu",
                worker=WorkerId("wrk_bench"),
                job=JOB,
                stage=f"segment-{number}",
                prices=CPU,
                ids=ids,
                now_us=2,
            )
            for number in range(charges)
        ]
    started = CLOCK.elapsed_us()
    for number, lease in enumerate(leases):
        with db.write() as connection:
            post_charge(
                connection,
                tenant=TENANT,
                job=JOB,
                stage=f"segment-{number}",
                charge=Charge(lease=lease, device_class="cpu", by_class=BY_CLASS),
                overrun=Overrun.EXTEND,
                now_us=3,
            )
    took_us = CLOCK.elapsed_us() - started
    with db.write() as connection:
        void_rest(connection, tenant=TENANT, job=JOB, now_us=4)
    return took_us


def time_bare_inserts(db: Database, *, commits: int, rows: int) -> int:
    with db.read() as connection:
        first, second = connection.execute(sa.select(account.c.id).limit(2)).scalars()
    started = CLOCK.elapsed_us()
    for number in range(commits):
        with db.write() as connection:
            for row in range(rows):
                connection.execute(
                    transfer.insert().values(
                        tenant_id="ten_bare",
                        key=f"bare:{number}:{row}",
                        unit="uusd",
                        kind="direct",
                        debit_account=first,
                        credit_account=second,
                        amount=1,
                        job_id=JOB,
                        created_us=1,
                    )
                )
    return CLOCK.elapsed_us() - started


if __name__ == "__main__":
    main()
