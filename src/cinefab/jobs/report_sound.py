"""What a report says of the film's sound: what is heard when, how loud it came out, and captions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from cinefab.core.ids import TenantId
from cinefab.core.plan import Plan
from cinefab.core.sound import PlannedSound
from cinefab.generate.segments import find_segments
from cinefab.jobs.stages import stage_called
from cinefab.provenance.assets import facts_of_assets
from cinefab.record.commit import CommittedStage


def sound_of(
    connection: sa.Connection,
    plan: Plan | None,
    stages: tuple[CommittedStage, ...],
    *,
    tenant: TenantId,
) -> dict[str, Any]:
    """Return the film's sound, null for a silent film, and its captions."""
    if plan is None:
        return {"sound": None, "captions": []}
    captions = [
        {
            "shot": cue.shot,
            "start_ms": cue.start_ms,
            "end_ms": cue.end_ms,
            "text": " ".join(cue.lines),
        }
        for cue in plan.cues
    ]
    if plan.sound is None:
        return {"sound": None, "captions": captions}
    return {"sound": _sound(connection, plan.sound, stages, tenant=tenant), "captions": captions}


def _sound(
    connection: sa.Connection,
    sound: PlannedSound,
    stages: tuple[CommittedStage, ...],
    *,
    tenant: TenantId,
) -> dict[str, Any]:
    kept = find_segments(connection, [sound.key], tenant=tenant).get(sound.key)
    came_out: Mapping[str, Any] = {}
    if kept is not None:
        came_out = facts_of_assets(connection, tenant, [kept.asset]).get(kept.asset, {})
    music = sound.music
    made = any(stage_called(stage.name) == "sound" for stage in stages)
    return {
        "key": sound.key,
        "asset": None if kept is None else kept.asset,
        "made_by": "run" if made else "reuse",
        "music": music and {"mood": music.mood, "tempo_bpm": music.tempo_bpm},
        "effects": sound.effects,
        "loudness_ordered_clu": sound.loudness_clu,
        "loudness_clu": came_out.get("lufs_hundredths"),
        "peak_cdbtp": came_out.get("peak_hundredths"),
        "lines": [
            {
                "shot": line.shot,
                "text": line.text,
                "language": line.language,
                "sha256": line.digest,
                "start_ms": line.start_ms,
                "length_ms": line.length_ms,
            }
            for line in sound.lines
        ],
    }
