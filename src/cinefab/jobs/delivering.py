"""The deliver stage of a job: the cut is signed and becomes a release, then it is put in place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
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
from cinefab.provenance.assets import Asset, find_asset_by_digest
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
STILL: Final = "release.still"
"""What a picture of a shot is among assets: it leaves with the film, and is kept as long."""
SPEECH_FILE: Final = "release.speech"
"""What a file of all that is spoken in a film is among assets."""

_STILLS: Final = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_BESIDE: Final = {
    ".png": (STILL, "image/png", True),
    ".jpg": (STILL, "image/jpeg", True),
    ".webp": (STILL, "image/webp", True),
    ".wav": (SPEECH_FILE, "audio/wav", True),
    ".flac": (SPEECH_FILE, "audio/flac", True),
    ".mp3": (SPEECH_FILE, "audio/mpeg", True),
    ".aac": (SPEECH_FILE, "audio/aac", False),
    ".opus": (SPEECH_FILE, "audio/ogg", False),
}
"""What each file beside a film is, and whether C2PA has a place in it for credentials."""

_TAKEN: Final = Action(action="c2pa.edited", description="A frame of the film, as a picture")
_JOINED_LINES: Final = Action(action="c2pa.edited", description="Spoken lines joined")
_STILLS_TASK: Final = "cinefab.deliver.still_task:write_stills"
_STILLS_LIMIT_S: Final = 120.0
_SPEECH_TASK: Final = "cinefab.deliver.speech_task:write_speech"


async def deliver(
    shop: Workshop, order: Order, plan: Plan, cut: Json, references: Sequence[Json]
) -> Json:
    """Sign the cut into a release; return the film's asset and the digest of its whole file."""

    async def body() -> StageOutput:
        stills = await _take_stills(shop, order, plan, cut)
        sounds = await _take_speech(shop, order, plan)
        return await asyncio.to_thread(
            _sign, shop, order, plan, cut, references, (*stills, *sounds)
        )

    committed = await run_stage(shop, order, "deliver", body)
    facts: Any = committed.facts
    return {
        "asset": committed.assets[0],
        "digest": facts["digest"],
        "captions": facts.get("captions", {}),
        "beside": facts.get("beside", {}),
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
                for beside in ("captions", "beside")
                for name, digest in facts.get(beside, {}).items()
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


async def _take_stills(shop: Workshop, order: Order, plan: Plan, cut: Json) -> list[Path]:
    """Write a picture of each shot in each format that was ordered: shot by shot, unsigned yet."""
    if not order.brief.output.stills:
        return []
    facts: Any = cut
    folder = shop.scratch / order.job
    wanted: list[Json] = []
    paths: list[Path] = []
    first = 0
    for number, shot in enumerate(plan.shots, start=1):
        for kind in order.brief.output.stills:
            paths.append(folder / f"still-{number}{_STILLS[kind]}")
            # Late enough for words to have come, early enough for the next shot not to have.
            frame = first + shot.frames * 2 // 3
            wanted.append({"frame": frame, "path": str(paths[-1])})
        first += shot.frames
    film = await asyncio.to_thread(shop.blobs.local_path, Sha256(facts["digest"]))
    argument: Json = {"film": str(film), "stills": wanted}
    await shop.compute.run(_STILLS_TASK, argument, timeout_s=_STILLS_LIMIT_S)
    return paths


async def _take_speech(shop: Workshop, order: Order, plan: Plan) -> list[Path]:
    """Write the film's spoken lines into a file of each format that was ordered, unsigned yet."""
    kinds = order.brief.output.speech
    if not kinds or plan.sound is None or not plan.sound.lines:
        return []
    local = shop.blobs.local_path
    lines: list[Json] = [
        str(await asyncio.to_thread(local, line.digest)) for line in plan.sound.lines
    ]
    paths = [shop.scratch / order.job / f"speech.{kind}" for kind in kinds]
    argument: Json = {
        "lines": lines,
        "files": [{"kind": k, "path": str(path)} for k, path in zip(kinds, paths, strict=True)],
    }
    await shop.compute.run(_SPEECH_TASK, argument, timeout_s=_STILLS_LIMIT_S)
    return paths


def _sign(
    shop: Workshop,
    order: Order,
    plan: Plan,
    cut: Json,
    references: Sequence[Json],
    files: Sequence[Path],
) -> StageOutput:
    facts: Any = cut
    film, signed = _signed(shop, order, plan, cut, references, kind="film")
    digest = film.content.digest
    beside = _beside(shop, order, plan, AssetId(facts["asset"]), references, files)

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
        for asset, (_, each) in zip(made[1:], beside.values(), strict=False):
            if each is not None:
                record_credential(connection, asset, _embedded(each))

    captions = _captions(shop, order, plan, AssetId(facts["asset"]))
    return StageOutput(
        assets=(film, *(each for each, _ in beside.values()), *captions.values()),
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
            **(
                {"beside": {name: each.content.digest for name, (each, _) in beside.items()}}
                if beside
                else {}
            ),
        },
        also=also,
    )


