"""What every check must keep, ours and a stranger's, as promises that can be tried one by one.

A package that brings a check runs each of `PROMISES` on it, with films of its own:
`for name, holds in PROMISES.items(): holds(check, case)`. What is broken is raised as
`ContractMismatch`, saying which promise and how. How often a check is right, on many films,
`conformance/defects.py` and `bench/defects.py` tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from cinefab.core.errors import ContractMismatch, StorageUnavailable
from cinefab.core.verdict import Advice, CheckFinding, Remark
from cinefab.review.check import Check, CutUnderReview
from cinefab.review.figures import join_footage
from cinefab.review.results import finding_from_json

_FIGURE: Final = re.compile(r"[a-z][a-z0-9_]*")
_REMARKS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Films that the check must let pass, and films with the fault that it is there for.

    Each is a cut as review hands it over; at least one of each.
    """

    clean: Sequence[CutUnderReview]
    faulty: Sequence[CutUnderReview]


def _says_who_it_is(check: Check, case: Case) -> None:
    if not (check.name and check.version) or "@" in check.name or "," in check.name:
        raise _broken(check, "it has a name and a version", f"{check.name!r}, {check.version!r}")
    for cut in (*case.clean, *case.faulty):
        finding = check.examine(cut)
        if (finding.check, finding.version) != (check.name, check.version):
            found = f"{finding.check}@{finding.version}"
            raise _broken(check, "its findings carry its name and version", found)


def _lets_sound_films_pass(check: Check, case: Case) -> None:
    for cut in case.clean:
        finding = check.examine(cut)
        for remark in (*finding.problems, *finding.questions):
            found = f"{cut.path.name} at {remark.frame}: {remark.text}"
            raise _broken(check, "nothing is said against a sound film", found)


def _finds_what_it_is_for(check: Check, case: Case) -> None:
    for cut in case.faulty:
        finding = check.examine(cut)
        if not (finding.problems or finding.questions):
            raise _broken(check, "a fault is a problem or a question", f"{cut.path.name} passed")


def _finds_the_same_again(check: Check, case: Case) -> None:
    for cut in (*case.clean, *case.faulty):
        once = check.examine(cut)
        for again in (check, type(check)()):
            if again.examine(cut) != once:
                raise _broken(check, "the same cut gives the same finding", cut.path.name)


def _names_frames_of_the_film(check: Check, case: Case) -> None:
    for cut in (*case.clean, *case.faulty):
        finding = check.examine(cut)
        remarks = [*finding.problems, *finding.questions]
        if len(remarks) > _REMARKS_MAX:
            raise _broken(check, "it names the first of many", f"{len(remarks)} remarks")
        for remark in remarks:
            if not remark.text.strip():
                raise _broken(check, "a remark says why", repr(remark))
            # A film that is too short lacks the frame after its last one.
            if remark.frame is not None and not 0 <= remark.frame <= cut.frames:
                found = f"{remark.frame} of {cut.frames}"
                raise _broken(check, "a remark names a frame of the film, or none", found)


def _can_be_kept(check: Check, case: Case) -> None:
    for cut in (*case.clean, *case.faulty):
        finding = check.examine(cut)
        for name, value in finding.figures.items():
            if not _FIGURE.fullmatch(name) or type(value) is not int:
                found = f"{name!r}: {value!r}"
                raise _broken(check, "figures are whole numbers with their unit in the name", found)
        kept = json.dumps(asdict(finding), sort_keys=True, allow_nan=False)
        if finding_from_json(json.loads(kept)) != finding:
            raise _broken(check, "a finding can be written down", kept)


def _changes_nothing(check: Check, case: Case) -> None:
    for cut in (*case.clean, *case.faulty):
        before = {name: series.copy() for name, series in cut.footage.series.items()}
        check.examine(cut)
        for name, series in cut.footage.series.items():
            if not (series == before[name]).all():
                raise _broken(check, "the footage is only read", f"{name} was changed")


def _answers_about_broken_films(check: Check, case: Case) -> None:
    for cut in case.clean:
        for what, broken in _broken_films(cut).items():
            try:
                finding = check.examine(broken)
            except StorageUnavailable:
                continue  # as it may where it opens the file itself
            except Exception as error:
                found = f"{type(error).__name__} of {what}: {error}"
                raise _broken(check, "a bad film is a finding", found) from error
            if not isinstance(finding, CheckFinding):
                raise _broken(check, "a bad film is a finding", f"{finding!r} of {what}")


def _judges_takes_by_their_footage(check: Check, case: Case) -> None:
    if not getattr(check, "takes", False):
        return
    for cut in (*case.clean, *case.faulty):
        # As takes are judged: alone, before they are heard or joined, and long before a file.
        take = replace(cut, heard=None, compared=None, differences=())
        try:
            kept = check.examine(take)
            gone = check.examine(replace(take, path=Path("/nowhere/take.mp4")))
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
            raise _broken(check, "a take is judged by its footage", found) from error
        if kept != gone:
            raise _broken(check, "a take is judged by its footage", "without its file it differed")


def _advises_in_known_words(check: Check, _case: Case) -> None:
    said: Any = getattr(check, "advice", None)
    if said is not None and said not in list(Advice):
        known = ", ".join(Advice)
        raise _broken(check, f"what it advises is one of {known}", repr(said))


Promise = Callable[[Check, Case], None]

PROMISES: Final[Mapping[str, Promise]] = {
    "says who it is": _says_who_it_is,
    "lets sound films pass": _lets_sound_films_pass,
    "finds what it is for": _finds_what_it_is_for,
    "finds the same again": _finds_the_same_again,
    "names frames of the film": _names_frames_of_the_film,
    "can be kept": _can_be_kept,
    "changes nothing": _changes_nothing,
    "answers about broken films": _answers_about_broken_films,
    "judges takes by their footage": _judges_takes_by_their_footage,
    "advises in known words": _advises_in_known_words,
}
"""Every promise of the contract by its name; each takes a check and a case."""


def _broken_films(cut: CutUnderReview) -> Mapping[str, CutUnderReview]:
    """Return the film as it may be handed over where something went wrong before."""
    fps = cut.fps
    short = [
        (replace(each.seen, series={n: v[:2] for n, v in each.seen.series.items()}), each.ordered)
        for each in cut.footage.stretches
    ]
    undecoded = [
        (
            replace(
                each.seen,
                series={n: v[:0] for n, v in each.seen.series.items()},
                first=b"",
                last=b"",
            ),
            each.ordered,
        )
        for each in cut.footage.stretches
    ]
    return {
        "a film without a piece": replace(cut, footage=join_footage([], fps=fps)),
        "a film of which two frames were decoded": replace(
            cut, footage=join_footage(short, fps=fps)
        ),
        "a film of which nothing was decoded": replace(
            cut, footage=join_footage(undecoded, fps=fps)
        ),
        "a film with packets that are not its pieces'": replace(
            cut, differences=(Remark(text="another picture", frame=0),)
        ),
        "a silent film": replace(cut, heard=None),
        "a film that is gone": replace(cut, path=Path("/nowhere/film.mp4")),
    }


def _broken(check: Check, promise: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"hold the check {check.name} to its contract",
        found=f"{promise}: {found}",
        remedy="Mend the check; see review/check.py for what it promises.",
    )
