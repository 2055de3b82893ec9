"""A brief's effects, held against their contracts, as plans and processes are given them.

Effects are the plug-ins of assembling and their frames are drawn where takes are made; the tier
is where the two meet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from functools import partial
from itertools import accumulate
from typing import Any, Final

import sqlalchemy as sa

from cinefab.assemble.effect import (
    ChecksFiles,
    KnowsPlace,
    complete_settings,
    reference_settings,
)
from cinefab.core.brief import Brief, EffectOrder
from cinefab.core.canonical import Json, Sha256
from cinefab.core.effect import (
    ChainOf,
    PlannedEffect,
    ShotSpan,
    is_file,
    settings_text,
    with_files,
)
from cinefab.core.errors import BriefInvalid
from cinefab.core.ids import AssetId
from cinefab.core.plan import PlannedShot
from cinefab.core.stage import Content, Lineage
from cinefab.ingest.references import KeptReference
from cinefab.jobs.workshop import FoundEffect, Workshop
from cinefab.provenance.assets import find_asset_by_digest
from cinefab.record.commit import NewAsset

BLOB: Final = "blob:"
"""How a brief's document names a file that was read at the door: `blob:<sha256>/<name>`."""

_CHAIN: Final = "cinefab.assemble.chain:Chain"
_FILE: Final = "file"
_CAPTIONS: Final = "captions"
_LOGO: Final = "logo"
_OVERLAY: Final = "overlay"
_LINE_CHARS: Final = 42
_LONG_MS: Final = 100_000  # longer than any shot, on both sides
_UNREAD: Final = Sha256("0" * 64)

Resolved = tuple[FoundEffect, dict[str, Any]]


def chain_of(
    shop: Workshop,
    brief: Brief,
    *,
    draws: Collection[str],
    cues: Sequence[Mapping[str, Any]] | None = None,
    burn: bool = False,
    of_model: Sequence[EffectOrder] = (),
) -> ChainOf:
    """Return what tells the effects of a shot: its own in their order, then the film's.

    Before them come those `of_model`, which a pipeline brings.

    `cues` (`start_ms`, `end_ms` on the film's clock, `lines`) are what captions show that have none
    of their own, and without them the voice's lines, each over its shot. With `burn` there are
    captions in any case. `draws` are the capabilities of the film's model: a caption or a logo that it
    does not draw itself is laid over its pictures first. Every effect is held against its contract at once: raises `BriefInvalid`
    with the path of the setting, or of the effect that is not installed.
    """
    said = _script(brief) if cues is None else [dict(cue) for cue in cues]
    known = {
        field: _with_cues(_resolved(shop, brief, field, order), said)
        for field, order in _orders(brief, burn=burn)
    }

    brought = [_resolved(shop, brief, f"model.{order.name}", order) for order in of_model]

    def chain(span: ShotSpan) -> tuple[PlannedEffect, ...]:
        start_ms = round(span.start * 1000 / span.fps)
        drawn = (
            _caption_over(brief, span.index, start_ms, draws=draws),
            _logo_over(brief, span.index, draws=draws),
        )
        first = [_resolved(shop, brief, *each) for each in drawn if each is not None]
        own = [field for field in known if field.startswith(f"shots[{span.index}].")]
        whole = [field for field in known if not field.startswith("shots[")]
        of_shot = brought if brief.shots[span.index].clip is None else []
        every = [*of_shot, *first, *(known[field] for field in [*own, *whole])]
        planned = (_planned(found, settings, span) for found, settings in every)
        return tuple(effect for effect in planned if effect is not None)

    return chain


def check_files(shop: Workshop, brief: Brief, *, draws: Collection[str]) -> None:
    """Let each effect look at its files, which are blobs by now; raise `BriefInvalid` by path."""
    captions = (_caption_over(brief, i, 0, draws=draws) for i in range(len(brief.shots)))
    for field, order in [*_orders(brief), *(each for each in captions if each is not None)]:
        found, settings = _resolved(shop, brief, field, order)
        if isinstance(found.effect, ChecksFiles):
            paths = {
                name: shop.blobs.local_path(_digest(value["file"]))
                for name, value in settings.items()
                if is_file(value)
            }
            try:
                found.effect.check(settings, paths)
            except BriefInvalid as error:
                raise _below(field, order, error) from None


def with_effect_files(brief: Brief, keep: Callable[[str, str], str]) -> Brief:
    """Return `brief` with each effect's file as `keep(place, field)` gives it."""

    def kept(orders: Sequence[EffectOrder], field: str) -> tuple[EffectOrder, ...]:
        return tuple(
            with_files(order, partial(_kept_file, keep, f"{field}[{i}].{order.name}"))
            for i, order in enumerate(orders)
        )

    return replace(
        brief,
        shots=tuple(
            replace(shot, effects=kept(shot.effects, f"shots[{i}].effects"))
            for i, shot in enumerate(brief.shots)
        ),
        effects=kept(brief.effects, "effects"),
    )


