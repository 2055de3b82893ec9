"""Is light or shade cut off?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.blend import yuv_of
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Stretch
from cinefab.review.runs import runs, stands_out

_FRAMES_MIN: Final = 3
_BRIGHT: Final = 225
_ONE_WAY_PERCENT: Final = 85  # of all that changes: a move makes some places lighter, some darker
_LEAP_TIMES: Final = 4
_LIKE_REFERENCE: Final = 2  # a camera may come closer to what is cut off in the photograph


class Clipping:
    """Refuses pictures whose brightest or darkest tones ran into the end of the range.

    Flat white or black is a colour like others; only tones that a ramp leads up to are cut off.
    What the references themselves have lost is theirs, and a brand may be white. Light that leaps
    from one frame to the next, everywhere and one way, is refused too: that is how it is cut off
    in part of a shot.
    """

    name = "clipping"
    version = "2"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the first clipped frame of each shot."""
        footage = cut.footage
        problems: list[Remark] = []
        most = 0
        for stretch in footage.bodies:
            looks = [cut.looks[each] for each in stretch.ordered.references if each in cut.looks]
            problems += [r for part in footage.unchanged(stretch) for r in _leaps(cut, part)][:1]
            for name in ("white", "dark"):
                if name == "white" and _may_be_white(stretch):
                    continue
                if not looks:
                    continue  # how dark or bright it was meant to be, nobody said
                own = max(getattr(look, name) for look in looks)
                limit = cut.thresholds.clipped_max + _LIKE_REFERENCE * own
                series = footage.of(stretch, name)
                most = max(most, int(series.max()))
                clipped = [run for run in runs(series > limit) if len(run) >= _FRAMES_MIN]
                for run in clipped[:1]:
                    text = f"its tones are cut off at {'white' if name == 'white' else 'black'}"
                    problems.append(Remark(text=text, frame=stretch.start + run.start))
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"clipped_most": most},
        )


def _may_be_white(stretch: Stretch) -> bool:
    colours = stretch.ordered.colours
    return not colours or any(yuv_of(colour)[0] >= _BRIGHT for colour in colours)


def _leaps(cut: CutUnderReview, part: range) -> Iterator[Remark]:
    luma, step = (cut.footage.series[name][part.start : part.stop] for name in ("luma", "step"))
    change = np.abs(np.diff(luma))
    one_way = change * 100 >= step[1:] * _ONE_WAY_PERCENT
    for at in np.flatnonzero(one_way & (change >= cut.thresholds.light_leap_hundredths_max)):
        if stands_out(change, int(at), times=_LEAP_TIMES):
            yield Remark(
                text="its light leaps from one frame to the next",
                frame=part.start + int(at) + 1,
            )
            return
