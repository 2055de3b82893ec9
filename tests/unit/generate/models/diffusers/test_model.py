"""Models of diffusers, held against the contract, and what they refuse before anything is loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_pipelines import ask, tiny_wan, write_lora

from cinefab.conformance.models import PROMISES, NotPromised, Subject
from cinefab.core.brief import Size
from cinefab.core.errors import BriefInvalid, CinefabError, ContractMismatch, Unavailable
from cinefab.generate.models.diffusers import Diffusers
from cinefab.generate.models.diffusers.card import installed
from cinefab.generate.run import Run

pytest.importorskip("diffusers", reason="needs requirements/diffusers.txt", exc_type=ImportError)
pytest.importorskip("torch", reason="needs requirements/diffusers.txt", exc_type=ImportError)
pytestmark = pytest.mark.filterwarnings("ignore")

Model = Callable[[str], Path]

KINDS: dict[str, dict[str, Any]] = {
    "wan": {"width": 32, "height": 32, "fps": 8},
    "wan-i2v": {"width": 32, "height": 32, "fps": 8},
    "ltx": {"width": 32, "height": 32, "fps": 8},
    "cogvideox": {"width": 16, "height": 16, "fps": 8},
    "sd": {"width": 32, "height": 32},
    "sd-img2img": {"width": 32, "height": 32, "task": "image-to-image"},
    "flux": {"width": 16, "height": 16},
    "stable-audio": {},
}
EACH_TIME = frozenset({"wan", "sd-img2img", "stable-audio"})
"""A film, a picture out of a picture, and a sound: the kinds that are tried in every run."""

TASKS = {
    "wan": "text-to-video",
    "wan-i2v": "image-to-video",
    "ltx": "text-to-video",
    "cogvideox": "text-to-video",
    "sd": "text-to-image",
    "sd-img2img": "image-to-image",
    "flux": "text-to-image",
    "stable-audio": "text-to-audio",
}


def _backend(folder: Path, **settings: Any) -> Diffusers:
    given = {"model": str(folder), "width": 32, "height": 32, "fps": 8, "steps": 2}
    return Diffusers("tried", given | settings, {})


def _frames(backend: Diffusers, request: Any = None, run: Run | None = None) -> np.ndarray:
    made = backend.frames(ask() if request is None else request, Run() if run is None else run)
    return np.stack([frame.copy() for frame in made])


def _kinds(names: Iterable[str], *, each_time: Container[str]) -> list[Any]:
    return [
        pytest.param(name, marks=() if name in each_time else pytest.mark.long) for name in names
    ]


@pytest.mark.parametrize("kind", _kinds(KINDS, each_time=EACH_TIME))
def test_models_of_every_kind_keep_the_contract(model: Model, tmp_path: Path, kind: str) -> None:
    settings = {"model": str(model(kind.removesuffix("-img2img"))), **KINDS[kind]}
    subject = Subject(
        make=lambda: Diffusers("tried", {**settings, "steps": 2, "resume_every": 1}, {}),
        folder=tmp_path,
        size=Size(64, 48),
        fps=Fraction(8),
        frames=6,
    )

    declared = []
    for promise, holds in PROMISES.items():
        try:
            holds(subject)
        except NotPromised:
            continue
        declared.append(promise)

    assert subject.make().card.task == TASKS[kind]
    assert "goes-on-where-it-was-killed" in declared
    assert "stops-between-two-steps" in declared


def test_a_lora_leaves_no_trace_in_the_next_job(model: Model, tmp_path: Path) -> None:
    loras = {
        name: str(write_lora(model("wan"), tmp_path / f"{name}.safetensors", seed=seed))
        for name, seed in (("one", 3), ("two.b", 4))
    }
    with_one = ask(settings={"lora": {"name": "one", "scale": 0.8}})
    with_both = ask(settings={"lora": [{"name": "two.b"}, {"name": "one"}]})
    never = _frames(_backend(model("wan"), loras=loras))
    only_two = _frames(_backend(model("wan"), loras=loras), with_both)
    backend = _backend(model("wan"), loras=loras)

    switched = [_frames(backend, each) for each in (with_one, with_both, None, with_one, None)]

    assert np.array_equal(switched[2], never)
    assert np.array_equal(switched[4], never)
    assert np.array_equal(switched[1], only_two)
    assert np.array_equal(switched[3], switched[0])
    assert not np.array_equal(switched[0], never)
    assert not np.array_equal(switched[0], switched[1])


def test_a_lora_of_another_model_is_refused_and_the_model_is_as_it_was(
    model: Model, tmp_path: Path
) -> None:
    other = write_lora(model("sd"), tmp_path / "other.safetensors", seed=3, component="unet")
    backend = _backend(model("wan"), loras={"other": str(other)})
    before = _frames(backend)

    with pytest.raises(ContractMismatch, match="other"):
        _frames(backend, ask(settings={"lora": {"name": "other"}}))

    assert np.array_equal(_frames(backend), before)


def test_what_may_carry_code_is_refused_before_anything_is_loaded(
    model: Model, tmp_path: Path
) -> None:
    folder = shutil.copytree(model("wan"), tmp_path / "pickled")
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    weights.rename(folder / "vae" / "diffusion_pytorch_model.bin")

    with pytest.raises(ContractMismatch, match=r"vae has diffusion_pytorch_model\.bin"):
        _ = _backend(folder).card

    with pytest.raises(ContractMismatch, match=r"one\.ckpt may carry code"):
        _ = _backend(model("wan"), loras={"one": "/somewhere/one.ckpt"}).card


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"_class_name": ["pipeline", "Mine"]}, "names no class of diffusers"),
        ({"vae": ["vae.my_code", "MyVae"]}, "code that it brings along"),
    ],
)
def test_a_model_that_brings_its_own_code_is_refused(
    model: Model, tmp_path: Path, changed: dict[str, Any], found: str
) -> None:
    folder = shutil.copytree(model("wan"), tmp_path / "own-code")
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | changed))

    with pytest.raises(ContractMismatch, match=found):
        _ = _backend(folder).card


def test_a_card_needs_no_torch_and_names_what_changes_pixels(model: Model, tmp_path: Path) -> None:
    folder = shutil.copytree(model("wan"), tmp_path / "copied")
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import sys; from cinefab.generate.models.diffusers import Diffusers;"
                f"print(Diffusers('tried', {{'model': {str(folder)!r}}}, {{}}).card.version);"
                "print([name for name in ('torch', 'diffusers', 'numba') if name in sys.modules])"
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    version = Diffusers("tried", {"model": str(folder)}, {}).card.version

    assert said.stdout.splitlines() == [version, "[]"]
    assert Diffusers("other", {"model": str(model("wan"))}, {}).card.version == version
    assert Diffusers("tried", {"model": str(folder), "steps": 9}, {}).card.version != version
    assert Diffusers("tried", {"model": str(folder), "threads": 2}, {}).card.version != version
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert Diffusers("tried", {"model": str(folder)}, {}).card.version != version


def test_what_is_not_installed_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(ContractMismatch, match=r"pip install 'cinefab\[diffusers\]'"):
        installed("tried", ("torch", "no-such-library"))


def test_a_quantiser_that_is_absent_is_named_before_the_model_is_loaded(model: Model) -> None:
    wanted = {"backend": "bitsandbytes_4bit", "components": ["transformer"]}

    with pytest.raises(Unavailable, match="needs bitsandbytes, which is not installed"):
        _backend(model("wan"), quantisation=wanted).load()


@pytest.mark.parametrize(
    ("library", "wanted"),
    [
        ("torchao", {"backend": "torchao", "options": {"quant_type": "Int8WeightOnlyConfig"}}),
        ("optimum.quanto", {"backend": "quanto", "options": {"weights": "int8"}}),
    ],
)
def test_a_model_in_fewer_bits_goes_on_bit_for_bit_too(
    tmp_path: Path, library: str, wanted: dict[str, Any]
) -> None:
    pytest.importorskip(library, reason="is none of the locked libraries", exc_type=ImportError)
    wide = {"num_attention_heads": 8, "attention_head_dim": 64, "ffn_dim": 512}
    tiny_wan().build(tmp_path / "wide", transformer=wide)
    settings = {"steps": 3, "resume_every": 1}
    fewer = {**settings, "quantisation": {**wanted, "components": ["transformer"]}}
    whole = _frames(_backend(tmp_path / "wide", **fewer))

    again = _stopped_and_continued(lambda: _backend(tmp_path / "wide", **fewer), tmp_path / "run")

    assert np.array_equal(again, whole)
    assert not np.array_equal(whole, _frames(_backend(tmp_path / "wide", **settings)))


def test_a_run_of_several_goes_on_bit_for_bit(model: Model, tmp_path: Path) -> None:
    settings = {"steps": 3, "resume_every": 1, "batch": 2}
    requests = [replace(ask(prompt=f"bicycle {k}"), seed=20 + k) for k in range(2)]

    def made(backend: Diffusers, run: Run) -> np.ndarray:
        takes = backend.takes(requests, run)
        return np.stack([np.stack([frame.copy() for frame in frames]) for frames in takes])

    whole = made(_backend(model("wan"), **settings), Run())

    again = _stopped_and_continued(lambda: _backend(model("wan"), **settings), tmp_path, made=made)

    assert np.array_equal(again, whole)
    assert "deterministic" not in _backend(model("wan"), batch=2).card.capabilities


class _Stopped(BaseException):
    """Stands for the end of the process."""


def _stopped_and_continued(
    backend: Callable[[], Diffusers], folder: Path, *, made: Callable[..., Any] | None = None
) -> Any:
    """Return what a run gives that ended after its second step and was gone on with."""
    make = made or (lambda model, run: _frames(model, run=run))

    def stop(news: Any) -> None:
        if news.get("step") == 2:
            raise _Stopped

    with pytest.raises(_Stopped):
        make(backend(), Run(folder=folder, tell=stop))
    run = Run(folder=folder)
    frames = make(backend(), run)
    assert run.notes["resumed_from"] == 2
    return frames


def test_a_repository_of_the_hub_needs_its_commit_and_is_named_where_it_is_not_reached(
    run_models: Any,
) -> None:
    with pytest.raises(ContractMismatch, match=r"models\.tried\.revision"):
        Diffusers("tried", {"model": "somebody/some-model"}, {})

    settings = {"model": "somebody/some-model", "revision": "0" * 40, "task": "text-to-video"}
    (answer,) = run_models([{"settings": settings, "input": {"prompt": "x"}}])

    assert answer["error"] == "Unavailable"
    assert "somebody/some-model" in answer["found"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"scheduler": "NoSuchScheduler"}, "model_settings.scheduler"),
        ({"scheduler": "EulerDiscreteScheduler"}, "model_settings.scheduler"),
    ],
)
def test_a_setting_that_the_pipeline_does_not_take_is_refused_by_its_name(
    model: Model, settings: dict[str, Any], field: str
) -> None:
    with pytest.raises(BriefInvalid) as refused:
        _backend(model("wan")).check(ask(settings=settings))

    assert refused.value.field == field


def test_a_model_that_begins_with_a_picture_asks_for_one(model: Model) -> None:
    with pytest.raises(BriefInvalid) as refused:
        _backend(model("wan-i2v")).check(ask())

    assert refused.value.field == "references"


def test_steps_and_guidance_change_what_is_seen(model: Model) -> None:
    backend = _backend(model("wan"))

    seen = [
        _frames(backend, ask(settings=settings)).tobytes()
        for settings in (
            {},
            {"steps": 3},
            {"guidance": 1.5},
            {"negative_prompt": "rain"},
            {"scheduler": "FlowMatchEulerDiscreteScheduler"},
        )
    ]

    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    "kind", _kinds(("wan", "ltx", "cogvideox", "sd", "flux"), each_time={"wan", "flux"})
)
def test_a_picture_is_shown_on_the_way_every_so_many_steps(
    model: Model, tmp_path: Path, kind: str
) -> None:
    told: list[Any] = []
    backend = _backend(model(kind), **KINDS[kind], steps=4, preview_every=2)

    _frames(backend, run=Run(folder=tmp_path, tell=told.append))

    shown = [news["step"] for news in told if "preview" in news]
    assert shown == [2, 4]
    assert (tmp_path / "preview.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_requests_that_are_alike_are_made_in_one_call_and_the_lineage_says_with_which(
    model: Model,
) -> None:
    requests = [
        replace(ask(prompt=f"bicycle number {k}"), seed=20 + k, frames=13) for k in range(3)
    ]
    backend = _backend(model("wan"), window=9, overlap=4)
    alone = [_frames(backend, request).astype(np.int16) for request in requests]
    run = Run()

    together = [
        np.stack([frame.copy() for frame in frames]) for frames in backend.takes(requests, run)
    ]

    for one, other in zip(together, alone, strict=True):
        assert np.abs(one - other).max() <= 2
    assert run.notes["batch"] == {"of": 3, "seeds": ["20", "21", "22"]}
    with pytest.raises(BriefInvalid, match="one by one"):
        backend.takes([requests[0], replace(requests[1], frames=5)])


def test_a_step_cache_gives_up_resume_points(model: Model) -> None:
    cached = _backend(model("wan"), step_cache="first-block")
    run = Run()

    frames = _frames(cached, run=run)

    assert "checkpoint" not in cached.card.capabilities
    assert len(frames) == 9
    assert "step cache" in str(run.notes["resume_points"])


def test_every_byte_of_the_weights_is_in_the_lineage(model: Model) -> None:
    run = Run()

    _frames(_backend(model("wan"), licence="Apache-2.0"), run=run)

    assert len(str(run.notes["weights"])) == 64
    assert run.notes["licence"] == "Apache-2.0"


def test_errors_are_ours(model: Model) -> None:
    backend = _backend(model("cogvideox"), width=16, height=16)
    backend.load()

    with pytest.raises(CinefabError):
        _frames(backend, ask(settings={"scheduler": "LMSDiscreteScheduler", "steps": 0}))