def finish_for(
    shop: Workshop,
    shot: PlannedShot,
    references: Mapping[str, KeptReference],
    *,
    still: bool = False,
) -> dict[str, Json]:
    """Return what a request says of a shot's effects: nothing where it has none.

    A `still` is small and alone already: the model draws it as it is seen.
    """
    lie_on_it = [
        effect
        for effect in shot.effects
        if not still or (effect.need.shrink == 1 and effect.need.thin == 1)
    ]
    if not lie_on_it:
        return {}
    path = shop.blobs.local_path
    effects: list[Json] = []
    for effect in lie_on_it:
        used = {setting: references[name] for setting, name in effect.references}
        effects.append(
            {
                "entry": shop.effects[effect.name].entry,
                "ref": effect.ref,
                "settings": effect.settings,
                "need": asdict(effect.need),
                "files": {setting: str(path(digest)) for setting, digest in effect.files},
                "pictures": {setting: str(path(kept.picture)) for setting, kept in used.items()},
                "masks": {
                    setting: str(path(kept.mask))
                    for setting, kept in used.items()
                    if kept.mask is not None
                },
            }
        )
    return {"finish": {"entry": _CHAIN, "effects": effects}}


def files_as_assets(shop: Workshop, brief: Brief) -> list[NewAsset]:
    """Return the files that effects take and that are no assets yet, as what came from outside."""
    places = {
        value["file"]
        for field, order in _orders(brief)
        for value in _resolved(shop, brief, field, order)[1].values()
        if is_file(value)
    }
    digests = sorted({_digest(place) for place in places})
    with shop.recorder.db.read() as connection:
        new = [
            digest
            for digest in digests
            if find_asset_by_digest(connection, shop.tenant, digest, _FILE) is None
        ]
    return [
        NewAsset(
            content=Content(
                digest=digest,
                kind=_FILE,
                media_type="application/octet-stream",
                size_bytes=shop.blobs.local_path(digest).stat().st_size,
            ),
            lineage=Lineage(made_by="outside", sources=(), digital_source_type="unstated"),
        )
        for digest in new
    ]


def file_assets_of(shop: Workshop, connection: sa.Connection, shot: PlannedShot) -> list[AssetId]:
    """Return the assets of the files that a shot's effects are given."""
    digests = dict.fromkeys(digest for effect in shot.effects for _, digest in effect.files)
    found = [find_asset_by_digest(connection, shop.tenant, digest, _FILE) for digest in digests]
    return [asset.public_id for asset in found if asset is not None]


def references_of_effects(
    shot: PlannedShot, references: Mapping[str, KeptReference]
) -> list[KeptReference]:
    """Return the references that a shot's effects are given, each once."""
    names = dict.fromkeys(name for effect in shot.effects for _, name in effect.references)
    return [references[name] for name in names]


def effects_said(shot: PlannedShot) -> dict[str, Json]:
    """Return what a lineage says of a shot's effects: nothing where it has none."""
    if not shot.effects:
        return {}
    return {
        "effects": [
            {
                "effect": effect.ref,
                "settings": effect.settings,
                "files": [list(pair) for pair in effect.files],
                "references": [list(pair) for pair in effect.references],
            }
            for effect in shot.effects
        ]
    }


def unlike_here(shop: Workshop, shots: Collection[PlannedShot]) -> list[str]:
    """Return the effects of a plan that are not installed here in the version it was made for."""
    wanted = {(effect.name, effect.version) for shot in shots for effect in shot.effects}
    return [
        f"{name} {version!r} there and {_version(shop, name)!r} here"
        for name, version in sorted(wanted)
        if _version(shop, name) != version
    ]


def _kept_file(keep: Callable[[str, str], str], field: str, setting: str, place: str) -> str:
    return keep(place, f"{field}.{setting}")


def _version(shop: Workshop, name: str) -> str | None:
    found = shop.effects.get(name)
    return None if found is None else found.effect.card.version


def _orders(brief: Brief, *, burn: bool = False) -> Iterator[tuple[str, EffectOrder]]:
    for i, shot in enumerate(brief.shots):
        for j, order in enumerate(shot.effects):
            yield f"shots[{i}].effects[{j}].{order.name}", order
    for j, order in enumerate(brief.effects):
        yield f"effects[{j}].{order.name}", order
    if burn and not any(order.name == _CAPTIONS for order in brief.effects):
        yield "captions.burn", EffectOrder(name=_CAPTIONS)


