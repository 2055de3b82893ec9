"""A brief as it was written becomes the frozen values of `core.brief`."""

from __future__ import annotations

from dataclasses import replace

from cinefab.core.brief import (
    Brand,
    Brief,
    Clip,
    Compare,
    Output,
    PartyShare,
    PreviewFirst,
    Reference,
    Refine,
    Review,
    RightsSource,
    Role,
    Shot,
    Size,
    Transition,
)
from cinefab.core.sound import Captions, Music, Sound, VoiceWish
from cinefab.core.units import BasisPoints, Uusd
from cinefab.ingest.brief_names import LOGO_NAME, logos, named
from cinefab.ingest.brief_scalars import deadline_us
from cinefab.ingest.brief_schema import BriefDocument, ClipDocument
from cinefab.ingest.brief_schema_preview import PreviewFirstDocument
from cinefab.ingest.brief_schema_review import CompareDocument
from cinefab.ingest.brief_schema_sound import MusicDocument


def brief_of(written: BriefDocument, *, now_us: int) -> Brief:
    """Return the brief that was written, in which nothing contradicts itself any more."""
    references, logo = _references(written)
    size = written.output.size
    deadline = written.deadline
    return Brief(
        title=written.title,
        prompt=written.prompt,
        shots=tuple(
            Shot(
                length_ms=shot.length_ms,
                prompt=shot.prompt,
                caption=shot.caption,
                references=tuple(shot.references),
                camera=shot.camera,
                transition=Transition(
                    kind=shot.transition.kind, length_ms=shot.transition.length_ms
                ),
                voice=shot.voice,
                effects=tuple(shot.effects),
                seed=shot.seed,
                clip=_clip(shot.clip),
                model_settings=shot.model_settings,
            )
            for shot in written.shots
        ),
        references=references,
        output=Output(
            size=Size(size.width, size.height),
            fps=written.output.fps,
            formats=tuple(written.output.formats),
            ladder=tuple(written.output.ladder),
        ),
        brand=Brand(
            logo=logo,
            colours=tuple(written.brand.colours),
            font=written.brand.font,
            lut=written.brand.lut,
        ),
        sound=_sound(written),
        captions=_captions(written),
        model=written.model,
        quality=written.quality,
        tier=written.tier,
        deadline_us=None if deadline is None else deadline_us(deadline, now_us=now_us),
        budget_uusd=None if written.budget_uusd is None else Uusd(written.budget_uusd),
        seed=written.seed,
        rights=_rights(written),
        labels=tuple(written.labels.items()),
        deliver=tuple(written.deliver),
        effects=tuple(written.effects),
        review=Review(
            mode=written.review.mode,
            within_us=written.review.within_us,
            queue=written.review.queue,
            compare=_compare(written.review.compare),
            # In one order: equal lines make equal briefs.
            thresholds=tuple(sorted(written.review.thresholds.items())),
        ),
        refine=Refine(attempts=written.refine.attempts),
        model_settings=written.model_settings,
        preview_first=_preview_first(written.preview_first),
    )


def _preview_first(written: PreviewFirstDocument | None) -> PreviewFirst | None:
    if written is None:
        return None
    return PreviewFirst(
        model=written.model,
        model_settings=written.model_settings,
        ask=written.ask,
        within_us=written.within_us,
    )


def _clip(written: ClipDocument | None) -> Clip | None:
    if written is None:
        return None
    return Clip(
        reference=written.reference,
        start_ms=written.start_ms,
        speed=written.speed,
        fit=written.fit,
    )


def _compare(written: CompareDocument | None) -> Compare | None:
    if written is None:
        return None
    return Compare(
        reference=written.reference, every=written.every, at_least_db=written.at_least_db
    )


def _sound(written: BriefDocument) -> Sound | None:
    sound = written.sound
    if sound is None:
        return None
    voice = sound.voice
    return Sound(
        music=_music(sound.music),
        effects=sound.effects,
        voice=VoiceWish(
            name=voice.name, rate_wpm=voice.rate_wpm, pitch=voice.pitch, required=voice.required
        ),
        loudness_clu=sound.loudness_clu,
    )


def _music(written: MusicDocument | None) -> Music | None:
    if written is None:
        return None
    return Music(
        mood=written.mood,
        tempo_bpm=written.tempo_bpm,
        level_db=written.level_db,
        model=written.model,
        prompt=written.prompt,
    )


def _captions(written: BriefDocument) -> Captions | None:
    captions = written.captions
    if captions is None:
        return None
    return Captions(
        formats=tuple(captions.formats), burn=captions.burn, on_screen=captions.on_screen
    )


def _rights(written: BriefDocument) -> tuple[RightsSource, ...]:
    return tuple(
        RightsSource(
            reference=source.reference,
            licence=source.licence,
            parties=tuple(
                PartyShare(party=share.party, share_bp=BasisPoints(share.share_bp))
                for share in source.parties
            ),
        )
        for source in written.rights.sources
    )


def _references(written: BriefDocument) -> tuple[tuple[Reference, ...], str | None]:
    """Return the references, the brand's logo among them, and the logo's name."""
    given = tuple(
        Reference(
            name=name,
            location=reference.location,
            role=reference.role,
            script=reference.script,
            language=reference.language,
        )
        for name, reference in named(written)
    )
    logo = written.brand.logo
    if logo is None:
        return given, next(iter(logos(written)), None)
    if any(reference.name == logo for reference in given):
        return tuple(replace(r, role=Role.LOGO) if r.name == logo else r for r in given), logo
    brought = Reference(name=LOGO_NAME, location=logo, role=Role.LOGO)
    return (*given, brought), LOGO_NAME
