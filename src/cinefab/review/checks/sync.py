"""Do sound and picture keep together?"""

from __future__ import annotations

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview


class Sync:
    """Refuses sound that lies earlier or later than its mix, which was made to the picture.

    The mix begins with the first frame; the film's own timestamps say when its sound is given out.
    """

    name = "sync"
    version = "1"

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Say by how much the two are apart, and whether they are of one length."""
        heard, lines = cut.heard, cut.thresholds
        if heard is None:
            return CheckFinding(check=self.name, version=self.version)
        problems: list[Remark] = []
        offset = heard.offset_ms
        if offset is not None and abs(offset) > lines.sync_ms_max:
            way = "late" if offset > 0 else "early"
            problems.append(Remark(text=f"its sound comes {abs(offset)} ms {way}", frame=0))
        length_ms = round(cut.frames * 1000 / cut.fps)
        if abs(heard.length_ms - length_ms) > lines.sync_ms_max and not problems:
            text = f"its sound lasts {heard.length_ms} ms, its picture {length_ms} ms"
            problems.append(Remark(text=text))
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={} if offset is None else {"sound_late_ms": offset},
        )
