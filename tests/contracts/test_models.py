"""Every model that is installed keeps every promise of its contract, and a broken one is caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opener import Opener
from stepper import Stepper

from cinefab.app.plugins import find_plugins
from cinefab.conformance.models import PROMISES, NotPromised, Subject
from cinefab.core.brief import Size
from cinefab.core.errors import BriefInvalid, ContractMismatch, Unavailable
from cinefab.core.units import Uusd
from cinefab.generate.run import Bill, Run


def ready() -> dict[str, Callable[[], Any]]:
    """Return the installed models that need no settings, by name."""
    kinds = {name: point.load() for name, point in find_plugins("models").items()}
    return {n: kind for n, kind in sorted(kinds.items()) if not hasattr(kind, "settings_schema")}


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("name", ready())
def test_an_installed_model_keeps_its_promise(name: str, promise: str, tmp_path: Path) -> None:
    subject = Subject(make=ready()[name], folder=tmp_path)

    try:
        PROMISES[promise](subject)
    except NotPromised:
        assert promise not in ("says-what-it-is", "gives-what-is-asked-for")


@pytest.mark.parametrize("promise", PROMISES)
def test_a_model_of_steps_keeps_every_promise(promise: str, tmp_path: Path) -> None:
    try:
        PROMISES[promise](stepper(Stepper, tmp_path))
    except NotPromised:
        assert promise in (
            "gives-parts-as-a-whole",
            "makes-several-in-one-run",
            "begins-with-its-picture",
            "is-billed-once",
            "hands-over-what-was-delivered",
            "ends-what-goes-on-elsewhere",
            "says-ahead-what-it-refuses",
        )


@pytest.mark.parametrize("promise", PROMISES)
def test_a_model_that_begins_with_a_picture_keeps_its_promise(promise: str, tmp_path: Path) -> None:
    try:
        PROMISES[promise](Subject(make=Opener, folder=tmp_path, size=Size(64, 48)))
    except NotPromised:
        assert promise != "begins-with-its-picture"


class Blind(Opener):
    """Shows the same, whatever picture it is given."""

    def frames(self, request: Any, run: Any = None, /) -> Iterator[Any]:
        for frame in super().frames(request):
            yield np.full_like(frame, 128)


def test_a_model_that_does_not_look_at_its_picture_is_caught(tmp_path: Path) -> None:
    blind = Subject(make=Blind, folder=tmp_path, size=Size(64, 48))

    with pytest.raises(ContractMismatch, match="begins with the picture"):
        PROMISES["begins-with-its-picture"](blind)


class Forgetful(Stepper):
    """Starts again, whatever was kept."""

    def frames(self, request: Any, run: Any = None, /) -> Iterator[Any]:
        run = Run(folder=None if run is None else run.folder, tell=run._tell)
        run.kept = lambda: None
        return super().frames(request, run)


class Moody(Stepper):
    """Remembers how often it was asked, and lets it show."""

    asked = 0

    def frames(self, request: Any, run: Any = None, /) -> Iterator[Any]:
        Moody.asked += 1
        return super().frames(replace(request, seed=request.seed + Moody.asked), run)


class Short(Stepper):
    """Leaves the last frame out."""

    def frames(self, request: Any, run: Any = None, /) -> Iterator[Any]:
        return super().frames(replace(request, frames=request.frames - 1), run)


class Stubborn(Stepper):
    """Never looks whether somebody still waits."""

    def frames(self, request: Any, run: Any = None, /) -> Iterator[Any]:
        run.check_wanted = lambda: None
        return super().frames(request, run)


class Boastful(Stepper):
    """Declares what nobody knows."""

    says = frozenset({"deterministic", "telepathy"})


class Greedy(Stepper):
    """Bills each time that it is asked, and keeps nothing that would find the work again."""

    says = frozenset({"deterministic"})

    def frames(self, request: Any, run: Any = None, /) -> Iterator[Any]:
        run.keep = lambda _point, _files: None
        bill = Bill(amount_uusd=Uusd(5), basis="answer", supplier="greedy", reference="once")
        run.bill(bill)
        return super().frames(request, run)


class Vague(Stepper):
    """Notes a number that no record can hold."""

    def frames(self, request: Any, run: Any = None, /) -> Iterator[Any]:
        run.note("mood", 0.5)
        return super().frames(request, run)


class Careless(Stepper):
    """Hands over a file that is gone by then."""

    def frames(self, request: Any, run: Any = None, /) -> Iterator[Any]:
        run.came_with(Path("gone.mp4"))
        return super().frames(request, run)


class Surprised(Stepper):
    """Can end a run once."""

    def cancel(self, run: Any) -> None:
        point = run.kept()
        if point is None:
            raise Unavailable(attempted="end a run", found="there is none", remedy="None.")


class Overlapping(Stepper):
    """Has windows that overlap by more than half."""

    @property
    def card(self) -> Any:
        card = super().card
        half = card.limits.frames_max // 2
        return replace(card, limits=replace(card.limits, overlap_frames=half + 1))


class Fussy(Stepper):
    """Refuses ahead what it makes."""

    def check(self, request: Any) -> None:
        raise BriefInvalid(field="prompt", found="it is dull", remedy="Think of another.")


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Forgetful, "goes-on-where-it-was-killed"),
        (Moody, "gives-the-same-bytes-again"),
        (Moody, "serves-one-after-another"),
        (Short, "gives-what-is-asked-for"),
        (Stubborn, "stops-between-two-steps"),
        (Boastful, "says-what-it-is"),
        (Overlapping, "says-what-it-is"),
        (Greedy, "is-billed-once"),
        (Vague, "hands-over-what-was-delivered"),
        (Careless, "hands-over-what-was-delivered"),
        (Surprised, "ends-what-goes-on-elsewhere"),
        (Fussy, "says-ahead-what-it-refuses"),
    ],
)
def test_a_broken_model_is_caught(kind: type[Stepper], promise: str, tmp_path: Path) -> None:
    with pytest.raises(ContractMismatch, match="contract of models"):
        PROMISES[promise](stepper(kind, tmp_path))


def stepper(kind: type[Stepper], folder: Path) -> Subject:
    return Subject(make=lambda: kind("steps", {"colour": 90}, {}), folder=folder)
