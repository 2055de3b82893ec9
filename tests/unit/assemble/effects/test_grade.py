"""The grade is the colour decision list's arithmetic, held against a plain reading of it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from effect_frames import as_frame, photo, run
from numpy.typing import NDArray

from cinefab.assemble.effects.grade import Grade
from cinefab.core.brief import Size
from cinefab.core.errors import BriefInvalid
from cinefab.media.frames import planes
from cinefab.media.still import to_rgb

SIZE = Size(320, 180)
WEIGHTS = np.array([0.2126, 0.7152, 0.0722])


def a_picture() -> NDArray[np.uint8]:
    # Blurred, so that chroma at half the resolution is no part of what is measured, and pale, so
    # that nothing is out of the gamut.
    small = cv2.resize(photo(), (320, 180), interpolation=cv2.INTER_AREA)
    return np.asarray(40 + 0.6 * cv2.GaussianBlur(small, (0, 0), 3), np.uint8)


def graded(settings: dict[str, object], **files: Path) -> NDArray[np.float64]:
    frame = as_frame(a_picture())
    (out,) = run(Grade(), [frame], settings, size=SIZE, wanted_frames=1, files=files)
    return to_rgb(out).astype(np.float64) / 255


def source() -> NDArray[np.float64]:
    return to_rgb(as_frame(a_picture())).astype(np.float64) / 255


@pytest.mark.parametrize(
    ("slope", "offset", "power", "saturation"),
    [
        ([1.2, 1.0, 0.8], [0, 0, 0], [1, 1, 1], 1),
        ([1, 1, 1], [0.1, 0, -0.05], [1, 1, 1], 1),
        ([1, 1, 1], [0, 0, 0], [0.7, 1, 1.6], 1),
        ([1, 1, 1], [0, 0, 0], [1, 1, 1], 0),
        ([1.1, 0.95, 0.9], [0.02, 0, 0.03], [1.1, 0.9, 1], 1.3),
    ],
)
def test_a_decision_list_is_slope_offset_power_then_saturation(
    slope: list[float], offset: list[float], power: list[float], saturation: float
) -> None:
    settings = {"slope": slope, "offset": offset, "power": power, "saturation": saturation}

    out = graded(settings)

    wanted = np.clip(source() * slope + offset, 0, 1) ** power
    luma = (wanted @ WEIGHTS)[..., None]
    wanted = np.clip(luma + saturation * (wanted - luma), 0, 1)
    assert np.abs(out - wanted).mean() < 0.6 / 255
    assert np.percentile(np.abs(out - wanted), 99) < 3 / 255


def test_a_cube_is_read_with_red_changing_fastest(tmp_path: Path) -> None:
    path = tmp_path / "swap.cube"
    at = np.linspace(0, 1, 9)
    path.write_text(
        "LUT_3D_SIZE 9\n" + "\n".join(f"{b} {g} {r}" for b in at for g in at for r in at)
    )

    out = graded({"lut": {"file": "swap.cube"}}, lut=path)

    assert np.percentile(np.abs(out - source()[..., ::-1]), 99) < 4 / 255


def test_a_curve_keeps_every_one_of_its_samples(tmp_path: Path) -> None:
    path = tmp_path / "curve.cube"
    at = np.linspace(0, 1, 4096)
    wavy = np.clip(at + 0.05 * np.sin(60 * at), 0, 1)
    path.write_text("LUT_1D_SIZE 4096\n" + "\n".join(f"{v} {v} {v}" for v in wavy))
    grey = np.repeat(np.linspace(20, 235, 320).astype(np.uint8)[None, :, None], 3, axis=2)
    frame = as_frame(np.repeat(grey, 180, axis=0))

    (out,) = run(Grade(), [frame], {}, size=SIZE, wanted_frames=1, files={"lut": path})

    codes = planes(frame)[0].astype(np.float64)
    wanted = np.interp((codes - 16) / 219, at, wavy)
    assert np.abs(planes(out)[0] - (16 + 219 * wanted)).max() <= 0.51


def test_a_domain_is_where_the_table_lies(tmp_path: Path) -> None:
    path = tmp_path / "domain.cube"
    # What lies below 0.25 is black here, and what lies above 0.75 is white.
    path.write_text("LUT_1D_SIZE 2\nDOMAIN_MIN .25 .25 .25\nDOMAIN_MAX .75 .75 .75\n0 0 0\n1 1 1")

    out = graded({}, lut=path)

    wanted = np.clip((source() - 0.25) * 2, 0, 1)
    assert np.abs(out - wanted).mean() < 1.2 / 255


def test_greys_stay_grey(tmp_path: Path) -> None:
    path = tmp_path / "curved.cube"
    at = np.linspace(0, 1, 5) ** 2
    path.write_text(
        "LUT_3D_SIZE 5\n" + "\n".join(f"{r} {g} {b}" for b in at for g in at for r in at)
    )
    grey = np.repeat(np.arange(0, 256, dtype=np.uint8)[None, :, None], 3, axis=2)
    frame = as_frame(np.repeat(grey, 16, axis=0))
    size = Size(256, 16)

    (out,) = run(Grade(), [frame], {}, size=size, wanted_frames=1, files={"lut": path})

    _, blue, red = planes(out)
    assert set(np.unique(blue)) == set(np.unique(red)) == {128}


def test_a_table_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.cube"
    path.write_text("LUT_3D_SIZE 2\n0 0 0\n0 0 zero\n")

    with pytest.raises(BriefInvalid, match="line 3 is not three numbers") as refusal:
        Grade().check({}, {"lut": path})

    assert refusal.value.field == "lut"
