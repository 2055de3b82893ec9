"""The product large over its own blurred world, the caption in the lower third."""

from __future__ import annotations

from cinefab.generate.models.procedural.copy import Setting
from cinefab.generate.models.procedural.kit import Kit, Scene
from cinefab.generate.models.procedural.layers import Layer
from cinefab.generate.models.procedural.palette import mix
from cinefab.generate.models.procedural.stage import Box, Shape
from cinefab.media.finish import Look


def hero(kit: Kit) -> Scene:
    """Photograph everywhere; without a cut-out the camera moves over the whole of it."""
    stage, palette = kit.stage, kit.palette
    wide = stage.shape is Shape.WIDE
    text_box = stage.box(0, 0.36, 0.43, 1) if wide else stage.box(0, 0.64, 1, 1)
    copy = kit.copy(
        Setting(box=text_box, style=kit.voice, size_max=11.5 if wide else 11, anchor="bottom")
    )
    back: list[Layer]
    if kit.product() is None:
        back = [kit.whole_photo(zoom=1.02, aim=(0.5, 0.5 if wide else 0.4))]
    else:
        back = [kit.plate(blur=0.014, light=0.84, depth=0.45)]
        box = stage.box(0.44, 0.09, 0.96, 0.93) if wide else stage.box(0.07, 0.08, 0.93, 0.66)
        shade = mix(palette.deep, (0, 0, 0), 0.5)
        back += kit.product_layers(box, shade=shade, shade_strength=0.8, depth=1.0)
    front: list[Layer] = []
    if copy is not None:
        unit, text = stage.unit, copy.bounds
        length = 9 * unit
        left = text.right - length if stage.mirrored and copy.block.right_to_left else text.left
        top = text.top - 4.2 * unit
        bar = Box(left, top, left + length, top + 0.9 * unit)
        front.append(kit.growing_rule(bar, palette.accent, start_s=0.05))
    return Scene(
        back=back,
        front=front,
        copy=copy,
        logo=stage.safe(stage.box(0, 0, 0.3, 0.13)),
        scrim_to=(not stage.mirrored, not wide, stage.mirrored, True)
        if wide
        else (True, False, True, True),
        look=Look(vignette=0.32),
    )
