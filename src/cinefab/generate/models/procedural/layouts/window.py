"""An arch-shaped window in a plain wall; the product is too large for it and steps out."""

from __future__ import annotations

from cinefab.generate.models.procedural.copy import Setting
from cinefab.generate.models.procedural.kit import Kit, Scene
from cinefab.generate.models.procedural.layers import Layer, Ring
from cinefab.generate.models.procedural.layouts.windows import (
    rising,
    rounded_cover,
    whole_pixels,
)
from cinefab.generate.models.procedural.motion import Moment, arrive
from cinefab.generate.models.procedural.palette import distance, mix
from cinefab.generate.models.procedural.stage import Box, Shape
from cinefab.media.finish import Look


def window(kit: Kit) -> Scene:
    """Type on the wall beside the window, or below it in a tall frame."""
    stage, palette = kit.stage, kit.palette
    wide = stage.shape is Shape.WIDE
    walls = [palette.paper, palette.deep, palette.brand]
    wall = kit.chance.choice([c for c in walls if distance(c, palette.brand) > 0.2] or walls)
    pane = whole_pixels(
        stage.box(0.58, 0.09, 0.90, 1.0) if wide else stage.box(0.16, 0.07, 0.84, 0.62)
    )
    cover = rounded_cover(pane, top=pane.width / 2, bottom=0)
    sunk = rising(kit, pane)
    text_box = stage.box(0, 0.15, 0.47, 0.9) if wide else stage.box(0, 0.69, 1, 1)
    copy = kit.copy(
        Setting(box=text_box, style=kit.voice, size_max=11.5, anchor="middle" if wide else "top")
    )
    accent = palette.accent_on(wall)
    dot_x, dot_y = (pane.left, pane.top) if not stage.mirrored else (pane.right, pane.top)
    dot_y += pane.width * 0.25

    def dot(at: Moment) -> tuple[float, float, float, float]:
        share = arrive(at.seconds, start=0.25, length=0.9)
        drift = (at.progress - 0.5) * 3.0 * stage.unit
        return dot_x, dot_y + drift, -1.0, 7.5 * stage.unit * share

    back: list[Layer] = [kit.flat(wall, glow=(0.3, 0.3, 0.25))]
    back.append(Ring(dot, accent))
    if kit.product() is None:
        back.append(kit.whole_photo(window=pane, window_cover=cover, sunk=sunk))
    else:
        back.append(
            kit.plate(
                blur=0.006,
                light=0.98,
                zoom=1.3,
                aim=(0.6, 0.3),
                window=pane,
                window_cover=cover,
                sunk=sunk,
            )
        )
        box = stage.box(0.49, 0.28, 0.97, 0.93) if wide else stage.box(0.08, 0.22, 0.92, 0.64)
        back += kit.product_layers(
            box,
            shade=mix(palette.deep, (0, 0, 0), 0.6),
            shade_strength=0.5,
            entrance=0.05,
            focus=(pane.middle_x, pane.middle_y),
            sweep_at=0.4,
        )
    front: list[Layer] = []
    if copy is not None:
        unit, text = stage.unit, copy.bounds
        rtl = copy.block.right_to_left
        length = 9 * unit
        left = text.right - length if rtl else text.left
        top = text.bottom + 3.4 * unit if wide else text.top - 4 * unit
        bar = Box(left, top, left + length, top + 0.8 * unit)
        front.append(kit.growing_rule(bar, accent, start_s=0.3))
    return Scene(
        back=back,
        front=front,
        copy=copy,
        logo=stage.safe(stage.box(0, 0, 0.3, 0.13) if wide else stage.box(0, 0.92, 0.35, 1)),
        look=Look(vignette=0.22),
    )
