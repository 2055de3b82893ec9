"""Does the light hold steady?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Series

_WINDOW_MS: Final = 500


class Flicker:
    """Refuses light that goes up and down, over and over, within half a second.

    A cut, a dip or a wipe changes the light too, but one way, or there and back once.
    """

    name = "flicker"
    version = "1"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the first frame of each flicker."""
        lines, footage = cut.thresholds, cut.footage
        window = footage.frames_in(_WINDOW_MS)
        problems: list[Remark] = []
        most = 0
        for stretch in footage.stretches:
            luma = footage.of(stretch, "luma")
            turns = list(_turns(luma, lines.flicker_hundredths_min))
            for first, last in zip(turns, turns[lines.flicker_turns_max :], strict=False):
                if last - first <= window:
                    text = f"its light flickers, {lines.flicker_turns_max + 1} turns or more"
                    problems.append(Remark(text=text, frame=stretch.start + max(0, first - 1)))
                    break
            most = max(most, len(turns))
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"light_turns_most": most},
        )


def _turns(luma: Series, least: int) -> Iterator[int]:
    """Yield the frames at which luma, having gone one way by `least`, has gone back by as much."""
    if not luma.size:
        return
    change = np.diff(luma)
    way = 0
    for at in np.flatnonzero(np.abs(change) >= least):
        now = 1 if change[at] > 0 else -1
        if way and now != way:
            yield int(at) + 1
        way = now