def _with_cues(resolved: Resolved, cues: Sequence[Mapping[str, Any]]) -> Resolved:
    """Return captions without cues of their own with those that are said in the film."""
    found, settings = resolved
    if found.effect.card.name == _CAPTIONS and not settings["cues"]:
        return found, {**settings, "cues": list(cues)}
    return resolved


def _script(brief: Brief) -> list[dict[str, Any]]:
    """Return the lines of a film that nobody has spoken yet as cues, each over its shot."""
    ends_ms = list(accumulate(shot.length_ms for shot in brief.shots))
    return [
        {"start_ms": end_ms - shot.length_ms, "end_ms": end_ms, "lines": wrapped(shot.voice)}
        for shot, end_ms in zip(brief.shots, ends_ms, strict=True)
        if shot.voice
    ]


def wrapped(text: str) -> list[str]:
    """Return a line that is spoken as it stands on a picture: in at most three, evenly long."""
    words = text.split()
    count = min(3, -(-len(text) // _LINE_CHARS))
    least = len(text) / count
    lines = [""]
    for word in words:
        if len(lines) < count and len(lines[-1]) + len(word) / 2 > least:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [line[:200] for line in lines if line]


def _caption_over(
    brief: Brief, index: int, start_ms: int, *, draws: Collection[str]
) -> tuple[str, EffectOrder] | None:
    """Return the effect that sets a shot's caption over a clip, or what its model does not caption."""
    shot = brief.shots[index]
    if not shot.caption or (shot.clip is None and _CAPTIONS in draws):
        return None
    cue = {
        "start_ms": start_ms - _LONG_MS,
        "end_ms": start_ms + _LONG_MS,
        "lines": [shot.caption],
    }
    order = EffectOrder(name=_CAPTIONS, settings=settings_text({"cues": [cue]}))
    return f"shots[{index}].caption", order


def _logo_over(
    brief: Brief, index: int, *, draws: Collection[str]
) -> tuple[str, EffectOrder] | None:
    """Return the effect that lays the brand's logo over what a model made without it."""
    shot = brief.shots[index]
    if brief.brand.logo is None or shot.clip is not None or _LOGO in draws:
        return None
    if any(order.name == _OVERLAY for order in (*shot.effects, *brief.effects)):
        return None  # it lies where the brief says
    order = EffectOrder(name=_OVERLAY, settings=settings_text({"logo": brief.brand.logo}))
    return "brand.logo", order


def _resolved(shop: Workshop, brief: Brief, field: str, order: EffectOrder) -> Resolved:
    found = shop.effects.get(order.name)
    if found is None:
        near = get_close_matches(order.name, shop.effects, n=1)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        raise BriefInvalid(
            attempted="read the effects",
            field=field.removesuffix(f".{order.name}"),
            found=f"no effect {order.name!r} is installed",
            remedy=f"{hint}There are: {', '.join(sorted(shop.effects))}.",
        )
    settings = complete_settings(
        found.effect.card,
        order.settings,
        field=field,
        known_references=[reference.name for reference in brief.references],
    )
    return found, settings


def _planned(
    found: FoundEffect, settings: Mapping[str, Any], span: ShotSpan
) -> PlannedEffect | None:
    effect, card = found.effect, found.effect.card
    here: Mapping[str, Any] | None = settings
    if isinstance(effect, KnowsPlace):
        here = effect.local(settings, span)
    if here is None:
        return None
    files = {name: value["file"] for name, value in here.items() if is_file(value)}
    named = {name: here[name] for name in reference_settings(card) if here.get(name) is not None}
    plain = {name: value for name, value in here.items() if name not in {**files, **named}}
    return PlannedEffect(
        name=card.name,
        version=card.version,
        settings=settings_text(plain),
        files=tuple((name, _digest(place)) for name, place in sorted(files.items())),
        references=tuple(sorted(named.items())),
        need=effect.need(here),
    )


def _digest(place: str) -> Sha256:
    # Before the door has read it, a file has no digest; an estimate does without.
    if not place.startswith(BLOB):
        return _UNREAD
    return Sha256(place.removeprefix(BLOB).partition("/")[0])


def _below(field: str, order: EffectOrder, error: BriefInvalid) -> BriefInvalid:
    # A caption over a clip is no setting of an effect to the person who wrote it.
    below = f"{field}.{error.field}" if field.endswith(f".{order.name}") else field
    return BriefInvalid(
        attempted=error.attempted,
        field=below,
        found=error.found.removeprefix(f"{error.field}: "),
        remedy=error.remedy,
    )
