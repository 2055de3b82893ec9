"""The package stages of a job: rungs are made piece by piece, then the release's files are written.

A rung of a piece is kept under a key of its own, as the piece is, so that a film in which one
shot changed has only that shot scaled and encoded again.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cinefab.assemble.cut import BodyPiece, cut_order
from cinefab.core.canonical import Json, Sha256, canonical_json, digest_of
from cinefab.core.ids import AssetId
from cinefab.core.plan import Plan
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.deliver.files import FILES, Caching, ReleaseFile, files_document, path_of
from cinefab.deliver.ladder import rung_name, rungs_of
from cinefab.generate.segments import KeptSegment, record_segment
from cinefab.jobs.models import film_source_type
from cinefab.jobs.pieces import all_segments, edges_by_weight, find_intact, pieces_of
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.workshop import Workshop
from cinefab.media.rungs import rung_version
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset

RUNG_KEY_SCHEMA: Final = "cinefab.rung-key/1"

_RUNGS_TASK: Final = "cinefab.deliver.rung_task:make_rungs"
_PACKAGE_TASK: Final = "cinefab.deliver.package_task:package"
_MADE_BY: Final = "cinefab.deliver@1"
_LIMIT_FIXED_S: Final = 120.0
_LIMIT_PER_MEDIA_SECOND: Final = 20.0

Pieces = Mapping[str, Mapping[str, Any]]


async def find_rungs(shop: Workshop, order: Order, plan: Plan, pieces: Pieces) -> Json:
    """Return the keys of the film's lower rungs, by piece, and those that are kept."""

    def find() -> Json:
        keys = {
            piece["digest"]: [_rung_key(shop, plan, piece["digest"], size) for size in lower]
            for piece in used
        }
        kept = find_intact(shop, [Sha256(key) for each in keys.values() for key in each])
        return {"keys": keys, "kept": kept}

    lower = _lower_rungs(order, plan)
    used = _pieces_in_order(plan, pieces)
    return await asyncio.to_thread(find)


def pieces_to_scale(plan: Plan, pieces: Pieces, found: Json) -> list[int]:
    """Return the numbers of the pieces that a rung is missing of, each different piece once."""
    keys, kept = _found(found)
    numbers: dict[str, int] = {}
    for number, piece in enumerate(_pieces_in_order(plan, pieces)):
        if any(key not in kept for key in keys[piece["digest"]]):
            numbers.setdefault(piece["digest"], number)
    return list(numbers.values())


async def make_rungs(
    shop: Workshop, order: Order, plan: Plan, number: int, pieces: Pieces, found: Json
) -> Json:
    """Make the rungs that are missing of one piece; return them by key."""
    piece = _pieces_in_order(plan, pieces)[number]
    keys, kept = _found(found)
    missing = [
        (key, size)
        for key, size in zip(keys[piece["digest"]], _lower_rungs(order, plan), strict=True)
        if key not in kept
    ]

    async def body() -> StageOutput:
        folder = shop.scratch / order.job
        argument: Json = {
            "piece": str(await asyncio.to_thread(shop.blobs.local_path, Sha256(piece["digest"]))),
            "fps": str(plan.fps),
            "quality": plan.quality,
            "rungs": [
                {"size": [size.width, size.height], "path": str(folder / f"{key}.mp4")}
                for key, size in missing
            ],
        }
        seconds = float(piece["frames"] / plan.fps)
        answer = await shop.compute.run(
            _RUNGS_TASK,
            argument,
            timeout_s=_LIMIT_FIXED_S + _LIMIT_PER_MEDIA_SECOND * seconds,
        )
        value: Any = answer.value
        output = await asyncio.to_thread(_keep_rungs, shop, plan, piece, missing, value["rungs"])
        return StageOutput(
            assets=output.assets,
            facts=output.facts,
            also=output.also,
            load_us=answer.load_us,
            work_us=answer.worker_us - answer.load_us,
        )

    return pieces_of(await run_stage(shop, order, f"rungs:{number}", body))


def with_made(found: Json, made: Sequence[Json]) -> Json:
    """Return what `find_rungs` found, with the rungs that were made since among the kept."""
    keys, kept = _found(found)
    return {"keys": keys, "kept": all_segments(dict(kept), made)}


