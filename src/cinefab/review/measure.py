"""The one time that a piece is decoded for review: paths come in, figures go out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cinefab.core.canonical import Json
from cinefab.media.inspect import inspect_film
from cinefab.media.look import look_document, look_of
from cinefab.review.figures import figures_document


def measure(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Return the `figures` of every film of `paths` and the `looks` of `pictures`, in order.

    Raises `StorageUnavailable` when one cannot be read and `ContractMismatch` when it is no film,
    or no normalised picture.
    """
    return {
        "figures": [measured(Path(path)) for path in argument["paths"]],
        "looks": [look_document(look_of(Path(path))) for path in argument["pictures"]],
    }


def measured(path: Path) -> dict[str, Any]:
    """Decode the film at `path` once and return its figures as they are kept."""
    return figures_document(inspect_film(path))
