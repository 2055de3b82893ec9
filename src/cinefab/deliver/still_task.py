"""The process that takes stills: a film comes in by its path, single frames of it go out as pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cinefab.core.canonical import Json
from cinefab.media.overview import frame_at
from cinefab.media.still import write_still


def write_stills(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Write frames of `film` as pictures and return their sizes, in their order.

    `argument`: `film`, and `stills`, each with its `frame` and its `path`, whose ending says what
    it is written as. Raises `ContractMismatch` for a frame that is not in the film.
    """
    film = Path(argument["film"])
    sizes: list[Json] = []
    for still in argument["stills"]:
        path = Path(still["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        sizes.append(write_still(frame_at(film, still["frame"]), path))
    return sizes
