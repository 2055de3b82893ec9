"""Pieces of a film that are kept for reuse: found, held against their names, or given up.

A piece is a segment, a transition or a still. Its row says that it was made before; whether it
is reused is decided by its bytes. A piece that is gone or altered is given up, so that it is made
again and its row names the new asset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.ids import AssetId
from cinefab.core.plan import Part, Plan, PlannedSegment, PlannedShot
from cinefab.core.stage import Relation, SourceEdge
from cinefab.core.units import WHOLE_BP, BasisPoints, largest_remainder
from cinefab.generate.preview_film import preview_size
from cinefab.generate.segments import KeptSegment, find_segments, forget_segment
from cinefab.jobs.workshop import Workshop
from cinefab.record.commit import CommittedStage
from cinefab.store.facts import AuditLeaf, record_leaf

Pieces = Mapping[str, Mapping[str, Any]]
"""Segments that exist, as steps hand them on: key → asset, digest, frames."""


async def find_kept(shop: Workshop, plan: Plan) -> Json:
    """Return those of the plan's segments, transitions and stills that can be reused.

    What the film takes from them is held against its digest; what is wrong is given up.
    """
    return await asyncio.to_thread(_find_kept, shop, plan)


def find_intact(shop: Workshop, keys: Sequence[Sha256]) -> dict[str, Json]:
    """Return those of the pieces that are kept with the right bytes, by key; give up the others."""
    with shop.recorder.db.read() as connection:
        known = find_segments(connection, keys, tenant=shop.tenant)
    lost = [kept for kept in known.values() if not shop.blobs.is_intact(kept.digest)]
    if lost:
        _forget(shop, lost)
    gone = {kept.key for kept in lost}
    return {key: _piece(kept) for key, kept in known.items() if key not in gone}


def is_missing(plan: Plan, shot: PlannedShot, kept: Json) -> bool:
    """Say whether a shot has anything that must be made."""
    return bool(missing_of(plan, shot, pieces_from(kept)))


def missing_of(plan: Plan, shot: PlannedShot, kept: Pieces) -> list[PlannedSegment]:
    """Return those of the shot's segments that must be made."""
    # A head and the tail before it are needed only to make a transition that is not kept.
    blended = {each.into for each in plan.transitions if each.key not in kept}
    return [each for each in _needed(shot, blended) if each.key not in kept]


def all_segments(kept: Json, made: Sequence[Json]) -> dict[str, Any]:
    """Return what was kept and what was made, by key."""
    pieces = dict(pieces_from(kept))
    for each in made:
        pieces |= pieces_from(each)
    return pieces


def pieces_from(document: Json) -> Pieces:
    """Return the pieces that a step handed on as JSON."""
    assert isinstance(document, Mapping), "pieces are kept by key"
    return document  # type: ignore[return-value]  # the steps above wrote it


def pieces_of(committed: CommittedStage) -> Json:
    """Return the segments that a stage committed, by key, each with its asset."""
    facts: Any = committed.facts
    # Before them there may be files that they were made from.
    assets = committed.assets[-len(facts["segments"]) :]
    return {
        piece["key"]: {"asset": asset, "digest": piece["digest"], "frames": piece["frames"]}
        for piece, asset in zip(facts["segments"], assets, strict=True)
    }


def edges_by_weight(weighted: Sequence[tuple[AssetId, Relation, int]]) -> tuple[SourceEdge, ...]:
    """Return edges whose weights are in proportion to those given and sum to a whole.

    A source that is named twice in one relation is named once, with its weights added.
    """
    together: dict[tuple[AssetId, Relation], int] = {}
    for source, relation, weight in weighted:
        together[source, relation] = together.get((source, relation), 0) + weight
    if not any(together.values()):
        together = dict.fromkeys(together, 1)
    if not together:
        return ()
    shares = largest_remainder(WHOLE_BP, list(together.values()))
    return tuple(
        SourceEdge(source=source, relation=relation, weight_bp=BasisPoints(share))
        for (source, relation), share in zip(together, shares, strict=True)
    )


def still_key(plan: Plan) -> Sha256:
    """Return the key of the film's first picture."""
    # The body's key stands for all that determines the shot's pixels.
    body = next(each for each in plan.shots[0].segments if each.part is Part.BODY)
    return digest_of({"still": body.key, "width": preview_size(plan.size).width})


def _find_kept(shop: Workshop, plan: Plan) -> Json:
    keys = [segment.key for shot in plan.shots for segment in shot.segments]
    keys += [transition.key for transition in plan.transitions]
    keys.append(still_key(plan))
    with shop.recorder.db.read() as connection:
        known = dict(find_segments(connection, keys, tenant=shop.tenant))
    lost: list[KeptSegment] = []

    def give_up_unsound(wanted: Iterable[Sha256]) -> None:
        lost.extend(
            known.pop(key)
            for key in wanted
            if key in known and not shop.blobs.is_intact(known[key].digest)
        )

    give_up_unsound([still_key(plan), *(transition.key for transition in plan.transitions)])
    # Only now is it known which heads and tails are needed: those of blends that must be made.
    blended = {each.into for each in plan.transitions if each.key not in known}
    give_up_unsound(each.key for shot in plan.shots for each in _needed(shot, blended))
    if lost:
        _forget(shop, lost)
    return {key: _piece(kept) for key, kept in known.items()}


def _needed(shot: PlannedShot, blended: set[int]) -> list[PlannedSegment]:
    needed = {
        Part.HEAD: shot.index in blended,
        Part.BODY: True,
        Part.TAIL: shot.index + 1 in blended,
    }
    return [each for each in shot.segments if needed[each.part]]


def _forget(shop: Workshop, lost: Sequence[KeptSegment]) -> None:
    now_us = shop.recorder.clock.now_us()
    with shop.recorder.db.write() as connection:
        for kept in lost:
            if forget_segment(connection, kept, tenant=shop.tenant):
                said: Json = {"key": kept.key, "digest": kept.digest, "frames": kept.frames}
                leaf = AuditLeaf(kind="segment.given_up", subject=kept.asset, body=said)
                record_leaf(connection, leaf, tenant=shop.tenant, now_us=now_us)


def _piece(kept: KeptSegment) -> Json:
    return {"asset": kept.asset, "digest": kept.digest, "frames": kept.frames}
