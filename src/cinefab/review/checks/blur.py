"""Is anything in the picture sharp?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.inspect import UNSEEN
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Stretch
from cinefab.review.runs import runs

_SHARP: Final = 400
_STAYS_FRAMES: Final = 6
_SOFT_FRAMES: Final = 8  # a shot may open on a soft plate before its type appears
_JUMP_PERCENT: Final = 115
_SOFTER_PERCENT: Final = 88
_PLAIN_PERCENT: Final = 65
_END_JUMP_PERCENT: Final = 150
_SOFT_AS_REFERENCE_PERCENT: Final = 60


class Blur:
    """Refuses pictures in which no edge is sharp, and sharpness that is lost at a stroke.

    A plate that is blurred behind a product on purpose leaves the product, or the type, sharp.
    """

    name = "blur"
    version = "3"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the first blurred frame of each shot."""
        problems = [
            remark
            for stretch in cut.footage.bodies
            for remark in [
                *_soft(cut, stretch),
                *(lost for part in cut.footage.unchanged(stretch) for lost in _lost(cut, part)),
            ][:1]
        ]
        sharp = cut.footage.series["sharp"]
        sharp = sharp[sharp != UNSEEN]
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"sharp_least": int(sharp.min())} if sharp.size else {},
        )


def _soft(cut: CutUnderReview, stretch: Stretch) -> Iterator[Remark]:
    lines, footage = cut.thresholds, cut.footage
    limit = lines.blur_sharp_min
    for reference in stretch.ordered.references:
        look = cut.looks.get(reference)
        if look is not None:
            own = max(0, look.sharp) * _SOFT_AS_REFERENCE_PERCENT // 100
            limit = min(limit, own)
    sharp = footage.of(stretch, "sharp")
    for run in runs((sharp != UNSEEN) & (sharp < limit)):
        if len(run) >= footage.frames_in(lines.blur_ms_max):
            text = f"nothing in it is sharp for {len(run)} frames"
            yield Remark(text=text, frame=stretch.start + run.start)


def _lost(cut: CutUnderReview, part: range) -> Iterator[Remark]:
    sharp, detail, step = (
        cut.footage.series[name][part.start : part.stop] for name in ("sharp", "detail", "step")
    )
    for at in range(2, len(sharp) - _STAYS_FRAMES):
        before, after = slice(at - 2, at), slice(at, at + _STAYS_FRAMES)
        usual = float(np.median(step[max(1, at - 4) : at + 4]))
        jump = float(step[at - 1 : at + 1].max()) * 100
        # It may begin at a stroke, or end at one.
        for clear, soft in ((before, after), (after, before)):
            if sharp[clear].min() < _SHARP or (sharp[soft] == UNSEEN).any():
                continue
            left = 100 * float(sharp[soft].mean()) / float(sharp[clear].mean())
            kept = 100 * float(detail[soft].mean()) / max(1.0, float(detail[clear].mean()))
            begins = soft is after
            if not begins and (
                at < _SOFT_FRAMES or sharp[at - _SOFT_FRAMES : at].max() >= _SHARP * 2
            ):
                continue
            lost = left < cut.thresholds.blur_left_percent_min or (
                left < _SOFTER_PERCENT and kept < cut.thresholds.blur_detail_percent_min
            )
            # A word that moves may look softer too, but then the picture does not jump.
            jumps = jump >= usual * _JUMP_PERCENT
            if not begins:  # type that appears makes a picture sharper too, over some frames
                beside = np.concatenate((step[max(1, at - 4) : at - 1], step[at + 1 : at + 4]))
                jumps = bool(beside.size) and jump >= float(beside.max()) * _END_JUMP_PERCENT
            if lost and (jumps or (begins and left < _PLAIN_PERCENT)):
                frame = part.start + (at if begins else at - 2)
                yield Remark(text="its sharpness is lost at a stroke", frame=frame)
                return
