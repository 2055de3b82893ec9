"""No photograph behind: a flat ground, a rising disc, the product on it, a headline above."""

from __future__ import annotations

from cinefab.generate.models.procedural.copy import Setting
from cinefab.generate.models.procedural.kit import Kit, Scene
from cinefab.generate.models.procedural.layers import Layer, Ring
from cinefab.generate.models.procedural.layouts.windows import round_window
from cinefab.generate.models.procedural.motion import Moment, arrive
from cinefab.generate.models.procedural.palette import Colour, contrast, distance, mix
from cinefab.generate.models.procedural.stage import Shape
from cinefab.media.finish import Look


def poster(kit: Kit) -> Scene:
    """Centred, like a printed poster; without a cut-out the disc is a round window."""
    stage = kit.stage
    wide = stage.shape is Shape.WIDE
    ground, disc = _colours(kit)
    text_box = stage.box(0, 0.02, 1, 0.29) if wide else stage.box(0, 0.04, 1, 0.30)
    copy = kit.copy(
        Setting(
            box=text_box,
            style=kit.voice,
            size_max=15 if wide else 13,
            anchor="middle",
            align="centre",
        )
    )
    radius = stage.height * 0.47 if wide else min(0.40 * stage.width, 0.27 * stage.height)
    x = stage.width / 2
    y = stage.height * (0.90 if wide else 0.62)
    rise = 0.10 * stage.height

    def disc_at(at: Moment) -> tuple[float, float, float, float]:
        share = arrive(at.seconds + 0.25, start=0.0, length=min(1.4, 0.5 * kit.shot_s))
        grown = radius * (0.86 + 0.14 * share + 0.05 * at.progress)
        return x, y + rise * (1 - share), -1.0, grown

    def ring_at(at: Moment) -> tuple[float, float, float, float]:
        x_now, y_now, _, grown = disc_at(at)
        outer = grown * (1.07 + 0.05 * at.progress)
        return x_now, y_now, outer - 0.35 * stage.unit, outer

    back: list[Layer] = [kit.flat(ground, glow=(0.5, 0.66, 0.30))]
    if kit.product() is None:
        back += [Ring(ring_at, disc), *round_window(kit, x, y, radius)]
    else:
        back += [Ring(disc_at, disc), Ring(ring_at, mix(disc, ground, 0.25))]
        box = stage.box(0.22, 0.355, 0.78, 0.965) if wide else stage.box(0.10, 0.44, 0.90, 0.93)
        back += kit.product_layers(
            box,
            shade=mix(disc, (0, 0, 0), 0.82),
            shade_strength=0.62,
            entrance=0.09,
            turn=3.0,
            sweep_at=0.30,
        )
    return Scene(
        back=back,
        copy=copy,
        logo=stage.safe(stage.box(0, 0.86, 0.18, 1) if wide else stage.box(0.35, 0.92, 0.65, 1)),
        look=Look(vignette=0.0),
    )


def _colours(kit: Kit) -> tuple[Colour, Colour]:
    """Ground and disc: of the brand's parts, those that the product stands out from."""
    palette = kit.palette
    pairs = [
        (palette.paper, palette.brand),
        (palette.brand, palette.paper),
        (palette.paper, palette.accent),
        (palette.deep, palette.accent),
        (palette.accent, palette.paper),
        (palette.brand, palette.accent),
    ]
    product = kit.product()
    usable = [
        pair
        for pair in pairs
        if distance(*pair) > 0.22
        and (product is None or distance(product.edge_colour, pair[1]) > 0.22)
        and max(contrast(palette.paper, pair[0]), contrast(palette.deep, pair[0])) > 5.2
    ]
    return kit.chance.choice(usable or pairs[:2])
