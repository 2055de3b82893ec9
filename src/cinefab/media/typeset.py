"""Text set in type: words as coverage, placed in a block that fits a box.

A caption in any script that the bundled faces cover is normalised, ordered by the Unicode
bidirectional algorithm, shaped, broken into even lines, made as large as its box allows and
drawn without hinting, one array a word, so that words can move one by one.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cinefab.core.errors import BriefInvalid
from cinefab.media.bidirectional import base_level
from cinefab.media.contrast import contrast_ratio
from cinefab.media.paragraphs import ShapedWord, cleaned, shaped_paragraphs
from cinefab.media.rasterise import rasterise
from cinefab.media.shaping import Spacing, Unset
from cinefab.media.text_layout import Layout, PlacedWord, lay_out
from cinefab.media.typeface import Family, Outline, ScaledFace, Weight, faces_for

__all__ = [
    "MissingGlyph",
    "TextTooLong",
    "TypeBlock",
    "TypeStyle",
    "Word",
    "contrast_ratio",
    "set_type",
]

Align: TypeAlias = Literal["start", "centre", "end"]

_PADDING_PX: Final = 1
_SUBPIXELS: Final = 64  # FreeType's unit, 26.6
_SIZE_STEP_PX: Final = 0.05
_CHARACTERS_MAX: Final = 4000


class MissingGlyph(BriefInvalid):
    """No font has a glyph for `character`; `fonts` are those that were tried, in order."""

    def __init__(self, *, field: str, character: str, fonts: tuple[str, ...]) -> None:
        name = unicodedata.name(character, "a character without a name")
        super().__init__(
            field=field,
            found=f"no glyph for '{character}' (U+{ord(character):04X}, {name}) in any of "
            f"{', '.join(fonts)}",
            remedy="Reword the text, or give a font_file that has the character.",
            attempted="set the text in type",
        )
        self.character = character
        self.fonts = fonts


class TextTooLong(BriefInvalid):
    """Text of `characters` characters does not fit its box even at the least size."""

    def __init__(
        self, *, field: str, characters: int, box_px: tuple[int, int], size_min_px: float
    ) -> None:
        width_px, height_px = box_px
        super().__init__(
            field=field,
            found=f"{characters} characters do not fit a box of {width_px} x {height_px} pixels "
            f"even at the least legible size of {size_min_px:g} pixels",
            remedy="Shorten the text or its longest word, or choose a larger picture.",
            attempted="set the text in type",
        )
        self.characters = characters
        self.box_px = box_px
        self.size_min_px = size_min_px


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeStyle:
    """How type looks: a bundled family and weight, spacing in ems, and whether in capitals.

    `leading` is the least distance from one baseline to the next; lines whose ink would touch
    stand further apart. Tracking leaves joined scripts such as Arabic as they are.
    """

    family: Family
    weight: Weight
    tracking_em: float = 0.0
    leading: float = 1.15
    uppercase: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Word:
    """One word drawn: `coverage` of shape (h, w), uint8, 255 inside, with an empty edge.

    Its upper left corner lies at (`x_px`, `y_px`) in the block, always on whole pixels; `line`
    counts from 0.
    """

    coverage: NDArray[np.uint8]
    x_px: float
    y_px: float
    line: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TypeBlock:
    """Words in reading order, all within `width_px` x `height_px`, at `size_px` an em."""

    words: tuple[Word, ...]
    width_px: int
    height_px: int
    size_px: float
    right_to_left: bool


def set_type(
    text: str,
    *,
    style: TypeStyle,
    box_width_px: int,
    box_height_px: int,
    size_max_px: float,
    size_min_px: float,
    align: Align,
    font_file: Path | None = None,
    field: str = "caption",
) -> TypeBlock:
    """Set text as large as fits the box, on even lines; newlines in it are kept.

    The block is as wide as its longest line; 'start' is the left for text that reads from the
    left, and the right for text that reads from the right. A brand's `font_file` is tried
    before the bundled faces. The same arguments give the same bytes. Text without anything to
    see gives a block without words. Raises `MissingGlyph`, `TextTooLong`, or `BriefInvalid`
    for control characters (at `field`) or a file that is no font (at 'brand.font').
    """
    assert 0 < size_min_px <= size_max_px, "the least size is positive and at most the largest"
    faces = faces_for(style.family, style.weight, font_file)
    text = cleaned(text, field=field, uppercase=style.uppercase)
    base = base_level(text)
    box_px = (box_width_px, box_height_px)
    too_long = TextTooLong(
        field=field, characters=len(text), box_px=box_px, size_min_px=size_min_px
    )
    if len(text) > _CHARACTERS_MAX:
        raise too_long
    paragraphs = _shaped(text, base=base, style=style, faces=faces, field=field)
    if not any(paragraphs):
        return TypeBlock(
            words=(), width_px=0, height_px=0, size_px=size_max_px, right_to_left=bool(base)
        )
    fitted = _fitted(
        paragraphs, box_px, (size_min_px, size_max_px), style.leading, faces[0].face.cap_height
    )
    if fitted is None:
        raise too_long
    layout, size_px = fitted
    return TypeBlock(
        words=tuple(_drawn_words(layout, size_px=size_px, flush=_flush(align, base))),
        width_px=_pixels(layout.width * size_px) + 2 * _PADDING_PX,
        height_px=_pixels(layout.height * size_px) + 2 * _PADDING_PX,
        size_px=size_px,
        right_to_left=bool(base),
    )


def _shaped(
    text: str, *, base: int, style: TypeStyle, faces: tuple[ScaledFace, ...], field: str
) -> tuple[tuple[ShapedWord, ...], ...]:
    spacing = Spacing(tracking=style.tracking_em, capitals=style.uppercase)
    try:
        return shaped_paragraphs(text, base=base, faces=faces, spacing=spacing)
    except Unset as unset:
        fonts = tuple(dict.fromkeys(scaled.face.name for scaled in faces))
        raise MissingGlyph(field=field, character=unset.character, fonts=fonts) from None


def _fitted(
    paragraphs: Sequence[Sequence[ShapedWord]],
    box_px: tuple[int, int],
    sizes_px: tuple[float, float],
    leading: float,
    cap_height: float,
) -> tuple[Layout, float] | None:
    """Return the layout and the largest size that fit, or None if not even the least does."""
    width_px, height_px = (side - 2 * _PADDING_PX for side in box_px)

    def fits(size_px: float) -> Layout | None:
        limit = width_px / size_px
        layout = lay_out(paragraphs, limit=limit, leading=leading, cap_height=cap_height)
        return layout if layout and layout.height * size_px <= height_px else None

    fitting_px, failing_px = sizes_px
    best = fits(failing_px)
    if best:
        return best, failing_px
    best = fits(fitting_px)
    if best is None:
        return None
    while failing_px - fitting_px > _SIZE_STEP_PX:
        middle_px = (fitting_px + failing_px) / 2
        layout = fits(middle_px)
        if layout:
            best, fitting_px = layout, middle_px
        else:
            failing_px = middle_px
    # These breaks may bear a little more than the size that the search stopped at.
    return best, min(sizes_px[1], width_px / best.width, height_px / best.height)


def _flush(align: Align, base: int) -> float:
    """Return the part of a line's free space that stands at its left."""
    if align == "centre":
        return 0.5
    return float((align == "end") != bool(base))


