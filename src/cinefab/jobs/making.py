"""The processes that make a film's pieces and look at each as soon as it is there.

What a piece shows is decoded once, in the process that made it and while its file is in memory;
its figures travel back with its digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cinefab.assemble.blend_task import blend
from cinefab.core.canonical import Json
from cinefab.core.plan import Part
from cinefab.generate.take import make_takes
from cinefab.review.measure import measured

Report = Callable[[Json], None]


def make_and_measure(argument: Mapping[str, Any], report: Report) -> Json:
    """Make takes as `generate.take.make_takes` does; add its `figures` to each part that is shown.

    A head or tail is never shown itself, and has none.
    """
    made: Any = make_takes(argument, report)
    for asked, part in zip(argument["parts"], made["parts"], strict=True):
        if Part(asked["part"]) is Part.BODY:
            part["figures"] = measured(Path(part["path"]))
    return dict(made)


def blend_and_measure(argument: Mapping[str, Any], report: Report) -> Json:
    """Blend as `assemble.blend_task.blend` does; add the transition's `figures`."""
    made: Any = blend(argument, report)
    return {**made, "figures": measured(Path(made["path"]))}
