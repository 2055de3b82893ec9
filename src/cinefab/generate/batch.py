"""Takes of several shots, made in one run of their model.

What is made together may differ in its last bits from what is made alone: sums of another shape are
split in another way. So who was made with whom is part of how a take came about, and is said of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cinefab.core.canonical import Json, digest_of
from cinefab.core.errors import Cancelled, CinefabError, ContractMismatch, OutOfMemory
from cinefab.engine.wire import encode_error
from cinefab.generate.backend import ModelCard, TakeRequest
from cinefab.generate.run import ALONE, Run
from cinefab.generate.take import Report, asked_of, loaded_backend, run_of, takes_of
from cinefab.media.frames import Frame

_BATCH = "batch"


def make_takes_together(argument: Mapping[str, Any], report: Report) -> Json:
    """Make takes of several shots in one run; return of each member its takes, or its `error`.

    `argument` names the model and the `run_folder` as `generate.take.make_takes` has them, and
    `members`, each with the rest of what that takes. Where they cannot be made in one run after
    all, each is made alone, so that one that cannot be made fails by itself. Raises `Cancelled`,
    and `OutOfMemory` where the model has no room for all of them.
    """
    backend, load_us = loaded_backend(argument)
    members: Sequence[Mapping[str, Any]] = argument["members"]
    run = run_of(argument, report)
    try:
        given = _together(backend, members, run.within(_named(members)))
    except (Cancelled, OutOfMemory):
        raise
    except CinefabError:
        given = None
    made: list[Json] = []
    for place, member in enumerate(members):
        own = run.beside(f"member{place}")
        try:
            if given is None:
                made.append(takes_of(backend, member, own, report))
            else:
                _say(own, given.run, place)
                one = _Given(backend.card, given.frames[place])
                made.append(takes_of(one, member, own, report))
        except (Cancelled, OutOfMemory):
            raise
        except CinefabError as error:
            made.append({"error": encode_error(error, attempted="make a take")})
    return {"members": made, "load_us": load_us}


class _Together:
    """What one run gave: the frames of each of its members, and what was said of it."""

    def __init__(self, frames: Sequence[Iterator[Frame]], run: Run) -> None:
        self.frames = frames
        self.run = run


class _Given:
    """Stands for a model that has made its frames already."""

    def __init__(self, card: ModelCard, frames: Iterator[Frame]) -> None:
        self.card = card
        self._frames = frames

    def load(self) -> None:
        """Do nothing: it has run."""

    def frames(self, _request: TakeRequest, _run: Run = ALONE, /) -> Iterator[Frame]:
        """Return the frames; they were made for this very request."""
        return self._frames


def _together(backend: Any, members: Sequence[Mapping[str, Any]], run: Run) -> _Together:
    """Make all of them; raise `ContractMismatch` where the model does not make them in one run."""
    requests = [asked_of(member) for member in members]
    may_be = _BATCH in backend.card.capabilities and not backend.card.limits.overlap_frames
    if not may_be or any(not backend.compatible(requests[0], other) for other in requests[1:]):
        raise ContractMismatch(
            attempted=f"make {len(members)} takes in one run of {backend.card.ref}",
            found="they differ in what a run has one of",
            remedy="Nothing: each is made alone.",
        )
    frames = list(backend.takes(requests, run))
    if len(frames) != len(requests):
        raise ContractMismatch(
            attempted=f"make {len(members)} takes in one run of {backend.card.ref}",
            found=f"it gave {len(frames)}",
            remedy="Nothing: each is made alone; mend the model's takes().",
        )
    return _Together(frames, run)


def _named(members: Sequence[Mapping[str, Any]]) -> str:
    """Return what the run of these very members keeps its points as: of others it goes on from none."""
    keys: list[Json] = [part["key"] for member in members for part in member["parts"]]
    return f"together_{digest_of(keys)[:16]}"


def _say(own: Run, shared: Run, place: int) -> None:
    """Say of one take what was said of the run of all, and which of them it is."""
    for name, value in shared.notes.items():
        own.note(name, value)
    said: Any = shared.notes.get(_BATCH, {})
    own.note(_BATCH, {**said, "place": place})
    # A bill for all of them is paid once, by the first.
    for bill in shared.bills if place == 0 else ():
        own.bill(bill)
