"""The resume points of one run: when they are kept, and whether one that lies there is its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.core.clock import Clock
from cinefab.generate.models.diffusers.stepping import Point, Watch, point_from
from cinefab.generate.run import Run

_FORMAT: Final = 1
_RUN: Final = "run"
_BEGUN: Final = "begun"
_SHARE: Final = 100
"""A point is kept once the work since the last one is this many times what keeping it takes."""

_FIRST_COST_US: Final = 10_000
"""What the first point is taken to cost; a run of less than a second is better begun again."""


class Points:
    """What one run can be gone on from.

    `key` is everything that determines what the run makes; a point of another key is left alone.
    `every` is a number of steps, or 0: so often that it costs 1 % of the time. Without `may_keep`
    (`why_not` says why) a run begins again from its first step.
    """

    def __init__(
        self,
        run: Run,
        key: Mapping[str, Json],
        *,
        every: int,
        clock: Clock,
        why_not: str | None,
    ) -> None:
        self._run = run
        self._key = json.loads(json.dumps(key))
        self._every = every
        self._clock = clock
        self._why_not = why_not
        self._finished: dict[int, Point] = {}
        self._current: tuple[int, Point] | None = None
        self._since = 0
        self._worked_from_us = clock.elapsed_us()
        self._cost_us = _FIRST_COST_US
        self._kept = 0
        self._lost_most = 0

    def restore(self) -> int:
        """Read the newest point; return how many steps of the run need not be made again."""
        found = self._run.kept()
        if found is None:
            self._begin()
            return 0
        why = self._why_not or self._read(found.files)
        steps = 0 if why else self._steps()
        self._run.note("resumed_from", steps)
        if why:
            self._finished, self._current = {}, None
            self._run.note("restarted_because", why)
            self._begin()
        return steps

    def start_of(self, window: int) -> Point | None:
        """Return where to go on in a window: its last point, or what it gave if it was finished."""
        if window in self._finished:
            return self._finished[window]
        if self._current is not None and self._current[0] == window:
            return self._current[1]
        return None

    def stepped(self, window: int, watch: Watch) -> None:
        """Hear that a step was taken, and keep a point if it is time."""
        self._since += 1
        self._lost_most = max(self._lost_most, self._since)
        if self._why_not is not None or not self._is_time():
            return
        started_us = self._clock.elapsed_us()
        point = watch.point()
        if point is None:
            self._why_not = "its solver or its pipeline keeps something that cannot be written down"
            self._run.note("resume_points", self._why_not)
            return
        self._keep(window, point)
        ended_us = self._clock.elapsed_us()
        self._cost_us = max(1, ended_us - started_us)
        self._worked_from_us, self._since = ended_us, 0
        self._kept += 1

    def finish(self, window: int, watch: Watch) -> None:
        """Hear that a window is made and others follow: what is kept from now on holds what it gave."""
        if window in self._finished or self._why_not is not None:
            return
        point = watch.point()
        if point is not None:
            self._finished[window] = point.finished()
        self._current = None

    def tell(self) -> None:
        """Say in the lineage how the run was kept: points, and most steps that lay between two."""
        if self._why_not is None:
            self._run.note("resume_points", {"kept": self._kept, "steps_between": self._lost_most})
        else:
            self._run.note("resume_points", self._why_not)

    def _is_time(self) -> bool:
        if self._run.folder is None:
            return False
        if self._every:
            return self._since >= self._every
        worked_us = self._clock.elapsed_us() - self._worked_from_us
        return worked_us >= _SHARE * self._cost_us

    def _begin(self) -> None:
        """Leave a mark where nothing can be kept, so that whoever begins again can say so."""
        if self._why_not is not None and self._run.folder is not None:
            self._run.keep(_BEGUN, {_RUN: b"{}"})

    def _keep(self, window: int, point: Point) -> None:
        files: dict[str, bytes] = {}
        for number, finished in self._finished.items():
            files[f"window{number}"], files[f"window{number}_tensors"] = finished.as_bytes()
        files["step"], files["step_tensors"] = point.as_bytes()
        document = {
            "format": _FORMAT,
            "key": self._key,
            "window": window,
            "finished": sorted(self._finished),
        }
        files[_RUN] = json.dumps(document, sort_keys=True).encode()
        self._run.keep(f"window_{window:03}_step_{point.step:04}", files)

    def _read(self, files: Mapping[str, Path]) -> str | None:
        """Read a point's files; return why it cannot be gone on from, or None."""
        try:
            document: Any = json.loads(files[_RUN].read_bytes())
            if document.get("format") != _FORMAT:
                return "the last point was of another version of this backend"
            unlike = sorted(
                name
                for name in {*document["key"], *self._key}
                if document["key"].get(name) != self._key.get(name)
            )
            if unlike:
                return f"the last point was of another {', another '.join(unlike)}"
            for number in document["finished"]:
                self._finished[int(number)] = _point(files, f"window{number}")
            self._current = int(document["window"]), _point(files, "step")
        except Exception as error:  # noqa: BLE001 - whatever lies there, the run can be made again
            return f"the last point could not be read: {type(error).__name__}"
        return None

    def _steps(self) -> int:
        current = 0 if self._current is None else self._current[1].step
        return current + sum(point.step for point in self._finished.values())


def _point(files: Mapping[str, Path], name: str) -> Point:
    return point_from(files[name].read_bytes(), files[f"{name}_tensors"].read_bytes())
