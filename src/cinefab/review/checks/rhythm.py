"""Does the picture move evenly, or are frames shown twice, or missing?"""

from __future__ import annotations

from typing import Final

import numpy as np

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.encode import KEYFRAME_EVERY
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Series

_MOVES: Final = 80  # hundredths of a level: a picture that plainly moves
_MOVES_LITTLE: Final = 9  # less than grain alone makes, so that there is motion at least
_BESIDE: Final = 5
_SAME_PERCENT: Final = 45  # of the motion beside it: a frame that was shown before
_CATCHES_UP_PERCENT: Final = 180
_CUT_STEP: Final = 1200


class Rhythm:
    """Refuses frames that are shown again while the picture moves, and motion that skips."""

    name = "rhythm"
    version = "2"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the first frame of each fault of a shot."""
        lines, footage = cut.thresholds, cut.footage
        problems: list[Remark] = []
        longest = 0
        for stretch in footage.bodies:
            again: list[range] = []
            skips: list[int] = []
            for part in footage.unchanged(stretch):
                step = footage.series["step"][part.start : part.stop]
                again += _shown_again(step, part.start, encoded_from=stretch.start)
                skips += [part.start + at for at in _skips(step, lines.skipped_motion_percent_max)]
            longest = max([longest, *map(len, again)])
            for run in [run for run in again if len(run) > lines.duplicate_frames_max][:1]:
                text = f"the same frame is shown {len(run) + 1} times while the picture moves"
                problems.append(Remark(text=text, frame=run.start))
            for at in skips[:1]:
                text = "its motion skips: frames are missing"
                problems.append(Remark(text=text, frame=at))
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"duplicate_frames_longest": longest},
        )


def _shown_again(step: Series, first: int, *, encoded_from: int) -> list[range]:
    """Return the frames that were shown before; `first` is the number of the first step's frame."""
    found = []
    for start in range(_BESIDE, len(step) - 3):
        usual = int(np.median(step[start - _BESIDE : start]))
        if usual < _MOVES_LITTLE:
            continue
        stop = start
        while stop < len(step) and int(step[stop]) * 100 <= usual * _SAME_PERCENT:
            stop += 1
        # The motion that was missed is caught up with in one step: a picture that came to rest,
        # or one that is encoded anew, does not.
        after = step[stop + 1 : stop + 1 + _BESIDE]
        anew = (first + stop - encoded_from) % KEYFRAME_EVERY == 0
        if stop == start or not after.size or anew:
            continue
        beside = max(usual, int(np.median(after)))
        if int(step[stop]) * 100 >= beside * _CATCHES_UP_PERCENT:
            found.append(range(first + start, first + stop))
    return found


def _skips(step: Series, percent_max: int) -> list[int]:
    found = []
    for at in range(3, len(step) - 2):
        beside = int(np.max(np.delete(step[at - 2 : at + 3], 2)))
        if beside >= _MOVES and beside * percent_max < int(step[at]) * 100 <= _CUT_STEP * 100:
            found.append(at)
    return found
