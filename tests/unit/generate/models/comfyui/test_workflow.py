from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from studio_runs import REPOSITORY

from cinefab.core.errors import ContractMismatch
from cinefab.generate.models.comfyui.mapping import Mapped, mapped, task_of
from cinefab.generate.models.comfyui.workflow import Workflow, output_of, read_workflow

MODELS = REPOSITORY / "examples" / "models"


def example(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((MODELS / f"comfyui-{name}.json").read_text())
    return document


def read(document: object, folder: Path) -> Workflow:
    path = folder / "workflow.json"
    path.write_text(json.dumps(document))
    return read_workflow(path, model="mine")


def guess(document: object, folder: Path) -> Mapped:
    workflow = read(document, folder)
    return mapped(workflow, None, output=output_of(workflow, None, model="mine"), model="mine")


def test_the_inputs_of_a_text_to_image_workflow_are_guessed_by_their_nodes(tmp_path: Path) -> None:
    found = guess(example("text-to-image"), tmp_path)

    assert str(found) == (
        "guessed: prompt = 6.text; negative_prompt = 7.text; seed = 3.seed; width = 5.width; "
        "height = 5.height; steps = 3.steps; guidance = 3.cfg"
    )


def test_the_length_and_rate_of_a_film_are_guessed(tmp_path: Path) -> None:
    found = guess(example("text-to-video"), tmp_path)

    assert str(found.inputs["frames"]) == "frames = 40.length"
    assert str(found.inputs["fps"]) == "fps = 50.fps"


def test_prompts_are_found_through_a_node_that_passes_both_on(tmp_path: Path) -> None:
    document = example("text-to-image")
    document["20"] = {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {"positive": ["6", 0], "negative": ["7", 0], "strength": 1.0},
    }
    document["3"]["inputs"] |= {"positive": ["20", 0], "negative": ["20", 1]}

    found = guess(document, tmp_path)

    assert str(found.inputs["prompt"]) == "prompt = 6.text"
    assert str(found.inputs["negative_prompt"]) == "negative_prompt = 7.text"


def test_a_prompt_is_found_in_a_node_of_its_own(tmp_path: Path) -> None:
    document = example("text-to-image")
    document["21"] = {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "a cup"}}
    document["6"]["inputs"]["text"] = ["21", 0]

    assert str(guess(document, tmp_path).inputs["prompt"]) == "prompt = 21.value"


def test_a_custom_sampler_s_parts_are_found(tmp_path: Path) -> None:
    document = example("text-to-image")
    del document["3"], document["7"]
    document |= {
        "3": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["30", 0],
                "guider": ["31", 0],
                "sigmas": ["32", 0],
                "latent_image": ["5", 0],
            },
        },
        "30": {"class_type": "RandomNoise", "inputs": {"noise_seed": 7}},
        "31": {
            "class_type": "BasicGuider",
            "inputs": {"model": ["4", 0], "conditioning": ["33", 0]},
        },
        "32": {"class_type": "BasicScheduler", "inputs": {"model": ["4", 0], "steps": 8}},
        "33": {
            "class_type": "FluxGuidance",
            "inputs": {"conditioning": ["6", 0], "guidance": 3.5},
        },
    }

    found = guess(document, tmp_path)

    named = {name: str(each.places[0]) for name, each in found.inputs.items()}
    assert named == {
        "prompt": "6.text",
        "seed": "30.noise_seed",
        "width": "5.width",
        "height": "5.height",
        "steps": "32.steps",
        "guidance": "33.guidance",
    }


def test_a_workflow_with_a_picture_to_load_begins_with_one(tmp_path: Path) -> None:
    document = example("text-to-image")
    document["5"] = {"class_type": "VAEEncode", "inputs": {"pixels": ["10", 0], "vae": ["4", 2]}}
    document["10"] = {"class_type": "LoadImage", "inputs": {"image": "example.png"}}
    workflow = read(document, tmp_path)

    found = mapped(workflow, None, output="9", model="mine")

    assert str(found.inputs["image"]) == "image = 10.image"
    assert task_of(workflow, found, "9") == "image-to-image"


def test_names_of_ones_own_become_settings_of_the_model(tmp_path: Path) -> None:
    workflow = read(example("text-to-image"), tmp_path)
    wanted = {
        "prompt": "6.text",
        "seed": ["3.seed"],
        "sampler": {"at": "3.sampler_name", "enum": ["euler", "uni_pc"]},
        "strength": "3.denoise",
    }

    found = mapped(workflow, wanted, output="9", model="mine")

    assert found.settings_schema()["properties"] == {
        "sampler": {"type": "string", "enum": ["euler", "uni_pc"]},
        "strength": {"type": "number"},
    }
    assert found.inputs["prompt"].brief_field == "prompt"
    assert found.inputs["sampler"].brief_field == "model_settings.sampler"
    assert found.inputs["seed"].brief_field is None


@pytest.mark.parametrize(
    ("place", "found"),
    [("60.text", "there is no node '60'"), ("3.positive", "3.positive is linked to node 6")],
)
def test_a_place_that_cannot_be_filled_is_refused(place: str, found: str, tmp_path: Path) -> None:
    workflow = read(example("text-to-image"), tmp_path)

    with pytest.raises(ContractMismatch, match=found):
        mapped(workflow, {"prompt": place}, output="9", model="mine")


def test_a_workflow_in_the_editor_s_format_is_refused_with_how_to_export_it(tmp_path: Path) -> None:
    with pytest.raises(ContractMismatch, match=r"editor's format.*Export \(API\)"):
        read({"nodes": [{"id": 3, "type": "KSampler"}], "links": [], "version": 0.4}, tmp_path)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ([], "no object of nodes"),
        ({"3": {"inputs": {}}}, "node '3' has no class_type"),
        ({"3": {"class_type": "VAEDecode", "inputs": {"vae": ["4", 0]}}}, "which is not there"),
    ],
)
def test_what_is_no_workflow_is_refused(document: object, found: str, tmp_path: Path) -> None:
    with pytest.raises(ContractMismatch, match=found):
        read(document, tmp_path)


def test_a_file_that_is_absent_or_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{")

    with pytest.raises(ContractMismatch, match=r"models\.mine\.workflow"):
        read_workflow(tmp_path / "absent.json", model="mine")
    with pytest.raises(ContractMismatch, match="no JSON"):
        read_workflow(tmp_path / "broken.json", model="mine")


@pytest.mark.parametrize(
    "node",
    [
        {"class_type": "SaveAnimatedWEBP", "inputs": {"filename_prefix": "x"}},
        {"class_type": "VHS_VideoCombine", "inputs": {"format": "image/gif"}},
    ],
)
def test_an_animated_picture_is_refused_before_it_is_paid_for(
    node: dict[str, Any], tmp_path: Path
) -> None:
    document = example("text-to-image")
    document["9"] = node

    with pytest.raises(ContractMismatch, match="animated") as refused:
        output_of(read(document, tmp_path), None, model="mine")

    assert "SaveVideo" in refused.value.remedy


def test_which_of_several_outputs_is_meant_must_be_said(tmp_path: Path) -> None:
    document = example("text-to-image")
    document["12"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}
    assert output_of(read(document, tmp_path), None, model="mine") == "9"

    document["11"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}}
    workflow = read(document, tmp_path)
    with pytest.raises(ContractMismatch, match=r"several nodes.*models\.mine\.output"):
        output_of(workflow, None, model="mine")
    assert output_of(workflow, "11", model="mine") == "11"
    with pytest.raises(ContractMismatch, match="no node '99'"):
        output_of(workflow, "99", model="mine")
