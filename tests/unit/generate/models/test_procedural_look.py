"""The look: brands stay true, products leave no ghost, light and logo are where they belong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cinefab.generate.backend import TakeRequest
from cinefab.generate.models.procedural import Procedural
from cinefab.generate.models.procedural.layers import Picture, Placement, Sweep
from cinefab.generate.models.procedural.motion import Moment
from cinefab.generate.models.procedural.palette import contrast, palette_of, parse_colour
from cinefab.generate.models.procedural.pictures import load_photo
from cinefab.generate.models.procedural.scene import PHOTO_LAYOUTS, layout_of
from cinefab.generate.models.procedural.stage import SAFE_SHARE
from cinefab.media.finish import to_rgb
from cinefab.media.frames import Rgb

Ask = Callable[..., TakeRequest]

INVERSE = "LUT_3D_SIZE 2\n1 1 1\n0 1 1\n1 0 1\n0 0 1\n1 1 0\n0 1 0\n1 0 0\n0 0 0\n"


def shown(request: TakeRequest) -> Rgb:
    return to_rgb(next(iter(Procedural().frames(request))))


def index_of(layout: str) -> int:
    has_photo = layout in PHOTO_LAYOUTS
    return next(i for i in range(9) if layout_of(seed=7, index=i, has_photo=has_photo) == layout)


def test_the_product_leaves_no_ghost_of_itself_on_the_plate(pictures: dict[str, Path]) -> None:
    photo = load_photo("p", pictures["product"], pictures["product-mask"], None)

    greenness = photo.plate[..., 1] - photo.plate[..., [0, 2]].max(axis=2)

    assert photo.product is not None
    assert greenness.max() < 12


def test_the_products_edge_carries_no_colour_of_its_old_surroundings(
    pictures: dict[str, Path],
) -> None:
    photo = load_photo("p", pictures["product"], pictures["product-mask"], None)
    assert photo.product is not None

    edge = photo.product.rgb[(photo.product.mask > 0) & (photo.product.mask < 255)]

    assert np.abs(edge.astype(int) - (40, 200, 60)).max() < 20


def test_a_mask_that_runs_out_of_the_photograph_is_not_used(
    pictures: dict[str, Path], tmp_path: Path
) -> None:
    mask = np.zeros((400, 500), np.uint8)
    mask[100:, 100:400] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)

    photo = load_photo("p", pictures["product"], tmp_path / "mask.png", None)

    assert photo.product is None


def test_a_panel_has_exactly_the_brands_colour(ask: Ask) -> None:
    rgb = shown(ask(index=index_of("split"), first_frame=47, caption="", size=(640, 360)))

    panels = (rgb[8:-8, 8:100], rgb[8:-8, -100:-8])
    means = [panel.reshape(-1, 3).mean(axis=0) for panel in panels]

    assert min(np.abs(mean - parse_colour("#6b1f12")).max() for mean in means) < 1.5


def test_a_grading_table_changes_photographs_and_leaves_the_brand_alone(
    ask: Ask, tmp_path: Path
) -> None:
    cube = tmp_path / "grade.cube"
    cube.write_text(INVERSE)
    wishes = {"index": index_of("split"), "first_frame": 47, "size": (640, 360)}

    plain, graded = shown(ask(**wishes)), shown(ask(**wishes, files={"lut": cube}))

    changed = np.abs(plain.astype(int) - graded).max(axis=2)
    left, right = changed[:, :60].mean(), changed[:, -60:].mean()
    assert min(left, right) < 3
    assert max(left, right) > 30


def test_a_brands_own_font_changes_the_letters(ask: Ask) -> None:
    fonts = Path(__file__).parents[4] / "src" / "cinefab" / "media" / "fonts"
    wishes = {"index": 0, "first_frame": 47}

    plain = shown(ask(**wishes))
    own = shown(ask(**wishes, files={"font": fonts / "NotoKufiArabic-Bold.ttf"}))

    assert not np.array_equal(plain, own)


@pytest.mark.parametrize("index", range(5))
def test_the_logo_is_seen_inside_the_safe_area(ask: Ask, index: int) -> None:
    wishes = {"index": index, "first_frame": 30, "size": (640, 360)}

    with_logo, without = shown(ask(**wishes, with_logo=True)), shown(ask(**wishes))

    drawn = np.argwhere(np.abs(with_logo.astype(int) - without).max(axis=2) > 24)
    assert len(drawn) > 100
    (top, left), (bottom, right) = drawn.min(axis=0), drawn.max(axis=0)
    assert left >= 640 * SAFE_SHARE - 1
    assert right <= 640 * (1 - SAFE_SHARE)
    assert top >= 360 * SAFE_SHARE - 1
    assert bottom <= 360 * (1 - SAFE_SHARE)


def test_light_travels_across_the_product_and_is_gone_again() -> None:
    texture = np.full((80, 80, 4), 140, np.uint8)
    texture[..., 3] = 255
    layer = Picture(
        texture=texture,
        place=lambda _: Placement(50.0, 50.0, 1.0),
        sweep=Sweep(start_s=1.0, length_s=1.0),
    )

    def brightest_column(seconds: float) -> tuple[int, int]:
        canvas = np.zeros((100, 100, 4), np.uint8)
        layer.draw(canvas, Moment(frame=0, seconds=seconds, progress=0.5))
        row = canvas[50, :, 0]
        return int(row.max()), int(row.argmax())

    early, late = brightest_column(1.4), brightest_column(1.6)

    assert brightest_column(0.5)[0] == 140
    assert brightest_column(2.5)[0] == 140
    assert min(early[0], late[0]) > 160
    assert early[1] < late[1]


@pytest.mark.parametrize(
    "colours",
    [[], ["#ffffff"], ["#000000"], ["#ff0000"], ["#777777", "#787878"], ["#0b3d91", "#0b3d92"]],
)
def test_any_brand_gets_four_parts_that_can_be_told_apart(colours: list[str]) -> None:
    palette = palette_of([parse_colour(text) for text in colours])

    assert contrast(palette.paper, palette.deep) > 7
    assert palette.brand not in (palette.paper, palette.deep)
    for ground in (palette.brand, palette.paper, palette.deep, palette.accent):
        assert contrast(palette.ink_on(ground), ground) >= 4.5
