"""Where a report says that a release was published: each place, what it holds, who was told."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from cinefab.core.clock import iso_utc
from cinefab.core.ids import JobId, TenantId
from cinefab.deliver.published import publications_of


def published_of(connection: sa.Connection, job: JobId, *, tenant: TenantId) -> dict[str, Any]:
    """Return the places beside the job's own folder that its release was sent to, as its brief has it.

    `entries` are the addresses of the files with plain names, `purged` those of which caches were
    told, each with its failure or null; null where the place has no purge hook.
    """
    return {
        "published": [
            {
                "place": each.place,
                "at": iso_utc(each.published_us),
                "sent": each.facts["sent"],
                "replaced": each.facts["replaced"],
                "kept": each.facts["kept"],
                "entries": each.facts["entries"],
                "purged": each.facts["purged"] if each.facts["has_purge_hook"] else None,
            }
            for each in sorted(
                publications_of(connection, tenant=tenant, job=job),
                key=lambda each: int(each.facts["position"]),
            )
        ]
    }
