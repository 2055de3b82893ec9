"""The bodies of the ingest stage: what one reference becomes, picture or film, and its rows.

Bytes of a stranger's meet their decoder in the sandbox only. Pictures come back through it to
this process, which is the quickest way to a first picture; films are taken in by a process of
their own, which makes them anew.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from cinefab.core.canonical import Json, Sha256, sha256_of
from cinefab.core.errors import ReferenceRefused
from cinefab.core.plan import MediaKind
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.core.units import WHOLE_BP
from cinefab.ingest.fetch import Fetched
from cinefab.ingest.prepare import PREPARATION, normalised
from cinefab.ingest.reader import Recognised
from cinefab.ingest.references import KeptReference, record_reference
from cinefab.jobs.stages import Order, StageOutput
from cinefab.jobs.workshop import Progress, Workshop
from cinefab.media.sandbox.outcome import DecodeRefused
from cinefab.media.sandbox.pictures import DecodedPicture, decode_picture
from cinefab.media.still import png_bytes, thumbnail_bytes
from cinefab.provenance.assets import Asset
from cinefab.provenance.credential_rows import found_credential, record_credential
from cinefab.provenance.credentials import may_carry_credentials
from cinefab.record.commit import NewAsset, sibling

_CUT_TASK: Final = "cinefab.ingest.prepare:cut_product"
_FILM_TASK: Final = "cinefab.ingest.films:prepare_film"
_CREDENTIALS_TASK: Final = "cinefab.provenance.credentials:read_embedded"
_CUT_LIMIT_S: Final = 60.0
_FILM_LIMIT_S: Final = 1_800.0
_FROM_OUTSIDE: Final = "outside"
_PIECES_EXPECTED: Final = 480  # frames until a bar of unknown length looks half done


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A reference that is to be prepared: its bytes, what they are, and how they are prepared.

    `field` is its path in the brief.
    """

    field: str
    fetched: Fetched
    original: Sha256
    recognised: Recognised
    preparation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """One file that was made from a reference, already among the blobs."""

    name: str
    digest: Sha256
    media_type: str
    size_bytes: int
    source: int = 0
    facts: Json = field(default_factory=dict)


async def prepare_picture(
    shop: Workshop, order: Order, given: Given, stage: str, *, cut: bool
) -> StageOutput:
    """Decode a picture, normalise it, and cut the product out where `cut`."""
    decoded, credentials = await asyncio.to_thread(_decode, shop, given)
    picture, picture_png = await asyncio.to_thread(_as_png, decoded.rgb)
    await asyncio.to_thread(shop.blobs.put, given.fetched.data)
    picture_digest = await asyncio.to_thread(shop.blobs.put, picture_png)
    path = _scratch(shop, order, stage) / "mask.png"
    mask_png, confidence_bp = await _mask(shop, decoded, picture_digest, cut=cut, path=path)
    thumbnail = await asyncio.to_thread(thumbnail_bytes, picture)
    height, width = picture.shape[:2]
    made = [
        _Made(
            name="picture",
            digest=picture_digest,
            media_type="image/png",
            size_bytes=len(picture_png),
        )
    ]
    if mask_png is not None:
        made.append(
            _Made(
                name="mask",
                digest=await asyncio.to_thread(shop.blobs.put, mask_png),
                media_type="image/png",
                size_bytes=len(mask_png),
                source=1,
            )
        )
    made.append(
        _Made(
            name="thumbnail",
            digest=await asyncio.to_thread(shop.blobs.put, thumbnail),
            media_type="image/jpeg",
            size_bytes=len(thumbnail),
            source=1,
        )
    )
    return _output(
        shop,
        given,
        made,
        made_by=f"cinefab.ingest@{PREPARATION}",
        kind=MediaKind.PICTURE,
        size=(width, height),
        confidence_bp=confidence_bp,
        credentials=credentials,
        facts={},
    )


