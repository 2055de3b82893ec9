"""The process that makes rungs: one piece comes in by its path, smaller ones go out as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinefab.core.brief import Quality, Size
from cinefab.core.canonical import Json
from cinefab.media.rungs import WantedRung, encode_rungs
from cinefab.store.file_digest import file_sha256


def make_rungs(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Make the rungs of the piece at `piece` and return each one's digest and length.

    `argument`: `piece`, `fps`, `quality`, and `rungs`, largest first, each with `size` and the
    `path` to write.
    """
    wanted = []
    for rung in argument["rungs"]:
        path = Path(rung["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        wanted.append(WantedRung(size=Size(*rung["size"]), path=path))
    made = encode_rungs(
        Path(argument["piece"]),
        wanted,
        fps=Fraction(argument["fps"]),
        quality=Quality(argument["quality"]),
    )
    return {
        "rungs": [
            {
                "path": str(each.path),
                "digest": file_sha256(each.path),
                "frames": encoded.frames,
                "size_bytes": encoded.size_bytes,
            }
            for each, encoded in zip(wanted, made, strict=True)
        ]
    }
