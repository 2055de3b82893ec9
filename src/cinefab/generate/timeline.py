"""A plan as an OpenTimelineIO timeline, for the tools that editors use.

One clip a shot, so that transitions and trims mean what an editor expects: the source range is
the shot, and the available range reaches under its transitions by their handles. The pieces that
are kept and reused are the clip's media references, one a segment, each with its own range.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import opentimelineio as otio  # type: ignore[import-untyped]  # it ships no types

from cinefab.core.brief import TransitionKind
from cinefab.core.canonical import Sha256
from cinefab.core.plan import Plan, PlannedSegment, PlannedShot, PlannedTransition

METADATA: Final = "cinefab"
TIMELINE_SCHEMA: Final = "cinefab.timeline/1"


def write_timeline(
    plan: Plan, path: Path, *, digests: Mapping[Sha256, Sha256] | None = None
) -> None:
    """Write the timeline of `plan` to `path` as OTIO JSON; equal plans give equal bytes."""
    text = timeline_of(plan, digests=digests or {}).to_json_string(indent=2)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def timeline_of(
    plan: Plan, *, digests: Mapping[Sha256, Sha256] | None = None
) -> otio.schema.Timeline:
    """Return the timeline of `plan`.

    `digests` maps a segment's key to the digest of its take, where it is made already: its media
    reference is then `sha256:…`, and otherwise a missing one that is named by the key.
    """
    rate = _rate(plan.fps)
    track = otio.schema.Track(name="picture", kind=otio.schema.TrackKind.Video)
    into = {transition.into: transition for transition in plan.transitions}
    for shot in plan.shots:
        if shot.index in into:
            track.append(_transition(into[shot.index], rate))
        track.append(_clip(shot, rate, digests or {}))
    timeline = otio.schema.Timeline(
        name=plan.title,
        metadata={
            METADATA: {
                "schema": TIMELINE_SCHEMA,
                "model": plan.model,
                "quality": plan.quality.value,
                "width": plan.size.width,
                "height": plan.size.height,
                "fps": f"{plan.fps.numerator}/{plan.fps.denominator}",
                "versions": {
                    "model": plan.versions.model,
                    "machine": plan.versions.machine,
                    "encoder": plan.versions.encoder,
                    "contract": plan.versions.contract,
                },
                "notes": list(plan.notes),
            }
        },
    )
    timeline.tracks.append(track)
    return timeline


def _clip(shot: PlannedShot, rate: float, digests: Mapping[Sha256, Sha256]) -> otio.schema.Clip:
    costs = [segment.estimate_uusd for segment in shot.segments]
    clip = otio.schema.Clip(
        name=f"shot {shot.index}",
        source_range=_range(0, shot.frames, rate),
        metadata={
            METADATA: {
                "seed": shot.seed,
                "keys": {segment.part.value: segment.key for segment in shot.segments},
                "estimate_device_us": sum(s.estimate_device_us for s in shot.segments),
                "estimate_uusd": None if None in costs else sum(c for c in costs if c is not None),
                "input": _plain(shot.input),
            }
        },
    )
    clip.set_media_references(
        {part.part.value: _media(part, rate, digests) for part in shot.segments}, "body"
    )
    return clip


def _media(
    segment: PlannedSegment, rate: float, digests: Mapping[Sha256, Sha256]
) -> otio.core.MediaReference:
    available = _range(segment.first_frame, segment.frames, rate)
    metadata = {METADATA: {"key": segment.key}}
    digest = digests.get(segment.key)
    if digest is None:
        return otio.schema.MissingReference(
            name=segment.key, available_range=available, metadata=metadata
        )
    media = otio.schema.ExternalReference(
        target_url=f"sha256:{digest}", available_range=available, metadata=metadata
    )
    media.name = segment.key
    return media


def _transition(transition: PlannedTransition, rate: float) -> otio.schema.Transition:
    half = otio.opentime.RationalTime(transition.frames // 2, rate)
    dissolves = transition.kind is TransitionKind.DISSOLVE
    kind = otio.schema.TransitionTypes
    return otio.schema.Transition(
        name=transition.kind.value,
        transition_type=kind.SMPTE_Dissolve if dissolves else kind.Custom,
        in_offset=half,
        out_offset=half,
        metadata={
            METADATA: {
                "key": transition.key,
                "kind": transition.kind.value,
                "colour": transition.colour,
            }
        },
    )


def _range(start: int, frames: int, rate: float) -> otio.opentime.TimeRange:
    return otio.opentime.TimeRange(
        otio.opentime.RationalTime(start, rate), otio.opentime.RationalTime(frames, rate)
    )


def _rate(fps: Fraction) -> float:
    return fps.numerator / fps.denominator


def _plain(value: Any) -> Any:
    """Return a copy in dictionaries and lists, which is all that OTIO's metadata may hold."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
