"""The process that reviews a cut: it runs the checks that it is told to, and returns findings."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, Sha256
from cinefab.core.errors import ContractMismatch
from cinefab.core.verdict import CheckFinding
from cinefab.media.decode import decode
from cinefab.media.hearing import hear
from cinefab.media.look import look_from_document
from cinefab.media.still import write_jpeg
from cinefab.review.check import Compared, CutUnderReview
from cinefab.review.figures import figures_from_document, join_footage, ordered_from_document
from cinefab.review.judge import run_checks
from cinefab.review.proof import differences
from cinefab.review.thresholds import Thresholds


def examine(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Run every check of `checks` (`package.module:Class`) on the cut at `path`, in order.

    `argument` also has what was ordered (`size`, `fps`, `frames`), the `thresholds`, `pieces`, each
    with its `figures` and what was `ordered` for it, the `looks` of references by digest, and the
    `mix` that its sound was made from, or null; where the brief compares it, also what it is
    `compared` with. The cut is not decoded, unless to be compared: it is held against its pieces packet for packet. Only a frame that speaks
    against it is fetched, to be shown: one of each check, written into the folder `stills`.
    """
    width, height = argument["size"]
    fps = Fraction(argument["fps"])
    path = Path(argument["path"])
    footage = join_footage(
        [
            (figures_from_document(piece["figures"]), ordered_from_document(piece["ordered"]))
            for piece in argument["pieces"]
        ],
        fps=fps,
    )
    cut = CutUnderReview(
        path=path,
        size=Size(width, height),
        fps=fps,
        frames=argument["frames"],
        footage=footage,
        differences=differences(path, footage),
        thresholds=Thresholds(**argument["thresholds"]),
        looks={
            Sha256(digest): look_from_document(look) for digest, look in argument["looks"].items()
        },
    )
    if argument["mix"] is not None:
        cut = replace(cut, heard=hear(path, Path(argument["mix"])))
    if (compared := argument.get("compared")) is not None:
        cut = replace(
            cut,
            compared=Compared(
                name=compared["reference"],
                path=Path(compared["path"]),
                every=compared["every"],
                at_least_db=compared["at_least_db"],
            ),
        )
    findings = run_checks(cut, argument["checks"])
    return {
        "findings": [asdict(finding) for finding in findings],
        "stills": list(_stills(cut, findings, Path(argument["stills"]))),
    }


def _stills(
    cut: CutUnderReview, findings: Iterable[CheckFinding], folder: Path
) -> Iterator[dict[str, Json]]:
    wanted: dict[int, list[str]] = {}
    for finding in findings:
        frames = [each.frame for each in (*finding.problems, *finding.questions)]
        for frame in [frame for frame in frames if frame is not None][:1]:
            wanted.setdefault(frame, []).append(finding.check)
    if not wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    # What cannot be decoded cannot be shown.
    with contextlib.suppress(ContractMismatch):
        for number, picture in enumerate(islice(decode(cut.path), max(wanted) + 1)):
            for check in wanted.get(number, ()):
                path = folder / f"verdict-{check}-{number}.jpg"
                write_jpeg(picture, path)
                shots = cut.footage.shots_at(number)
                yield {"check": check, "frame": number, "shot": shots[-1], "path": str(path)}
