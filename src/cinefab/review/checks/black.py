"""Is there black that nobody ordered?"""

from __future__ import annotations

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview
from cinefab.review.runs import runs


class Black:
    """Refuses black that lasts: `black_ms_max`, or all of a shorter film.

    A dip through black, or a scene that opens in the dark, is shorter.
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
        longest = max((run.stop - run.start for run in black), default=0)
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"black_frames_longest": longest},
        )
