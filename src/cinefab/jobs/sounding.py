"""The sound stage of a job: what is heard is mixed and mastered, kept, and made ready to join.

It depends on the plan alone, so it runs beside the takes; a film whose picture changes and whose
lengths, lines and wishes do not is given the sound that it had.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.ids import AssetId
from cinefab.core.plan import Plan
from cinefab.core.sound import PlannedSound
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.core.units import WHOLE_BP, BasisPoints
from cinefab.engine.compute import ComputeResult
from cinefab.generate.segments import KeptSegment, record_segment
from cinefab.generate.sounding import music_document
from cinefab.jobs.models import music_model, together
from cinefab.jobs.pieces import edges_by_weight, find_intact
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.takes import require_same_versions
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import Asset
from cinefab.record.commit import NewAsset, sibling

_SOUND_TASK: Final = "cinefab.assemble.sound_task:make_sound"
_LIMIT_FIXED_S: Final = 120.0
_LIMIT_PER_MEDIA_SECOND: Final = 5.0
_MADE_BY: Final = "cinefab.sound@1"
_SOURCE_TYPE: Final = "algorithmicMedia"


async def make_sound(shop: Workshop, order: Order, plan: Plan, spoken: Sequence[Json] = ()) -> Json:
    """Return the film's soundtrack, its asset and digest; null for a film that is silent.

    `spoken` are the lines as they were kept, each with its shot and its asset.
    """
    sound = plan.sound
    if sound is None:
        return None
    keys = [sound.key, _track_key(sound)]
    kept = await asyncio.to_thread(find_intact, shop, keys)
    if all(key in kept for key in keys):
        return kept[_track_key(sound)]

    bed = await _bed(shop, order, plan, sound)

    async def body() -> StageOutput:
        require_same_versions(shop, order, plan)
        folder = shop.scratch / order.job
        argument = await asyncio.to_thread(_argument, shop, plan, sound, folder, bed)
        answer = await shop.compute.run(
            _SOUND_TASK,
            argument,
            timeout_s=_LIMIT_FIXED_S + _LIMIT_PER_MEDIA_SECOND * float(plan.frames / plan.fps),
        )
        value: Any = answer.value
        paths = Path(argument["kept"]), Path(argument["track"])
        return await asyncio.to_thread(
            _keep, shop, plan, sound, value, paths, _sources(plan, sound, spoken, bed), answer
        )

    committed = await run_stage(shop, order, "sound", body)
    facts: Any = committed.facts
    return {
        "asset": committed.assets[1],
        "digest": facts["track"],
        "frames": plan.frames,
    }


def _track_key(sound: PlannedSound) -> Sha256:
    return digest_of({"aac": sound.key})


async def _bed(
    shop: Workshop, order: Order, plan: Plan, sound: PlannedSound
) -> Mapping[str, Any] | None:
    """Return the music's asset and digest, where a model makes it; None where it is synthesised."""
    if sound.music is None or sound.music.model is None:
        return None
    # Most films have theirs synthesised, and load nothing of this.
    from cinefab.jobs import scoring  # noqa: PLC0415 - see above

    return await scoring.make_bed(shop, order, plan, sound)


def _argument(
    shop: Workshop,
    plan: Plan,
    sound: PlannedSound,
    folder: Path,
    bed: Mapping[str, Any] | None,
) -> dict[str, Any]:
    made = {} if bed is None else {"bed": str(shop.blobs.local_path(Sha256(bed["digest"])))}
    return {
        **made,
        "shots": [shot.frames for shot in plan.shots],
        "transitions": [[each.into, each.kind.value, each.frames] for each in plan.transitions],
        "fps": str(plan.fps),
        "music": music_document(sound.music),
        "effects": sound.effects,
        "seed": sound.seed,
        "lines": [
            {
                "path": str(shop.blobs.local_path(line.digest)),
                "start_ms": line.start_ms,
                "length_ms": line.length_ms,
            }
            for line in sound.lines
        ],
        "lufs_hundredths": sound.loudness_clu,
        "kept": str(folder / f"{sound.key}.flac"),
        "track": str(folder / f"{sound.key}.m4a"),
    }


def _sources(
    plan: Plan, sound: PlannedSound, spoken: Sequence[Json], bed: Mapping[str, Any] | None
) -> tuple[SourceEdge, ...]:
    """Return the music that a model made and the spoken lines as sources, by how long each is heard."""
    length = {line.shot: line.length_ms for line in sound.lines}
    sources = []
    if bed is not None:
        whole_ms = math.ceil(plan.frames / plan.fps * 1000)
        sources.append((AssetId(str(bed["asset"])), Relation.COMPONENT_OF, whole_ms))
    for line in spoken:
        assert isinstance(line, Mapping), "a line is an object"
        sources.append(
            (AssetId(str(line["asset"])), Relation.COMPONENT_OF, length[int(str(line["shot"]))])
        )
    return edges_by_weight(sources)


def _source_type(shop: Workshop, sound: PlannedSound) -> str:
    if sound.music is None or sound.music.model is None:
        return _SOURCE_TYPE
    return together([_SOURCE_TYPE, music_model(shop, sound.music.model).card.digital_source_type])


def _keep(
    shop: Workshop,
    plan: Plan,
    sound: PlannedSound,
    value: Mapping[str, Any],
    paths: tuple[Path, Path],
    lines: tuple[SourceEdge, ...],
    answer: ComputeResult,
) -> StageOutput:
    kept, track = (shop.blobs.put_file(path) for path in paths)
    for path in paths:
        path.unlink(missing_ok=True)
    measured = {name: value[name] for name in ("samples", "lufs_hundredths", "peak_hundredths")}
    parameters: Json = {
        "music": music_document(sound.music),
        "effects": sound.effects,
        "seed": sound.seed,
        "loudness_clu": sound.loudness_clu,
    }
    mix = NewAsset(
        content=Content(
            digest=kept,
            kind="sound",
            media_type="audio/flac",
            size_bytes=value["kept_bytes"],
            facts={"key": sound.key, **measured},
        ),
        lineage=Lineage(
            made_by=_MADE_BY,
            sources=lines,
            digital_source_type=_source_type(shop, sound),
            parameters=parameters,
        ),
    )
    encoded = NewAsset(
        content=Content(
            digest=track,
            kind="soundtrack",
            media_type="audio/mp4",
            size_bytes=value["track_bytes"],
            facts={"key": _track_key(sound), **measured},
        ),
        lineage=Lineage(
            made_by=_MADE_BY,
            sources=(
                SourceEdge(
                    source=sibling(0), relation=Relation.PARENT_OF, weight_bp=BasisPoints(WHOLE_BP)
                ),
            ),
            digital_source_type=_source_type(shop, sound),
        ),
    )

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        names = ((sound.key, kept), (_track_key(sound), track))
        for asset, (key, digest) in zip(made, names, strict=True):
            record_segment(
                connection,
                KeptSegment(key=key, asset=asset.public_id, digest=digest, frames=plan.frames),
                tenant=shop.tenant,
                now_us=shop.recorder.clock.now_us(),
            )

    return StageOutput(
        assets=(mix, encoded),
        facts={"kept": kept, "track": track, **measured},
        also=also,
        load_us=answer.load_us,
        work_us=answer.worker_us - answer.load_us,
    )
