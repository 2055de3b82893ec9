"""The brief at the door: YAML or JSON becomes frozen values, or one error says what to mend.

Parsing is all or nothing. Every refusal is a `BriefInvalid` whose `field` is the path to the
place (`shots[2].seconds`); where several fields are wrong, the first is told in full and the
others by their paths.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from cinefab.core.brief import (
    ASSET,
    UPLOAD,
    Brief,
    EffectOrder,
)
from cinefab.core.canonical import Json
from cinefab.core.effect import with_files
from cinefab.core.errors import BriefInvalid
from cinefab.ingest.brief_contradictions import contradictions
from cinefab.ingest.brief_document import brief_document, brief_from_document
from cinefab.ingest.brief_overrides import apply_overrides
from cinefab.ingest.brief_problems import invalid, problems_of
from cinefab.ingest.brief_schema import (
    BriefDocument,
    brief_schema,
)
from cinefab.ingest.brief_text import TEXT_BYTES_MAX, Value, read_document, write_value
from cinefab.ingest.brief_values import brief_of

__all__ = ["brief_document", "brief_from_document", "brief_schema", "load_brief", "parse_brief"]


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
    if problems := list(contradictions(written, now_us=now_us)):
        raise invalid(problems, origin=origin)
    return brief_of(written, now_us=now_us)


def load_brief(path: Path, *, now_us: int, overrides: Sequence[str] = ()) -> Brief:
    """Return the brief in the file at `path`, as `parse_brief` does.

    Relative files (references, logo, font, LUT) are taken from the brief's own folder, wherever
    the process runs, those in `overrides` included. Raises `BriefInvalid`, also for a file that
    cannot be read.
    """
    return load_written(path, now_us=now_us, overrides=overrides).brief


def _located(brief: Brief, folder: Path) -> Brief:
    def located(location: str) -> str:
        is_elsewhere = "://" in location or location.startswith((ASSET, UPLOAD))
        return location if is_elsewhere else str(folder / location)

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
