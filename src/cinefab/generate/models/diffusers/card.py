"""What a model of diffusers says of itself, read from its files and its settings alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Json, digest_of
from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import AUDIO_HZ, DeviceNeed, Limits, ModelCard
from cinefab.generate.models.diffusers.schedulers import GO_ON
from cinefab.generate.models.diffusers.settings import QUANTISERS, Configured, refused
from cinefab.generate.models.diffusers.weights import ModelFiles, read_lora, read_model

FORMAT: Final = 1
"""Raised when this backend makes other pixels of the same settings."""

_LIBRARIES: Final = ("torch", "diffusers", "transformers", "peft", "accelerate")
_FRAMES_MAX: Final = 20_000
_SIDE_MAX: Final = 4096
_PROCESS_MB: Final = 700
_US_PER_GB: Final = 270_000  # a frame of a million pixels on one large card: Wan 14B at 480p
_US_LEAST: Final = 20_000
_CPU_SLOWER: Final = 100
_LIBRARIES_US: Final = 8_000_000  # torch, diffusers and transformers in a new process
_US_PER_GB_READ: Final = 1_000_000

_VIDEO: Final = (
    "Wan",
    "LTX",
    "CogVideo",
    "Hunyuan",
    "Mochi",
    "Allegro",
    "Latte",
    "Video",
    "Cosmos",
)
_AUDIO: Final = ("Audio", "Music")
_SEVERAL: Final = frozenset({"text-to-video", "text-to-image", "image-to-image"})
"""Tasks whose pipelines make several requests in one call; those of a film out of a picture take one
picture a call."""

_FROM_PICTURE: Final = ("ImageToVideo", "Image2Video", "StableVideoDiffusion", "I2V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a model is, as far as it can be said without running it."""

    card: ModelCard
    files: ModelFiles
    device: str
    dtype: str
    libraries: Mapping[str, str]


