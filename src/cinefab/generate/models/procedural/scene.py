"""Which layout a shot gets, and how its type is made to read on what is behind it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from cinefab.generate.models.procedural.kit import Kit, Scene
from cinefab.generate.models.procedural.layouts.detail import detail
from cinefab.generate.models.procedural.layouts.hero import hero
from cinefab.generate.models.procedural.layouts.poster import poster
from cinefab.generate.models.procedural.layouts.split import split
from cinefab.generate.models.procedural.layouts.titles import arcs, bands, blocks, discs
from cinefab.generate.models.procedural.layouts.window import window
from cinefab.media.typeset import TextTooLong

Layout = Callable[[Kit], Scene]

PHOTO_LAYOUTS: Final[Mapping[str, Layout]] = {
    "detail": detail,
    "hero": hero,
    "poster": poster,
    "split": split,
    "window": window,
}
TITLE_LAYOUTS: Final[Mapping[str, Layout]] = {
    "arcs": arcs,
    "bands": bands,
    "blocks": blocks,
    "discs": discs,
}


def layout_of(*, seed: int, index: int, has_photo: bool) -> str:
    """Return the name of the layout of shot `index`: neighbours never share one."""
    names = sorted(PHOTO_LAYOUTS if has_photo else TITLE_LAYOUTS)
    random.Random(f"{seed}:layouts:{has_photo}").shuffle(names)
    return names[index % len(names)]


def build_scene(name: str, kit: Kit) -> Scene:
    """Compose a shot by the layout called `name`.

    A word too long for that layout's column goes to the layout that sets type the widest: rather
    two neighbours alike than a film refused for its seed. Raises `TextTooLong` where even that
    is too narrow.
    """
    layout = PHOTO_LAYOUTS[name] if name in PHOTO_LAYOUTS else TITLE_LAYOUTS[name]
    try:
        return layout(kit)
    except TextTooLong:
        return (poster if name in PHOTO_LAYOUTS else blocks)(kit)
