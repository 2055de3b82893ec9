"""The process that takes a picture out of a cut, for the person who is asked about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from cinefab.core.canonical import Json
from cinefab.media.decode import decode
from cinefab.media.still import write_jpeg


def show_frame(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Write frame `frame` of the cut at `path` to `still` as a JPEG; return its size in bytes."""
    still = Path(argument["still"])
    still.parent.mkdir(parents=True, exist_ok=True)
    number = argument["frame"]
    for frame in islice(decode(Path(argument["path"])), number, number + 1):
        write_jpeg(frame, still)
    return {"size_bytes": still.stat().st_size}
