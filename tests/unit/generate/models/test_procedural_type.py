"""Type on screen: whole, inside the safe area, and readable over what is really behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cinefab.generate.backend import TakeRequest
from cinefab.generate.models.procedural import Procedural
from cinefab.generate.models.procedural.director import Director, _Shot
from cinefab.generate.models.procedural.scene import PHOTO_LAYOUTS, TITLE_LAYOUTS, layout_of
from cinefab.generate.models.procedural.stage import SAFE_SHARE
from cinefab.media.finish import to_rgb
from cinefab.media.frames import Rgb
from cinefab.media.typeset import contrast_ratio

Ask = Callable[..., TakeRequest]

LAYOUTS = [*PHOTO_LAYOUTS, *TITLE_LAYOUTS]
SHAPES = {"wide": (640, 360), "square": (400, 400), "tall": (360, 640)}
LONG = "Roasted slowly in small drums every Tuesday, and on your doorstep by Friday"


@dataclass(frozen=True)
class Prepared:
    """A shot's inside, to compare what was planned with what was drawn."""

    shot: _Shot

    def frame(self, number: int) -> Rgb:
        return to_rgb(self.shot.frame(number))

    def without_type(self) -> Prepared:
        bare = _Shot(self.shot._request, self.shot._kit, self.shot._scene, self.shot._finisher)
        bare._reading = self.shot._reading
        bare._scene = replace(self.shot._scene, copy=None)
        return Prepared(bare)

    def letters(self) -> NDArray[np.uint8]:
        """The settled type's coverage over the whole frame."""
        size, copy = self.shot._request.size, self.shot._scene.copy
        assert copy is not None
        cover = np.zeros((size.height, size.width), np.uint8)
        for word in copy.block.words:
            x, y = int(copy.bounds.left + word.x_px), int(copy.bounds.top + word.y_px)
            height, width = word.coverage.shape
            part = cover[y : y + height, x : x + width]
            assert part.shape == word.coverage.shape, "a word leaves the frame"
            np.maximum(part, word.coverage, out=part)
        return cover


def prepared(request: TakeRequest) -> Prepared:
    director = Director()
    return Prepared(director._prepared(request))


def asked(ask: Ask, layout: str, *, seed: int = 7, **wishes: object) -> TakeRequest:
    has_photo = layout in PHOTO_LAYOUTS
    index = next(
        i for i in range(9) if layout_of(seed=seed, index=i, has_photo=has_photo) == layout
    )
    return ask(photo="coffee" if has_photo else None, index=index, seed=seed, **wishes)


def worst_contrast(shot: Prepared, number: int) -> float:
    """The contrast between the letters and what is close around them in a finished frame."""
    rgb = shot.frame(number)
    cover = shot.letters()
    inked = np.median(rgb[cover == 255], axis=0)
    near = cv2.dilate(cover, np.ones((13, 13))) > 0
    clear = cv2.dilate(cover, np.ones((5, 5))) == 0
    # Without the grain, which no eye reads against.
    smooth = cv2.medianBlur(rgb, 3)
    around = smooth[near & clear]
    brightest = around[np.argsort(around.sum(axis=1))]
    tail = max(1, len(brightest) // 50)
    ends = (np.median(brightest[:tail], axis=0), np.median(brightest[-tail:], axis=0))
    return min(contrast_ratio(tuple(map(int, inked)), tuple(map(int, end))) for end in ends)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "colours",
    [
        ("#6b1f12", "#f4e6d2", "#1c1a19"),
        ("#0b3d91", "#eaf2ff", "#ff6b35"),
        ("#f2c14e", "#f7f3e9", "#7a7f85"),
        ("#ffffff",),
        (),
    ],
)
def test_type_has_the_contrast_of_wcag_aa_over_the_whole_move(
    ask: Ask, layout: str, colours: tuple[str, ...]
) -> None:
    shot = prepared(asked(ask, layout, colours=list(colours), size=(640, 360)))

    ratios = [worst_contrast(shot, number) for number in (16, 27, 38, 47)]

    assert min(ratios) >= 4.5


