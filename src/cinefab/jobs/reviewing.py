"""The review stage of a job: the checks look at the cut, and their findings become a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, assert_never

import sqlalchemy as sa

from cinefab.assemble.cut import cut_order
from cinefab.core.canonical import Json, Sha256, canonical_json, digest_of
from cinefab.core.errors import RefusedByReview
from cinefab.core.ids import AssetId
from cinefab.core.plan import Plan
from cinefab.core.stage import Content, Lineage, Relation
from cinefab.core.verdict import NeedsPerson, Passed, Refused
from cinefab.generate.segments import find_segments
from cinefab.jobs.generating import edges_by_weight
from cinefab.jobs.ingesting import kept_from_json
from cinefab.jobs.lines import lines_of
from cinefab.jobs.looks import Pictures, find_looks, record_looks, where_they_lie
from cinefab.jobs.ordered import ordered_of
from cinefab.jobs.report import verdict_document
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.workshop import FoundCheck, Workshop
from cinefab.media.hearing import HEARING
from cinefab.media.look import LOOK
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset
from cinefab.review.check import conclude
from cinefab.review.figures import MEASURE, ordered_document
from cinefab.review.kept_figures import find_figures, record_figures
from cinefab.review.results import find_findings, finding_from_json, record_findings

_EXAMINE_TASK: Final = "cinefab.review.examine:examine"
_MEASURE_TASK: Final = "cinefab.review.measure:measure"
LIKENESS: Final = FoundCheck(
    name="likeness",
    version="1",
    entry="cinefab.review.checks.likeness:Likeness",
    takes=False,
)
"""The check that is asked only where a brief compares: other films never load it."""

_LIMIT_FIXED_S: Final = 120.0
_LIMIT_PER_MEDIA_SECOND: Final = 10


async def review(
    shop: Workshop,
    order: Order,
    plan: Plan,
    cut: Json,
    pieces: Mapping[str, Any],
    references: Sequence[Json],
) -> Json:
    """Return the verdict on a cut as JSON; raise `RefusedByReview` where a check refuses it.

    `pieces` are those that the cut was joined from, by key; `references` are the brief's, as
    `jobs.ingesting.ingest` returned them. A question that a check could not
    answer is a verdict too, and no permission to publish.
    """
    assert isinstance(cut, dict), "assemble returns an object"
    digest = Sha256(str(cut["digest"]))
    order_of_pieces = cut_order(plan)
    wanted = [ordered_of(shop, order, plan, piece) for piece in order_of_pieces]
    looked_at: dict[Sha256, Sha256 | None] = {}
    for each in wanted:
        looked_at |= each.looked_at
    ordered: dict[str, Any] = {
        "size": [plan.size.width, plan.size.height],
        "fps": str(plan.fps),
        "frames": plan.frames,
        "pieces": [
            {
                "digest": pieces[piece.key]["digest"],
                "ordered": ordered_document(each),
            }
            for piece, each in zip(order_of_pieces, wanted, strict=True)
        ],
        "measure": MEASURE,
        "look": LOOK,
        "hearing": HEARING,
        "sound": None if plan.sound is None else plan.sound.key,
        "thresholds": lines_of(shop, order.brief).as_dict(),
    }
    compared = _compared(order, references)
    asked = shop.checks
    if compared is not None:
        asked = (*asked, LIKENESS)
        ordered["compare"] = compared.terms
    checks = ",".join(f"{check.name}@{check.version}" for check in asked)

    def find() -> Json:
        with shop.recorder.db.read() as connection:
            return find_findings(
                connection,
                tenant=shop.tenant,
                cut=digest,
                order=digest_of(ordered),
                checks=checks,
            )

    findings = await asyncio.to_thread(find)
    if findings is None:

        async def body() -> StageOutput:
            return await _examine(shop, order, plan, cut, ordered, checks, compared, looked_at)

        await run_stage(shop, order, "review", body)
        findings = await asyncio.to_thread(find)
    assert isinstance(findings, list), "a committed review keeps its findings"
    verdict = conclude(finding_from_json(finding) for finding in findings)
    match verdict:
        case Passed():
            return verdict_document(verdict)
        case Refused():
            raise _refused(order, verdict.check, verdict.reason, verdict.frame)
        case NeedsPerson():
            # Whether it may leave is for the gate to find out.
            return verdict_document(verdict)
        case _:
            assert_never(verdict)


async def _examine(
    shop: Workshop,
    order: Order,
    plan: Plan,
    cut: dict[str, Any],
    ordered: dict[str, Any],
    checks: str,
    compared: _Compared | None,
    looked_at: Pictures,
) -> StageOutput:
    digest = Sha256(str(cut["digest"]))
    seconds = float(plan.frames / plan.fps)
    limit_s = _LIMIT_FIXED_S + _LIMIT_PER_MEDIA_SECOND * seconds
    seen = await _look(shop, ordered, looked_at, limit_s=limit_s)
    stills = shop.scratch / order.job / "stills"
    argument: dict[str, Any] = {
        "path": str(await asyncio.to_thread(shop.blobs.local_path, digest)),
        "stills": str(stills),
        "checks": [check.entry for check in shop.checks],
        "size": ordered["size"],
        "fps": ordered["fps"],
        "frames": ordered["frames"],
        "thresholds": ordered["thresholds"],
        "mix": await asyncio.to_thread(_mix, shop, plan),
        "looks": {str(name): look for name, look in seen.looks.items()},
        "pieces": [
            {"figures": seen.figures[Sha256(piece["digest"])], "ordered": piece["ordered"]}
            for piece in ordered["pieces"]
        ],
    }
    edges = [(AssetId(str(cut["asset"])), Relation.INPUT_TO, 1)]
    if compared is not None:
        path = await asyncio.to_thread(shop.blobs.local_path, compared.video)
        argument["compared"] = {**compared.terms, "path": str(path)}
        argument["checks"].append(LIKENESS.entry)
        edges.append((compared.asset, Relation.INPUT_TO, 1))
    answer = await shop.compute.run(_EXAMINE_TASK, argument, timeout_s=limit_s)
    value: Any = answer.value
    source = edges_by_weight(edges)
    lineage = Lineage(
        made_by=f"cinefab.review@{checks}", sources=source, digital_source_type="algorithmicMedia"
    )
    shown = [await asyncio.to_thread(_keep_still, shop, each, lineage) for each in value["stills"]]
    findings = [
        {**finding, "frames": [still for _, still in shown if still["check"] == finding["check"]]}
        for finding in value["findings"]
    ]
    content = canonical_json({"cut": digest, "checks": checks, "findings": findings})
    document = NewAsset(
        content=Content(
            digest=await asyncio.to_thread(shop.blobs.put, content),
            kind="review",
            media_type="application/json",
            size_bytes=len(content),
        ),
        lineage=lineage,
    )

    def also(connection: sa.Connection, _made: tuple[Asset, ...]) -> None:
        now_us = shop.recorder.clock.now_us()
        record_figures(
            connection, seen.new_figures, tenant=shop.tenant, measure=MEASURE, now_us=now_us
        )
        record_looks(shop, connection, seen.new_looks, looked_at)
        record_findings(
            connection,
            findings,
            tenant=shop.tenant,
            cut=digest,
            order=digest_of(ordered),
            checks=checks,
            now_us=now_us,
        )

    return StageOutput(
        assets=(document, *(asset for asset, _ in shown)),
        facts={"checks": checks},
        also=also,
        load_us=seen.load_us + answer.load_us,
        work_us=seen.work_us + answer.worker_us - answer.load_us,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """What a cut is compared with, and on which terms; these are part of its findings' key."""

    video: Sha256
    asset: AssetId
    terms: Mapping[str, Json]


