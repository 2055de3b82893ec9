"""The deliver stage of a job: the cut is signed and becomes a release, then it is put in place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

import cinefab
from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.ids import AssetId
from cinefab.core.plan import Plan
from cinefab.core.sound import Captions
from cinefab.core.stage import Content, Lineage, Relation
from cinefab.deliver.captions import sub_rip, web_vtt
from cinefab.deliver.files import FILES, Caching, files_from_document
from cinefab.deliver.releases import Release, record_release
from cinefab.generate.plan import plan_document
from cinefab.jobs.generating import edges_by_weight
from cinefab.jobs.ingesting import kept_from_json
from cinefab.jobs.models import film_source_type, model_of
from cinefab.jobs.report import build_report, verdict_pictures
from cinefab.jobs.report_page import write_report_page
from cinefab.jobs.report_timeline import preview_of
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.takes import input_said
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.provenance.claims import Action, FilmClaims, Ingredient, Software
from cinefab.provenance.credential_rows import Credential, CredentialState, record_credential
from cinefab.provenance.credentials import SignedFilm, sign_film
from cinefab.record.commit import NewAsset
from cinefab.store.facts import OutboxEvent, record_event

FILM: Final = "film.mp4"
PREVIEW_FILM: Final = "preview.mp4"
REPORT: Final = "report.json"
REPORT_PAGE: Final = "report.html"
TIMELINE: Final = "timeline.otio"


async def deliver(
    shop: Workshop, order: Order, plan: Plan, cut: Json, references: Sequence[Json]
) -> Json:
    """Sign the cut into a release; return the film's asset and the digest of its whole file."""

    async def body() -> StageOutput:
        return await asyncio.to_thread(_sign, shop, order, plan, cut, references)

    committed = await run_stage(shop, order, "deliver", body)
    facts: Any = committed.facts
    return {
        "asset": committed.assets[0],
        "digest": facts["digest"],
        "captions": facts.get("captions", {}),
    }


async def show_preview(
    shop: Workshop, order: Order, plan: Plan, cut: Json, references: Sequence[Json]
) -> Json:
    """Sign the cut of a preview as a preview, and put it where the film will be; it is no release."""

    async def body() -> StageOutput:
        return await asyncio.to_thread(_sign_preview, shop, order, plan, cut, references)

    committed = await run_stage(shop, order, "deliver", body)
    facts: Any = committed.facts

    def put() -> Json:
        film = shop.blobs.local_path(Sha256(facts["digest"]))
        return dict(shop.target.publish(str(order.out), {PREVIEW_FILM: film}))

    await asyncio.to_thread(put)
    return {"asset": committed.assets[0], "digest": facts["digest"]}


async def publish(
    shop: Workshop, order: Order, released: Json, planned: Json, packaged: Json
) -> Json:
    """Put the film, its timeline and, if it was packaged, every file of the release in place."""

    def put() -> Json:
        facts: Any = released
        plan_facts: Any = planned
        files = {
            FILM: shop.blobs.local_path(Sha256(facts["digest"])),
            TIMELINE: shop.blobs.local_path(Sha256(plan_facts["timeline"])),
            **{
                name: shop.blobs.local_path(Sha256(digest))
                for name, digest in facts.get("captions", {}).items()
            },
        }
        if packaged is not None:
            files = _files_of(shop, packaged) | files
        return dict(shop.target.publish(str(order.out), files))

    return await asyncio.to_thread(put)


def write_report(shop: Workshop, order: Order) -> dict[str, Any]:
    """Build the job's report, put it and its page beside the film, and return it."""
    report = build_report(shop, order.job)
    folder = shop.scratch / order.job
    folder.mkdir(parents=True, exist_ok=True)
    files = {REPORT: folder / REPORT, REPORT_PAGE: folder / REPORT_PAGE}
    files[REPORT].write_text(
        json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    write_report_page(shop, report, files[REPORT_PAGE])
    shown = {name: shop.blobs.local_path(kept) for name, kept in verdict_pictures(report).items()}
    shop.target.publish(str(order.out), shown | files)
    for path in files.values():
        path.unlink()
    return report


def _files_of(shop: Workshop, packaged: Json) -> dict[str, Path]:
    """Return the files of a packaged release by their paths, those that name others last."""
    facts: Any = packaged
    listed = Sha256(facts["files"])
    files = files_from_document(json.loads(shop.blobs.load(listed)))
    in_order = sorted(files, key=lambda file: file.caching is Caching.ENTRY)
    return {
        **{file.path: shop.blobs.local_path(file.sha256) for file in in_order},
        FILES: shop.blobs.local_path(listed),
    }


def _sign(
    shop: Workshop, order: Order, plan: Plan, cut: Json, references: Sequence[Json]
) -> StageOutput:
    facts: Any = cut
    film, signed = _signed(shop, order, plan, cut, references, kind="film")
    digest = film.content.digest

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        release = Release(
            job=order.job,
            asset=made[0].public_id,
            digest=digest,
            frames=plan.frames,
            fps=plan.fps,
        )
        record_release(connection, release, tenant=shop.tenant, now_us=shop.recorder.clock.now_us())
        record_credential(connection, made[0], _embedded(signed))

    captions = _captions(shop, order, plan, AssetId(facts["asset"]))
    return StageOutput(
        assets=(film, *captions.values()),
        facts={
            "digest": digest,
            "label": signed.label,
            "issuer": signed.issuer,
            # No part of the film's lineage, but of its report: so that no sweep takes it away.
            "preview": _first_picture(shop, plan),
            **(
                {"captions": {name: each.content.digest for name, each in captions.items()}}
                if captions
                else {}
            ),
        },
        also=also,
    )


def _sign_preview(
    shop: Workshop, order: Order, plan: Plan, cut: Json, references: Sequence[Json]
) -> StageOutput:
    film, signed = _signed(shop, order, plan, cut, references, kind="preview_film")
    digest = film.content.digest

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        record_credential(connection, made[0], _embedded(signed))
        said: Json = {
            "asset": made[0].public_id,
            "sha256": digest,
            "model": plan.model,
            "frames": plan.frames,
            "size": str(plan.size),
        }
        event = OutboxEvent(kind="preview.ready", subject=order.job, body=said)
        now_us = shop.recorder.clock.now_us()
        record_event(connection, event, tenant=shop.tenant, now_us=now_us)

    return StageOutput(
        assets=(film,),
        facts={"digest": digest, "label": signed.label, "issuer": signed.issuer},
        also=also,
    )


def _signed(
    shop: Workshop,
    order: Order,
    plan: Plan,
    cut: Json,
    references: Sequence[Json],
    *,
    kind: str,
) -> tuple[NewAsset, SignedFilm]:
    facts: Any = cut
    path = shop.scratch / order.job / f"{kind}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    signed = sign_film(
        shop.blobs.local_path(Sha256(facts["digest"])),
        path,
        claims=_claims(shop, order, plan, references),
        signer=shop.authority.signer,
        anchors_pem=shop.authority.trust_anchors_pem,
    )
    digest = shop.blobs.put_file(path)
    path.unlink()
    assert digest == signed.sha256, "what was signed is what is kept"
    content = Content(
        digest=digest,
        kind=kind,
        media_type="video/mp4",
        size_bytes=signed.size_bytes,
        facts={"frames": plan.frames, "credentials": signed.label},
    )
    lineage = Lineage(
        made_by=f"cinefab@{cinefab.__version__}",
        sources=edges_by_weight([(AssetId(facts["asset"]), Relation.PARENT_OF, 1)]),
        digital_source_type=film_source_type(shop, order, plan),
    )
    return NewAsset(content=content, lineage=lineage), signed