async def package(
    shop: Workshop,
    order: Order,
    plan: Plan,
    pieces: Pieces,
    rungs: Json,
    released: Json,
    planned: Json,
) -> Json:
    """Write every file of the release; return the digest of `files.json`, which names them all."""

    async def body() -> StageOutput:
        folder = shop.scratch / order.job / "package"
        try:
            used = await asyncio.to_thread(_rungs_of_pieces, shop, order, plan, pieces, rungs)
            argument = await asyncio.to_thread(
                _package_argument, shop, plan, pieces, used, released, folder
            )
            answer = await shop.compute.run(
                _PACKAGE_TASK,
                argument,
                timeout_s=_LIMIT_FIXED_S + _LIMIT_PER_MEDIA_SECOND * float(plan.frames / plan.fps),
            )
            value: Any = answer.value
            output = await asyncio.to_thread(
                _keep_files, shop, order, plan, used, value, released, planned
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return StageOutput(
            assets=output.assets,
            facts=output.facts,
            load_us=answer.load_us,
            work_us=answer.worker_us - answer.load_us,
        )

    committed = await run_stage(shop, order, "package", body)
    return committed.facts


def _rung_key(shop: Workshop, plan: Plan, piece: str, size: Any) -> Sha256:
    return digest_of(
        {
            "schema": RUNG_KEY_SCHEMA,
            "piece": piece,
            "size": str(size),
            "fps": str(plan.fps),
            "quality": plan.quality,
            "encoder": rung_version(),
            "machine": shop.machine,
        }
    )


def _lower_rungs(order: Order, plan: Plan) -> list[Any]:
    if not order.brief.output.is_streamed:
        return []
    # The pieces themselves are the rung of the film's own size.
    return [size for size in rungs_of(plan.size, order.brief.output.ladder) if size != plan.size]


def _pieces_in_order(plan: Plan, pieces: Pieces) -> list[dict[str, Any]]:
    return [
        {**pieces[piece.key], "body": isinstance(piece, BodyPiece)} for piece in cut_order(plan)
    ]


def _found(found: Json) -> tuple[Mapping[str, list[str]], Pieces]:
    document: Any = found
    return document["keys"], document["kept"]


def _keep_rungs(
    shop: Workshop,
    plan: Plan,
    piece: Mapping[str, Any],
    missing: Sequence[tuple[str, Any]],
    made: Sequence[Mapping[str, Any]],
) -> StageOutput:
    assets = []
    for (key, size), rung in zip(missing, made, strict=True):
        path = Path(rung["path"])
        digest = shop.blobs.put_file(path)
        path.unlink(missing_ok=True)
        content = Content(
            digest=digest,
            kind="rung",
            media_type="video/mp4",
            size_bytes=rung["size_bytes"],
            facts={"frames": rung["frames"], "key": key},
        )
        lineage = Lineage(
            made_by=_MADE_BY,
            sources=edges_by_weight([(AssetId(piece["asset"]), Relation.PARENT_OF, 1)]),
            digital_source_type="algorithmicMedia",
            parameters={"size": str(size), "fps": str(plan.fps)},
        )
        assets.append(NewAsset(content=content, lineage=lineage))

    def also(connection: sa.Connection, kept: tuple[Asset, ...]) -> None:
        now_us = shop.recorder.clock.now_us()
        for (key, _), rung, asset in zip(missing, made, kept, strict=True):
            segment = KeptSegment(
                key=Sha256(key),
                asset=asset.public_id,
                digest=asset.sha256,
                frames=rung["frames"],
            )
            record_segment(connection, segment, tenant=shop.tenant, now_us=now_us)

    facts: Json = {
        "segments": [
            {"key": key, "digest": rung["digest"], "frames": rung["frames"]}
            for (key, _), rung in zip(missing, made, strict=True)
        ]
    }
    return StageOutput(assets=tuple(assets), facts=facts, also=also)


def _rungs_of_pieces(
    shop: Workshop, order: Order, plan: Plan, pieces: Pieces, rungs: Json
) -> dict[str, list[dict[str, Any]]]:
    """Return, for each rung by its name, its pieces in the film's order; largest rung first."""
    if not order.brief.output.is_streamed:
        return {}
    keys, kept = _found(rungs)
    used = _pieces_in_order(plan, pieces)
    lower = _lower_rungs(order, plan)
    found: dict[str, list[dict[str, Any]]] = {}
    for size in rungs_of(plan.size, order.brief.output.ladder):
        if size == plan.size:
            of_rung = used
        else:
            place = lower.index(size)
            of_rung = [dict(kept[keys[piece["digest"]][place]]) for piece in used]
        found[rung_name(size)] = [{**piece, "size": [size.width, size.height]} for piece in of_rung]
    return found


def _package_argument(
    shop: Workshop,
    plan: Plan,
    pieces: Pieces,
    rungs: Mapping[str, Sequence[Mapping[str, Any]]],
    released: Json,
    folder: Path,
) -> Json:
    def local(digest: str) -> str:
        return str(shop.blobs.local_path(Sha256(digest)))

    facts: Any = released
    return {
        "folder": str(folder),
        "fps": str(plan.fps),
        "size": [plan.size.width, plan.size.height],
        "frames": plan.frames,
        "film": local(facts["digest"]),
        "pieces": [
            {"frames": each["frames"], "path": local(each["digest"]), "body": each["body"]}
            for each in _pieces_in_order(plan, pieces)
        ],
        "rungs": [
            {"size": of_rung[0]["size"], "paths": [local(each["digest"]) for each in of_rung]}
            for of_rung in rungs.values()
        ],
        "captions": _captions(facts, plan, local),
    }


def _captions(released: Any, plan: Plan, local: Callable[[str], str]) -> Json:
    digest = released.get("captions", {}).get("captions.vtt")
    if digest is None:
        return None
    return {"path": local(digest), "language": plan.cues[0].language}


def _keep_files(
    shop: Workshop,
    order: Order,
    plan: Plan,
    rungs: Mapping[str, Sequence[Mapping[str, Any]]],
    made: Mapping[str, Any],
    released: Json,
    planned: Json,
) -> StageOutput:
    facts: Any = released
    plan_facts: Any = planned
    film = AssetId(facts["asset"])
    source_type = film_source_type(shop, order, plan)
    files = [
        _kept_before(shop, facts["digest"], ".mp4", "film", "video/mp4", codec=made["codec"]),
        _kept_before(shop, plan_facts["timeline"], ".otio", "timeline", "application/json"),
    ]
    assets = []
    for each in made["files"]:
        digest = shop.blobs.put_file(Path(each["local"]))
        of_rung = rungs.get(each["rung"] or "", ())
        sources = [
            (AssetId(of_rung[i]["asset"]), Relation.COMPONENT_OF, of_rung[i]["frames"])
            for i in each["pieces"]
        ]
        files.append(
            ReleaseFile(
                path=each["path"],
                role=each["role"],
                media_type=each["media_type"],
                size_bytes=each["size_bytes"],
                sha256=digest,
                caching=Caching(each["cache_control"]),
                rung=each["rung"],
                codec=each["codec"],
            )
        )
        assets.append(
            _asset(
                files[-1],
                edges_by_weight(sources or [(film, Relation.PARENT_OF, 1)]),
                source_type=source_type,
            )
        )
    document = files_document(files, film=_film(order, plan, released))
    content = canonical_json(document)
    listed = ReleaseFile(
        path=FILES,
        role="files",
        media_type="application/json",
        size_bytes=len(content),
        sha256=shop.blobs.put(content),
        caching=Caching.ENTRY,
    )
    edges = edges_by_weight([(film, Relation.INPUT_TO, 1)])
    assets.append(_asset(listed, edges, source_type=source_type))
    return StageOutput(
        assets=tuple(assets), facts={"files": listed.sha256, "count": len(files) + 1}
    )


def _kept_before(
    shop: Workshop, digest: str, suffix: str, role: str, media_type: str, codec: str | None = None
) -> ReleaseFile:
    return ReleaseFile(
        path=path_of(Sha256(digest), suffix),
        role=role,
        media_type=media_type,
        size_bytes=shop.blobs.local_path(Sha256(digest)).stat().st_size,
        sha256=Sha256(digest),
        caching=Caching.IMMUTABLE,
        codec=codec,
    )


def _asset(file: ReleaseFile, sources: tuple[SourceEdge, ...], *, source_type: str) -> NewAsset:
    content = Content(
        digest=file.sha256,
        kind=f"release.{file.role}",
        media_type=file.media_type,
        size_bytes=file.size_bytes,
        facts={"path": file.path},
    )
    lineage = Lineage(made_by=_MADE_BY, sources=sources, digital_source_type=source_type)
    return NewAsset(content=content, lineage=lineage)


def _film(order: Order, plan: Plan, released: Json) -> dict[str, Json]:
    facts: Any = released
    return {
        "job": order.job,
        "title": plan.title,
        "asset": facts["asset"],
        "sha256": facts["digest"],
        "frames": plan.frames,
        "fps": str(plan.fps),
        "width": plan.size.width,
        "height": plan.size.height,
    }
