"""A sweep of this studio, as its settings say."""

from __future__ import annotations

from cinefab.app.records import Records
from cinefab.app.settings import Settings
from cinefab.core.clock import SystemClock
from cinefab.economics.storage import storage_price
from cinefab.jobs.sweeping import Retention, Swept, sweep
from cinefab.store.blobs import Blobs


def sweep_studio(settings: Settings, records: Records, *, dry_run: bool) -> Swept:
    """Sweep what expired and charge what is kept; raise `StorageUnavailable`."""
    price = storage_price(settings.price_usd_per_gb_month)
    blobs = Blobs(settings.blobs_url, cache=settings.home / "cache", durability=settings.durability)
    retention = Retention(
        days=settings.kept_days, grace_us=settings.sweep_grace_hours * 3_600_000_000
    )
    return sweep(
        records.db,
        blobs,
        clock=SystemClock(),
        retention=retention,
        nusd_per_gb_month=price,
        dry_run=dry_run,
    )
