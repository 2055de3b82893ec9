"""The process that puts what is spoken in a film into files of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cinefab.core.canonical import Json
from cinefab.media.speech_file import write_lines


def write_speech(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Write spoken lines into each of some files and return their sizes, in their order.

    `argument`: `lines`, the paths of the lines' sound in their order, and `files`, each with its
    `kind` (`wav`, `flac`, `mp3`, `aac` or `opus`) and its `path`.
    """
    lines = [Path(line) for line in argument["lines"]]
    sizes: list[Json] = []
    for file in argument["files"]:
        path = Path(file["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        sizes.append(write_lines(lines, path, kind=file["kind"]))
    return sizes
