"""The embedded model keeps the contract: exact frames, the same bytes, clear refusals."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from cinefab.core.brief import Camera
from cinefab.core.errors import BriefInvalid, ReferenceRefused
from cinefab.generate.backend import ModelBackend, TakeRequest
from cinefab.generate.models.procedural import Procedural
from cinefab.generate.models.procedural.scene import PHOTO_LAYOUTS, TITLE_LAYOUTS, layout_of
from cinefab.media.frames import Frame

Ask = Callable[..., TakeRequest]

MOVES = [camera.value for camera in Camera if camera is not Camera.AUTO]


def rendered(request: TakeRequest) -> list[Frame]:
    return list(Procedural().frames(request))


def index_of(layout: str, *, seed: int = 7) -> int:
    """The place in a film at which a layout has its turn."""
    has_photo = layout in PHOTO_LAYOUTS
    return next(i for i in range(9) if layout_of(seed=seed, index=i, has_photo=has_photo) == layout)


def test_the_card_tells_what_it_is_and_calls_itself_an_algorithm(ask: Ask) -> None:
    model: ModelBackend = Procedural()

    card = model.card

    assert card.ref == "procedural@1.0.0"
    assert card.digital_source_type == "algorithmicMedia"
    assert card.training_sets == ()
    assert "deterministic" in card.capabilities
    assert [need.device_class for need in card.devices] == ["cpu-core"]
    jsonschema.Draft202012Validator.check_schema(dict(card.input_schema))
    jsonschema.validate(ask().input, dict(card.input_schema))


def test_importing_the_model_loads_nothing_heavy() -> None:
    script = (
        "import sys; from cinefab.generate.models.procedural import Procedural; Procedural().card;"
        "print([m for m in ('cv2', 'numba', 'freetype') if m in sys.modules])"
    )

    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("size", [(320, 180), (270, 480), (300, 300), (426, 240), (322, 182)])
def test_every_size_gives_exactly_the_frames_that_were_asked_for(
    ask: Ask, size: tuple[int, int]
) -> None:
    frames = rendered(ask(size=size, first_frame=-3, frames=5))

    assert len(frames) == 5
    for frame in frames:
        assert frame.shape == (size[1] * 3 // 2, size[0])
        assert frame.dtype == np.uint8
        assert frame.flags.c_contiguous


def test_frames_are_the_callers_to_keep(ask: Ask) -> None:
    frames = Procedural().frames(ask(frames=3, first_frame=20))
    first = next(frames)
    before = first.copy()

    list(frames)

    assert np.array_equal(first, before)


@pytest.mark.parametrize("photo", ["coffee", None])
def test_segments_of_one_shot_made_apart_agree_with_the_whole(ask: Ask, photo: str | None) -> None:
    whole = rendered(ask(photo=photo, first_frame=-4, frames=14))

    head = rendered(ask(photo=photo, first_frame=-4, frames=6))
    rest = rendered(ask(photo=photo, first_frame=2, frames=8))

    assert all(np.array_equal(a, b) for a, b in zip(whole, head + rest, strict=True))


def test_another_process_draws_the_same_bytes(ask: Ask, tmp_path: Path) -> None:
    requests = [ask(frames=2, first_frame=15, index=i) for i in range(3)]
    requests.append(ask(photo=None, frames=2, caption="Καλημέρα"))
    here = hashlib.sha256(b"".join(f.tobytes() for r in requests for f in rendered(r)))
    (tmp_path / "requests").write_bytes(pickle.dumps(requests))
    script = (
        "import hashlib, pickle, sys; from cinefab.generate.models.procedural import Procedural;"
        "from pathlib import Path; model = Procedural(); digest = hashlib.sha256();"
        "[digest.update(f.tobytes()) for r in pickle.loads(Path(sys.argv[1]).read_bytes())"
        " for f in model.frames(r)]; print(digest.hexdigest())"
    )

    there = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "requests")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert there.stdout.strip() == here.hexdigest()


def test_what_was_drawn_before_leaves_no_trace(ask: Ask) -> None:
    model = Procedural()
    list(model.frames(ask(index=1, caption="Another shot")))
    list(model.frames(ask(photo=None, index=2)))

    after_others = list(model.frames(ask(first_frame=10)))

    assert np.array_equal(after_others[0], rendered(ask(first_frame=10))[0])


@pytest.mark.parametrize("seed", range(40))
def test_neighbours_never_share_a_layout_and_five_shots_show_five(seed: int) -> None:
    names = [layout_of(seed=seed, index=i, has_photo=True) for i in range(20)]
    titles = [layout_of(seed=seed, index=i, has_photo=False) for i in range(20)]

    assert all(a != b for a, b in pairwise(names))
    assert all(a != b for a, b in pairwise(titles))
    assert len(set(names[:5])) == 5
    assert len(set(titles[:4])) == 4


def test_the_seed_changes_the_order_of_layouts() -> None:
    orders = {
        tuple(layout_of(seed=seed, index=i, has_photo=True) for i in range(5)) for seed in range(20)
    }

    assert len(orders) > 10


@pytest.mark.parametrize("layout", [*PHOTO_LAYOUTS, *TITLE_LAYOUTS])
def test_every_layout_moves_from_the_first_frame_to_the_last(ask: Ask, layout: str) -> None:
    photo = "coffee" if layout in PHOTO_LAYOUTS else None
    request = ask(photo=photo, index=index_of(layout), first_frame=-6, frames=60, size=(320, 180))

    frames = [frame[:180].astype(np.float32) for frame in rendered(request)]

    # Averaged over 4 x 4 pixels, grain alone moves about 0.2 code values.
    small = [frame.reshape(45, 4, 80, 4).mean(axis=(1, 3)) for frame in frames]
    steps = [float(np.abs(a - b).max()) for a, b in pairwise(small)]
    assert min(steps) > 1.2


@pytest.mark.parametrize("camera", MOVES)
def test_every_camera_move_moves_the_picture_all_the_way(ask: Ask, camera: str) -> None:
    request = ask(camera=camera, caption="", cut=False, index=index_of("hero"), size=(320, 180))
    shots = [
        rendered(_at(request, frame))[0][:180].astype(np.float32) for frame in (-6, 0, 24, 47, 53)
    ]

    changes = [float(np.abs(a - b).mean()) for a, b in pairwise(shots)]

    assert min(changes) > 2.5


def test_without_a_mask_the_whole_photograph_is_shown_in_every_layout(ask: Ask) -> None:
    for index in range(5):
        cut, whole = (
            rendered(ask(index=index, cut=cut, first_frame=30))[0] for cut in (True, False)
        )

        assert np.abs(cut.astype(int) - whole).mean() > 2


def test_a_background_reference_takes_the_place_of_the_products_own_surroundings(
    ask: Ask, pictures: dict[str, Path]
) -> None:
    plain = ask(photo="product", index=index_of("hero"), caption="", first_frame=20)
    request = _with(
        plain,
        references={**plain.references, "wall": pictures["coffee"]},
        input={
            **_input(plain),
            "references": ["product", "wall"],
            "roles": {"product": "product", "wall": "background"},
        },
    )

    difference = np.abs(rendered(request)[0][:270].astype(int) - rendered(plain)[0][:270])

    assert difference[:60].mean() > 10


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"camera": "spin"}, "camera"),
        ({"camera": "auto"}, "camera"),
        ({"index": -1}, "index"),
        ({"colours": ["red"]}, "colours"),
        ({"colours": ["#12345g"]}, "colours"),
        ({"references": ["nobody"]}, "references[nobody]"),
        ({"references": "coffee"}, "references"),
        ({"logo": "missing"}, "references[missing]"),
        ({"caption": 3}, "caption"),
        ({"caption": "unbreakable" * 40}, "caption"),
        ({"caption": "\U0001f9ff"}, "caption"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_its_field(
    ask: Ask, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(BriefInvalid) as refusal:
        rendered(ask(**wrong))

    assert refusal.value.field == field


def test_a_picture_that_cannot_be_read_is_refused_by_its_name(ask: Ask, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG nothing follows")
    request = ask()

    with pytest.raises(ReferenceRefused, match=r"broken\.png"):
        rendered(_with(request, references={"coffee": broken}))


def _input(request: TakeRequest) -> dict[str, Any]:
    assert isinstance(request.input, dict)
    return request.input


def _with(request: TakeRequest, **changes: Any) -> TakeRequest:
    return replace(request, **changes)


def _at(request: TakeRequest, frame: int) -> TakeRequest:
    return _with(request, first_frame=frame, frames=1)