@pytest.mark.parametrize("layout", PHOTO_LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_type_keeps_its_contrast_over_a_whole_photograph_in_every_shape(
    ask: Ask, layout: str, shape: str
) -> None:
    request = asked(ask, layout, size=SHAPES[shape], caption=LONG, cut=False, camera="pan-left")
    shot = prepared(request)

    ratios = [worst_contrast(shot, number) for number in (16, 32, 47)]

    assert min(ratios) >= 4.5


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("caption", ["A", "Slow mornings", LONG, "قهوة طازجة كل صباح"])
def test_type_stays_inside_the_safe_area_in_rendered_frames(
    ask: Ask, layout: str, shape: str, caption: str
) -> None:
    width, height = SHAPES[shape]
    shot = prepared(asked(ask, layout, size=(width, height), caption=caption))
    bare = shot.without_type()

    for number in (8, 20, 47):
        drawn = np.abs(shot.frame(number).astype(int) - bare.frame(number)).max(axis=2) > 24
        side, edge = round(SAFE_SHARE * width), round(SAFE_SHARE * height)
        drawn[edge : height - edge, side : width - side] = False

        assert not drawn.any()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("seed", [3, 4, 5, 7])
def test_all_of_the_type_stands_after_a_third_of_the_shot_and_until_its_end(
    ask: Ask, layout: str, seed: int
) -> None:
    # The four seeds bring every way in which type arrives.
    shot = prepared(asked(ask, layout, seed=seed, caption="One farm. One harvest."))
    bare, letters = shot.without_type(), shot.letters()

    for number in (16, 47):
        seen = np.abs(shot.frame(number).astype(int) - bare.frame(number)).max(axis=2)

        assert (seen[letters == 255] > 40).mean() > 0.995


def test_type_is_not_there_under_the_transition_before_the_shot(ask: Ask) -> None:
    shot = prepared(asked(ask, "hero"))

    assert np.array_equal(shot.frame(-2), shot.without_type().frame(-2))


def test_words_arrive_one_after_another(ask: Ask) -> None:
    shot = prepared(asked(ask, "hero", seed=4, caption="first second third fourth"))
    bare = shot.without_type()
    copy = shot.shot._scene.copy
    assert copy is not None

    def there(number: int) -> Iterator[bool]:
        seen = np.abs(shot.frame(number).astype(int) - bare.frame(number)).max(axis=2) > 24
        for word in copy.block.words:
            x, y = int(copy.bounds.left + word.x_px), int(copy.bounds.top + word.y_px)
            height, width = word.coverage.shape
            yield bool(seen[y : y + height, x : x + width].mean() > 0.1)

    counts = [sum(there(number)) for number in range(16)]

    assert counts[0] == 0
    assert counts[-1] == 4
    assert len(set(counts)) >= 4


@pytest.mark.parametrize("layout", ["hero", "split", "window", "arcs", "bands"])
def test_a_caption_that_reads_from_the_right_mirrors_the_composition(ask: Ask, layout: str) -> None:
    shot = prepared(asked(ask, layout, caption="قهوة طازجة كل صباح", size=(640, 360)))
    copy = shot.shot._scene.copy
    assert copy is not None

    assert copy.block.right_to_left
    assert copy.bounds.middle_x > 400


@pytest.mark.parametrize(
    "caption", ["Slow mornings", "Αργά πρωινά", "Неспешное утро", "صباح هادئ", "Łódź, ½ ñ, “ok”"]
)
def test_greek_cyrillic_arabic_and_accents_are_drawn(ask: Ask, caption: str) -> None:
    frames = list(Procedural().frames(ask(caption=caption, first_frame=40)))

    assert len(frames) == 1


def test_a_shot_without_a_caption_is_drawn_without_type(ask: Ask) -> None:
    for index in range(5):
        assert len(list(Procedural().frames(ask(caption="   ", index=index)))) == 1
    for index in range(4):
        assert len(list(Procedural().frames(ask(photo=None, caption="", index=index)))) == 1


@pytest.mark.parametrize("index", range(5))
def test_a_word_too_long_for_one_layout_is_set_in_a_wider_one(ask: Ask, index: int) -> None:
    caption = "Donaudampfschifffahrtsgesellschaftskapit\u00e4n"

    for photo in ("coffee", None):
        assert len(list(Procedural().frames(ask(photo=photo, index=index, caption=caption)))) == 1
