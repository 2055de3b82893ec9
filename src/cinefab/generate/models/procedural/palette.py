"""A brand's colours and the parts they play."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""sRGB, 0 to 255 each."""

_DEFAULT: Final = ((43, 74, 94), (244, 239, 230), (214, 106, 61))


@dataclass(frozen=True, slots=True)
class Palette:
    """Four parts: the brand itself, the lightest ground, the darkest ground, one accent."""

    brand: Colour
    paper: Colour
    deep: Colour
    accent: Colour

    def ink_on(self, ground: Colour, *, ratio_min: float = 4.5) -> Colour:
        """Return the brand's own colour that reads best on `ground`, else black or white."""
        own = max((self.paper, self.deep), key=lambda ink: contrast(ink, ground))
        if contrast(own, ground) >= ratio_min:
            return own
        return max(((255, 255, 255), (0, 0, 0)), key=lambda ink: contrast(ink, ground))

    def accent_on(self, ground: Colour) -> Colour:
        """Return the most colourful part that still stands out from `ground`."""
        for colour in (self.accent, self.brand, self.paper, self.deep):
            if distance(colour, ground) > 0.16:
                return colour
        return self.ink_on(ground)


def palette_of(colours: Sequence[Colour]) -> Palette:
    """Give the brand's colours their parts; what the brand does not bring is derived from it."""
    given = list(colours) or list(_DEFAULT)
    brand = next((c for c in given if 0.012 < luminance(c) < 0.72), given[0])
    lightest = max(given, key=luminance)
    darkest = min(given, key=luminance)
    paper = lightest if luminance(lightest) > 0.55 else mix(brand, (255, 252, 246), 0.90)
    deep = darkest if luminance(darkest) < 0.05 else mix(brand, (8, 8, 10), 0.80)
    if distance(brand, deep) < 0.08:
        deep = mix(deep, (0, 0, 0), 0.45)
        brand = mix(brand, paper, 0.14)
    if distance(brand, paper) < 0.12:
        brand = mix(brand, deep, 0.35)
    rest = [c for c in given if c not in (brand, paper, deep, given[0])]
    accent = max(rest, key=_saturation) if rest else _livelier(brand)
    return Palette(brand, paper, deep, accent)


def parse_colour(text: str) -> Colour:
    """Return the colour that `#rrggbb` spells."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def mix(a: Colour, b: Colour, share_of_b: float) -> Colour:
    """Return a colour between two."""
    return (
        round(a[0] + (b[0] - a[0]) * share_of_b),
        round(a[1] + (b[1] - a[1]) * share_of_b),
        round(a[2] + (b[2] - a[2]) * share_of_b),
    )


def luminance(colour: Sequence[float]) -> float:
    """Return the relative luminance of WCAG 2, 0 to 1."""
    r, g, b = (_linear(channel / 255) for channel in colour)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the contrast ratio of WCAG 2, 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Return how different two colours look, roughly: 0 the same, 1 black and white."""
    off = [(p - q) / 255 for p, q in zip(a, b, strict=True)]
    return float((0.3 * off[0] ** 2 + 0.59 * off[1] ** 2 + 0.11 * off[2] ** 2) ** 0.5)


def _linear(channel: float) -> float:
    if channel <= 0.04045:
        return channel / 12.92
    return float(((channel + 0.055) / 1.055) ** 2.4)


def _saturation(colour: Colour) -> float:
    return (max(colour) - min(colour)) / 255


def _livelier(colour: Colour) -> Colour:
    hue, light, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in colour))
    light = light + 0.20 if light < 0.5 else light - 0.20
    r, g, b = colorsys.hls_to_rgb(
        (hue + 0.025) % 1, light, min(1.0, saturation * 1.1 + 0.05 * (saturation > 0.08))
    )
    return round(r * 255), round(g * 255), round(b * 255)
