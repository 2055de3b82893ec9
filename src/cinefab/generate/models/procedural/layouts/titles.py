"""Title cards: type and moving shapes in the brand's colours, where no photograph is given."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cinefab.generate.models.procedural.copy import Copy, Setting
from cinefab.generate.models.procedural.kit import Kit, Scene
from cinefab.generate.models.procedural.layers import Layer, Polygon, Ring, Rule
from cinefab.generate.models.procedural.motion import Moment, arrive
from cinefab.generate.models.procedural.palette import Colour, mix
from cinefab.generate.models.procedural.stage import Box, Shape, Stage
from cinefab.media.finish import Look


def arcs(kit: Kit) -> Scene:
    """Rings grow out of a corner like ripples; the caption stands opposite to them."""
    stage, palette = kit.stage, kit.palette
    wide = stage.shape is Shape.WIDE
    ground = palette.brand
    corner_x, corner_y = stage.x(1.0), stage.y(0.0 if wide else 0.02)
    whole = min(0.50 * stage.width, 0.9 * stage.height)
    if not wide:
        whole = min(0.9 * stage.width, 0.5 * stage.height)
    tints = [
        palette.accent_on(ground),
        mix(ground, palette.paper, 0.82),
        mix(ground, palette.deep, 0.55),
    ]
    back: list[Layer] = [kit.flat(ground, glow=(0.15, 0.85, 0.35))]
    for order, (share, width) in enumerate(((0.98, 0.13), (0.74, 0.17), (0.46, 0.46))):

        def shape(
            at: Moment, share: float = share, width: float = width, order: int = order
        ) -> tuple[float, float, float, float]:
            come = arrive(at.seconds + 0.3 - 0.10 * order, start=0.0, length=1.3)
            outer = whole * share * (0.72 + 0.28 * come) * (1 + 0.07 * at.progress)
            inner = -1.0 if width == share else outer - whole * width * (0.9 + 0.2 * at.progress)
            return corner_x, corner_y, inner, outer

        back.append(Ring(shape, tints[(order + 1) % 3]))
    box = stage.box(0, 0.44, 0.52, 1) if wide else stage.box(0, 0.60, 0.96, 1)
    copy = kit.copy(Setting(box=box, style=kit.voice, size_max=13, anchor="bottom"))
    front = _underline(kit, copy, palette.accent_on(ground))
    return _card(kit, back, front, copy, stage.box(0, 0, 0.3, 0.13))


def bands(kit: Kit) -> Scene:
    """Slanted bands pass through a dark frame, each at its own speed."""
    stage, palette = kit.stage, kit.palette
    wide = stage.shape is Shape.WIDE
    ground = palette.deep
    slant = 0.36 * stage.height
    plan = (
        (0.64, 0.145, palette.brand, 1.0),
        (0.812, 0.04, palette.accent, -0.8),
        (0.878, 0.20, mix(palette.brand, palette.deep, 0.45), 0.5),
    )
    if not wide:
        plan = (
            (0.34, 0.20, palette.brand, 1.0),
            (0.60, 0.07, palette.accent, -0.8),
            (0.74, 0.34, mix(palette.brand, palette.deep, 0.45), 0.5),
        )
    reach = stage.height * (1.0 if wide else 0.56)
    lean = slant if wide else slant * 0.5
    back: list[Layer] = [kit.flat(ground, glow=(0.2, 0.5, 0.10))]
    for order, (start, width, colour, speed) in enumerate(plan):

        def corners(
            at: Moment,
            start: float = start,
            width: float = width,
            speed: float = speed,
            order: int = order,
        ) -> NDArray[np.float64]:
            come = arrive(at.seconds + 0.3 - 0.08 * order, start=0.0, length=1.2)
            away = (1 - come) * 0.5 * math.copysign(1.0, speed)
            x = start + 0.05 * speed * (at.progress - 0.5) + away
            return _band(stage, x, width, lean, reach)

        back.append(Polygon(corners, colour))
    box = stage.box(0, 0.16, 0.50, 0.76) if wide else stage.box(0, 0.6, 1, 0.97)
    copy = kit.copy(Setting(box=box, style=kit.voice, size_max=13, anchor="middle"))
    front = _underline(kit, copy, palette.accent_on(ground))
    return _card(kit, back, front, copy, stage.box(0, 0, 0.3, 0.13))


def discs(kit: Kit) -> Scene:
    """Three large discs drift over a light ground and through one another."""
    stage, palette = kit.stage, kit.palette
    wide = stage.shape is Shape.WIDE
    ground = palette.paper
    span = min(stage.width, stage.height)
    plan = (
        (0.80, 0.26, 0.36, palette.brand, (-0.05, 0.04)),
        (0.94, 0.62, 0.27, palette.accent_on(palette.brand), (-0.04, -0.06)),
        (0.66, 0.70, 0.13, mix(palette.deep, palette.brand, 0.15), (0.06, -0.02)),
    )
    if not wide:
        plan = (
            (0.70, 0.20, 0.40, palette.brand, (-0.06, 0.03)),
            (0.22, 0.40, 0.27, palette.accent_on(palette.brand), (0.06, -0.03)),
            (0.60, 0.455, 0.12, mix(palette.deep, palette.brand, 0.15), (0.05, -0.03)),
        )
    squeeze = 0.8 if stage.shape is Shape.SQUARE else 1.0
    back: list[Layer] = [kit.flat(ground)]
    for order, (x, y, size, colour, move) in enumerate(plan):

        def shape(
            at: Moment,
            x: float = x,
            y: float = y,
            size: float = size,
            move: tuple[float, float] = move,
            order: int = order,
        ) -> tuple[float, float, float, float]:
            come = arrive(at.seconds + 0.3 - 0.12 * order, start=0.0, length=1.3)
            off = at.progress - 0.5
            return (
                stage.x(x + move[0] * off),
                stage.y(y * squeeze + move[1] * off),
                -1.0,
                span * squeeze * size * (0.6 + 0.4 * come) * (1 + 0.05 * at.progress),
            )

        back.append(Ring(shape, colour, 0.94))
    box = stage.box(0, 0.3, 0.52, 0.95) if wide else stage.box(0, 0.64, 1, 0.97)
    copy = kit.copy(
        Setting(box=box, style=kit.voice, size_max=13, anchor="bottom" if wide else "middle")
    )
    front = _underline(kit, copy, palette.accent_on(ground))
    return _card(kit, back, front, copy, stage.box(0, 0, 0.3, 0.13))


def blocks(kit: Kit) -> Scene:
    """A grid of coloured fields, one of which keeps giving way; the caption owns the largest."""
    stage, palette = kit.stage, kit.palette
    wide = stage.shape is Shape.WIDE
    ground = palette.accent
    split_x = 0.66
    back: list[Layer] = [kit.flat(ground)]
    fields: list[tuple[Box, Box, Colour]]
    main = stage.box(-0.01, -0.01, split_x, 1.01) if wide else stage.box(-0.01, 0.44, 1.01, 1.01)
    if wide:
        fields = [
            (
                stage.box(split_x, 0.20, 1.01, 0.42),
                stage.box(split_x, -0.1, 1.01, 0.58),
                palette.brand,
            ),
            (
                stage.box(split_x, 0.80, 0.76, 1.01),
                stage.box(split_x, 0.58, 0.86, 1.01),
                palette.paper,
            ),
        ]
    else:
        fields = [
            (stage.box(-0.01, 0.1, 0.4, 0.44), stage.box(-0.01, -0.1, 0.62, 0.44), palette.brand),
            (stage.box(0.62, 0.3, 0.9, 0.44), stage.box(0.62, 0.2, 1.01, 0.44), palette.paper),
        ]
    for order, (first, last, colour) in enumerate(fields):

        def moving(at: Moment, first: Box = first, last: Box = last, order: int = order) -> Box:
            come = arrive(at.seconds + 0.3 - 0.1 * order, start=0.0, length=1.3)
            share = 0.86 * come + 0.14 * at.progress
            return Box(
                first.left + (last.left - first.left) * share,
                first.top + (last.top - first.top) * share,
                first.right + (last.right - first.right) * share,
                first.bottom + (last.bottom - first.bottom) * share,
            )

        back.append(Rule(moving, colour))
    centre_x, centre_y = (0.83, 0.285) if wide else (0.31, 0.215)
    size = (0.19 if wide else 0.17) * min(stage.width, stage.height)

    def eye(at: Moment) -> tuple[float, float, float, float]:
        come = arrive(at.seconds + 0.1, start=0.0, length=1.2)
        return (
            stage.x(centre_x),
            stage.y(centre_y) + (0.5 - at.progress) * 0.12 * size * 4,
            -1.0,
            size * (0.3 + 0.7 * come),
        )

    back += [Ring(eye, palette.accent_on(palette.brand)), Rule(lambda _: main, palette.deep)]
    box = stage.box(0, 0.1, split_x - 0.05, 0.92) if wide else stage.box(0, 0.53, 1, 0.97)
    copy = kit.copy(Setting(box=box, style=kit.voice, size_max=14, anchor="middle"))
    front = _underline(kit, copy, palette.accent_on(palette.deep))
    return _card(kit, back, front, copy, stage.box(0, 0, 0.3, 0.13))


def _card(
    kit: Kit,
    back: list[Layer],
    front: list[Layer],
    copy: Copy | None,
    logo: Box,
) -> Scene:
    return Scene(
        back=back,
        front=front,
        copy=copy,
        logo=kit.stage.safe(logo),
        look=Look(vignette=0.0, curve=0.0),
    )


def _underline(kit: Kit, copy: Copy | None, colour: Colour) -> list[Layer]:
    if copy is None:
        return []
    unit, text = kit.stage.unit, copy.bounds
    length = 8 * unit
    left = text.right - length if copy.block.right_to_left else text.left
    bar = Box(left, text.top - 4.4 * unit, left + length, text.top - 3.5 * unit)
    return [kit.growing_rule(bar, colour, start_s=0.1)]


def _band(stage: Stage, x: float, width: float, lean: float, reach: float) -> NDArray[np.float64]:
    """A slanted band from the frame's top down to `reach`, mirrored with the stage."""
    left, right = x * stage.width, (x + width) * stage.width
    points = [
        (left + lean, -2.0),
        (right + lean, -2.0),
        (right - lean, reach),
        (left - lean, reach),
    ]
    if stage.mirrored:
        points = [(stage.width - px, py) for px, py in reversed(points)]
    return np.array(points, np.float64)
