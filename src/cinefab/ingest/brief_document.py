"""A brief as canonical JSON values, for digests and storage, and back.

Every value is spelled out and nothing is a float, so equal briefs have equal documents, and a
stored brief keeps its meaning when a default changes.
"""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from typing import Any, Final

from cinefab.core.brief import (
    Brand,
    Brief,
    Camera,
    Clip,
    Compare,
    EffectOrder,
    Fit,
    Output,
    PartyShare,
    PreviewFirst,
    Quality,
    Queue,
    Reference,
    Refine,
    Review,
    ReviewMode,
    RightsSource,
    Role,
    Shot,
    Size,
    Tier,
    Transition,
    TransitionKind,
)
from cinefab.core.canonical import Json
from cinefab.core.errors import BriefInvalid
from cinefab.core.units import BasisPoints, Uusd
from cinefab.ingest.brief_heard import captions_from, heard_document, sound_from

BRIEF_SCHEMA: Final = "cinefab.brief/1"


def brief_document(brief: Brief) -> dict[str, Json]:
    """Return `brief` as JSON values without floats; `brief_from_document` undoes it exactly."""
    output, brand = brief.output, brief.brand
    document: dict[str, Json] = {
        "schema": BRIEF_SCHEMA,
        "title": brief.title,
        "prompt": brief.prompt,
        "shots": [_shot_document(shot) for shot in brief.shots],
        "references": [
            {"name": r.name, "location": r.location, "role": r.role.value, **_spoken(r)}
            for r in brief.references
        ],
        "output": {
            "width": output.size.width,
            "height": output.size.height,
            "fps": f"{output.fps.numerator}/{output.fps.denominator}",
            "formats": list(output.formats),
            # Left out where it is not given, so that a brief from before keeps its document.
            **({"ladder": list(output.ladder)} if output.ladder else {}),
        },
        "brand": {
            "logo": brand.logo,
            "colours": list(brand.colours),
            "font": brand.font,
            "lut": brand.lut,
        },
        **heard_document(brief),
        "model": brief.model,
        "quality": brief.quality.value,
        "tier": brief.tier.value,
        "deadline_us": brief.deadline_us,
        "budget_uusd": brief.budget_uusd,
        "seed": brief.seed,
        "rights": [
            {
                "reference": source.reference,
                "licence": source.licence,
                "parties": [{"party": p.party, "share_bp": p.share_bp} for p in source.parties],
            }
            for source in brief.rights
        ],
        "labels": [[name, value] for name, value in brief.labels],
        **({"deliver": list(brief.deliver)} if brief.deliver else {}),
    }
    # Said only where there are some, so that briefs of before keep their digests.
    if brief.effects:
        document["effects"] = _effects_document(brief.effects)
    # What is younger than the format is written only where it says something, so that a brief
    # without it keeps the digest it always had.
    if brief.review != Review():
        document["review"] = {
            "mode": brief.review.mode.value,
            "within_us": brief.review.within_us,
            "queue": brief.review.queue.value,
            **_compare_document(brief.review.compare),
            **({"thresholds": dict(brief.review.thresholds)} if brief.review.thresholds else {}),
        }
    if brief.refine != Refine():
        document["refine"] = {"attempts": brief.refine.attempts}
    if brief.model_settings != "{}":
        document["model_settings"] = brief.model_settings
    if brief.preview_first is not None:
        document["preview_first"] = asdict(brief.preview_first)
    return document


