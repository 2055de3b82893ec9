"""A plan as canonical JSON values, for digests, storage and golden files, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from cinefab.core.brief import Quality, Size, TransitionKind
from cinefab.core.canonical import Json, Sha256
from cinefab.core.effect import effect_document, effect_from_document, settings_text
from cinefab.core.errors import BriefInvalid
from cinefab.core.plan import (
    MediaKind,
    Part,
    Plan,
    PlannedSegment,
    PlannedShot,
    PlannedTransition,
    PreparedReference,
    Versions,
)
from cinefab.core.units import DeviceUs, Uusd
from cinefab.generate.sounding import (
    cue_document,
    cue_from_document,
    sound_document,
    sound_from_document,
)

PLAN_SCHEMA: Final = "cinefab.plan/1"


def plan_document(plan: Plan) -> dict[str, Json]:
    """Return `plan` as JSON values without floats; `plan_from_document` undoes it exactly."""
    return {
        "schema": PLAN_SCHEMA,
        "title": plan.title,
        "model": plan.model,
        "quality": plan.quality.value,
        "width": plan.size.width,
        "height": plan.size.height,
        "fps": f"{plan.fps.numerator}/{plan.fps.denominator}",
        "shots": [_shot_document(shot) for shot in plan.shots],
        "transitions": [
            {
                "key": transition.key,
                "kind": transition.kind.value,
                "into": transition.into,
                "frames": transition.frames,
                "colour": transition.colour,
            }
            for transition in plan.transitions
        ],
        "references": [_reference_document(reference) for reference in plan.references],
        "versions": {
            "model": plan.versions.model,
            "machine": plan.versions.machine,
            "encoder": plan.versions.encoder,
            "contract": plan.versions.contract,
        },
        "notes": list(plan.notes),
        **_heard(plan),
    }


def plan_from_document(document: Json) -> Plan:
    """Return the plan that `plan_document` wrote; raise `BriefInvalid` for another format."""
    stored: Any = document  # our own writing, checked by its schema name
    schema = stored.get("schema") if isinstance(stored, dict) else None
    if schema != PLAN_SCHEMA:
        raise BriefInvalid(
            attempted="read a stored plan",
            field="schema",
            found=f"found {schema!r}",
            remedy=f"This version reads {PLAN_SCHEMA}; plan the brief again.",
        )
    return Plan(
        title=stored["title"],
        model=stored["model"],
        quality=Quality(stored["quality"]),
        size=Size(stored["width"], stored["height"]),
        fps=Fraction(stored["fps"]),
        shots=tuple(_shot(shot) for shot in stored["shots"]),
        transitions=tuple(
            PlannedTransition(
                key=Sha256(transition["key"]),
                kind=TransitionKind(transition["kind"]),
                into=transition["into"],
                frames=transition["frames"],
                colour=transition["colour"],
            )
            for transition in stored["transitions"]
        ),
        references=tuple(_reference(reference) for reference in stored["references"]),
        versions=Versions(**stored["versions"]),
        notes=tuple(stored["notes"]),
        sound=sound_from_document(stored.get("sound")),
        cues=tuple(cue_from_document(cue) for cue in stored.get("cues", ())),
    )


def _heard(plan: Plan) -> dict[str, Json]:
    # Silent films have neither field, and keep the documents that they always had.
    heard: dict[str, Json] = {}
    if plan.sound is not None:
        heard["sound"] = sound_document(plan.sound)
    if plan.cues:
        heard["cues"] = [cue_document(cue) for cue in plan.cues]
    return heard


def _shot_document(shot: PlannedShot) -> dict[str, Json]:
    document: dict[str, Json] = {
        "index": shot.index,
        "frames": shot.frames,
        "seed": shot.seed,
        "input": _with_settings(shot.input, settings_text),
        "references": list(shot.references),
        "segments": [
            {
                "key": segment.key,
                "part": segment.part.value,
                "first_frame": segment.first_frame,
                "frames": segment.frames,
                "estimate_device_us": segment.estimate_device_us,
                "estimate_uusd": segment.estimate_uusd,
            }
            for segment in shot.segments
        ],
    }
    # Only what differs is said, so that plans of before keep their bytes.
    if shot.effects:
        document["effects"] = [effect_document(effect) for effect in shot.effects]
    if shot.model is not None:
        document["model"] = shot.model
    return document


def _shot(stored: dict[str, Any]) -> PlannedShot:
    return PlannedShot(
        index=stored["index"],
        frames=stored["frames"],
        seed=stored["seed"],
        input=_with_settings(stored["input"], json.loads),
        references=tuple(stored["references"]),
        segments=tuple(_segment(segment) for segment in stored["segments"]),
        effects=tuple(effect_from_document(effect) for effect in stored.get("effects", ())),
        model=stored.get("model"),
    )


def _segment(stored: dict[str, Any]) -> PlannedSegment:
    uusd = stored["estimate_uusd"]
    return PlannedSegment(
        key=Sha256(stored["key"]),
        part=Part(stored["part"]),
        first_frame=stored["first_frame"],
        frames=stored["frames"],
        estimate_device_us=DeviceUs(stored["estimate_device_us"]),
        estimate_uusd=None if uusd is None else Uusd(uusd),
    )


def _reference_document(reference: PreparedReference) -> dict[str, Json]:
    document: dict[str, Json] = {
        "name": reference.name,
        "role": reference.role,
        "original": reference.original,
        "picture": reference.picture,
        "mask": reference.mask,
        "confidence_bp": reference.confidence_bp,
        "width": reference.width,
        "height": reference.height,
    }
    if reference.kind is not MediaKind.PICTURE:
        # Plans of pictures alone are written as they always were.
        document |= {
            "kind": reference.kind.value,
            "video": reference.video,
            "sound": reference.sound,
            "frames": reference.frames,
            "fps": None if reference.fps is None else str(reference.fps),
            "duration_us": reference.duration_us,
        }
    return document


def _reference(stored: dict[str, Any]) -> PreparedReference:
    mask, video, sound = (stored.get(name) for name in ("mask", "video", "sound"))
    fps = stored.get("fps")
    return PreparedReference(
        name=stored["name"],
        role=stored["role"],
        original=Sha256(stored["original"]),
        picture=Sha256(stored["picture"]),
        mask=None if mask is None else Sha256(mask),
        confidence_bp=stored["confidence_bp"],
        width=stored["width"],
        height=stored["height"],
        kind=MediaKind(stored.get("kind", MediaKind.PICTURE)),
        video=None if video is None else Sha256(video),
        sound=None if sound is None else Sha256(sound),
        frames=stored.get("frames", 0),
        fps=None if fps is None else Fraction(fps),
        duration_us=stored.get("duration_us", 0),
    )


def _with_settings(given: Any, change: Callable[[Any], Any]) -> Any:
    """Return a model's input with its settings changed: as text here, for they may be broken numbers."""
    return given if "settings" not in given else {**given, "settings": change(given["settings"])}
