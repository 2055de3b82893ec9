"""What engines delivered: decoded once, behind a lock that is as strict as the studio says."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cinefab.conformance.models import picture
from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import TakeRequest
from cinefab.generate.received import is_film, shown_from
from cinefab.generate.run import Run
from cinefab.generate.take import run_of
from cinefab.media.encode import PREVIEW, encode
from cinefab.media.fitting import to_frame
from cinefab.media.sandbox.outcome import Confinement
from cinefab.media.still import write_png

SIZE = Size(160, 96)


def asked(frames: int = 4) -> TakeRequest:
    return TakeRequest(
        input={"camera": "push-in"},
        seed=1,
        size=SIZE,
        fps=Fraction(12),
        first_frame=0,
        frames=frames,
        shot_frames=frames,
        references={},
        masks={},
        files={},
    )


def shown(files: list[Path], *, fps: int | None = None) -> list[Any]:
    rate = None if fps is None else Fraction(fps)
    lock = Confinement.REQUIRED
    made = shown_from(files, asked(), made_by="an engine", confinement=lock, fps=rate)
    return [frame.copy() for frame in made]


def pictures(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"delivered-{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        write_png(picture(SIZE, 20 * number), path)
    return paths


def test_pictures_that_follow_each_other_are_a_film_and_one_alone_is_moved_over(
    tmp_path: Path,
) -> None:
    files = pictures(tmp_path, 2)

    moving, still = shown(files, fps=6), shown(files)

    assert [len(moving), len(still)] == [4, 4]
    assert np.array_equal(moving[0], moving[1])
    assert not np.array_equal(moving[1], moving[2])
    assert not np.array_equal(still[0], still[1])


def test_a_film_is_shown_and_known_by_its_beginning(tmp_path: Path) -> None:
    film = tmp_path / "delivered.mp4"
    drawn = (to_frame(picture(SIZE, number)) for number in range(6))
    encode(drawn, film, size=SIZE, fps=Fraction(12), settings=PREVIEW)

    assert is_film(film)
    assert len(shown([film])) == 4
    assert not is_film(pictures(tmp_path, 1)[0])


@pytest.mark.parametrize("content", [b"GIF89a" + bytes(60), b"", b"<html>no</html>"])
def test_what_is_neither_is_refused_with_what_may_be_delivered(
    content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "delivered.gif"
    file.write_bytes(content)

    with pytest.raises(ContractMismatch, match="MP4 or WebM") as refused:
        shown([file])

    assert "an engine made" in refused.value.attempted


def test_a_run_s_parts_are_decoded_as_strictly_as_the_studio_says(tmp_path: Path) -> None:
    lax = run_of({"run_folder": str(tmp_path), "confinement": "best-effort"}, lambda _news: None)

    assert lax.within("part").confinement is Confinement.BEST_EFFORT
    assert run_of({}, lambda _news: None).confinement is Confinement.REQUIRED
    assert Run().within("part").confinement is Confinement.REQUIRED