def brief_from_document(document: Json) -> Brief:
    """Return the brief that `brief_document` wrote; raise `BriefInvalid` for another format."""
    stored: Any = document  # our own writing, checked by its schema name
    schema = stored.get("schema") if isinstance(stored, dict) else None
    if schema != BRIEF_SCHEMA:
        raise BriefInvalid(
            attempted="read a stored brief",
            field="schema",
            found=f"found {schema!r}",
            remedy=f"This version reads {BRIEF_SCHEMA}; a later one may have written this.",
        )
    output, brand, budget = stored["output"], stored["brand"], stored["budget_uusd"]
    return Brief(
        title=stored["title"],
        prompt=stored["prompt"],
        shots=tuple(_shot(shot) for shot in stored["shots"]),
        references=tuple(
            Reference(
                name=r["name"],
                location=r["location"],
                role=Role(r["role"]),
                script=r.get("script", ""),
                language=r.get("language"),
            )
            for r in stored["references"]
        ),
        output=Output(
            size=Size(output["width"], output["height"]),
            fps=Fraction(output["fps"]),
            formats=tuple(output["formats"]),
            ladder=tuple(output.get("ladder", ())),
        ),
        brand=Brand(
            logo=brand["logo"],
            colours=tuple(brand["colours"]),
            font=brand["font"],
            lut=brand["lut"],
        ),
        sound=sound_from(stored.get("sound")),
        captions=captions_from(stored.get("captions")),
        model=stored["model"],
        quality=Quality(stored["quality"]),
        tier=Tier(stored["tier"]),
        deadline_us=stored["deadline_us"],
        budget_uusd=None if budget is None else Uusd(budget),
        seed=stored["seed"],
        rights=tuple(_source(source) for source in stored["rights"]),
        labels=tuple((name, value) for name, value in stored["labels"]),
        deliver=tuple(stored.get("deliver", ())),
        effects=_effects(stored),
        review=_review(stored.get("review")),
        refine=Refine(**stored["refine"]) if "refine" in stored else Refine(),
        model_settings=stored.get("model_settings", "{}"),
        preview_first=PreviewFirst(**stored["preview_first"])
        if "preview_first" in stored
        else None,
    )


def _review(stored: dict[str, Any] | None) -> Review:
    if stored is None:
        return Review()
    return Review(
        mode=ReviewMode(stored["mode"]),
        within_us=stored["within_us"],
        queue=Queue(stored["queue"]),
        compare=Compare(**stored["compare"]) if "compare" in stored else None,
        thresholds=tuple(sorted(stored.get("thresholds", {}).items())),
    )


def _compare_document(compare: Compare | None) -> dict[str, Json]:
    return {} if compare is None else {"compare": asdict(compare)}


def _spoken(reference: Reference) -> dict[str, Json]:
    # Left out where nothing is given, so that a brief from before keeps its document.
    given: dict[str, Json] = {}
    if reference.script:
        given["script"] = reference.script
    if reference.language is not None:
        given["language"] = reference.language
    return given


def _shot_document(shot: Shot) -> dict[str, Json]:
    document: dict[str, Json] = {
        "length_ms": shot.length_ms,
        "prompt": shot.prompt,
        "caption": shot.caption,
        "references": list(shot.references),
        "camera": shot.camera.value,
        "transition": {
            "kind": shot.transition.kind.value,
            "length_ms": shot.transition.length_ms,
        },
        "voice": shot.voice,
    }
    if shot.effects:
        document["effects"] = _effects_document(shot.effects)
    if shot.seed is not None:
        document["seed"] = shot.seed
    if shot.clip is not None:
        document["clip"] = {
            "reference": shot.clip.reference,
            "start_ms": shot.clip.start_ms,
            "speed": f"{shot.clip.speed.numerator}/{shot.clip.speed.denominator}",
            "fit": shot.clip.fit.value,
        }
    if shot.model_settings != "{}":
        document["model_settings"] = shot.model_settings
    return document


def _shot(stored: dict[str, Any]) -> Shot:
    transition = stored["transition"]
    return Shot(
        length_ms=stored["length_ms"],
        prompt=stored["prompt"],
        caption=stored["caption"],
        references=tuple(stored["references"]),
        camera=Camera(stored["camera"]),
        transition=Transition(
            kind=TransitionKind(transition["kind"]), length_ms=transition["length_ms"]
        ),
        voice=stored["voice"],
        effects=_effects(stored),
        seed=stored.get("seed"),
        clip=_clip(stored.get("clip")),
        model_settings=stored.get("model_settings", "{}"),
    )


def _clip(stored: dict[str, Any] | None) -> Clip | None:
    if stored is None:
        return None
    return Clip(
        reference=stored["reference"],
        start_ms=stored["start_ms"],
        speed=Fraction(stored["speed"]),
        fit=Fit(stored["fit"]),
    )


def _source(stored: dict[str, Any]) -> RightsSource:
    return RightsSource(
        reference=stored["reference"],
        licence=stored["licence"],
        parties=tuple(
            PartyShare(party=p["party"], share_bp=BasisPoints(p["share_bp"]))
            for p in stored["parties"]
        ),
    )


def _effects_document(effects: tuple[EffectOrder, ...]) -> list[Json]:
    return [{"name": effect.name, "settings": effect.settings} for effect in effects]


def _effects(stored: dict[str, Any]) -> tuple[EffectOrder, ...]:
    return tuple(
        EffectOrder(name=effect["name"], settings=effect["settings"])
        for effect in stored.get("effects", ())
    )
