"""What layouts are built with: one shot's stage, colours and photographs, and layers made of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.core.brief import Camera
from cinefab.generate.camera import view_of
from cinefab.generate.models.procedural.copy import Copy, Entrance, Setting, place_copy
from cinefab.generate.models.procedural.layers import (
    Ground,
    Layer,
    Picture,
    Placement,
    Rule,
    Sweep,
)
from cinefab.generate.models.procedural.motion import Moment, arrive
from cinefab.generate.models.procedural.palette import Colour, Palette, mix
from cinefab.generate.models.procedural.pictures import (
    Photo,
    Product,
    blurred,
    dithered,
    enlarged,
)
from cinefab.generate.models.procedural.stage import Box, Stage
from cinefab.media.finish import Look
from cinefab.media.frames import Mask
from cinefab.media.typeset import TypeStyle

Place = Callable[[Moment], Placement]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A shot ready to be drawn, without its type.

    `front` lies over the scrim that type may need; `scrim_to` are the sides of the frame (left,
    top, right, bottom) into which such a scrim runs out.
    """

    back: list[Layer]
    front: list[Layer] = field(default_factory=list)
    copy: Copy | None
    logo: Box
    scrim_to: tuple[bool, bool, bool, bool] = (True, True, True, True)
    look: Look = field(default_factory=Look)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """One shot's ingredients; `chance` is seeded by the film and the shot's place in it."""

    stage: Stage
    palette: Palette
    caption: str
    camera: Camera
    shot_s: float
    photo: Photo | None
    backdrop: Photo | None
    voice: TypeStyle
    entrance: Entrance
    font_file: Path | None
    chance: random.Random

    def copy(self, setting: Setting, *, entrance: Entrance | None = None) -> Copy | None:
        """Set the shot's caption."""
        return place_copy(
            self.caption,
            self.stage,
            setting,
            entrance=entrance or self.entrance,
            shot_s=self.shot_s,
            font_file=self.font_file,
        )

    def product(self) -> Product | None:
        """Return the cut-out product, where there is one."""
        return None if self.photo is None else self.photo.product

    def moving(self, base: Placement, *, depth: float, focus: tuple[float, float]) -> Place:
        """Let the camera move a layer that rests at `base`; `focus` is where zooming aims."""
        width, height = self.stage.width, self.stage.height

        def place(at: Moment) -> Placement:
            view = view_of(self.camera, at.progress).at_depth(depth)
            x = focus[0] + (base.x - focus[0]) * view.zoom + view.right * width
            y = focus[1] + (base.y - focus[1]) * view.zoom + view.down * height
            return Placement(x, y, base.scale * view.zoom, base.turn)

        return place

    def plate(
        self,
        *,
        blur: float,
        light: float = 1.0,
        tint: tuple[Colour, float] | None = None,
        window: Box | None = None,
        window_cover: Mask | None = None,
        sunk: Callable[[Moment], float] | None = None,
        depth: float = 0.5,
        zoom: float = 1.0,
        aim: tuple[float, float] = (0.5, 0.5),
    ) -> Picture:
        """Fill the frame, or a window of it, with the photograph behind the product.

        `aim` is the point of the photograph, in shares, that the view is centred on.
        """
        source = self.backdrop or self.photo
        assert source is not None, "a plate needs a photograph"
        values = blurred(source.plate, blur) if blur else source.plate
        values = values * np.float32(light)
        if tint is not None:
            values = values + (np.array(tint[0], np.float32) - values) * np.float32(tint[1])
        texture = _opaque(dithered(values, np.random.default_rng(self.chance.getrandbits(32))))
        return self._filling(texture, window, window_cover, sunk, depth, aim, zoom)

    def whole_photo(
        self,
        *,
        window: Box | None = None,
        window_cover: Mask | None = None,
        sunk: Callable[[Moment], float] | None = None,
        zoom: float = 1.0,
        depth: float = 1.0,
        aim: tuple[float, float] = (0.5, 0.5),
    ) -> Picture:
        """Fill the frame, or a window of it, with the photograph as it is."""
        source = self.photo or self.backdrop
        assert source is not None, "a photograph is needed"
        box = window or Box(0, 0, self.stage.width, self.stage.height)
        scale = max(box.width / source.width, box.height / source.height) * _OVERSCAN * zoom
        size = (round(source.width * scale), round(source.height * scale))
        texture = _opaque(enlarged(source.rgb, *size))
        return self._filling(texture, window, window_cover, sunk, depth, aim, zoom)

    def product_layers(
        self,
        box: Box,
        *,
        depth: float = 1.0,
        shade: Colour,
        shade_strength: float = 0.55,
        entrance: float = 0.0,
        sweep_at: float = 0.35,
        turn: float = 0.0,
        focus: tuple[float, float] | None = None,
    ) -> list[Layer]:
        """Put the product into `box` (contained, centred) with its shadows and a light sweep.

        `entrance` is how far below its place it begins, as a share of the frame's height;
        `sweep_at` when the light passes, as a share of the shot; `turn` how many degrees it
        turns over the shot.
        """
        product = self.product()
        assert product is not None, "a product is needed"
        texture, scale = self._product_texture(product, box)
        base = Placement(box.middle_x, box.middle_y, scale)
        aimed = focus or (self.stage.width / 2, self.stage.height / 2)
        camera = self.moving(base, depth=depth, focus=aimed)
        drop = entrance * self.stage.height

        def place(at: Moment) -> Placement:
            there = camera(at)
            away = 1 - arrive(at.seconds + 0.1, start=0.0, length=min(1.2, 0.45 * self.shot_s))
            angle = turn * (at.progress - 0.5)
            return Placement(
                there.x, there.y + drop * away, there.scale * (1 - 0.06 * away * (drop > 0)), angle
            )

        sweep_s = self.shot_s * sweep_at
        sweep = Sweep(start_s=sweep_s, length_s=min(1.5, max(0.6, 0.4 * self.shot_s)))
        grounded = _on_its_shadow(texture, shade, shade_strength)
        return [Picture(texture=grounded, place=place, sweep=sweep)]

    def flat(self, colour: Colour, glow: tuple[float, float, float] | None = None) -> Ground:
        """Cover the frame in a colour; `glow` (x, y in shares, strength) lights a part of it."""
        height, width = self.stage.height, self.stage.width
        canvas = np.empty((height, width, 4), np.uint8)
        canvas[..., 3] = 0
        canvas[..., :3] = colour
        if glow is not None:
            x = (np.arange(width, dtype=np.float32) / width - self.stage.x(glow[0]) / width) * 1.3
            y = np.arange(height, dtype=np.float32) / height - glow[1]
            # A bell over the distance is the product of two bells.
            across, down = np.exp(-3.2 * x * x), np.exp(-3.2 * y * y) * np.float32(glow[2])
            rng = np.random.default_rng(self.chance.getrandbits(32))
            noise = rng.random((height, width), np.float32)
            lit = mix(colour, (255, 250, 240), 0.5)
            for k in range(3):
                light = np.outer(down * np.float32(lit[k] - colour[k]), across)
                canvas[..., k] = light + noise + np.float32(colour[k])
        return Ground(canvas)

    def growing_rule(
        self, settled: Box, colour: Colour, *, start_s: float, upright: bool = False
    ) -> Rule:
        """A bar that grows from its reading-start (or top, if `upright`) to its full length."""
        from_right = self.stage.mirrored

        def box(at: Moment) -> Box:
            share = arrive(at.seconds, start=start_s, length=min(0.9, 0.3 * self.shot_s))
            if upright:
                return Box(
                    settled.left, settled.top, settled.right, settled.top + settled.height * share
                )
            if from_right:
                return Box(
                    settled.right - settled.width * share,
                    settled.top,
                    settled.right,
                    settled.bottom,
                )
            return Box(
                settled.left, settled.top, settled.left + settled.width * share, settled.bottom
            )

        return Rule(box, colour)

    def _filling(
        self,
        texture: NDArray[np.uint8],
        window: Box | None,
        window_cover: Mask | None,
        sunk: Callable[[Moment], float] | None,
        depth: float,
        aim: tuple[float, float],
        zoom: float = 1.0,
    ) -> Picture:
        box = window or Box(0, 0, self.stage.width, self.stage.height)
        height, width = texture.shape[:2]
        scale = max(box.width / width, box.height / height) * _OVERSCAN * zoom
        # As far towards the aim as the texture reaches, with room left for the camera.
        room_x = max(0.0, width * scale - box.width * _OVERSCAN) / 2
        room_y = max(0.0, height * scale - box.height * _OVERSCAN) / 2
        off_x = min(max((0.5 - aim[0]) * width * scale, -room_x), room_x)
        off_y = min(max((0.5 - aim[1]) * height * scale, -room_y), room_y)
        base = Placement(box.middle_x + off_x, box.middle_y + off_y, scale)
        place = self.moving(base, depth=depth, focus=(box.middle_x, box.middle_y))
        if window is not None and window_cover is None:
            window_cover = np.full(
                (round(box.bottom) - round(box.top), round(box.right) - round(box.left)),
                255,
                np.uint8,
            )
        return Picture(
            texture=texture, place=place, window=window, window_cover=window_cover, sunk=sunk
        )

    def _product_texture(self, product: Product, box: Box) -> tuple[NDArray[np.uint8], float]:
        height, width = product.mask.shape
        fit = min(box.width / width, box.height / height)
        # Kept at the size it is shown at its largest, so that no frame enlarges it.
        size = (
            max(8, round(width * fit * _PRODUCT_ZOOM)),
            max(8, round(height * fit * _PRODUCT_ZOOM)),
        )
        texture = np.empty((size[1], size[0], 4), np.uint8)
        texture[..., :3] = enlarged(product.rgb, *size)
        texture[..., 3] = enlarged(product.mask, *size)
        return texture, 1 / _PRODUCT_ZOOM


