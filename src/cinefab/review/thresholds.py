"""Where each check draws its line: defaults that suit a studio's films, and settings by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The figures at which a check remarks something; whole numbers with their unit in the name.

    They are part of what findings are kept under: findings under others are not reused.
    """

    black_ms_max: int = 2000
    """Black that nobody orders; a film that is shorter is refused when it is nothing else."""

    black_level_max: int = 24
    """The brightest square of a black frame; 16 is black itself."""

    black_flash_frames_max: int = 0
    """Black that begins from one frame to the next inside a shot; fades and dips are slower."""

    freeze_ms_max: int = 2000
    """One picture standing still, whatever its grain does."""

    duplicate_frames_max: int = 1
    """The same frame shown again in a row while the picture moves before and after."""

    skipped_motion_percent_max: int = 350
    """One step of the picture against those beside it: more, and frames are missing."""

    flicker_hundredths_min: int = 100
    """Mean luma going up or down by this much from one frame to the next, in hundredths of a
    level."""

    flicker_turns_max: int = 3
    """Turns of such luma from up to down or back within half a second."""

    blur_sharp_min: int = 240
    """How much of its height the sharpest kind of edge must climb from one pixel to the next, in
    thousandths; a soft reference may be shown as soft as it is."""

    blur_words_sharp_min: int = 500
    """The same, where type is to be read: that is drawn sharp, and must be within a second."""

    blur_ms_max: int = 400
    """How long a picture may be softer than that."""

    blur_left_percent_min: int = 68
    """What must be left of sharpness from one frame to the next, inside a shot."""

    blur_detail_percent_min: int = 76
    """What must be left of detail, where sharpness falls a little too."""

    blocks_max: int = 350
    """Steps at every eighth column beyond those elsewhere, in hundredths of a per cent."""

    blocks_jump_max: int = 110
    """The same, beyond what the rest of the shot has."""

    blocks_preview_max: int = 1000
    """As `blocks_max`, for previews, which are encoded without a filter against blocks."""

    blocks_preview_jump_max: int = 300
    """As `blocks_jump_max`, for previews."""

    clipped_max: int = 250
    """Pixels cut off at white or black, in hundredths of a per cent, beyond what the references
    have."""

    light_leap_hundredths_max: int = 300
    """Mean luma from one frame to the next inside a shot, all one way, in hundredths of a
    level."""

    colour_unlike_percent_max: int = 12
    """Colour that neither the references nor the brand have, of all colour in a shot."""

    colour_straight_percent_min: int = 82
    """How much of a reference's colours is seen, of what would be if all hues were turned, or red
    and blue changed about."""

    colour_left_percent_min: int = 15
    """Colourfulness of a shot against that of the reference that it shows."""

    colour_jump_hundredths_max: int = 300
    """Colours from one frame to the next inside a shot, while the picture stays the same: how far
    apart on average, in hundredths of a level."""

    loudness_hundredths_max: int = 100
    """Loudness against the mix, in hundredths of LU."""

    peak_hundredths_max: int = -20
    """True peak, in hundredths of dBTP; the mix is mastered to -100 or less, and AAC adds some."""

    silence_ms_max: int = 150
    """Silence where the mix has sound."""

    clipped_sounds_max: int = 0
    """How often sound may stay at full scale."""

    peak_lost_hundredths_max: int = 150
    """How much lower sound may peak than its mix, against the loudness of each, in hundredths of a
    decibel."""

    sync_ms_max: int = 40
    """How early or late sound may be, and by how much longer or shorter than its picture."""

    def as_dict(self) -> dict[str, int]:
        """Return the thresholds by name."""
        return asdict(self)


DEFAULTS: Final = Thresholds()
"""Lines that nobody moved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a brief may move a line: from `least` to `most`, both allowed."""

    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAllowed:
    """A line that a brief may not draw there: its name, what is wrong with it, what to write."""

    name: str
    found: str
    remedy: str


def moved(studio: Thresholds, lines: Mapping[str, int]) -> Thresholds:
    """Return the studio's lines with those that a brief draws elsewhere."""
    return replace(studio, **lines)


def not_allowed(
    studio: Thresholds, lines: Mapping[str, int], bounds: Mapping[str, Bounds]
) -> NotAllowed | None:
    """Return the first line of a brief that is unknown or beyond what is allowed, or None.

    Where the studio itself draws a line a brief may always draw it, too.
    """
    known = studio.as_dict()
    for name, value in lines.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            remedy = f"{meant}The names are in docs/how-to/review.md."
            return NotAllowed(name=name, found="no check has such a line", remedy=remedy)
        if value == known[name]:
            continue
        allowed = bounds.get(name)
        if allowed is None:
            return NotAllowed(
                name=name,
                found=f"{value} where this studio draws it at {known[name]}, for every brief",
                remedy=f"Leave it out, or set review_bounds.{name} in the studio's settings.",
            )
        if not allowed.least <= value <= allowed.most:
            return NotAllowed(
                name=name,
                found=f"{value}",
                remedy=f"This studio lets briefs draw it from {allowed.least} to {allowed.most}.",
            )
    return None


def bounds_from(named: Mapping[str, tuple[int, int]]) -> Mapping[str, Bounds]:
    """Return bounds by name; raise `ValueError` for what is unknown or the wrong way round."""
    thresholds_from(dict.fromkeys(named, 0))
    for name, (least, most) in named.items():
        if least > most:
            raise ValueError(f"{name!r} goes from {least} to {most}: write the smaller one first")
    return {name: Bounds(least=least, most=most) for name, (least, most) in named.items()}


def thresholds_from(named: Mapping[str, int]) -> Thresholds:
    """Return the defaults but for those in `named`; raise `ValueError` naming what is unknown."""
    known = DEFAULTS.as_dict()
    unknown = sorted(set(named) - set(known))
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no threshold; there are {', '.join(known)}")
    return Thresholds(**named)
