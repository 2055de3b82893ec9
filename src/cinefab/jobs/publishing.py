"""The publish steps of a packaged release: sent to every place that the brief names, then purged.

Sending and purging are two steps. What caches know is written down only after they were told, so
a worker that dies between the two leaves nothing stale behind: the next one tells them again.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from cinefab.core.canonical import Json, Sha256
from cinefab.deliver.files import FILES, Caching, ReleaseFile, files_from_document
from cinefab.deliver.places import Place
from cinefab.deliver.published import known_entries, record_entries, record_publication
from cinefab.deliver.target import Parcel, Placing, in_order
from cinefab.jobs.door import find_place
from cinefab.jobs.stages import Order
from cinefab.jobs.workshop import Workshop
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf


async def publish_to(shop: Workshop, order: Order, position: int, packaged: Json) -> Json:
    """Send the release to the place at that position of the brief; return what became of it."""

    def send() -> Json:
        place = find_place(shop, order.brief.deliver[position], position)
        parcels = in_order(parcels_of(shop, packaged))
        placed = place.target.publish(place.url, parcels, access=place.access)
        counts = {how.value: sum(each.how is how for each in placed) for how in Placing}
        replaced = [each.name for each in placed if each.how is Placing.REPLACED]
        # What is opened by its plain name, and where whoever opens it finds it.
        plain = {parcel.name for parcel in parcels if parcel.caching is Caching.ENTRY}
        entries = {
            each.name: f"{place.public_url}/{each.name}" if place.public_url else each.url
            for each in placed
            if each.name in plain
        }
        return {"place": place.shown, **counts, "names_replaced": replaced, "entries": entries}

    return await asyncio.to_thread(send)


async def purge_at(shop: Workshop, order: Order, position: int, packaged: Json, sent: Json) -> Json:
    """Tell the place's CDN what changed, and write down what caches know; return the outcome."""

    def tell() -> Json:
        facts: Any = sent
        place = find_place(shop, order.brief.deliver[position], position)
        now = {
            parcel.name: parcel.sha256
            for parcel in parcels_of(shop, packaged)
            if parcel.caching is Caching.ENTRY
        }
        with shop.recorder.db.read() as connection:
            known = known_entries(connection, tenant=shop.tenant, place=place.shown)
        changed = [
            name
            for name, digest in now.items()
            if name in facts["names_replaced"] or known.get(name, digest) != digest
        ]
        outcome = _purge(place, changed)
        failed = {each["name"] for each in outcome if each["failure"] is not None}
        learnt = {name: digest for name, digest in now.items() if name not in failed}
        counts = {name: facts[name] for name in ("place", *Placing)}
        said: dict[str, Json] = {**counts, "purged": outcome}
        now_us = shop.recorder.clock.now_us()
        with shop.recorder.db.write() as connection:
            record_entries(
                connection,
                learnt,
                tenant=shop.tenant,
                place=place.shown,
                job=order.job,
                now_us=now_us,
            )
            record_publication(
                connection,
                {
                    **said,
                    "position": position,
                    "entries": facts.get("entries", {}),
                    "has_purge_hook": place.purge is not None,
                },
                tenant=shop.tenant,
                place=place.shown,
                job=order.job,
                now_us=now_us,
            )
            leaf = AuditLeaf(kind="release.published", subject=order.job, body=said)
            event = OutboxEvent(kind="release.published", subject=order.job, body=said)
            record_leaf(connection, leaf, tenant=shop.tenant, now_us=now_us)
            record_event(connection, event, tenant=shop.tenant, now_us=now_us)
        return said

    return await asyncio.to_thread(tell)


def parcels_of(shop: Workshop, packaged: Json) -> list[Parcel]:
    """Return the files of a packaged release, ready to be sent; `files.json` is the last."""
    facts: Any = packaged
    content = shop.blobs.load(Sha256(facts["files"]))
    listed = ReleaseFile(
        path=FILES,
        role="files",
        media_type="application/json",
        size_bytes=len(content),
        sha256=Sha256(facts["files"]),
        caching=Caching.ENTRY,
    )
    return [
        Parcel(
            name=file.path,
            path=shop.blobs.local_path(file.sha256),
            sha256=file.sha256,
            size_bytes=file.size_bytes,
            media_type=file.media_type,
            caching=file.caching,
        )
        for file in (*files_from_document(json.loads(content)), listed)
    ]


def _purge(place: Place, names: list[str]) -> list[dict[str, str | None]]:
    if place.purge is None or not names:
        return []
    if place.public_url is None:
        missing = "the settings name no public_url for this place"
        return [{"name": name, "url": None, "failure": missing} for name in names]
    # Few releases are behind a CDN, and only they load an HTTP client for it.
    from cinefab.deliver.purge import purge  # noqa: PLC0415 - see above

    urls = {f"{place.public_url}/{name}": name for name in names}
    done = purge(place.purge, list(urls), access=place.access)
    return [{"name": urls[each.url], "url": each.url, "failure": each.failure} for each in done]
