"""Is there black that nobody ordered?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Stretch
from cinefab.review.runs import runs

_SUDDEN: Final = 800  # hundredths of a level between a picture and the black after it


class Black:
    """Refuses black that lasts: `black_ms_max`, or all of a shorter film.

    A dip through black, or a scene that opens in the dark, is shorter. Inside a shot, black that
    begins from one frame to the next is a fault however short it is.
    """

    name = "black"
    version = "1"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the first frame of every black stretch that is too long."""
        lines, footage = cut.thresholds, cut.footage
        black = runs(footage.series["peak"] <= lines.black_level_max)
        limit = min(footage.frames_in(lines.black_ms_max), max(1, footage.frames))
        problems = [
            Remark(text=f"it shows black for {run.stop - run.start} frames", frame=run.start)
            for run in black
            if run.stop - run.start >= limit
        ]
        for stretch in footage.bodies:
            problems += _flashes(cut, stretch)
        longest = max((run.stop - run.start for run in black), default=0)
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"black_frames_longest": longest},
        )


def _flashes(cut: CutUnderReview, stretch: Stretch) -> Iterator[Remark]:
    luma = cut.footage.of(stretch, "luma")
    for run in runs(cut.footage.of(stretch, "peak") <= cut.thresholds.black_level_max):
        if not run.start or len(run) <= cut.thresholds.black_flash_frames_max:
            continue
        if luma[run.start - 1] - luma[run.start] >= _SUDDEN:
            text = f"it goes black from one frame to the next, for {len(run)} frames"
            yield Remark(text=text, frame=stretch.start + run.start)