def _beside(
    shop: Workshop,
    order: Order,
    plan: Plan,
    cut: AssetId,
    references: Sequence[Json],
    files: Sequence[Path],
) -> dict[str, tuple[NewAsset, SignedFilm | None]]:
    """Return what leaves beside the film by name, with its own credentials inside where it can."""
    if not files:
        return {}
    claims = _claims(shop, order, plan, references)
    taken = replace(claims, actions=(*claims.actions, _TAKEN))
    source_type = film_source_type(shop, order, plan)
    of_film = Lineage(
        made_by=f"cinefab@{cinefab.__version__}",
        sources=edges_by_weight([(cut, Relation.PARENT_OF, 1)]),
        digital_source_type=source_type,
    )
    beside: dict[str, tuple[NewAsset, SignedFilm | None]] = {}
    for file in files:
        kind, media_type, can_be_signed = _BESIDE[file.suffix]
        said, lineage = taken, of_film
        if kind == SPEECH_FILE:
            said, lineage = _spoken(shop, plan, claims)
        signed = None
        if can_be_signed:
            signed = _signed_beside(
                shop,
                file,
                replace(said, title=f"{plan.title} ({file.stem})", media_type=media_type),
            )
        digest, size_bytes = shop.blobs.put_file(file), file.stat().st_size
        file.unlink()
        assert signed is None or digest == signed.sha256, "what was signed is what is kept"
        content = Content(
            digest=digest,
            kind=kind,
            media_type=media_type,
            size_bytes=size_bytes,
            facts={
                "name": file.name,
                **({} if signed is None else {"credentials": signed.label}),
            },
        )
        beside[file.name] = NewAsset(content=content, lineage=lineage), signed
    return beside


def _signed_beside(shop: Workshop, file: Path, claims: FilmClaims) -> SignedFilm:
    """Put credentials into a file."""
    path = file.with_name(f"signed-{file.name}")
    signed = sign_film(
        file,
        path,
        claims=claims,
        signer=shop.authority.signer,
        anchors_pem=shop.authority.trust_anchors_pem,
    )
    path.replace(file)
    return signed


def _spoken(shop: Workshop, plan: Plan, claims: FilmClaims) -> tuple[FilmClaims, Lineage]:
    """Return what is said of the film's spoken lines: a voice made them, and nothing else is in it."""
    lines = () if plan.sound is None else plan.sound.lines
    with shop.recorder.db.read() as connection:
        found = [
            find_asset_by_digest(connection, shop.tenant, line.digest, "speech") for line in lines
        ]
    spoken = [
        (asset, line.length_ms)
        for asset, line in zip(found, lines, strict=True)
        if asset is not None
    ]
    assert spoken, "a line that was spoken is an asset"
    voice, _, version = spoken[0][0].made_by.partition("@")
    weights: dict[AssetId, int] = {}
    for asset, length_ms in spoken:
        weights[asset.public_id] = weights.get(asset.public_id, 0) + length_ms
    lineage = Lineage(
        made_by=f"cinefab@{cinefab.__version__}",
        sources=edges_by_weight(
            [(public_id, Relation.COMPONENT_OF, weight) for public_id, weight in weights.items()]
        ),
        digital_source_type=spoken[0][0].digital_source_type,
    )
    said = replace(
        claims,
        made_by=Software(name=voice, version=version),
        digital_source_type=spoken[0][0].digital_source_type,
        actions=(_JOINED_LINES,),
        ingredients=(),
    )
    return said, lineage


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