def _embedded(signed: SignedFilm) -> Credential:
    return Credential(
        state=CredentialState.SIGNED,
        label=signed.label,
        issuer=signed.issuer,
        body={"sha256": signed.sha256},
    )


def _first_picture(shop: Workshop, plan: Plan) -> Json:
    with shop.recorder.db.read() as connection:
        return preview_of(connection, plan, tenant=shop.tenant)


def _captions(shop: Workshop, order: Order, plan: Plan, cut: AssetId) -> dict[str, NewAsset]:
    """Return the film's captions as the files that were ordered, by name."""
    if not plan.cues:
        return {}
    wanted = (order.brief.captions or Captions()).formats
    written = {"vtt": (web_vtt, "text/vtt"), "srt": (sub_rip, "application/x-subrip")}
    files: dict[str, NewAsset] = {}
    for name in wanted:
        write, media_type = written[name]
        text = write(plan.cues).encode()
        files[f"captions.{name}"] = NewAsset(
            content=Content(
                digest=shop.blobs.put(text),
                kind="captions",
                media_type=media_type,
                size_bytes=len(text),
                facts={"language": plan.cues[0].language, "cues": len(plan.cues)},
            ),
            lineage=Lineage(
                made_by=f"cinefab@{cinefab.__version__}",
                sources=edges_by_weight([(cut, Relation.INPUT_TO, 1)]),
                digital_source_type="algorithmicMedia",
            ),
        )
    return files


def _claims(shop: Workshop, order: Order, plan: Plan, references: Sequence[Json]) -> FilmClaims:
    model, _, version = plan.model.partition("@")
    ingredients = []
    compare = order.brief.review.compare
    only_compared = set() if compare is None else {compare.reference}
    only_compared -= {each.name for each in plan.references}
    for reference, document in zip(order.brief.references, references, strict=True):
        if reference.name in only_compared:
            continue  # nothing of it is in the film
        kept = kept_from_json(document)
        ingredients.append(
            Ingredient(
                name=reference.name,
                title=reference.location.rpartition("/")[2] or reference.name,
                media_type=kept.media_type,
                path=shop.blobs.local_path(kept.original),
                sha256=kept.original,
            )
        )
    cards = (model_of(shop, order, shot).card for shot in plan.shots)
    if any("any-frame" not in card.capabilities for card in cards):
        from cinefab.jobs.delivered import ingredients_of  # noqa: PLC0415 - somebody else's alone

        keys = [segment.key for shot in plan.shots for segment in shot.segments]
        ingredients += ingredients_of(shop, keys)
    return FilmClaims(
        title=plan.title if order.film is None else f"{plan.title} (preview)",
        made_by=Software(name=model, version=version),
        digital_source_type=film_source_type(shop, order, plan),
        agent=Software(name="Cinefab", version=cinefab.__version__),
        job=order.job,
        created_us=shop.recorder.clock.now_us(),
        brief_digest=digest_of(plan_document(plan)),
        seed=order.brief.seed,
        prompt_digest=digest_of(
            {"title": plan.title, "shots": [input_said(shot) for shot in plan.shots]}
        ),
        actions=(
            *_effects(plan),
            Action(action="c2pa.edited", description="Shots joined into one timeline"),
        ),
        ingredients=tuple(ingredients),
    )


def _effects(plan: Plan) -> list[Action]:
    used = dict.fromkeys(effect.ref for shot in plan.shots for effect in shot.effects)
    if not used:
        return []
    return [Action(action="c2pa.edited", description=f"Effects on the picture: {', '.join(used)}")]