async def prepare_film(shop: Workshop, order: Order, given: Given, stage: str) -> StageOutput:
    """Have a film or a sound made anew by a process of its own."""
    folder = _scratch(shop, order, stage)
    await asyncio.to_thread(shop.blobs.put, given.fetched.data)
    original = await asyncio.to_thread(shop.blobs.local_path, given.original)
    card = given.recognised.card
    argument: Json = {
        "original": str(original),
        "name": given.fetched.name,
        "task": card.task,
        "container": given.recognised.format.name,
        "pictures": card.kind is MediaKind.VIDEO,
        "confinement": str(shop.sandbox.confinement),
        "folder": str(folder),
    }

    def tell(news: Json) -> None:
        assert isinstance(news, dict), "ingest reports objects"
        frames = int(str(news["frames"]))
        done = min(0.99, frames / (frames + _PIECES_EXPECTED))
        shop.tell(Progress(job=order.job, stage=stage, done=done))

    try:
        credentials = await asyncio.to_thread(_credentials, shop, given)
        answer = await shop.compute.run(
            _FILM_TASK, argument, on_progress=tell, timeout_s=_FILM_LIMIT_S
        )
        value: Any = answer.value
        return await asyncio.to_thread(_keep_film, shop, given, value, credentials)
    except DecodeRefused as error:
        raise _refused(given, error) from error
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _keep_film(
    shop: Workshop, given: Given, value: Any, credentials: Mapping[str, Json]
) -> StageOutput:
    kinds = {
        "video": "video/mp4",
        "sound": "audio/flac",
        "picture": "image/png",
        "thumbnail": "image/jpeg",
    }
    made: list[_Made] = []
    for name, media_type in kinds.items():
        if value[name] is None:
            continue
        path = Path(value[name])
        size_bytes = path.stat().st_size
        digest = shop.blobs.put_file(path)
        # The picture shows a moment of the film, or the sound's waveform; the thumbnail, that.
        source = {"picture": 1, "thumbnail": len(made)}.get(name, 0)
        made.append(
            _Made(
                name=name,
                digest=digest,
                media_type=media_type,
                size_bytes=size_bytes,
                source=source,
            )
        )
    return _output(
        shop,
        given,
        made,
        made_by=f"cinefab.ingest@{given.preparation}",
        kind=MediaKind.SOUND if value["video"] is None else MediaKind.VIDEO,
        size=(value["width"], value["height"]),
        confidence_bp=0,
        credentials=credentials,
        facts=value["facts"],
    )


def _output(
    shop: Workshop,
    given: Given,
    made: list[_Made],
    *,
    made_by: str,
    kind: MediaKind,
    size: tuple[int, int],
    confidence_bp: int,
    credentials: Mapping[str, Json],
    facts: Json,
) -> StageOutput:
    """Return what the stage commits: the original, what was made from it, and their row."""
    media_type = given.recognised.format.media_type
    original = Content(
        digest=given.original,
        kind="reference",
        media_type=media_type,
        size_bytes=len(given.fetched.data),
    )
    outside = Lineage(made_by=_FROM_OUTSIDE, sources=(), digital_source_type="unstated")
    assets = [NewAsset(content=original, lineage=outside)]
    assets += [_asset(each, made_by=made_by) for each in made]
    places = {each.name: place for place, each in enumerate(made, start=1)}
    digests = {each.name: each.digest for each in made}

    def also(connection: sa.Connection, kept_assets: tuple[Asset, ...]) -> None:
        ids = {name: kept_assets[place].public_id for name, place in places.items()}
        kept = KeptReference(
            original=given.original,
            original_asset=kept_assets[0].public_id,
            picture=digests["picture"],
            picture_asset=ids["picture"],
            mask=digests.get("mask"),
            mask_asset=ids.get("mask"),
            confidence_bp=confidence_bp,
            width=size[0],
            height=size[1],
            media_type=media_type,
            credentials=credentials,
            kind=kind,
            thumbnail=digests.get("thumbnail"),
            thumbnail_asset=ids.get("thumbnail"),
            video=digests.get("video"),
            video_asset=ids.get("video"),
            sound=digests.get("sound"),
            sound_asset=ids.get("sound"),
            facts=facts,
        )
        record_reference(
            connection,
            kept,
            tenant=shop.tenant,
            preparation=given.preparation,
            now_us=shop.recorder.clock.now_us(),
        )
        record_credential(connection, kept_assets[0], found_credential(credentials))

    said: Json = {
        "name": given.fetched.name,
        "original": given.original,
        "preparation": given.preparation,
        "credentials": credentials,
    }
    return StageOutput(assets=tuple(assets), facts=said, also=also)


