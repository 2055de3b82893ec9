"""The review stage of a job: the checks look at the cut, and their findings become a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, assert_never

import sqlalchemy as sa

from cinefab.assemble.cut import cut_order
from cinefab.core.canonical import Json, Sha256, canonical_json, digest_of
from cinefab.core.errors import RefusedByReview
from cinefab.core.ids import AssetId
from cinefab.core.plan import Plan
from cinefab.core.stage import Content, Lineage, Relation
from cinefab.core.verdict import NeedsPerson, Passed, Refused
from cinefab.jobs.generating import edges_by_weight
from cinefab.jobs.ordered import ordered_of
from cinefab.jobs.report import verdict_document
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset
from cinefab.review.check import conclude
from cinefab.review.figures import MEASURE, ordered_document
from cinefab.review.kept_figures import find_figures, record_figures
from cinefab.review.results import find_findings, finding_from_json, record_findings

_EXAMINE_TASK: Final = "cinefab.review.examine:examine"
_MEASURE_TASK: Final = "cinefab.review.measure:measure"
_LIMIT_FIXED_S: Final = 120.0
_LIMIT_PER_MEDIA_SECOND: Final = 10


async def review(
    shop: Workshop, order: Order, plan: Plan, cut: Json, pieces: Mapping[str, Any]
) -> Json:
    """Return the verdict on a cut as JSON; raise `RefusedByReview` where a check refuses it.

    `pieces` are those that the cut was joined from, by key. A question that a check could not
    answer is a verdict too, and no permission to publish.
    """
    assert isinstance(cut, dict), "assemble returns an object"
    digest = Sha256(str(cut["digest"]))
    order_of_pieces = cut_order(plan)
    ordered: dict[str, Any] = {
        "size": [plan.size.width, plan.size.height],
        "fps": str(plan.fps),
        "frames": plan.frames,
        "pieces": [
            {
                "digest": pieces[piece.key]["digest"],
                "ordered": ordered_document(ordered_of(plan, piece)),
            }
            for piece in order_of_pieces
        ],
        "measure": MEASURE,
        "thresholds": shop.thresholds.as_dict(),
    }
    checks = ",".join(f"{check.name}@{check.version}" for check in shop.checks)

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
            return await _examine(shop, plan, cut, ordered, checks)

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
    shop: Workshop, plan: Plan, cut: dict[str, Any], ordered: dict[str, Any], checks: str
) -> StageOutput:
    digest = Sha256(str(cut["digest"]))
    seconds = float(plan.frames / plan.fps)
    limit_s = _LIMIT_FIXED_S + _LIMIT_PER_MEDIA_SECOND * seconds
    digests = [Sha256(piece["digest"]) for piece in ordered["pieces"]]
    figures = await asyncio.to_thread(_find, shop, digests)
    unseen = [each for each in dict.fromkeys(digests) if each not in figures]
    load_us = work_us = 0
    measured: dict[Sha256, Json] = {}
    if unseen:
        paths = [str(await asyncio.to_thread(shop.blobs.local_path, each)) for each in unseen]
        taken = await shop.compute.run(_MEASURE_TASK, {"paths": paths}, timeout_s=limit_s)
        assert isinstance(taken.value, list), "figures come in a list"
        measured = dict(zip(unseen, taken.value, strict=True))
        load_us, work_us = taken.load_us, taken.worker_us - taken.load_us
    figures = {**figures, **measured}
    argument: Json = {
        "path": str(await asyncio.to_thread(shop.blobs.local_path, digest)),
        "checks": [check.entry for check in shop.checks],
        "size": ordered["size"],
        "fps": ordered["fps"],
        "frames": ordered["frames"],
        "thresholds": ordered["thresholds"],
        "pieces": [
            {"figures": figures[each], "ordered": piece["ordered"]}
            for each, piece in zip(digests, ordered["pieces"], strict=True)
        ],
    }
    answer = await shop.compute.run(_EXAMINE_TASK, argument, timeout_s=limit_s)
    findings = answer.value
    content = canonical_json({"cut": digest, "checks": checks, "findings": findings})
    asset = NewAsset(
        content=Content(
            digest=await asyncio.to_thread(shop.blobs.put, content),
            kind="review",
            media_type="application/json",
            size_bytes=len(content),
        ),
        lineage=Lineage(
            made_by=f"cinefab.review@{checks}",
            sources=edges_by_weight([(AssetId(str(cut["asset"])), Relation.INPUT_TO, 1)]),
            digital_source_type="algorithmicMedia",
        ),
    )

    def also(connection: sa.Connection, _made: tuple[Asset, ...]) -> None:
        now_us = shop.recorder.clock.now_us()
        record_figures(connection, measured, tenant=shop.tenant, measure=MEASURE, now_us=now_us)
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
        assets=(asset,),
        facts={"checks": checks},
        also=also,
        load_us=load_us + answer.load_us,
        work_us=work_us + answer.worker_us - answer.load_us,
    )


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
