"""The brief at the door: YAML or JSON becomes frozen values, or one error says what to mend.

Parsing is all or nothing. Every refusal is a `BriefInvalid` whose `field` is the path to the
place (`shots[2].seconds`); where several fields are wrong, the first is told in full and the
others by their paths.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from cinefab.core.brief import (
    Brand,
    Brief,
    Clip,
    Compare,
    EffectOrder,
    Output,
    PartyShare,
    Reference,
    Refine,
    Review,
    RightsSource,
    Role,
    Shot,
    Size,
    Transition,
)
from cinefab.core.canonical import Json
from cinefab.core.clock import iso_utc
from cinefab.core.effect import with_files
from cinefab.core.errors import BriefInvalid
from cinefab.core.sound import Captions, Music, Sound, VoiceWish
from cinefab.core.units import US_PER_S, WHOLE_BP, BasisPoints, Uusd
from cinefab.ingest.brief_document import brief_document, brief_from_document
from cinefab.ingest.brief_overrides import apply_overrides
from cinefab.ingest.brief_problems import Problem, invalid, problems_of
from cinefab.ingest.brief_scalars import duration_us
from cinefab.ingest.brief_schema import (
    FILM_MS_MAX,
    BriefDocument,
    ClipDocument,
    CompareDocument,
    MusicDocument,
    ReferenceDocument,
    ShotDocument,
    brief_schema,
)
from cinefab.ingest.brief_text import TEXT_BYTES_MAX, Value, read_document, write_value

__all__ = ["brief_document", "brief_from_document", "brief_schema", "load_brief", "parse_brief"]

LOGO_NAME: Final = "logo"
"""What a logo is called that the brand brings as a file or URL."""


def parse_brief(text: str, *, origin: str, now_us: int, overrides: Sequence[str] = ()) -> Brief:
    """Return the brief that `text` (YAML or JSON) describes.

    `origin` names the text in errors; `now_us` (UTC microseconds) is what a deadline such as
    `10m` counts from, and what an absolute one must lie after; `overrides` are `path=value` with
    values read as YAML, applied in order. Locations stay as they are written. Raises
    `BriefInvalid`.
    """
    document = apply_overrides(read_document(text, origin=origin), overrides, origin=origin)
    return _parsed(document, origin=origin, now_us=now_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBrief:
    """A brief with what it was read from: its text as JSON, and the folder of its files.

    `template` is what a job remembers of the template that it was filled into, if one was;
    `checks` are those that the template insists on.
    """

    brief: Brief
    text: str
    folder: Path
    template: Json = None
    checks: tuple[str, ...] = ()


def load_written(path: Path, *, now_us: int, overrides: Sequence[str] = ()) -> WrittenBrief:
    """Return the brief in the file at `path`, or the one that the template there is filled into.

    Of a template, `overrides` fill slots and set nothing else. Raises as `load_brief` does.
    """
    origin, folder = str(path), path.resolve().parent
    document = read_document(_text_of(path), origin=origin)
    template: Json = None
    checks: tuple[str, ...] = ()
    if "template" in document:
        # Most films come from a brief, and load nothing of this.
        from cinefab.ingest.template import fill  # noqa: PLC0415 - see above

        filled = fill(document, overrides, origin=origin, folder=folder)
        document, template, checks = filled.brief, filled.record, filled.checks
    else:
        document = apply_overrides(document, overrides, origin=origin)
    text = write_value(document)
    brief = _located(_parsed(document, origin=origin, now_us=now_us), folder)
    return WrittenBrief(brief=brief, text=text, folder=folder, template=template, checks=checks)


def rewrite(text: str, *, folder: Path, now_us: int, overrides: Sequence[str] = ()) -> WrittenBrief:
    """Return a brief from text that was kept, with changes; raise `BriefInvalid`."""
    origin = "that was kept"
    document = apply_overrides(read_document(text, origin=origin), overrides, origin=origin)
    kept = write_value(document)
    brief = _located(_parsed(document, origin=origin, now_us=now_us), folder)
    return WrittenBrief(brief=brief, text=kept, folder=folder)


def _parsed(document: dict[str, Value], *, origin: str, now_us: int) -> Brief:
    try:
        written = BriefDocument.model_validate(document)
    except ValidationError as error:
        raise invalid(problems_of(error), origin=origin) from error
    if problems := list(_contradictions(written, now_us=now_us)):
        raise invalid(problems, origin=origin)
    return _brief(written, now_us=now_us)


def load_brief(path: Path, *, now_us: int, overrides: Sequence[str] = ()) -> Brief:
    """Return the brief in the file at `path`, as `parse_brief` does.

    Relative files (references, logo, font, LUT) are taken from the brief's own folder, wherever
    the process runs, those in `overrides` included. Raises `BriefInvalid`, also for a file that
    cannot be read.
    """
    return load_written(path, now_us=now_us, overrides=overrides).brief


def _located(brief: Brief, folder: Path) -> Brief:
    def located(location: str) -> str:
        return location if "://" in location else str(folder / location)

    def effects_of(effects: tuple[EffectOrder, ...]) -> tuple[EffectOrder, ...]:
        return tuple(with_files(each, lambda _, place: located(place)) for each in effects)

    return replace(
        brief,
        deliver=tuple(located(place) for place in brief.deliver),
        references=tuple(replace(r, location=located(r.location)) for r in brief.references),
        brand=replace(
            brief.brand,
            font=brief.brand.font and located(brief.brand.font),
            lut=brief.brand.lut and located(brief.brand.lut),
        ),
        shots=tuple(replace(shot, effects=effects_of(shot.effects)) for shot in brief.shots),
        effects=effects_of(brief.effects),
    )


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(TEXT_BYTES_MAX + 1)
    except OSError as error:
        found, remedy = f"cannot be opened: {error.strerror}", "Check its name and its permissions."
        raise BriefInvalid(field=str(path), found=found, remedy=remedy) from error
    if len(content) > TEXT_BYTES_MAX:
        found = f"is larger than {TEXT_BYTES_MAX} bytes"
        raise BriefInvalid(field=str(path), found=found, remedy="Check that it is a brief.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        found, remedy = f"byte {error.start} is not UTF-8", "Save the brief as UTF-8 text."
        raise BriefInvalid(field=str(path), found=found, remedy=remedy) from error


# ── What no single field can know ───────────────────────────────────────────────────────────────


def _contradictions(written: BriefDocument, *, now_us: int) -> Iterator[Problem]:
    if not written.prompt and not written.shots:
        yield Problem(
            "prompt",
            "found neither a prompt nor shots",
            "Write a prompt, or a storyboard in shots.",
        )
    film_ms = sum(shot.length_ms for shot in written.shots)
    if film_ms > FILM_MS_MAX:
        found = f"the shots last {film_ms / 1000:g} seconds together"
        yield Problem("shots", found, f"Stay within {FILM_MS_MAX // 1000} seconds.")
    yield from _reference_contradictions(written)
    yield from _rights_contradictions(written)
    if len(set(written.output.formats)) < len(written.output.formats):
        yield Problem("output.formats", "a format stands twice", "Name each format once.")
    yield from _ladder_contradictions(written)
    for i, place in enumerate(written.deliver):
        if place in written.deliver[:i]:
            yield Problem(f"deliver[{i}]", f"'{place[:80]}' stands twice", "Name it once.")
    if written.captions and len(set(written.captions.formats)) < len(written.captions.formats):
        yield Problem("captions.formats", "a format stands twice", "Name each format once.")
    if written.deadline is not None:
        yield from _deadline_contradictions(written.deadline, now_us=now_us)


def _ladder_contradictions(written: BriefDocument) -> Iterator[Problem]:
    output = written.output
    if output.ladder and not {"hls", "dash"} & set(output.formats):
        remedy = "Add hls or dash to output.formats, or take the ladder out."
        yield Problem("output.ladder", "only a stream has rungs", remedy)
    highest = min(output.size.width, output.size.height)
    for i, side in enumerate(output.ladder):
        if side > highest:
            found = f"a rung of {side} pixels, of a film whose shorter side has {highest}"
            yield Problem(f"output.ladder[{i}]", found, f"Stay within {highest}.")
        elif i and side >= output.ladder[i - 1]:
            found = f"{side} comes after {output.ladder[i - 1]}"
            yield Problem(f"output.ladder[{i}]", found, "Write each rung once, largest first.")


def _reference_contradictions(written: BriefDocument) -> Iterator[Problem]:
    names: set[str] = set()
    for i, (name, _) in enumerate(_named(written)):
        if name in names:
            yield Problem(f"references[{i}].name", f"'{name}' is taken", "Choose another name.")
        names.add(name)
    for i, shot in enumerate(written.shots):
        for j, name in enumerate(shot.references):
            if name not in names:
                yield _unknown(f"shots[{i}].references[{j}]", name, names)
            elif name in shot.references[:j]:
                yield Problem(
                    f"shots[{i}].references[{j}]", f"'{name}' stands twice", "Name it once."
                )
        yield from _clip_contradictions(shot, f"shots[{i}]", names)
    if (compare := written.review.compare) and compare.reference not in names:
        yield _unknown("review.compare.reference", compare.reference, names)
    yield from _logo_contradictions(written, names)


def _clip_contradictions(shot: ShotDocument, path: str, names: set[str]) -> Iterator[Problem]:
    if shot.clip is None:
        return
    if shot.clip.reference not in names:
        yield _unknown(f"{path}.clip.reference", shot.clip.reference, names)
    if shot.references:
        found = "a clip shows its own video, and nothing beside it"
        yield Problem(f"{path}.references", found, "Remove one of the two, or make two shots.")


def _logo_contradictions(written: BriefDocument, names: set[str]) -> Iterator[Problem]:
    logos = _logos(written)
    logo = written.brand.logo
    if logo is None:
        if len(logos) > 1:
            found = f"{len(logos)} references have the role logo: {', '.join(logos)}"
            yield Problem("brand.logo", found, "Say here which one the film shows.")
    elif logo in names:
        role = dict(_named(written))[logo].role
        if role not in (Role.AUTO, Role.LOGO):
            found = f"names '{logo}', whose role is {role}"
            yield Problem("brand.logo", found, "Give that reference the role logo, or auto.")
    elif not _is_location(logo):
        yield _unknown("brand.logo", logo, names)
    elif re.match("[A-Za-z][A-Za-z0-9+.-]*:", logo) and not re.match("https?://[^/]", logo):
        yield Problem(
            "brand.logo", f"found '{logo[:80]}'", "Write a file, or an http or https URL."
        )
    elif LOGO_NAME in names:
        found = f"brings a file, but the reference '{LOGO_NAME}' is there too"
        yield Problem("brand.logo", found, f"Write 'logo: {LOGO_NAME}', or rename the reference.")


def _rights_contradictions(written: BriefDocument) -> Iterator[Problem]:
    names = {name for name, _ in _named(written)}
    if (logo := written.brand.logo) and logo not in names:
        names.add(LOGO_NAME)
    covered: set[str] = set()
    for i, source in enumerate(written.rights.sources):
        path = f"rights.sources[{i}]"
        if source.reference not in names:
            yield _unknown(f"{path}.reference", source.reference, names)
        elif source.reference in covered:
            found = f"'{source.reference}' has a source already"
            yield Problem(f"{path}.reference", found, "Put all its parties under one source.")
        covered.add(source.reference)
        whole = sum(party.share_bp for party in source.parties)
        if whole != WHOLE_BP:
            found = f"the shares are {whole} basis points together"
            yield Problem(f"{path}.parties", found, f"Make them {WHOLE_BP}.")
        parties = [party.party for party in source.parties]
        if len(set(parties)) < len(parties):
            yield Problem(f"{path}.parties", "a party stands twice", "Add its shares together.")


def _deadline_contradictions(text: str, *, now_us: int) -> Iterator[Problem]:
    remedy = "Write a time with its zone (2030-01-31T18:00:00+01:00), or a length (30s, 10m, 2h)."
    due_us = _deadline_us(text, now_us=now_us)
    if due_us is None:
        yield Problem("deadline", f"found text '{text}'", remedy)
    elif due_us <= now_us:
        yield Problem("deadline", f"{text} is over: it is {iso_utc(now_us)}", remedy)


def _unknown(path: str, name: str, names: set[str]) -> Problem:
    known = f"The references are: {', '.join(sorted(names))}." if names else "There are none."
    return Problem(path, f"names '{name}', which is no reference", known)


# ── Values ──────────────────────────────────────────────────────────────────────────────────────


def _brief(written: BriefDocument, *, now_us: int) -> Brief:
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
        deadline_us=None if deadline is None else _deadline_us(deadline, now_us=now_us),
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
        ),
        refine=Refine(attempts=written.refine.attempts),
        model_settings=written.model_settings,
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
    return Music(mood=written.mood, tempo_bpm=written.tempo_bpm, level_db=written.level_db)


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
        for name, reference in _named(written)
    )
    logo = written.brand.logo
    if logo is None:
        return given, next(iter(_logos(written)), None)
    if any(reference.name == logo for reference in given):
        return tuple(replace(r, role=Role.LOGO) if r.name == logo else r for r in given), logo
    brought = Reference(name=LOGO_NAME, location=logo, role=Role.LOGO)
    return (*given, brought), LOGO_NAME


def _logos(written: BriefDocument) -> list[str]:
    """Return the logos that models may draw: one that an effect is given would be seen twice."""
    effects = [*written.effects, *(effect for shot in written.shots for effect in shot.effects)]
    given = {
        value
        for effect in effects
        for value in json.loads(effect.settings).values()
        if isinstance(value, str)
    }
    return [
        name
        for name, reference in _named(written)
        if reference.role is Role.LOGO and name not in given
    ]


def _named(written: BriefDocument) -> list[tuple[str, ReferenceDocument]]:
    references = written.references
    if isinstance(references, dict):
        return list(references.items())
    return [(reference.name, reference) for reference in references]


def _is_location(text: str) -> bool:
    return "://" in text or "/" in text or "." in text


def _deadline_us(text: str, *, now_us: int) -> int | None:
    """Return the deadline in UTC microseconds, or None where `text` says no time."""
    length_us = duration_us(text)
    if length_us is not None:
        return now_us + length_us
    try:
        due = datetime.fromisoformat(text)
        if due.utcoffset() is None:
            return None
        return int(due.timestamp()) * US_PER_S + due.microsecond
    except (ValueError, OverflowError):
        return None
