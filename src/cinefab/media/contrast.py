"""How well two colours can be told apart, by the measure of WCAG 2."""

from __future__ import annotations


def contrast_ratio(a: tuple[int, int, int], b: tuple[int, int, int]) -> float:
    """Return the contrast of two sRGB colours (0 to 255 a channel), from 1 to 21.

    Legible text needs 4.5, large text 3 (WCAG 2.2, success criterion 1.4.3).
    """
    lighter, darker = sorted((relative_luminance(a), relative_luminance(b)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def relative_luminance(colour: tuple[int, int, int]) -> float:
    """Return the relative luminance of an sRGB colour (0 to 255 a channel), from 0 to 1."""
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(encoded: float) -> float:
    # The threshold is sRGB's; the 0.03928 of older WCAG texts gives the same for 8-bit colours.
    return encoded / 12.92 if encoded <= 0.04045 else float(((encoded + 0.055) / 1.055) ** 2.4)
