"""Are the colours those of what was to be shown?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.blend import yuv_of
from cinefab.media.inspect import HUES, LIGHTS
from cinefab.media.look import Look
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Stretch
from cinefab.review.runs import stands_out

_OF_THE_PICTURE_MIN: Final = 0.01  # of a reference's colour, for it to be a colour of it
_NEAR_BRAND: Final = 2  # hues to either side: what light, grain and rounding do
_NEAR_PALE: Final = 3
_PALE: Final = 24.0
_GREY: Final = 6.0  # levels from grey: too little to have a hue
_COLOURFUL: Final = 3.0  # mean levels from grey, for there to be anything to say
_SHOWN_COLOURFUL: Final = 2.0
_SEEN_TIMES: Final = (5,)  # a picture may fill a fifth of what shows it
_PRODUCT_SEEN_TIMES: Final = (5, 20)  # and a product, on a ground of any colour, a twentieth
_NEIGHBOUR: Final = 0.5
_TURNS: Final = range(2, HUES - 1)  # one step, 15 degrees, is what light may do
_EXPLAINED_MIN: Final = 0.35
_MOSTLY_GREY: Final = 400  # thousandths of a picture, of which a cropping leaves some
_NO_GREY: Final = 15
_ALONE_TIMES: Final = 3
_LEAP_TIMES: Final = 6

Hues = NDArray[np.float64]


class Colour:
    """Refuses colours that neither the references of a shot nor the brand have, and leaps of colour.

    What is compared is how much there is of each hue in each light: how strong colours are is a
    look's own affair, and so is a shot that is graded on purpose. A product that was cut out is
    known by its own colours, through its mask, and what is grey is to be grey. If a shot's colours hold another turn of the circle
    of hues against those of its reference, or red and blue are changed about, then they would agree
    with it far better so; a shot without references may have any colours.
    """

    name = "colour"
    version = "3"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the first frame of every shot that has other colours."""
        problems: list[Remark] = []
        unlike_most, straight_least = 0, 100
        footage = cut.footage
        for stretch in footage.bodies:
            problems += [leap for part in footage.unchanged(stretch) for leap in _leaps(cut, part)][
                :1
            ]
            looks = _looks(cut, stretch)
            if stretch.ordered.graded or not looks:
                continue
            problems += [*_faded(cut, stretch), *_tinted(stretch, looks)][:1]
            straight = _straight_percent(stretch, looks)
            straight_least = min(straight_least, straight)
            unlike = _unlike_percent(cut, stretch, looks)
            unlike_most = max(unlike_most, unlike)
            if straight < cut.thresholds.colour_straight_percent_min:
                text = "its reference's colours are turned into others"
                problems.append(Remark(text=text, frame=stretch.start))
            elif unlike > cut.thresholds.colour_unlike_percent_max:
                text = f"{unlike} % of its colour is neither its references' nor the brand's"
                problems.append(Remark(text=text, frame=stretch.start))
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={
                "colour_unlike_percent_most": unlike_most,
                "colour_straight_percent_least": straight_least,
            },
        )


def _looks(cut: CutUnderReview, stretch: Stretch) -> Sequence[Look]:
    """Return the looks of all that a stretch shows, or none where one is not known."""
    references = stretch.ordered.references
    looks = [cut.looks[each] for each in references if each in cut.looks]
    return looks if len(looks) == len(references) else ()


def _leaps(cut: CutUnderReview, part: range) -> Iterator[Remark]:
    leap, step = (
        cut.footage.series[name][part.start : part.stop] for name in ("colour_step", "step")
    )
    # Light that changes as much as colour does is another picture; colour alone is a fault.
    alone = leap >= _ALONE_TIMES * step
    for at in np.flatnonzero(alone & (leap > cut.thresholds.colour_jump_hundredths_max)):
        # What fades or slides in changes colour over several frames.
        if at and stands_out(leap, int(at), times=_LEAP_TIMES):
            yield Remark(
                text="its colours change from one frame to the next", frame=part.start + int(at)
            )
            return


