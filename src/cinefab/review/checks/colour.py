"""Are the colours those of what was to be shown?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.blend import yuv_of
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Stretch
from cinefab.review.runs import stands_out

_BINS: Final = 32
_HUES: Final = 72
_NEAR_HUES: Final = 4  # of 5 degrees each, to either side: what light, grain and rounding do
_NEAR_BRAND: Final = 3
_NEAR_PALE: Final = 6
_PALE: Final = 24.0
_HUE_SHARE_MIN: Final = 0.015  # of a reference's colour, for it to be a colour of it
_GREY: Final = 6.0  # levels from grey: too little to have a hue
_COLOURFUL: Final = 3.0  # mean levels from grey, for there to be anything to say
_ALONE_TIMES: Final = 3
_PLAIN_LEAP: Final = 600  # hundredths of a level
_LEAP_TIMES: Final = 3
_MAIN_SHARE: Final = 0.6
_MAIN_LEFT: Final = 0.1  # clean films keep 0.15 and more of a pale photograph, twice that of others


class Colour:
    """Refuses colours that neither the references of a shot nor the brand have, and leaps of colour.

    What is compared is hue, by how much colour there is of it: light and contrast are a look's own
    affair, and so is a shot that is graded on purpose. A shot without references may have any
    colours.
    """

    name = "colour"
    version = "2"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the first frame of every shot that has other colours."""
        problems: list[Remark] = []
        unlike_most = 0
        for stretch in cut.footage.bodies:
            problems += _leaps(cut, stretch)
            if not stretch.ordered.graded:
                problems += _faded(cut, stretch)
            unlike = _unlike_percent(cut, stretch)
            if unlike is None:
                continue
            unlike_most = max(unlike_most, unlike)
            if unlike > cut.thresholds.colour_unlike_percent_max:
                text = f"{unlike} % of its colour is neither its references' nor the brand's"
                problems.append(Remark(text=text, frame=stretch.start))
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"colour_unlike_percent_most": unlike_most},
        )


def _leaps(cut: CutUnderReview, stretch: Stretch) -> Iterator[Remark]:
    footage = cut.footage
    blue, red = footage.of(stretch, "blue"), footage.of(stretch, "red")
    leap = np.hypot(np.diff(blue), np.diff(red))
    # Light that changes as much as colour does is another picture; colour alone is a fault.
    step = footage.of(stretch, "step")[1:]
    alone = leap >= np.minimum(_ALONE_TIMES * step, _PLAIN_LEAP)
    for at in np.flatnonzero(alone & (leap > cut.thresholds.colour_jump_hundredths_max)):
        # What fades or slides in changes colour over several frames.
        if stands_out(leap, int(at), times=_LEAP_TIMES):
            yield Remark(
                text="its colours change from one frame to the next",
                frame=stretch.start + int(at) + 1,
            )
            return


def _unlike_percent(cut: CutUnderReview, stretch: Stretch) -> int | None:
    ordered = stretch.ordered
    looks = [cut.looks[each] for each in ordered.references if each in cut.looks]
    if ordered.graded or not looks or len(looks) < len(ordered.references):
        return None
    if ordered.cut_out and not ordered.colours:
        return None  # what lies behind the product is the model's to choose
    shown = _hues(stretch.seen.chroma)
    if shown.sum() < _COLOURFUL:
        return 0
    expected = np.zeros(_HUES, bool)
    for look in looks:
        own = _hues(look.chroma)
        expected |= _spread(own > _HUE_SHARE_MIN * max(own.sum(), _COLOURFUL), _NEAR_HUES)
    for colour in ordered.colours:
        _, blue, red = yuv_of(colour)
        far = np.hypot(blue - 128, red - 128)
        if far >= _GREY:
            # Rounded to a few levels, the hue of a pale colour may be anything near it.
            one = np.arange(_HUES) == _hue_of(blue - 128.0, red - 128.0)
            expected |= _spread(one, _NEAR_BRAND if far >= _PALE else _NEAR_PALE)
    if not expected.any():
        return None  # grey references, no brand: whatever colour there is was the model's to choose
    return round(100 * float(shown[~expected].sum() / shown.sum()))


def _faded(cut: CutUnderReview, stretch: Stretch) -> Iterator[Remark]:
    least = cut.thresholds.colour_left_percent_min
    shown = _hues(stretch.seen.chroma)
    for reference in stretch.ordered.references:
        if reference in stretch.ordered.cut_out or reference not in cut.looks:
            continue  # of a photograph, only the product may be shown
        own = _hues(cut.looks[reference].chroma)
        if own.sum() < 2 * _COLOURFUL:
            continue
        if shown.sum() * 100 < own.sum() * least:
            yield Remark(text="its reference's colours are gone", frame=stretch.start)
            return
        # The hues that make up most of the reference must be seen, however small it is shown.
        order = np.argsort(-own)
        count = int(np.searchsorted(np.cumsum(own[order]), _MAIN_SHARE * own.sum())) + 1
        main = _spread(np.isin(np.arange(_HUES), order[:count]), _NEAR_HUES)
        if shown[main].sum() < _MAIN_LEFT * own.sum():
            yield Remark(text="its reference's main colour is not in it", frame=stretch.start)
            return


def _spread(hues: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    near = hues.copy()
    for turn in range(1, reach + 1):
        near |= np.roll(hues, turn) | np.roll(hues, -turn)
    return near


def _hues(chroma: Mapping[int, int]) -> NDArray[np.float64]:
    """Return the colour of each hue: mean levels from grey, over all of the picture."""
    found = np.zeros(_HUES)
    for blue, red, share in _pairs(chroma.items()):
        far = float(np.hypot(blue, red))
        if far >= _GREY:
            found[_hue_of(blue, red)] += far * share
    return found


def _pairs(chroma: Iterable[tuple[int, int]]) -> Iterator[tuple[float, float, float]]:
    width = 256 / _BINS
    for at, share in chroma:
        blue, red = divmod(at, _BINS)
        yield (blue + 0.5) * width - 128, (red + 0.5) * width - 128, share / 1_000_000


def _hue_of(blue: float, red: float) -> int:
    turn = float(np.arctan2(red, blue)) / (2 * np.pi)
    return round(turn * _HUES) % _HUES
