"""What no single field of a brief can know: fields that contradict each other, or name nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cinefab.core.brief import SPEECH, Role
from cinefab.core.clock import iso_utc
from cinefab.core.units import WHOLE_BP
from cinefab.ingest.brief_names import LOGO_NAME, is_location, logos, named
from cinefab.ingest.brief_problems import Problem
from cinefab.ingest.brief_scalars import deadline_us
from cinefab.ingest.brief_schema import FILM_MS_MAX, BriefDocument, ShotDocument


def contradictions(written: BriefDocument, *, now_us: int) -> Iterator[Problem]:
    """Yield what is wrong with a brief whose fields are each right; `now_us` is when it is read."""
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
    if set(SPEECH) & set(written.output.formats) and not any(s.voice for s in written.shots):
        found = "a file of what is spoken is wanted, and nothing is"
        yield Problem("output.formats", found, "Give a shot a voice line, or name no such format.")
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
    for i, (name, _) in enumerate(named(written)):
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
    drawn = logos(written)
    logo = written.brand.logo
    if logo is None:
        if len(drawn) > 1:
            found = f"{len(drawn)} references have the role logo: {', '.join(drawn)}"
            yield Problem("brand.logo", found, "Say here which one the film shows.")
    elif logo in names:
        role = dict(named(written))[logo].role
        if role not in (Role.AUTO, Role.LOGO):
            found = f"names '{logo}', whose role is {role}"
            yield Problem("brand.logo", found, "Give that reference the role logo, or auto.")
    elif not is_location(logo):
        yield _unknown("brand.logo", logo, names)
    elif re.match("[A-Za-z][A-Za-z0-9+.-]*:", logo) and not re.match("https?://[^/]", logo):
        yield Problem(
            "brand.logo", f"found '{logo[:80]}'", "Write a file, or an http or https URL."
        )
    elif LOGO_NAME in names:
        found = f"brings a file, but the reference '{LOGO_NAME}' is there too"
        yield Problem("brand.logo", found, f"Write 'logo: {LOGO_NAME}', or rename the reference.")


def _rights_contradictions(written: BriefDocument) -> Iterator[Problem]:
    names = {name for name, _ in named(written)}
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
    due_us = deadline_us(text, now_us=now_us)
    if due_us is None:
        yield Problem("deadline", f"found text '{text}'", remedy)
    elif due_us <= now_us:
        yield Problem("deadline", f"{text} is over: it is {iso_utc(now_us)}", remedy)


def _unknown(path: str, name: str, names: set[str]) -> Problem:
    known = f"The references are: {', '.join(sorted(names))}." if names else "There are none."
    return Problem(path, f"names '{name}', which is no reference", known)
