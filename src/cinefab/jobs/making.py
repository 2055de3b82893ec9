"""The processes that make a film's pieces and look at each as soon as it is there.

What a piece shows is decoded once, in the process that made it and while its file is in memory;
its figures travel back with its digest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinefab.assemble.blend_task import blend
from cinefab.core.brief import Size
from cinefab.core.canonical import Json, Sha256
from cinefab.core.plan import Part
from cinefab.core.verdict import Refused
from cinefab.generate.batch import make_takes_together
from cinefab.generate.take import make_takes
from cinefab.media.look import look_from_document
from cinefab.review.check import conclude
from cinefab.review.figures import figures_from_document, ordered_from_document
from cinefab.review.judge import judge_take
from cinefab.review.measure import looked_at, measured
from cinefab.review.thresholds import Thresholds

Report = Callable[[Json], None]


def make_and_measure(argument: Mapping[str, Any], report: Report) -> Json:
    """Make takes as `generate.take.make_takes` does; add its `figures` to each part that is shown.

    A head or tail is never shown itself, and has none. With `judge` (what was `ordered`, `size`,
    `fps`, `checks`, `thresholds`, the `looks` that are known of what it shows and the `pictures` of
    which none is) the shot's body is judged, too: `refused` is the verdict of the first check that
    refuses it, or None, and `looks` those that were taken.
    """
    made: Any = make_takes(argument, report)
    return _looked_at(argument, made)


def make_and_measure_together(argument: Mapping[str, Any], report: Report) -> Json:
    """Do it of several shots that are made in one run, as `generate.batch` makes their takes."""
    made: Any = make_takes_together(argument, report)
    members = [
        member if "error" in member else _looked_at(asked, member)
        for asked, member in zip(argument["members"], made["members"], strict=True)
    ]
    return {**made, "members": members}


def _looked_at(argument: Mapping[str, Any], made: dict[str, Any]) -> Json:
    for asked, part in zip(argument["parts"], made["parts"], strict=True):
        if Part(asked["part"]) is Part.BODY:
            part["figures"] = measured(Path(part["path"]))
            if "judge" in argument:
                judge = argument["judge"]
                taken = {name: looked_at(path, mask) for name, path, mask in judge["pictures"]}
                made["looks"] = taken
                made["refused"] = _refusal(judge, part, {**judge["looks"], **taken})
    return dict(made)


def judge_kept(argument: Mapping[str, Any], _report: Report) -> Json:
    """Judge a take that is kept: return why it is `refused`, or None.

    `argument`: its `path`, `frames` and `figures` (None where they were not kept), and `judge`.
    """
    judge = argument["judge"]
    part = {
        "path": argument["path"],
        "frames": argument["frames"],
        "figures": argument["figures"] or measured(Path(argument["path"])),
    }
    taken = {name: looked_at(path, mask) for name, path, mask in judge["pictures"]}
    return {"refused": _refusal(judge, part, {**judge["looks"], **taken})}


def _refusal(judge: Mapping[str, Any], part: Mapping[str, Any], looks: Mapping[str, Any]) -> Json:
    """Return why the checks refuse a body, or None; a question is for the whole film to ask."""
    width, height = judge["size"]
    findings = judge_take(
        figures_from_document(part["figures"]),
        ordered_from_document({**judge["ordered"], "frames": part["frames"]}),
        path=Path(part["path"]),
        size=Size(width, height),
        fps=Fraction(judge["fps"]),
        checks=judge["checks"],
        thresholds=Thresholds(**judge["thresholds"]),
        looks={Sha256(name): look_from_document(look) for name, look in looks.items()},
    )
    verdict = conclude(findings)
    return asdict(verdict) if isinstance(verdict, Refused) else None


def blend_and_measure(argument: Mapping[str, Any], report: Report) -> Json:
    """Blend as `assemble.blend_task.blend` does; add the transition's `figures`."""
    made: Any = blend(argument, report)
    return {**made, "figures": measured(Path(made["path"]))}
