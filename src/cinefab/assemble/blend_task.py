"""The process that makes a transition: paths and numbers come in, one encoded piece goes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinefab.assemble.transition import make_transition
from cinefab.core.brief import Quality, Size, TransitionKind
from cinefab.core.canonical import Json
from cinefab.core.plan import Part
from cinefab.media.encode import settings_for
from cinefab.store.file_digest import file_sha256


def blend(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Blend the tail at `tail` into the head at `head` and return the new piece's digest.

    `argument`: `tail`, `head` and `path`, `kind`, `frames`, `colour`, `size`, `fps`, `quality`.
    """
    path = Path(argument["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = argument["size"]
    made = make_transition(
        Path(argument["tail"]),
        Path(argument["head"]),
        path,
        kind=TransitionKind(argument["kind"]),
        frames=argument["frames"],
        colour=argument["colour"],
        size=Size(width, height),
        fps=Fraction(argument["fps"]),
        settings=settings_for(Quality(argument["quality"]), Part.BODY),
    )
    return {
        "path": str(path),
        "digest": file_sha256(path),
        "size_bytes": made.size_bytes,
        "frames": made.frames,
    }
