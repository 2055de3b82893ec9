"""Close to the product, where it was photographed; the caption in a narrow column at the side."""

from __future__ import annotations

from dataclasses import replace

from cinefab.generate.models.procedural.copy import Setting
from cinefab.generate.models.procedural.kit import Kit, Scene
from cinefab.generate.models.procedural.layers import Layer
from cinefab.generate.models.procedural.palette import mix
from cinefab.generate.models.procedural.stage import Box, Shape
from cinefab.media.finish import Look


def detail(kit: Kit) -> Scene:
    """A crop so tight that the product leaves the frame on one side."""
    stage, palette = kit.stage, kit.palette
    wide = stage.shape is Shape.WIDE
    text_box = stage.box(0.655, 0.30, 1, 0.95) if wide else stage.box(0.05, 0.70, 1, 0.97)
    style = replace(kit.voice, leading=kit.voice.leading + 0.06)
    copy = kit.copy(Setting(box=text_box, style=style, size_max=9.5, anchor="bottom"))
    back: list[Layer]
    if kit.product() is None:
        aim = (0.5, 0.45)
        back = [kit.whole_photo(zoom=1.35, aim=aim)]
    else:
        back = [kit.plate(blur=0.010, light=0.80, depth=0.35)]
        box = stage.box(-0.20, 0.05, 0.70, 1.50) if wide else stage.box(-0.22, 0.06, 1.06, 0.86)
        back += kit.product_layers(
            box,
            shade=mix(palette.deep, (0, 0, 0), 0.6),
            shade_strength=0.85,
            depth=1.25,
            sweep_at=0.25,
        )
    front: list[Layer] = []
    if copy is not None:
        unit, text = stage.unit, copy.bounds
        rtl = copy.block.right_to_left
        x = text.right + 2.6 * unit if rtl else text.left - 3.2 * unit
        bar = Box(x, text.top + 0.5 * unit, x + 0.6 * unit, text.bottom - 0.5 * unit)
        front.append(kit.growing_rule(bar, palette.accent, start_s=0.1, upright=True))
    return Scene(
        back=back,
        front=front,
        copy=copy,
        logo=stage.safe(stage.box(0.75, 0, 1, 0.13)),
        scrim_to=(stage.mirrored, False, not stage.mirrored, True)
        if wide
        else (True, False, True, True),
        look=Look(vignette=0.4),
    )
