"""The caption on screen: set once, then arriving word by word or line by line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, Literal

from cinefab.generate.models.procedural.motion import Moment, arrive
from cinefab.generate.models.procedural.palette import Colour
from cinefab.generate.models.procedural.raster import blend_glyphs
from cinefab.generate.models.procedural.stage import Box, Stage
from cinefab.media.finish import Canvas
from cinefab.media.typeset import TypeBlock, TypeStyle, set_type


class Entrance(Enum):
    """How type arrives."""

    RISE = "rise"
    """Words come up from behind their own baseline."""
    DRIFT = "drift"
    """Words fade in while they float up a little."""
    SLIDE = "slide"
    """Lines come in along the reading direction from behind the block's edge."""


Anchor = Literal["top", "middle", "bottom"]
Align = Literal["start", "centre", "end"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Where and how large a caption may be set; sizes in units of the stage."""

    box: Box
    style: TypeStyle
    size_max: float
    size_min: float = 3.0
    anchor: Anchor = "middle"
    align: Align = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """A caption in its place; `bounds` holds all of it when it has arrived.

    `drift_px` is from how far below its place (above, if negative) it floats in.
    """

    block: TypeBlock
    bounds: Box
    entrance: Entrance
    start_s: float
    settled_s: float
    line_px: float
    drift_px: float

    def draw(self, canvas: Canvas, at: Moment, ink: Colour) -> None:
        """Draw as much of it as has arrived."""
        count = self._steps()
        own = max(0.25, (self.settled_s - self.start_s) * (0.62 if count > 1 else 1.0))
        stagger = (self.settled_s - self.start_s - own) / max(1, count - 1)
        for order, word in enumerate(self.block.words):
            step = word.line if self.entrance is Entrance.SLIDE else order
            share = arrive(at.seconds, start=self.start_s + step * stagger, length=own)
            if share > 0:
                self._draw_word(canvas, order, share, ink)

    def _draw_word(self, canvas: Canvas, order: int, share: float, ink: Colour) -> None:
        word = self.block.words[order]
        x, y = self.bounds.left + word.x_px, self.bounds.top + word.y_px
        height = word.coverage.shape[0]
        clip = (0.0, 0.0, float(canvas.shape[1]), float(canvas.shape[0]))
        opacity = 1.0
        away = 1 - share
        if away > 0:
            match self.entrance:
                case Entrance.RISE:
                    clip = (clip[0], y, clip[2], y + height)
                    y += away * height
                case Entrance.DRIFT:
                    opacity = share
                    y += away * self.drift_px
                case Entrance.SLIDE:
                    edge = self.line_px * 0.2
                    clip = (self.bounds.left - edge, 0.0, self.bounds.right + edge, clip[3])
                    towards = 1 if self.block.right_to_left else -1
                    x += towards * away * (self.bounds.width + 2 * edge)
        blend_glyphs(canvas, word.coverage, (x, y), clip, ink, opacity)

    def _steps(self) -> int:
        words = self.block.words
        if self.entrance is Entrance.SLIDE:
            return len({word.line for word in words})
        return len(words)


_ARRIVAL_MAX_S: Final = 1.15
_ARRIVAL_SHARE: Final = 0.30


def place_copy(
    caption: str,
    stage: Stage,
    setting: Setting,
    *,
    entrance: Entrance,
    shot_s: float,
    font_file: Path | None,
) -> Copy | None:
    """Set `caption` in the safe part of its box, as large as fits; None where it is empty.

    All of it stands before a third of the shot is over. Raises `TextTooLong` or `MissingGlyph`
    for the field `caption`.
    """
    if not caption:
        return None
    box = stage.safe(setting.box)
    assert box.width > 0, "a layout leaves room for type"
    size_max, size_min = setting.size_max * stage.unit, setting.size_min * stage.unit
    block = set_type(
        caption,
        style=setting.style,
        box_width_px=int(box.width),
        box_height_px=int(box.height),
        size_max_px=size_max,
        size_min_px=min(size_min, size_max),
        align=setting.align,
        font_file=font_file,
        field="caption",
    )
    if not block.words:
        return None
    starts_right = block.right_to_left == (setting.align == "start")
    if setting.align == "centre":
        left = box.middle_x - block.width_px / 2
    else:
        left = box.right - block.width_px if starts_right else box.left
    spare = box.height - block.height_px
    top = box.top + spare * {"top": 0.0, "middle": 0.5, "bottom": 1.0}[setting.anchor]
    # Whole pixels, so that type which has arrived is as sharp as it was drawn.
    left, top = float(round(left)), float(round(top))
    line = block.size_px * setting.style.leading
    # Type that floats in does not leave the safe area on its way.
    drift = 0.35 * line
    below = min(drift, box.bottom - top - block.height_px)
    start = min(0.22, 0.06 * shot_s)
    return Copy(
        block=block,
        bounds=Box(left, top, left + block.width_px, top + block.height_px),
        entrance=entrance,
        start_s=start,
        settled_s=start + min(_ARRIVAL_MAX_S, _ARRIVAL_SHARE * shot_s - start),
        line_px=line,
        drift_px=-min(drift, top - box.top) if setting.anchor == "bottom" else below,
    )