def _drawn_words(layout: Layout, *, size_px: float, flush: float) -> list[Word]:
    words = []
    for number, line in enumerate(layout.lines):
        free = layout.width - (line.right - line.left)
        left = free * flush - line.left
        baseline = layout.top + layout.pitch * number
        words += [
            _drawn(word, left=left, baseline=baseline, size_px=size_px, line=number)
            for word in line.words
        ]
    return words


def _drawn(word: PlacedWord, *, left: float, baseline: float, size_px: float, line: int) -> Word:
    """Draw one word on whole pixels of the block, its sub-pixel place drawn in."""
    shapes = [
        _scaled(outline, size_px, left + x, baseline) for run, x in word for outline in run.outlines
    ]
    points = np.concatenate([shape.points for shape in shapes])
    low = np.floor(points.min(axis=0)).astype(int) - _PADDING_PX
    high = np.ceil(points.max(axis=0)).astype(int) + _PADDING_PX
    width_px, height_px = (high - low).tolist()
    moved = [Outline(points=s.points - low, tags=s.tags, ends=s.ends) for s in shapes]
    return Word(
        coverage=rasterise(moved, width_px=width_px, height_px=height_px),
        x_px=float(low[0]),
        y_px=float(low[1]),
        line=line,
    )


def _scaled(outline: Outline, size_px: float, x: float, baseline: float) -> Outline:
    """Return an outline in pixels of the block, y downwards, on FreeType's grid."""
    points = outline.points * (size_px, -size_px) + (x * size_px, baseline * size_px)
    on_grid = np.rint(points * _SUBPIXELS) / _SUBPIXELS + _PADDING_PX
    return Outline(points=on_grid, tags=outline.tags, ends=outline.ends)


def _pixels(length_px: float) -> int:
    """Round up to whole pixels what is first rounded to FreeType's grid, as its points are."""
    return max(math.ceil(round(length_px * _SUBPIXELS) / _SUBPIXELS), 1)
