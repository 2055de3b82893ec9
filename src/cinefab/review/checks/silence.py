"""Is anything that was mixed not heard?"""

from __future__ import annotations

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview


class Silence:
    """Refuses silence where the mix has sound; a rest in the mix is a rest."""

    name = "silence"
    version = "1"

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the frame at which the longest of it begins."""
        heard = cut.heard
        if heard is None:
            return CheckFinding(check=self.name, version=self.version)
        problems: tuple[Remark, ...] = ()
        if heard.lost_ms > cut.thresholds.silence_ms_max:
            text = f"it is silent for {heard.lost_ms} ms where its mix is not"
            problems = (Remark(text=text, frame=cut.frame_at(heard.lost_at_ms)),)
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=problems,
            figures={"silence_ms_longest": heard.lost_ms},
        )
