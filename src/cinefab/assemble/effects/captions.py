"""Captions burnt into the picture: words on a dark plate, there while they are spoken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.effect import EffectCard, EffectWork
from cinefab.assemble.effects.layer import Layer, layer_of
from cinefab.core.brief import Size
from cinefab.core.effect import EffectNeed, ShotSpan
from cinefab.core.errors import BriefInvalid
from cinefab.core.sound import first_frame_from
from cinefab.media.frames import Frame
from cinefab.media.typeset import TypeBlock, TypeStyle, set_type

_STYLE: Final = TypeStyle(family="sans", weight="regular", leading=1.2)
_SAFE: Final = 0.05
_PLATE: Final = 0.78
"""How much of the picture the plate takes away: white on it has 11:1 even where that is white."""
_SIZE: Final = 0.052  # of the shorter side, an em
_SIZE_LEAST: Final = 0.6  # of the size, where the words are many
_CUES_MAX: Final = 2000

CARD: Final = EffectCard(
    name="captions",
    version="1",
    settings_schema={
        "title": "Captions",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "cues": {
                "type": "array",
                "maxItems": _CUES_MAX,
                "default": [],
                "description": "Write cues with start_ms, end_ms on the film's clock, and lines",
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["start_ms", "end_ms", "lines"],
                    "properties": {
                        "start_ms": {
                            "type": "integer",
                            "minimum": -3_600_000,
                            "maximum": 3_600_000,
                        },
                        "end_ms": {"type": "integer", "minimum": -3_600_000, "maximum": 3_600_000},
                        "lines": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 3,
                            "items": {"type": "string", "minLength": 1, "maxLength": 200},
                        },
                    },
                },
            },
            "size": {
                "type": "number",
                "minimum": 0.5,
                "maximum": 2,
                "default": 1,
                "description": "Write how large the words are, 0.5 to 2; 1 is usual",
            },
        },
    },
    neutral={"cues": []},
)


class Captions:
    """Sets each cue once, in any bundled script, and lays it over the frames that it lasts for."""

    @property
    def card(self) -> EffectCard:
        """What this effect says of itself."""
        return CARD

    def need(self, settings: Mapping[str, Any], /) -> EffectNeed:
        """Return what it asks of its frames: nothing but themselves."""
        return EffectNeed(cost_us_per_megapixel=3_000)

    def check(self, settings: Mapping[str, Any], files: Mapping[str, Path], /) -> None:
        """Raise `BriefInvalid` for words that no bundled font has, or cues that end too early."""
        for i, cue in enumerate(settings.get("cues", [])):
            if cue["end_ms"] <= cue["start_ms"]:
                raise BriefInvalid(
                    attempted="read the captions",
                    field=f"cues[{i}].end_ms",
                    found=f"found {cue['end_ms']}, which is not after its start",
                    remedy="Write when the words are gone again.",
                )
            _set(cue["lines"], Size(640, 360), 1.0, field=f"cues[{i}].lines")

    def local(self, settings: Mapping[str, Any], span: ShotSpan, /) -> Mapping[str, Any] | None:
        """Return the cues that are seen in a shot, on the shot's own clock."""
        start_ms = round(span.start * 1000 / span.fps)
        first_ms, last_ms = (at * 1000 / span.fps for at in (span.first, span.last))
        cues = [
            {**cue, "start_ms": cue["start_ms"] - start_ms, "end_ms": cue["end_ms"] - start_ms}
            for cue in settings.get("cues", [])
            if cue["start_ms"] < last_ms and cue["end_ms"] > first_ms
        ]
        return {**settings, "cues": cues} if cues else None

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        """Yield every frame, with the words of the cue that its time lies in."""
        cues = work.settings.get("cues", [])
        size = float(work.settings.get("size", 1))
        drawn: dict[int, Layer] = {}
        fps = work.wanted.fps
        there = [
            (first_frame_from(cue["start_ms"], fps), first_frame_from(cue["end_ms"], fps))
            for cue in cues
        ]
        for index, frame in enumerate(frames, start=work.wanted.first):
            shown = [i for i, (comes, goes) in enumerate(there) if comes <= index < goes]
            if not shown:
                yield frame
                continue
            if shown[-1] not in drawn:
                drawn = {shown[-1]: _layer(cues[shown[-1]]["lines"], work.wanted.size, size)}
            yield drawn[shown[-1]].over(frame)


def _set(lines: list[str], picture: Size, size: float, *, field: str = "captions") -> TypeBlock:
    largest = max(9.0, _SIZE * min(picture.width, picture.height) * size)
    return set_type(
        "\n".join(lines),
        style=_STYLE,
        box_width_px=round(picture.width * (1 - 2 * _SAFE) - 2 * largest),
        box_height_px=round(picture.height * 0.4),
        size_max_px=largest,
        size_min_px=min(largest, max(7.0, largest * _SIZE_LEAST)),
        align="centre",
        field=field,
    )


def _layer(lines: list[str], picture: Size, size: float) -> Layer:
    block = _set(lines, picture, size)
    pad_x, pad_y = round(block.size_px * 0.55), round(block.size_px * 0.32)
    width, height = block.width_px + 2 * pad_x, block.height_px + 2 * pad_y
    ink = np.zeros((height, width), np.float32)
    for word in block.words:
        rows, columns = word.coverage.shape
        top, left = round(word.y_px) + pad_y, round(word.x_px) + pad_x
        part = ink[top : top + rows, left : left + columns]
        np.maximum(part, word.coverage.astype(np.float32) / 255, out=part)
    plate = _rounded(width, height, round(block.size_px * 0.22)) * np.float32(_PLATE)
    cover = ink + plate * (1 - ink)
    # White words over a black plate: what is covered is as bright as the share of it that is ink.
    bright = ink / np.maximum(cover, np.float32(1e-4))
    left = (picture.width - width) // 2
    top = picture.height - round(picture.height * _SAFE) - height
    return layer_of(
        np.repeat(bright[..., None], 3, axis=2).astype(np.float32),
        cover.astype(np.float32),
        left=left,
        top=max(0, top),
        width=picture.width,
        height=picture.height,
    )


def _rounded(width: int, height: int, radius: int) -> NDArray[np.float32]:
    scale = 4
    large = np.zeros((height * scale, width * scale), np.uint8)
    inner, far = radius * scale, (width * scale - 1, height * scale - 1)
    cv2.rectangle(large, (inner, 0), (far[0] - inner, far[1]), 255, -1)
    cv2.rectangle(large, (0, inner), (far[0], far[1] - inner), 255, -1)
    for x in (inner, far[0] - inner):
        for y in (inner, far[1] - inner):
            cv2.circle(large, (x, y), inner, 255, -1)
    small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32) / np.float32(255)