def _straight_percent(stretch: Stretch, looks: Sequence[Look]) -> int:
    """Return how much of a reference is seen, of what would be if all hues were turned; 100 if all.

    Of several references, the one that is seen best counts: a model need not show each.
    """
    shown = _amounts(stretch.seen.hues)
    if shown.sum() < _SHOWN_COLOURFUL:
        return 100
    found = []
    for reference, look in zip(stretch.ordered.references, looks, strict=True):
        masked = look.product_hues if reference in stretch.ordered.masks else None
        own = _amounts(masked or look.hues)
        sizes = _SEEN_TIMES if masked is None else _PRODUCT_SEEN_TIMES
        found += [_straight(own, shown, times) for times in sizes]
    return min(100, round(100 * max(found)))


def _straight(own: Hues, shown: Hues, times: int) -> float:
    if own.sum() < _COLOURFUL:
        return 1.0
    turned = [np.roll(shown, turn, axis=0) for turn in _TURNS]
    # Red and blue changed about turn the circle over, and no turn alone comes to that.
    turned += [np.roll(shown[::-1], turn, axis=0) for turn in range(HUES)]
    best = max(_seen(own, each, times) for each in turned)
    return 1.0 if best < _EXPLAINED_MIN else _seen(own, shown, times) / best


def _seen(own: Hues, shown: Hues, times: int) -> float:
    """Return the share of a picture's colour that is seen in what may be `times` as large."""
    return float(np.minimum(own, times * _spread(shown)).sum() / own.sum())


def _unlike_percent(cut: CutUnderReview, stretch: Stretch, looks: Sequence[Look]) -> int:
    ordered = stretch.ordered
    shown = _amounts(stretch.seen.hues)
    if not ordered.colours or shown.sum() < _COLOURFUL:
        return 0  # without a brand, what lies around the pictures is the model's to choose
    beside = [cut.looks[each] for each in ordered.laid_over if each in cut.looks]
    expected = np.zeros((HUES, LIGHTS), bool)
    for look in (*looks, *beside):
        for hues in (look.hues, look.product_hues or look.hues):
            own = _amounts(hues)
            expected |= _spread(own) > _OF_THE_PICTURE_MIN * max(float(own.sum()), _COLOURFUL)
    for colour in ordered.colours:
        _, blue, red = yuv_of(colour)
        far = np.hypot(blue - 128, red - 128)
        if far >= _GREY:
            # Rounded to a few levels, the hue of a pale colour may be anything near it.
            reach = _NEAR_BRAND if far >= _PALE else _NEAR_PALE
            turn = round(float(np.arctan2(red - 128, blue - 128)) / (2 * np.pi) * HUES)
            expected[[(turn + by) % HUES for by in range(-reach, reach + 1)]] = True
    if not expected.any():
        return (
            0  # grey references, a grey brand: whatever colour there is was the model's to choose
        )
    return round(100 * float(shown[~expected].sum() / shown.sum()))


def _faded(cut: CutUnderReview, stretch: Stretch) -> Iterator[Remark]:
    shown = _amounts(stretch.seen.hues)
    for reference in stretch.ordered.references:
        if reference in stretch.ordered.masks:
            continue  # of a photograph, only the product may be shown
        own = _amounts(cut.looks[reference].hues)
        if own.sum() < 2 * _COLOURFUL:
            continue
        if shown.sum() * 100 < own.sum() * cut.thresholds.colour_left_percent_min:
            yield Remark(text="its reference's colours are gone", frame=stretch.start)
            return


def _tinted(stretch: Stretch, looks: Sequence[Look]) -> Iterator[Remark]:
    if stretch.ordered.masks or min(look.grey for look in looks) < _MOSTLY_GREY:
        return
    if stretch.seen.grey < _NO_GREY:
        yield Remark(text="what is grey in its reference is not grey", frame=stretch.start)


def _amounts(hues: Sequence[int]) -> Hues:
    """Return levels from grey by hue and light."""
    return np.asarray(hues, np.float64).reshape(HUES, LIGHTS) / 1000


def _spread(hues: Hues) -> Hues:
    """Return the amounts with a part of those beside each: what light, grain and rounding do."""
    near = hues + _NEIGHBOUR * (np.roll(hues, 1, axis=0) + np.roll(hues, -1, axis=0))
    wide = np.pad(near, ((0, 0), (1, 1)))
    return np.asarray(near + _NEIGHBOUR * (wide[:, :-2] + wide[:, 2:]), np.float64)