def _compared(order: Order, references: Sequence[Json]) -> _Compared | None:
    compare = order.brief.review.compare
    if compare is None:
        return None
    names = [reference.name for reference in order.brief.references]
    kept = kept_from_json(references[names.index(compare.reference)])
    assert kept.video is not None, "planning refuses what is no video"
    assert kept.video_asset is not None, "a kept video is an asset"
    return _Compared(
        video=kept.video,
        asset=kept.video_asset,
        terms={**asdict(compare), "video": kept.video},
    )


def _keep_still(
    shop: Workshop, still: Mapping[str, Any], lineage: Lineage
) -> tuple[NewAsset, dict[str, Json]]:
    path = Path(still["path"])
    size_bytes = path.stat().st_size
    digest = shop.blobs.put_file(path)
    path.unlink(missing_ok=True)
    named = {name: still[name] for name in ("check", "frame", "shot")}
    content = Content(
        digest=digest,
        kind="still",
        media_type="image/jpeg",
        size_bytes=size_bytes,
        facts=named,
    )
    return NewAsset(content=content, lineage=lineage), {**named, "sha256": digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Figures of pieces and looks of references, by digest; those that were taken only now."""

    figures: Mapping[Sha256, Json]
    looks: Mapping[Sha256, Json]
    new_figures: Mapping[Sha256, Json]
    new_looks: Mapping[Sha256, Json]
    load_us: int
    work_us: int


async def _look(
    shop: Workshop, ordered: Mapping[str, Any], pictures: Pictures, *, limit_s: float
) -> _Seen:
    """Find what was seen of the pieces and references before, and look at the others now."""
    pieces = {Sha256(piece["digest"]): None for piece in ordered["pieces"]}
    figures = await asyncio.to_thread(_find, shop, list(pieces))
    looks = await asyncio.to_thread(find_looks, shop, pictures)
    unseen = [each for each in pieces if each not in figures]
    unknown = {each: mask for each, mask in pictures.items() if each not in looks}
    if not unseen and not unknown:
        return _Seen(
            figures=figures, looks=looks, new_figures={}, new_looks={}, load_us=0, work_us=0
        )
    local = shop.blobs.local_path
    argument: Json = {
        "paths": [str(await asyncio.to_thread(local, each)) for each in unseen],
        "pictures": await asyncio.to_thread(where_they_lie, shop, unknown),
    }
    answer = await shop.compute.run(_MEASURE_TASK, argument, timeout_s=limit_s)
    taken: Any = answer.value
    new_figures = dict(zip(unseen, taken["figures"], strict=True))
    new_looks = dict(zip(unknown, taken["looks"], strict=True))
    return _Seen(
        figures={**figures, **new_figures},
        looks={**looks, **new_looks},
        new_figures=new_figures,
        new_looks=new_looks,
        load_us=answer.load_us,
        work_us=answer.worker_us - answer.load_us,
    )


def _mix(shop: Workshop, plan: Plan) -> str | None:
    """Return the place of the mix that the film's sound was made from; None for a silent film."""
    if plan.sound is None:
        return None
    with shop.recorder.db.read() as connection:
        kept = find_segments(connection, [plan.sound.key], tenant=shop.tenant)
    return str(shop.blobs.local_path(kept[plan.sound.key].digest))


def _find(shop: Workshop, digests: Sequence[Sha256]) -> Mapping[Sha256, Json]:
    with shop.recorder.db.read() as connection:
        return find_figures(connection, digests, tenant=shop.tenant, measure=MEASURE)


def _refused(order: Order, check: str, reason: str, frame: int | None) -> RefusedByReview:
    place = "" if frame is None else f" at frame {frame}"
    return RefusedByReview(
        attempted=f"review {order.brief.title!r}",
        found=f"{check}{place}: {reason}",
        remedy="Change the brief or the seed and order it again; good segments are reused.",
    )
