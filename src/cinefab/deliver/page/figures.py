"""Figures as the page writes them: short to read, exact when asked, and unknown is never zero."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction
from typing import Final

from cinefab.core.units import UUSD_PER_USD, WHOLE_BP
from cinefab.deliver.page.markup import Html, said, tag

_DIGEST_SHOWN: Final = 10
_JOB_SHOWN: Final = 8
_US_PER_MS: Final = 1000
_US_PER_S: Final = 1_000_000
_NUSD_S_PER_USD_H: Final = Fraction(3600, 1_000_000_000)
_CENT_UUSD: Final = 10_000

UNKNOWN: Final = tag("span", "unknown", class_="unknown")
"""What is written where a figure is not known."""


def money(uusd: int | None) -> Html:
    """Return an amount rounded to read, with the exact µUSD on hover and in print."""
    if uusd is None:
        return UNKNOWN
    exact = f"{uusd:,} µUSD"
    return tag(
        "span",
        dollars(uusd),
        tag("span", f" {exact}", class_="exact"),
        class_="num",
        title=exact,
    )


def dollars(uusd: int) -> str:
    """Return dollars: two digits that count below a cent, else tenths of a cent at least."""
    if uusd == 0:
        return "$0"
    if uusd >= UUSD_PER_USD:
        return f"${uusd / UUSD_PER_USD:,.2f}"
    if uusd >= _CENT_UUSD:
        return f"${uusd / UUSD_PER_USD:.4f}"
    digits = 7 - len(str(uusd)) + 1
    return f"${uusd / UUSD_PER_USD:.{min(6, digits)}f}"


def span_of(us: int | None) -> Html:
    """Return a length of time with a unit to its size, exact on hover."""
    if us is None:
        return UNKNOWN
    exact = f"{us:,} µs"
    if us < _US_PER_S:
        return quantity(f"{us / _US_PER_MS:.0f}", "ms", title=exact)
    digits = 2 if us < 100 * _US_PER_S else 1
    return quantity(f"{us / _US_PER_S:,.{digits}f}", "s", title=exact)


def quantity(figure: str | int, unit: str, *, title: str | None = None) -> Html:
    """Return a figure with its unit in a lighter tone."""
    return tag("span", figure, " ", tag("span", unit, class_="unit"), class_="num", title=title)


def share(part: int, whole: int) -> Html:
    """Return a part of a whole in per cent; nothing where there is no whole."""
    return Html("") if whole == 0 else quantity(f"{100 * part / whole:.1f}", "%")


def percent(share: Fraction) -> str:
    """Return a share as a coordinate of a picture that is as wide as it is shown."""
    return f"{float(share * 100):.4f}%"


def timecode(frame: int, fps: Fraction) -> str:
    """Return minutes, seconds and frames, counted at the rate's whole number without drops."""
    rate = round(fps)
    seconds, frames = divmod(frame, rate)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes:02}:{seconds:02}:{frames:02}"


def digest(sha256: str | None) -> Html:
    """Return the first digits of a digest, all of them on hover."""
    if sha256 is None:
        return UNKNOWN
    return tag("code", sha256[:_DIGEST_SHOWN], "…", title=sha256)


def identity(public_id: str | None) -> Html:
    """Return a public id cut to what tells it from its neighbours, whole on hover."""
    if public_id is None:
        return UNKNOWN
    kind, _, rest = public_id.partition("_")
    short = f"{kind}_…{rest[-_JOB_SHOWN:]}" if len(rest) > _JOB_SHOWN else public_id
    return tag("code", short, title=public_id)


def moment(iso: str | None) -> Html:
    """Return a point in time with its zone."""
    if iso is None:
        return UNKNOWN
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return said(iso)
    shown = f"{when.day} {when:%b %Y, %H:%M:%S}"
    return tag("time", shown, " ", tag("span", "UTC", class_="unit"), datetime=iso, class_="num")


def price(nusd_per_s: int | None) -> Html:
    """Return the price of a device as people write it, exact on hover."""
    if nusd_per_s is None:
        return tag("span", "no price: what it costs is unknown", class_="unknown")
    per_hour = float(nusd_per_s * _NUSD_S_PER_USD_H)
    return quantity(f"${per_hour:.6g}", "an hour", title=f"{nusd_per_s:,} nUSD a second")


def share_in_words(share_bp: int) -> str:
    """Return what a share in basis points means to whoever is paid."""
    if share_bp == WHOLE_BP:
        return "every dollar in full"
    if share_bp == 0:
        return "less than a hundredth of a cent of every dollar"
    cents = f"{share_bp / 100:g}"
    return f"{cents} {'cent' if cents == '1' else 'cents'} of every dollar"
