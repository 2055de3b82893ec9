"""The brand's mark in a corner: a logo with its own transparency, inside the safe area."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.effect import REFERENCE, EffectCard, EffectWork
from cinefab.assemble.effects.layer import Layer, layer_of
from cinefab.core.brief import Size
from cinefab.core.effect import EffectNeed
from cinefab.media.contrast import contrast_ratio
from cinefab.media.frames import Frame, Mask, Rgb
from cinefab.media.still import read_mask, read_png

_CORNERS: Final = ("top-left", "top-right", "bottom-left", "bottom-right", "centre")
_SAFE: Final = 0.05
"""Of each side: what lies further out may be cut off by a screen's edge."""
_HEIGHT_MAX: Final = 0.5
_ROOM: Final = 0.3  # of its shorter side, around a mark on a plate
_GROUND_EVEN: Final = 10  # code values that paper may vary by
_GROUND_NEAR, _GROUND_FAR = 12, 72  # from it: still paper, and surely ink

CARD: Final = EffectCard(
    name="overlay",
    version="1",
    settings_schema={
        "title": "Overlay",
        "type": "object",
        "additionalProperties": False,
        "required": ["logo"],
        "properties": {
            "logo": {
                "type": "string",
                "minLength": 1,
                "format": REFERENCE,
                "description": "Write the name of a reference",
            },
            "corner": {
                "enum": list(_CORNERS),
                "default": "top-right",
                "description": f"Write one of: {', '.join(_CORNERS)}",
            },
            "width": {
                "type": "number",
                "minimum": 0.02,
                "maximum": 0.9,
                "default": 0.12,
                "description": "Write its width as a share of the picture's, 0.02 to 0.9",
            },
            "opacity": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 1,
                "description": "Write a number from 0, unseen, to 1",
            },
            "plate": {
                "type": "boolean",
                "default": False,
                "description": "Write true to lay it on a plate of its own, where it would not be seen",
            },
        },
    },
    neutral=None,
)


class Overlay:
    """Lays a logo over every frame; one without transparency leaves its even ground out."""

    @property
    def card(self) -> EffectCard:
        """What this effect says of itself."""
        return CARD

    def need(self, settings: Mapping[str, Any], /) -> EffectNeed:
        """Return what it asks of its frames: nothing but themselves."""
        return EffectNeed(cost_us_per_megapixel=1_000)

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        """Yield every frame with the logo over it."""
        settings = work.settings
        opacity = float(settings.get("opacity", 1))
        if opacity == 0:
            yield from frames
            return
        picture = read_png(work.pictures["logo"])
        mask = read_mask(work.masks["logo"]) if "logo" in work.masks else None
        layer = _placed(
            picture,
            mask,
            work.wanted.size,
            corner=settings.get("corner", "top-right"),
            share=float(settings.get("width", 0.12)),
            opacity=opacity,
            plate=bool(settings.get("plate", False)),
        )
        for frame in frames:
            yield layer.over(frame)


def _placed(
    picture: Rgb,
    mask: Mask | None,
    size: Size,
    *,
    corner: str,
    share: float,
    opacity: float,
    plate: bool,
) -> Layer:
    cover = _without_ground(picture) if mask is None else mask.astype(np.float32) / 255
    x, y, columns, rows = cv2.boundingRect((cover > 0.03).astype(np.uint8))
    if columns == 0:
        x, y, rows, columns = 0, 0, *cover.shape
    inked: NDArray[np.float32] = np.empty((*cover.shape, 4), np.float32)
    inked[..., :3] = picture / np.float32(255) * cover[..., None]
    inked[..., 3] = cover
    inked = inked[y : y + rows, x : x + columns]
    around = 1 + 2 * _ROOM if plate else 1.0
    room_x, room_y = size.width * (1 - 2 * _SAFE), size.height * (1 - 2 * _SAFE)
    scale = min(
        min(share * size.width, room_x / around) / columns,
        min(_HEIGHT_MAX * size.height, room_y / around) / rows,
    )
    wanted = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    # Premultiplied, or the colour of what is left out would bleed into the rim.
    drawn = np.asarray(
        cv2.resize(inked, wanted, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC),
        np.float32,
    )
    drawn = np.clip(drawn, 0, 1)
    cover = drawn[..., 3]
    straight: NDArray[np.float32] = np.clip(
        drawn[..., :3] / np.maximum(cover, np.float32(1e-4))[..., None], 0, 1
    ).astype(np.float32)
    if plate:
        straight, cover = _on_plate(straight, cover)
    left, top = _corner(corner, size, (cover.shape[1], cover.shape[0]))
    return layer_of(
        straight,
        cover * np.float32(opacity),
        left=left,
        top=top,
        width=size.width,
        height=size.height,
    )


def _on_plate(
    straight: NDArray[np.float32], cover: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mark on black or white, whichever it can be told from better, with some room."""
    own = np.average(straight.reshape(-1, 3), axis=0, weights=cover.reshape(-1) + 1e-6) * 255
    colour = (int(own[0]), int(own[1]), int(own[2]))
    black, white = (0, 0, 0), (255, 255, 255)
    on_white = contrast_ratio(colour, white) > contrast_ratio(colour, black)
    pad = max(2, round(min(cover.shape) * _ROOM))
    ink = np.pad(cover, pad)[..., None]
    mark = np.pad(straight, ((pad, pad), (pad, pad), (0, 0)))
    laid = mark * ink + np.float32(1.0 if on_white else 0.0) * (1 - ink)
    return laid.astype(np.float32), np.ones(ink.shape[:2], np.float32)


def _corner(corner: str, size: Size, drawn: tuple[int, int]) -> tuple[int, int]:
    # The same distance to both edges, so that the corner looks like one.
    margin = round(_SAFE * max(size.width, size.height))
    width, height = drawn
    margin_x = min(margin, (size.width - width) // 2)
    margin_y = min(margin, (size.height - height) // 2)
    if corner == "centre":
        return (size.width - width) // 2, (size.height - height) // 2
    left = margin_x if corner.endswith("left") else size.width - margin_x - width
    top = margin_y if corner.startswith("top") else size.height - margin_y - height
    return left, top


def _without_ground(rgb: Rgb) -> NDArray[np.float32]:
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]).astype(np.float32)
    ground = np.median(border, axis=0)
    if float(np.abs(border - ground).max(axis=1).mean()) > _GROUND_EVEN:
        return np.ones(rgb.shape[:2], np.float32)
    far = np.abs(rgb.astype(np.float32) - ground).max(axis=2)
    share = (far - _GROUND_NEAR) / (_GROUND_FAR - _GROUND_NEAR)
    return np.asarray(np.clip(share, 0, 1), np.float32)
