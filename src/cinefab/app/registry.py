"""The registry as people ask for it: a version and everything that is known of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cinefab.app.models import Broken, Models, look_at
from cinefab.app.settings import ModelTable, SettingsInvalid
from cinefab.core.errors import RequestInvalid
from cinefab.core.ids import TenantId
from cinefab.core.units import WHOLE_BP, BasisPoints
from cinefab.generate.card_document import card_document
from cinefab.generate.profiles import beside_of, profiles_of, quality_of
from cinefab.generate.registry import (
    ModelState,
    RegisteredModel,
    list_versions,
    load_version,
    moves_of,
    versions_named,
)
from cinefab.store.database import Database


def list_models(models: Models, db: Database) -> Iterator[dict[str, Any]]:
    """Yield a row for each model that can be used, and for each version that was registered.

    A version that nobody has asked for yet has no `state`. One that cannot be made here is yielded
    with what is wrong.
    """
    with db.read() as connection:
        registered = {each.ref: each for each in list_versions(connection)}
    seen = set()
    for each in look_at(models):
        if isinstance(each, Broken):
            yield {"model": each.name, "found": each.found, "remedy": each.remedy}
            continue
        seen.add(each.card.ref)
        card = each.card
        row = _row(card.ref, card.task, card.capabilities, registered.get(card.ref))
        takes = card.input_schema.get("description")
        yield row if takes is None else row | {"takes": takes}
    for ref, version in registered.items():
        if ref not in seen:
            yield _row(ref, version.card.task, version.card.capabilities, version)


def shown(
    connection: sa.Connection, ref: str, *, tenant: TenantId | None, made: bool
) -> dict[str, Any]:
    """Return all that is known of a version; by its name alone, of the one that stands highest.

    Figures are those of `tenant`, of all where none is named. `made` adds the settings that it is
    made of. Raises `Unavailable` where there is none.
    """
    version = load_version(connection, ref)
    document: dict[str, Any] = {
        **_row(version.ref, version.card.task, version.card.capabilities, version),
        "card": card_document(version.card),
        "card_digest": version.digest,
        "checked": version.checked,
        "history": [
            {**asdict(move), "was": move.was and move.was.value, "to": move.to.value}
            for move in moves_of(connection, version.ref)
        ],
        "profiles": [asdict(each) for each in profiles_of(connection, version.ref, tenant=tenant)],
        "quality": asdict(quality_of(connection, version.ref, tenant=tenant)),
        "beside": [asdict(each) for each in beside_of(connection, version.ref, tenant=tenant)],
    }
    if made:
        document["made"] = asdict(version.made)
    return document


def state_of(version: RegisteredModel | None) -> Mapping[str, Any]:
    """Return where a version stands, as rows and documents say it."""
    if version is None:
        return {"state": None}
    return {
        "state": version.state.value,
        **({} if version.share_bp is None else {"share_bp": version.share_bp}),
        **({} if version.successor is None else {"successor": version.successor}),
    }


def _row(
    ref: str, task: str, capabilities: frozenset[str], version: RegisteredModel | None
) -> dict[str, Any]:
    return {
        "model": ref,
        "task": task,
        "capabilities": sorted(capabilities),
        **state_of(version),
    }


def table_in(path: Path) -> ModelTable:
    """Return the table in a TOML file: `backend` and its settings; raise `SettingsInvalid`."""
    try:
        return ModelTable(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # TOML's and pydantic's errors are ValueErrors
        raise SettingsInvalid(
            attempted=f"read the model in {path}",
            found=str(error).partition("\n")[0],
            remedy='Write it as TOML: backend = "…" and its settings, one a line.',
        ) from error


def share_of(text: str | None) -> BasisPoints | None:
    """Return a share that a person wrote, such as `10%` or `0.5%`; raise `RequestInvalid`."""
    if text is None:
        return None
    try:
        share = Fraction(text.strip().removesuffix("%")) * 100
    except (ValueError, ZeroDivisionError):
        share = Fraction(0)
    if share.denominator != 1 or not 0 < share <= WHOLE_BP:
        raise RequestInvalid(
            attempted="give a trial its share",
            field="share",
            found=f"{text!r} is no part of the shots",
            remedy="Write it in percent, more than 0 and to the hundredth: 10%.",
        )
    return BasisPoints(int(share))


def next_state(connection: sa.Connection, version: RegisteredModel) -> ModelState:
    """Return where a version goes next: the first of its name goes live at once."""
    named = versions_named(connection, version.card.name)
    if version.state is ModelState.REGISTERED and any(
        each.state is ModelState.LIVE for each in named
    ):
        return ModelState.SHADOW
    if version.state is ModelState.SHADOW:
        return ModelState.CANARY
    return ModelState.LIVE