def _decode(shop: Workshop, given: Given) -> tuple[DecodedPicture, Mapping[str, Json]]:
    try:
        decoded = decode_picture(
            shop.sandbox,
            given.fetched.data,
            name=given.fetched.name,
            task=given.recognised.card.task,
            expected=given.recognised.format.name,
        )
        return decoded, _credentials(shop, given)
    except DecodeRefused as error:
        raise _refused(given, error) from error


def _credentials(shop: Workshop, given: Given) -> Mapping[str, Json]:
    if not may_carry_credentials(given.fetched.data):
        return {"state": "absent"}
    # What a reference says of its own origin is read before anything is made of it, and by the
    # same kind of process: a parser of credentials is a parser of a stranger's bytes.
    read = shop.sandbox.run(
        _CREDENTIALS_TASK,
        given.fetched.data,
        arguments={"media_type": given.recognised.format.media_type},
    )
    return read.facts


def _refused(given: Given, error: DecodeRefused) -> ReferenceRefused:
    return ReferenceRefused(
        field=given.field,
        attempted=f"read the {given.recognised.card.kind} {given.fetched.name}",
        found=error.found,
        remedy=error.remedy,
    )


async def _mask(
    shop: Workshop, decoded: DecodedPicture, picture: Sha256, *, cut: bool, path: Path
) -> tuple[bytes | None, int]:
    if decoded.alpha is not None:
        _, mask_png = await asyncio.to_thread(_as_png, decoded.alpha)
        return mask_png, int(WHOLE_BP)
    if not cut:
        return None, 0
    path.parent.mkdir(parents=True, exist_ok=True)
    local = await asyncio.to_thread(shop.blobs.local_path, picture)
    argument: Json = {"picture": str(local), "mask": str(path)}
    answer = await shop.compute.run(_CUT_TASK, argument, timeout_s=_CUT_LIMIT_S)
    assert isinstance(answer.value, dict), "cut_product returns an object"
    confidence_bp = answer.value["confidence_bp"]
    assert isinstance(confidence_bp, int), "a confidence is whole basis points"
    if not answer.value["kept"]:
        return None, confidence_bp
    return await asyncio.to_thread(_taken_up, path), confidence_bp


def _taken_up(path: Path) -> bytes:
    content = path.read_bytes()
    path.unlink()
    return content


def _scratch(shop: Workshop, order: Order, stage: str) -> Path:
    # The stage's own: another job, or the same under another name, may prepare the same file now.
    return shop.scratch / order.job / f"ingest-{sha256_of(stage.encode())[:16]}"


def _as_png(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], bytes]:
    smaller = normalised(pixels)
    return smaller, png_bytes(smaller)


def _asset(made: _Made, *, made_by: str) -> NewAsset:
    edge = SourceEdge(source=sibling(made.source), relation=Relation.PARENT_OF, weight_bp=WHOLE_BP)
    return NewAsset(
        content=Content(
            digest=made.digest,
            kind=made.name,
            media_type=made.media_type,
            size_bytes=made.size_bytes,
            facts=made.facts,
        ),
        lineage=Lineage(
            made_by=made_by, sources=(edge,), digital_source_type="algorithmicallyEnhanced"
        ),
    )