def identify(name: str, configured: Configured) -> Identity:
    """Return what the model `name` is; raise `ContractMismatch` where it cannot be run here."""
    libraries = installed(name)
    files = read_model(name, configured)
    device = _device(configured, libraries)
    dtype = _dtype(configured, device)
    task = _task(name, configured, files)
    loras = {lora: read_lora(name, lora, path) for lora, path in configured.loras.items()}
    determined: dict[str, Json] = {
        "format": FORMAT,
        "weights": files.digest,
        "loras": dict(loras),
        "libraries": {**libraries, **_quantiser(configured)},
        "device": device,
        "dtype": dtype,
        "task": task,
        "settings": _determining(configured),
    }
    card = ModelCard(
        name=name,
        version=digest_of(determined)[:16],
        task=task,
        input_schema=_input_schema(task, configured),
        output_schema=_output_schema(task),
        limits=Limits(
            width_max=_SIDE_MAX,
            height_max=_SIDE_MAX,
            frames_max=_FRAMES_MAX,
            batch_max=configured.batch if task in _SEVERAL else 1,
            samples_max=_samples(files) if task == "text-to-audio" else None,
        ),
        capabilities=_capabilities(task, configured, files),
        devices=(
            DeviceNeed(
                device_class=configured.device_class
                or ("cuda" if device == "cuda" else "cpu-core"),
                memory_mb=configured.memory_mb
                or _PROCESS_MB + -(-files.size_bytes * 3 // (2 << 20)),
            ),
        ),
        training_sets=configured.training_sets,
        digital_source_type="trainedAlgorithmicMedia",
        cost_us_per_megapixel=_cost(configured, files, device),
        cost_us_fixed=2_000_000,
        load_us=_LIBRARIES_US + files.size_bytes * _US_PER_GB_READ // (1 << 30),
    )
    return Identity(card=card, files=files, device=device, dtype=dtype, libraries=libraries)


def installed(name: str, libraries: Sequence[str] = _LIBRARIES) -> Mapping[str, str]:
    """Return the versions of the libraries; raise `ContractMismatch` where one is not installed."""
    found: dict[str, str] = {}
    for library in libraries:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            raise ContractMismatch(
                attempted=f"make the model {name!r} of its settings",
                found=f"{library} is not installed, which models of diffusers need",
                remedy="Install the extra: pip install 'cinefab[diffusers]', or, in a checkout, "
                "pip install -r requirements/diffusers.txt.",
            ) from None
    return found


def _quantiser(configured: Configured) -> dict[str, str]:
    """Return the version of what keeps the weights in fewer bits; another one rounds otherwise."""
    if configured.quantisation is None:
        return {}
    library = QUANTISERS[configured.quantisation.backend].replace(".", "-")
    try:
        return {library: version(library)}
    except PackageNotFoundError:
        return {library: "absent"}


def _device(configured: Configured, libraries: Mapping[str, str]) -> str:
    if configured.device != "auto":
        return configured.device
    has_card = any(Path(place).exists() for place in ("/dev/nvidia0", "/dev/dxg"))
    return "cuda" if has_card and "+cpu" not in libraries["torch"] else "cpu"


def _dtype(configured: Configured, device: str) -> str:
    if configured.dtype != "auto":
        return configured.dtype
    return "bfloat16" if device == "cuda" else "float32"


def _task(name: str, configured: Configured, files: ModelFiles) -> str:
    if configured.task is not None:
        return configured.task
    kind = configured.pipeline or files.pipeline
    if kind is None:
        raise refused(
            name,
            "task",
            "a repository on the hub is not read before it runs",
            "Say what it makes: text-to-video, image-to-video, text-to-image, …",
        )
    if any(part in kind for part in _FROM_PICTURE):
        return "image-to-video"
    if any(part in kind for part in _AUDIO):
        return "text-to-audio"
    if "Img2Img" in kind:
        return "image-to-image"
    return "text-to-video" if any(part in kind for part in _VIDEO) else "text-to-image"


def _determining(configured: Configured) -> Json:
    """Return the settings that change a pixel."""
    quantised = configured.quantisation
    return {
        "variant": configured.variant,
        "pipeline": configured.pipeline,
        "threads": configured.threads,
        "offload": configured.offload,
        "step_cache": configured.step_cache,
        "size": [configured.width, configured.height],
        "fps": None if configured.fps is None else str(configured.fps),
        "window": [configured.window, configured.overlap],
        "steps": configured.steps,
        # Who is made with whom changes last bits; models that are run alone keep their versions.
        **({"batch": configured.batch} if configured.batch > 1 else {}),
        "quantisation": None
        if quantised is None
        else [quantised.backend, sorted(quantised.components), _spelled(quantised.options)],
    }


def _spelled(options: Mapping[str, Any]) -> str:
    import json

    return json.dumps(options, sort_keys=True)


def _capabilities(task: str, configured: Configured, files: ModelFiles) -> frozenset[str]:
    found = {"progress", "cancel_frees_gpu"}
    if configured.batch == 1 or task not in _SEVERAL:
        # The same shot may be made with others or alone, and differ in its last bits.
        found.add("deterministic")
    if task in _SEVERAL:
        found.add("batch")
    if task.endswith("-video"):
        found.add("window")
    scheduler = files.components.get("scheduler")
    is_known = scheduler is None or scheduler[1] in GO_ON
    if configured.step_cache == "none" and is_known:
        found.add("checkpoint")
    return frozenset(found)


def _samples(files: ModelFiles) -> int | None:
    """Return how many samples of 48 kHz a model makes at most, where its files tell."""
    latents = files.configs.get("transformer", {}).get("sample_size")
    vae = files.configs.get("vae", {})
    ratios, rate = vae.get("downsampling_ratios"), vae.get("sampling_rate")
    if not latents or not ratios or not rate:
        return None
    hop = math.prod(int(ratio) for ratio in ratios)
    return int(latents) * hop * AUDIO_HZ // int(rate)


def _cost(configured: Configured, files: ModelFiles, device: str) -> int:
    if configured.us_per_megapixel is not None:
        return configured.us_per_megapixel
    slower = 1 if device == "cuda" else _CPU_SLOWER
    return max(_US_LEAST, slower * _US_PER_GB * files.size_bytes // (1 << 30))


def _input_schema(task: str, configured: Configured) -> Mapping[str, Any]:
    shown = {"type": "array", "items": {"type": "string"}}
    takes_picture = task.startswith("image-to")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What a diffusion model is asked for",
        "type": "object",
        "required": ["prompt"],
        "properties": {
            "prompt": {"type": "string", "minLength": 0 if takes_picture else 1},
            # The first one is what it begins with; a model of words alone could show none.
            "references": shown | ({"minItems": 1} if takes_picture else {"maxItems": 0}),
            "settings": _brief_settings(task, configured),
        },
    }


def _brief_settings(task: str, configured: Configured) -> Mapping[str, Any]:
    properties: dict[str, Any] = {
        "steps": {"type": "integer", "minimum": 1, "maximum": 1000},
        "guidance": {"type": "number", "minimum": 0, "maximum": 100},
        "negative_prompt": {"type": "string", "maxLength": 4000},
        "scheduler": {"type": "string", "pattern": "^[A-Z][A-Za-z0-9]*Scheduler$"},
    }
    if task == "image-to-image":
        properties["strength"] = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    if configured.loras:
        one = {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {"enum": sorted(configured.loras)},
                "scale": {"type": "number", "minimum": -4, "maximum": 4},
            },
        }
        properties["lora"] = {
            "anyOf": [one, {"type": "array", "minItems": 1, "maxItems": 8, "items": one}]
        }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _output_schema(task: str) -> Mapping[str, Any]:
    if task == "text-to-audio":
        return {"title": "Sound", "description": "48 kHz, two channels, float32", "type": "object"}
    return {
        "title": "Frames",
        "description": "I420 frames of the asked size: BT.709, limited range",
        "type": "object",
    }
