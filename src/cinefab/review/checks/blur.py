"""Is anything in the picture sharp?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.inspect import UNSEEN
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Series, Stretch
from cinefab.review.runs import runs

_SHARP: Final = 400
_BEFORE_FRAMES: Final = 4
_STAYS_FRAMES: Final = 6
_SOFT_FRAMES: Final = 8  # a shot may open on a soft plate before its type appears
_SOFTER_PERCENT: Final = 88
_SIMPLER_PERCENT: Final = 92  # less detail, at least: type that comes in changes sharpness alone
_DETAIL_MIN: Final = 40  # less is a flat ground, and whatever moves over it changes all
_AT_ONCE_PERCENT: Final = 110
_JUMP_PERCENT: Final = 150
_END_JUMP_PERCENT: Final = 150
_PEAK_PERCENT: Final = 200
_PEAK_MIN: Final = 6
_PEAK_MAX: Final = 90  # levels of a square: type that appears at once makes more
_SOFT_AS_REFERENCE_PERCENT: Final = 60
_WORDS_COME_MS: Final = 1000


class Blur:
    """Refuses pictures in which no edge is sharp, and sharpness that is lost at a stroke.

    A plate that is blurred behind a product on purpose leaves the product, or the type, sharp.
    """

    name = "blur"
    version = "4"
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
    least = footage.frames_in(lines.blur_ms_max)
    if stretch.ordered.words:
        # However soft the pictures are, type is drawn sharp; it may take its time to come in.
        limit = max(limit, lines.blur_words_sharp_min)
        least = max(least, footage.frames_in(_WORDS_COME_MS))
    for run in runs((sharp != UNSEEN) & (sharp < limit)):
        if len(run) >= least:
            text = f"nothing in it is sharp for {len(run)} frames"
            yield Remark(text=text, frame=stretch.start + run.start)


def _lost(cut: CutUnderReview, part: range) -> Iterator[Remark]:
    count = len(part)
    for at in range(2, count - 1):
        before, after = slice(max(0, at - _BEFORE_FRAMES), at), slice(at, at + _STAYS_FRAMES)
        # It may begin at a stroke, or end at one.
        if _is_softer(cut, part, clear=slice(at - 2, at), soft=after) and _begins(cut, part, at):
            yield Remark(text="its sharpness is lost at a stroke", frame=part.start + at)
            return
        if _is_softer(cut, part, clear=after, soft=before) and _ends(cut, part, at):
            yield Remark(text="its sharpness comes back at a stroke", frame=part.start + at - 2)
            return


def _is_softer(cut: CutUnderReview, part: range, *, clear: slice, soft: slice) -> bool:
    sharp, detail = _of(cut, part, "sharp"), _of(cut, part, "detail")
    kept = 100 * float(detail[soft].mean()) / max(1.0, float(detail[clear].mean()))
    lines = cut.thresholds
    if detail[clear].min() < _DETAIL_MIN:
        return False
    if (sharp[clear] == UNSEEN).any() or (sharp[soft] == UNSEEN).any():
        return kept < lines.blur_detail_percent_min
    if sharp[clear].min() < _SHARP:
        return False
    left = 100 * float(sharp[soft].mean()) / float(sharp[clear].mean())
    return (left < lines.blur_left_percent_min and kept < _SIMPLER_PERCENT) or (
        left < _SOFTER_PERCENT and kept < lines.blur_detail_percent_min
    )


def _begins(cut: CutUnderReview, part: range, at: int) -> bool:
    """Say whether all of it gets softer at once, or the picture jumps where a part of it does.

    A word that moves looks softer too, but then neither is so.
    """
    sharp, detail = _of(cut, part, "sharp"), _of(cut, part, "detail")
    step = _of(cut, part, "step")
    after = slice(at, at + _STAYS_FRAMES)
    fallen = sharp[at] * 100 < sharp[at - 1] * cut.thresholds.blur_left_percent_min
    simpler = detail[at] * 100 < detail[at - 1] * cut.thresholds.blur_detail_percent_min
    stays = detail[at] * 100 <= detail[after].mean() * _AT_ONCE_PERCENT
    if sharp[at] != UNSEEN and fallen and simpler and stays:
        return True
    return _jumps(step, at, percent=_JUMP_PERCENT) or _peaks(cut, part, at)


def _ends(cut: CutUnderReview, part: range, at: int) -> bool:
    """Say whether it jumps where it gets sharper; type that appears makes it sharper too."""
    sharp, step = _of(cut, part, "sharp"), _of(cut, part, "step")
    if at < _SOFT_FRAMES or sharp[at - _SOFT_FRAMES : at].max() >= _SHARP * 2:
        return False
    return _jumps(step, at, percent=_END_JUMP_PERCENT) or _peaks(cut, part, at)


def _jumps(series: Series, at: int, *, percent: int) -> bool:
    """Say whether a series is so much higher at a frame, or the one before, than around it."""
    high = int(series[at - 1 : at + 1].max())
    beside = np.concatenate((series[max(1, at - 4) : at - 1], series[at + 1 : at + 4]))
    return bool(beside.size) and high * 100 >= int(beside.max()) * percent


def _peaks(cut: CutUnderReview, part: range, at: int) -> bool:
    """Say whether some square changes as none does beside, and yet by little: its edges alone."""
    peak = _of(cut, part, "step_peak")
    high = int(peak[at - 1 : at + 1].max())
    return _PEAK_MIN <= high <= _PEAK_MAX and _jumps(peak, at, percent=_PEAK_PERCENT)


def _of(cut: CutUnderReview, part: range, name: str) -> Series:
    return cut.footage.series[name][part.start : part.stop]
