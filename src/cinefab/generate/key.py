"""Keys: the hash of everything that determines the pixels of a segment or a transition.

Equal keys mean equal pixels, for the same tenant under the same licences; so a stage that runs
again, resumes elsewhere or meets an earlier brief finds its result by name. What only describes a
film (title, labels, budget, deadline) is not in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from cinefab.core.brief import Quality, Size, TransitionKind
from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.effect import PlannedEffect, settings_text
from cinefab.core.ids import TenantId
from cinefab.core.plan import PreparedReference, Versions

SEGMENT_KEY_SCHEMA: Final = "cinefab.segment-key/1"
TRANSITION_KEY_SCHEMA: Final = "cinefab.transition-key/1"


def segment_key(
    *,
    versions: Versions,
    input: Mapping[str, Any],  # noqa: A002 - the contract's word, as in TakeRequest.input
    seed: int,
    size: Size,
    fps: Fraction,
    first_frame: int,
    frames: int,
    shot_frames: int,
    references: Sequence[PreparedReference],
    files: Mapping[str, Sha256],
    quality: Quality,
    tenant: TenantId,
    licences: Iterable[tuple[str, str]],
    effects: Sequence[PlannedEffect] = (),
    effect_references: Sequence[PreparedReference] = (),
    extent: range | None = None,
) -> Sha256:
    """Return the key of one segment.

    `effects` lie on it, in order, and are given `effect_references`; `extent` are the frames of
    its shot where they matter: something looks around, or windows are joined.

    `references` are those that the take is given, in order, `files` the digests of the brand's
    font and LUT, `licences` pairs of a reference's name and a licence, of any references. What a
    reference is called, and where it lay, changes nothing: names are handles, and the pictures'
    own digests stand in for them.
    """
    place = {reference.name: i for i, reference in enumerate(references)}
    determined: dict[str, Json] = {
        "schema": SEGMENT_KEY_SCHEMA,
        "contract": versions.contract,
        "model": versions.model,
        "machine": versions.machine,
        "encoder": versions.encoder,
        "input": _without_names(input, place),
        "seed": seed,
        "size": str(size),
        "fps": f"{fps.numerator}/{fps.denominator}",
        "first_frame": first_frame,
        "frames": frames,
        "shot_frames": shot_frames,
        "references": [_conditioning(reference) for reference in references],
        "files": dict(files),
        "quality": quality.value,
        "tenant": tenant,
        "licences": _licence_scope(licences, [*references, *effect_references]),
    }
    if effects:
        given = {reference.name: reference for reference in effect_references}
        determined["effects"] = [_effect(effect, given) for effect in effects]
    if extent is not None:
        determined["extent"] = [extent.start, extent.stop]
    return digest_of(determined)


def transition_key(
    *,
    before: Sha256,
    after: Sha256,
    kind: TransitionKind,
    frames: int,
    colour: str,
    encoder: str,
) -> Sha256:
    """Return the key of a transition from the segment `before` (a tail) to `after` (a head).

    Everything about the two pictures, tenant and licences included, is in their own keys.
    """
    return digest_of(
        {
            "schema": TRANSITION_KEY_SCHEMA,
            "before": before,
            "after": after,
            "kind": kind.value,
            "frames": frames,
            "colour": colour,
            "encoder": encoder,
        }
    )


def _without_names(given: Mapping[str, Any], place: Mapping[str, int]) -> dict[str, Json]:
    """Return the model's input with each reference's name replaced by its place in the list."""
    anonymous = dict(given)
    if "settings" in given:
        # A model's settings may be broken numbers, which have one spelling here, as effects' have.
        anonymous["settings"] = settings_text(given["settings"])
    anonymous["references"] = [place[name] for name in given["references"]]
    anonymous["roles"] = [[place[name], role] for name, role in _in_order(given["roles"], place)]
    anonymous["logo"] = None if given["logo"] is None else place[given["logo"]]
    return anonymous


def _in_order(roles: Mapping[str, str], place: Mapping[str, int]) -> list[tuple[str, str]]:
    return sorted(roles.items(), key=lambda role: place[role[0]])


def _effect(effect: PlannedEffect, given: Mapping[str, PreparedReference]) -> dict[str, Json]:
    return {
        "effect": effect.ref,
        "settings": effect.settings,
        "files": [list(pair) for pair in effect.files],
        "references": [
            [setting, _conditioning(given[name])] for setting, name in effect.references
        ],
    }


def _conditioning(reference: PreparedReference) -> dict[str, Json]:
    # Its role is in the model's input already.
    return {
        "picture": reference.picture,
        "mask": reference.mask,
        "confidence_bp": reference.confidence_bp,
        "width": reference.width,
        "height": reference.height,
        **({} if reference.video is None else {"video": reference.video}),
    }


def _licence_scope(
    licences: Iterable[tuple[str, str]], references: Sequence[PreparedReference]
) -> list[Json]:
    picture = {reference.name: reference.picture for reference in references}
    scope = {(picture[name], licence) for name, licence in licences if name in picture}
    return [list(pair) for pair in sorted(scope)]
