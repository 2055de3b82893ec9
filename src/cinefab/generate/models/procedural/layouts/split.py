"""A panel in the brand's colour takes a side; the product stands across the edge."""

from __future__ import annotations

from cinefab.generate.models.procedural.copy import Setting
from cinefab.generate.models.procedural.kit import Kit, Scene, lerp_box
from cinefab.generate.models.procedural.layers import Layer, Rule
from cinefab.generate.models.procedural.motion import Moment, arrive
from cinefab.generate.models.procedural.palette import mix
from cinefab.generate.models.procedural.stage import Box, Shape
from cinefab.media.finish import Look


def split(kit: Kit) -> Scene:
    """Panel with type on one side, photograph on the other."""
    stage, palette = kit.stage, kit.palette
    wide = stage.shape is Shape.WIDE
    panel = stage.box(-0.01, -0.01, 0.45, 1.01) if wide else stage.box(-0.01, 0.62, 1.01, 1.01)
    closed = stage.box(-0.01, -0.01, 0.30, 1.01) if wide else stage.box(-0.01, 0.78, 1.01, 1.01)
    ground = palette.brand
    text_box = stage.box(0, 0.12, 0.365, 0.9) if wide else stage.box(0, 0.715, 1, 0.985)
    copy = kit.copy(Setting(box=text_box, style=kit.voice, size_max=11, anchor="middle"))

    def panel_at(at: Moment) -> Box:
        share = arrive(at.seconds + 0.15, start=0.0, length=min(1.1, 0.4 * kit.shot_s))
        return lerp_box(closed, panel, share)

    half = stage.box(0.40, 0, 1, 1) if wide else stage.box(0, 0, 1, 0.66)
    back: list[Layer]
    if kit.product() is None:
        back = [kit.whole_photo(window=half), Rule(panel_at, ground)]
    else:
        back = [kit.plate(blur=0.009, light=0.98, window=half, depth=0.5), Rule(panel_at, ground)]
        box = stage.box(0.375, 0.10, 0.965, 0.91) if wide else stage.box(0.1, 0.1, 0.9, 0.68)
        shade = mix(ground, (0, 0, 0), 0.78)
        back += kit.product_layers(box, shade=shade, shade_strength=0.72)
    front: list[Layer] = []
    if copy is not None:
        unit, text = stage.unit, copy.bounds
        left = text.right - 6 * unit if copy.block.right_to_left else text.left
        top = text.top - 5.2 * unit
        bar = Box(left, top, left + 6 * unit, top + 0.9 * unit)
        front.append(kit.growing_rule(bar, palette.accent_on(ground), start_s=0.2))
    return Scene(
        back=back,
        front=front,
        copy=copy,
        logo=stage.safe(stage.box(0, 0, 0.3, 0.13) if wide else stage.box(0, 0, 0.4, 0.1)),
        look=Look(vignette=0.25),
    )
