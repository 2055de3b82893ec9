"""What c2pa found in a file, as plain values and in words.

Everything in here may have been written by a stranger: texts are cut to a length, lists to a
number of entries, and control characters are dropped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

from cinefab.core.canonical import Json

_TEXT_MAX: Final = 300
_ENTRIES_MAX: Final = 64

_IN_WORDS: Final[Mapping[str, str]] = {
    "assertion.bmffHash.mismatch": "the film was changed after it was signed",
    "assertion.boxesHash.mismatch": "the picture was changed after it was signed",
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "a statement in the credentials was changed after signing",
    "assertion.missing": "a statement that the credentials list is missing",
    "assertion.required.missing": "a statement that the credentials need is missing",
    "assertion.undeclared": "a statement was added to the credentials after signing",
    "claim.malformed": "the credentials are not well formed",
    "claim.missing": "the credentials have no claim",
    "claim.multiple": "the credentials have several claims",
    "claim.hardBindings.missing": "the credentials are bound to no bytes",
    "claimSignature.mismatch": "the signature does not fit the credentials",
    "claimSignature.missing": "the credentials are not signed",
    "claimSignature.outsideValidity": "the certificate was not valid when it signed",
    "general.error": "the credentials cannot be read",
    "ingredient.manifest.mismatch": "the credentials of a source were changed after signing",
    "ingredient.manifest.missing": "the credentials of a source are missing",
    "signingCredential.expired": "the signer's certificate has expired",
    "signingCredential.invalid": "the signer's certificate may not sign credentials",
    "signingCredential.ocsp.revoked": "the signer's certificate was revoked",
    "signingCredential.untrusted": "the signer is not trusted here",
    "timeStamp.mismatch": "the time stamp is for something else",
}

UNTRUSTED: Final = "signingCredential.untrusted"


def in_words(failure: Mapping[str, Any]) -> str:
    """Return what a failure of c2pa's means, with its code."""
    code = _text(failure.get("code"))
    return f"{_IN_WORDS.get(code) or _text(failure.get('explanation')) or code} ({code})"


def failures_of(store: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the failures of the active manifest and of what changed below its ingredients."""
    results = _mapping(store.get("validation_results"))
    found = _entries(_mapping(results.get("activeManifest")).get("failure"))
    for delta in _entries(results.get("ingredientDeltas")):
        found.extend(_entries(_mapping(delta.get("validationDeltas")).get("failure")))
    return found[:_ENTRIES_MAX]


def broken_ingredients(store: Mapping[str, Any]) -> list[str]:
    """Return the titles of ingredients whose own credentials did not hold when they were added."""
    broken = []
    for ingredient in _entries(active_manifest(store).get("ingredients")):
        results = _mapping(_mapping(ingredient.get("validation_results")).get("activeManifest"))
        failures = _entries(results.get("failure"))
        if any(failure.get("code") != UNTRUSTED for failure in failures):
            broken.append(_text(ingredient.get("title")) or "an ingredient without a title")
    return broken


def active_manifest(store: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the manifest that speaks for the file, empty if there is none."""
    label = store.get("active_manifest")
    return _mapping(_mapping(store.get("manifests")).get(label)) if label else {}


def assertion(store: Mapping[str, Any], label: str) -> Mapping[str, Any]:
    """Return the data of the active manifest's assertion `label`, empty if there is none."""
    for entry in _entries(active_manifest(store).get("assertions")):
        if entry.get("label") == label:
            return _mapping(entry.get("data"))
    return {}


def summary_of(store: Mapping[str, Any]) -> dict[str, Json]:
    """Return what the credentials say: texts, lists of texts, and nothing else."""
    manifest = active_manifest(store)
    signature = _mapping(manifest.get("signature_info"))
    actions = [a for label in ("c2pa.actions", "c2pa.actions.v2") for a in _actions(store, label)]
    generators = [*_entries(manifest.get("claim_generator_info"))]
    return {
        "label": _text(store.get("active_manifest")),
        "title": _text(manifest.get("title")),
        "claim_generator": _generator(generators, manifest),
        "issuer": _text(signature.get("issuer")),
        "signer": _text(signature.get("common_name")),
        "signed_at": _text(signature.get("time")),
        "actions": _texts(action.get("action") for action in actions),
        "action_times": _texts(action.get("when") for action in actions),
        "digital_source_types": _texts(action.get("digitalSourceType") for action in actions),
        "ingredients": _texts(i.get("title") for i in _entries(manifest.get("ingredients"))),
        "failures": _texts(failure.get("code") for failure in failures_of(store)),
    }


def model_of(store: Mapping[str, Any]) -> str:
    """Return what the credentials say made the media: the agent of its creation, or nothing."""
    for label in ("c2pa.actions", "c2pa.actions.v2"):
        for action in _actions(store, label):
            if action.get("action") == "c2pa.created":
                agent = action.get("softwareAgent")
                return _text(agent) or _text(_mapping(agent).get("name"))
    return ""


def _actions(store: Mapping[str, Any], label: str) -> list[Mapping[str, Any]]:
    return _entries(assertion(store, label).get("actions"))


def _generator(generators: list[Mapping[str, Any]], manifest: Mapping[str, Any]) -> str:
    if not generators:
        return _text(manifest.get("claim_generator"))
    first = generators[0]
    return f"{_text(first.get('name'))} {_text(first.get('version'))}".strip()


def _texts(values: Iterable[Any]) -> list[Json]:
    found: list[Json] = []
    for value in values:
        text = _text(value)
        if text and text not in found and len(found) < _ENTRIES_MAX:
            found.append(text)
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(c for c in value[:_TEXT_MAX] if unicodedata.category(c)[0] != "C")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _entries(value: Any) -> list[Mapping[str, Any]]:
    return (
        [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []
    )
