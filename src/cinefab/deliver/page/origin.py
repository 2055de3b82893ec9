"""Credentials, what came in, and who gets paid what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cinefab.deliver.page.figures import (
    UNKNOWN,
    digest,
    quantity,
    share_in_words,
    span_of,
)
from cinefab.deliver.page.markup import Child, Html, said, tag
from cinefab.deliver.page.timeline import Report

_STATES: Final[Mapping[str, tuple[str, str]]] = {
    "trusted": ("done", "trusted: the signer is known here and nothing was changed"),
    "valid": ("waits", "valid: nothing was changed, but the signer is not known here"),
    "invalid": ("failed", "invalid: they do not hold"),
    "absent": ("soft", "absent"),
}

_FOUND: Final[Mapping[str, str]] = {
    "signed": "signed by us",
    "valid": "came with credentials that hold",
    "invalid": "came with credentials that do NOT hold",
    "absent": "came without credentials",
}

_SOURCE_TYPES: Final[Mapping[str, str]] = {
    "algorithmicMedia": "made by an algorithm, without a trained model",
    "trainedAlgorithmicMedia": "made by a trained model",
    "compositeWithTrainedAlgorithmicMedia": "composed, with parts made by a trained model",
    "algorithmicallyEnhanced": "enhanced by an algorithm",
    "digitalCapture": "captured by a camera",
    "composite": "composed of several sources",
}


def credentials(report: Report, pictures: Mapping[str, str]) -> Html:
    """Return what the film says of itself to whoever receives it, and what its sources said.

    `pictures` are small ones of the references, as data URLs by name.
    """
    found = report["content_credentials"]
    kind, words = _STATES.get(found["state"], ("soft", str(found["state"])))
    signed = found["state"] != "absent"
    rows: list[tuple[str, Child]] = [("State", [tag("b", words, class_=kind)])]
    if signed:
        rows += [
            ("Because", _lines(found.get("reasons"))),
            ("Signed by", said(found.get("signer") or found.get("issuer") or "unknown")),
            ("Written by", said(found.get("claim_generator") or "unknown")),
            ("Digital source type", _lines(map(_source_type, found["digital_source_types"] or ()))),
            ("Actions", said(", ".join(found.get("actions") or ()))),
            ("Ingredients", said(", ".join(found.get("ingredients") or ()) or "none")),
            ("Label", tag("code", said(found.get("label") or ""))),
            ("SHA-256 of the film", tag("code", found["sha256"], class_="whole")),
        ]
    warning = None
    if found.get("authority") == "development":
        warning = tag(
            "p",
            tag("b", "Signed by a development authority. "),
            "It was made on the machine that made the film, and is trusted there alone: anybody "
            "else's verifier will call the signer unknown. What was signed can be checked all the "
            "same.",
            class_="warning",
        )
    return tag(
        "section",
        tag("h2", "Content credentials"),
        warning,
        tag("dl", [(tag("dt", name), tag("dd", value)) for name, value in rows]),
        _references(report["references"], pictures),
        id="credentials",
    )


def royalties(report: Report) -> Html:
    """Return who gets paid what share of what the film earns."""
    shares = report["royalties"]
    if not shares:
        why = (
            "Nobody: no source of this film has a party that is paid for it."
            if report["status"] == "delivered"
            else "Nobody: the film was not delivered."
        )
        return tag("section", tag("h2", "Who gets paid what"), tag("p", why), id="royalties")
    rows = [
        tag(
            "tr",
            tag("td", said(each["party"])),
            tag("td", quantity(f"{each['share_bp']:,}", "bp"), class_="n"),
            tag("td", quantity(f"{each['share_bp'] / 100:.2f}", "%"), class_="n"),
            tag("td", share_in_words(each["share_bp"])),
            tag("td", said(_because(each["party"], report)), class_="soft"),
        )
        for each in shares
    ]
    whole = sum(each["share_bp"] for each in shares)
    foot = tag(
        "tr",
        tag("td", "All of it"),
        tag("td", quantity(f"{whole:,}", "bp"), class_="n"),
        tag("td", quantity(f"{whole / 100:.2f}", "%"), class_="n"),
        tag("td", "of what the film pays for its sources"),
        tag("td"),
    )
    head = tag(
        "tr",
        tag("th", "Party"),
        tag("th", "Share", class_="n"),
        tag("th", class_="n"),
        tag("th", "In words"),
        tag("th", "For"),
    )
    table = tag("table", tag("thead", head), tag("tbody", rows), tag("tfoot", foot))
    return tag(
        "section",
        tag("h2", "Who gets paid what"),
        tag("div", table, class_="wide"),
        id="royalties",
    )


def _references(references: list[Mapping[str, Any]], pictures: Mapping[str, str]) -> Html:
    if not references:
        return tag("p", "Nothing came in from outside: the film is type and colour.", class_="hint")
    rows = [
        tag(
            "tr",
            tag("td", _look(each, pictures)),
            tag("td", said(each["title"]), _figures(each.get("media") or {})),
            tag("td", said(each["role"])),
            tag("td", _size(each), class_="n"),
            tag("td", _mask(each["mask_confidence_bp"]), class_="n"),
            tag("td", said(each["licence"]) if each["licence"] else UNKNOWN),
            tag("td", _came_with(each["content_credentials"])),
            tag("td", digest(each["sha256"])),
        )
        for each in references
    ]
    head = tag(
        "tr",
        tag("th", "Reference"),
        tag("th", "File"),
        tag("th", "Role"),
        tag("th", "Size", class_="n"),
        tag("th", "Cut-out", class_="n"),
        tag("th", "Licence"),
        tag("th", "Credentials"),
        tag("th", "SHA-256"),
    )
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="came-in")
    return Html(tag("h3", "What came in") + tag("div", table, class_="wide"))


def _look(reference: Mapping[str, Any], pictures: Mapping[str, str]) -> Child:
    picture = pictures.get(reference["name"])
    shown = picture and tag("img", src=picture, alt="", class_="small")
    return tag("div", shown, said(reference["name"]), class_="shot")


def _figures(media: Mapping[str, Any]) -> Child:
    """Return what a film or a sound that came in is like, and what it looks like to the ear."""
    facts: list[Child] = []
    if media.get("duration_us") is not None:
        facts.append(span_of(media["duration_us"]))
    if media.get("shots"):
        count = len(media["shots"])
        facts.append(quantity(count, "shot" if count == 1 else "shots"))
    loudness = media.get("loudness") or {}
    if loudness.get("integrated_clu") is not None:
        level = f"{loudness['integrated_clu'] / 100:.1f}".replace("-", "−")
        facts.append(quantity(level, "LUFS"))
    transcript = media.get("transcript") or {}
    if transcript.get("state"):
        facts.append(said(f"transcript {transcript['state']}", class_="soft"))
    if not facts:
        return None
    listed = [[", " if index else None, fact] for index, fact in enumerate(facts)]
    return [tag("div", listed), _waveform(media.get("waveform") or ())]


def _waveform(levels: Sequence[int]) -> Child:
    if not levels:
        return None
    most = max(1, *levels)
    half = [f"{index} {20 - 18 * level / most:.1f}" for index, level in enumerate(levels)]
    other = [f"{index} {20 + 18 * level / most:.1f}" for index, level in enumerate(levels)]
    outline = "M" + "L".join([*half, *reversed(other)]) + "Z"
    return tag(
        "svg",
        tag("path", d=outline),
        class_="waveform",
        viewBox=f"0 0 {max(1, len(levels) - 1)} 40",
        preserveAspectRatio="none",
        width=240,
        height=28,
        aria_hidden="true",
    )


def _because(party: str, report: Report) -> str:
    paid = [
        f"{each['name']} ({each['licence']})"
        for each in report["references"]
        if any(share["party"] == party for share in each["parties"])
    ]
    return ", ".join(paid)


def _source_type(url: str) -> str:
    name = url.rstrip("/").rpartition("/")[2]
    words = _SOURCE_TYPES.get(name)
    return f"{name}: {words}" if words else name


def _came_with(found: Mapping[str, Any]) -> Child:
    if found["state"] is None:
        return UNKNOWN
    words = _FOUND.get(found["state"], str(found["state"]))
    issuer = f", issued by {found['issuer']}" if found["issuer"] else ""
    return said(f"{words}{issuer}", class_="failed" if found["state"] == "invalid" else None)


def _size(reference: Mapping[str, Any]) -> Child:
    if not reference.get("width"):
        return UNKNOWN
    return quantity(f"{reference['width']}×{reference['height']}", "px")


def _mask(confidence_bp: int | None) -> Child:
    return "none" if confidence_bp is None else quantity(f"{confidence_bp / 100:g}", "% sure")


def _lines(texts: Any) -> Child:
    return [tag("div", said(text)) for text in texts or ()]