_OVERSCAN: Final = 1.10
_PRODUCT_ZOOM: Final = 1.06
_SHADOW_REACH: Final = 0.20


def lerp_box(a: Box, b: Box, share: float) -> Box:
    """Return the box between two."""
    return Box(
        a.left + (b.left - a.left) * share,
        a.top + (b.top - a.top) * share,
        a.right + (b.right - a.right) * share,
        a.bottom + (b.bottom - a.bottom) * share,
    )


def _opaque(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA), np.uint8)


def _on_its_shadow(
    texture: NDArray[np.uint8], colour: Colour, strength: float
) -> NDArray[np.uint8]:
    """Put a cut-out on its own shadow: wide and faint, close and strong, light from above.

    The result is padded evenly, so that its middle is the cut-out's. One texture, because every
    texture is warped anew for every frame.
    """
    height, width = texture.shape[:2]
    pad = round(_SHADOW_REACH * max(width, height))
    full = (width + 2 * pad, height + 2 * pad)
    step = max(1.0, max(full) / 300)
    size = (round(full[0] / step), round(full[1] / step))
    alpha = np.zeros((full[1], full[0]), np.uint8)
    alpha[pad : pad + height, pad : pad + width] = texture[..., 3]
    small = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    reach = max(width, height) / step
    lit = np.ones(small.shape, np.float32)
    for spread, down, share in ((0.075, 0.070, 0.62), (0.018, 0.020, 0.75)):
        soft = cv2.GaussianBlur(small, (0, 0), spread * reach)
        shift = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, down * reach]])
        lower = cv2.warpAffine(soft, shift, size)
        lit *= 1 - lower * np.float32(strength * share)
    dark = 1 - lit
    # Fades to nothing before the texture ends, or its border would show.
    x, y = np.arange(size[0]), np.arange(size[1])
    soft_edge = 0.5 * pad / step
    dark *= np.clip(np.minimum(x, x[::-1]) / soft_edge, 0, 1).astype(np.float32)
    dark *= np.clip(np.minimum(y, y[::-1]) / soft_edge, 0, 1).astype(np.float32)[:, None]
    shade = cv2.resize(dark, full, interpolation=cv2.INTER_LINEAR)
    on = np.empty((full[1], full[0], 4), np.uint8)
    on[..., :3] = colour
    on[..., 3] = cv2.convertScaleAbs(shade, alpha=255)
    part = on[pad : pad + height, pad : pad + width]
    inside = texture[..., 3] == 255
    edge = (texture[..., 3] > 0) & ~inside
    own = texture[edge].astype(np.float32)
    share = own[:, 3:] / 255
    below = part[edge][:, 3:].astype(np.float32) / 255 * (1 - share)
    both = share + below
    part[inside] = texture[inside]
    mixed = own[:, :3] * share + np.array(colour, np.float32) * below
    part[edge] = np.round(np.concatenate([mixed / both, both * 255], axis=1))
    return on
