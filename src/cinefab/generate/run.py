"""A run of a model as it goes: how far it is, what it can continue from, and what it costs.

A model is handed its run beside what it is asked for. What it says there goes to whoever waits,
into the take's lineage and into the books; nothing of it changes a pixel.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Json, Sha256, canonical_json
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.errors import Cancelled
from cinefab.core.stage import Basis, Bill
from cinefab.media.frames import Rgb
from cinefab.media.sandbox.outcome import Confinement
from cinefab.store.file_digest import file_sha256

__all__ = ["ALONE", "Basis", "Bill", "ResumePoint", "Run"]

_POINT: Final = "point.json"
_STOP: Final = "stop"
_PREVIEW: Final = "preview.jpg"
_ALIVE_EVERY_US: Final = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """What a stopped run continues from: its name, and files that were whole when it was kept."""

    point: str
    files: Mapping[str, Path]


class Run:
    """One run of a model; the model's own thread uses it.

    `folder` is where its resume points lie, alone; without one nothing is kept and nothing found.
    `tell` is given news of progress, as small JSON. `confinement` says whether this machine's must
    hold before what an engine delivered is decoded.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        tell: Callable[[Json], None] = lambda _news: None,
        confinement: Confinement = Confinement.REQUIRED,
        clock: Clock | None = None,
    ) -> None:
        self._folder = folder
        self._hears = tell
        self._clock: Clock = clock or SystemClock()
        self._told_us = self._clock.elapsed_us()
        self._confinement = confinement
        self._bills: list[Bill] = []
        self._notes: dict[str, Json] = {}
        self._came: list[Path] = []
        self._stops: list[Path] = []
        self._name = ""

    @property
    def folder(self) -> Path | None:
        """A folder of this run's own, for what must outlive its process; None where nothing may."""
        return self._folder

    @property
    def confinement(self) -> Confinement:
        """What decodes an engine's files is locked in; or, at best effort, as well as it can be."""
        return self._confinement

    def within(self, name: str) -> Run:
        """Return the run of a part of this one's work: its resume points are its own."""
        name = self._name + name
        part = Run(
            folder=None if self._folder is None else self._folder / name,
            tell=self._hears,
            clock=self._clock,
            confinement=self._confinement,
        )
        part._bills, part._notes, part._came = self._bills, self._notes, self._came
        part._stops = [*self._stops, *([] if self._folder is None else [self._folder])]
        return part

    def beside(self, name: str) -> Run:
        """Return a run that is watched with this one: what is said of it, and its parts, are its own."""
        other = Run(
            folder=self._folder, tell=self._hears, clock=self._clock, confinement=self._confinement
        )
        other._name = f"{name}_"
        return other

    @property
    def parts(self) -> tuple[Run, ...]:
        """The parts of its work that have kept something."""
        if self._folder is None or not self._folder.is_dir():
            return ()
        points = sorted(self._folder.glob(f"*/{_POINT}"))
        return tuple(self.within(point.parent.name) for point in points)

    @property
    def bills(self) -> tuple[Bill, ...]:
        """What was asked for the run so far."""
        return tuple(self._bills)

    @property
    def notes(self) -> Mapping[str, Json]:
        """What the model wants said of its takes' origin."""
        return dict(self._notes)

    @property
    def delivered(self) -> tuple[Path, ...]:
        """The files that came from an engine, as they came."""
        return tuple(self._came)

    def progress(self, done: int, of: int, *, preview: Rgb | None = None) -> None:
        """Say that `done` of `of` steps are done, with a picture of what there is so far.

        `preview` has shape (height, width, 3), uint8, sRGB. Raises `Cancelled` if the run is not
        wanted any more, so that a model that tells its steps can be stopped between two of them.
        """
        self.check_wanted()
        news: dict[str, Json] = {"step": done, "steps": of}
        if preview is not None and self._folder is not None:
            # Contracts are imported by everybody, and most models show nothing on the way.
            from cinefab.media.still import thumbnail_bytes  # noqa: PLC0415 - see above

            self._folder.mkdir(parents=True, exist_ok=True)
            part = self._folder / f"{_PREVIEW}.part"
            part.write_bytes(thumbnail_bytes(preview))
            part.replace(self._folder / _PREVIEW)
            news["preview"] = str(self._folder / _PREVIEW)
        self._tell(news)

    def keep(self, point: str, files: Mapping[str, bytes]) -> None:
        """Keep a resume point, instead of the one before; after a crash there is one or the other.

        `point` is a name, such as `step-0012`; `files` are its contents by name.
        """
        if self._folder is None:
            return
        assert point.replace("-", "").replace("_", "").isalnum(), f"{point!r} names no resume point"
        folder = self._folder / point
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        digests: dict[str, Json] = {}
        for name, content in files.items():
            _write_whole(folder / name, content)
            digests[name] = file_sha256(folder / name)
        document: Json = {"point": point, "files": digests}
        _write_whole(self._folder / f"{_POINT}.part", canonical_json(document))
        (self._folder / f"{_POINT}.part").replace(self._folder / _POINT)
        _sync_folder(self._folder)
        for other in self._folder.iterdir():
            if other.is_dir() and other.name != point:
                shutil.rmtree(other, ignore_errors=True)
        self._tell({"kept": point, "part": self._folder.name})

    def kept(self) -> ResumePoint | None:
        """Return the newest resume point, or None; one whose bytes are not as kept is none."""
        if self._folder is None:
            return None
        try:
            document: Any = json.loads((self._folder / _POINT).read_bytes())
            folder = self._folder / document["point"]
            files = {name: folder / name for name in document["files"]}
            whole = all(
                file_sha256(files[name]) == Sha256(digest)
                for name, digest in document["files"].items()
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return ResumePoint(point=document["point"], files=files) if whole else None

    def bill(self, bill: Bill) -> None:
        """Say what somebody else asks for this run; the same work is billed once."""
        if all(each.reference != bill.reference for each in self._bills):
            self._bills.append(bill)
            # At once: a run that fails after it was billed has no other way to say so.
            self._tell({"billed": bill.as_dict()})

    def note(self, name: str, value: Json) -> None:
        """Say something of how the takes came about, which goes into their lineage."""
        self._notes[name] = value

    def came_with(self, path: Path) -> None:
        """Say that an engine delivered this file: it is kept as it came, with its credentials."""
        self._came.append(path)

    def is_wanted(self) -> bool:
        """Say whether somebody still waits for it; looked at between two steps."""
        folders = self._stops if self._folder is None else [*self._stops, self._folder]
        return not any((folder / _STOP).exists() for folder in folders)

    def check_wanted(self) -> None:
        """Raise `Cancelled` if nobody waits any more.

        Whoever asks is alive, though it may have nothing to tell: it waits in somebody's queue, say.
        """
        if self._clock.elapsed_us() - self._told_us >= _ALIVE_EVERY_US:
            self._tell({"alive": True})
        if not self.is_wanted():
            raise Cancelled(
                attempted="go on with a run of a model",
                found="it was cancelled",
                remedy="Order it again if it is still wanted; what was finished is reused.",
            )

    def _tell(self, news: Json) -> None:
        self._told_us = self._clock.elapsed_us()
        self._hears(news)

    def stop(self) -> None:
        """Ask the run to stop, from any process that sees its folder."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / _STOP).touch()

    def close(self) -> None:
        """Forget what was kept: the run is over, and there is nothing to continue."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


ALONE: Final = Run()
"""A run that nobody watches and that keeps nothing."""


def _write_whole(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
