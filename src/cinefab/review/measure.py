"""The one time that a piece is decoded for review: paths come in, figures go out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.media.inspect import inspect_film
from cinefab.media.look import look_document, look_of
from cinefab.review.figures import figures_document

_LOOKS_KEPT: Final = 32


def measure(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Return the `figures` of every film of `paths` and the `looks` of `pictures`, in order.

    A picture comes as its name, its path and that of its mask, or None.
    Raises `StorageUnavailable` when one cannot be read and `ContractMismatch` when it is no film,
    or no normalised picture.
    """
    return {
        "figures": [measured(Path(path)) for path in argument["paths"]],
        "looks": [looked_at(path, mask) for _, path, mask in argument["pictures"]],
    }


@lru_cache(maxsize=_LOOKS_KEPT)
def looked_at(path: str, mask: str | None) -> dict[str, Any]:
    """Return the look of the picture at `path`, and through its mask, as it is kept.

    Paths of blobs: what lies there never changes, and the shots of a film show the same pictures.
    """
    return look_document(look_of(Path(path), None if mask is None else Path(mask)))


def measured(path: Path) -> dict[str, Any]:
    """Decode the film at `path` once and return its figures as they are kept."""
    return figures_document(inspect_film(path))
