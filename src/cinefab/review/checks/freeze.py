"""Does the picture live?"""

from __future__ import annotations

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview
from cinefab.review.runs import runs


class Freeze:
    """Refuses one picture that stands still for `freeze_ms_max`, whatever its grain does."""

    name = "freeze"
    version = "1"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the first frame of every picture that stands for too long."""
        footage = cut.footage
        limit = footage.frames_in(cut.thresholds.freeze_ms_max)
        still = footage.series["still"]
        # A run of frames that are like one before them begins with that one.
        standing = [range(run.start - 1, run.stop) for run in runs(still > 0)]
        problems = [
            Remark(
                text=f"it shows one picture standing still for {len(run)} frames", frame=run.start
            )
            for run in standing
            if len(run) >= limit
        ]
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"still_frames_longest": max(map(len, standing), default=0)},
        )
