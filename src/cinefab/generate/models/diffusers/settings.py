"""What a table `[models.NAME]` with `backend = "diffusers"` says, and what a brief may set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.core.errors import ContractMismatch
from cinefab.core.units import BasisPoints
from cinefab.generate.backend import TrainingSet

TASKS: Final = (
    "text-to-video",
    "image-to-video",
    "text-to-image",
    "image-to-image",
    "text-to-audio",
)

QUANTISERS: Final[Mapping[str, str]] = {
    "bitsandbytes_4bit": "bitsandbytes",
    "bitsandbytes_8bit": "bitsandbytes",
    "quanto": "optimum.quanto",
    "torchao": "torchao",
}
"""Ways to keep weights in fewer bits, and the module that each needs."""

_NAME: Final = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_SIDE: Final = {"type": "integer", "minimum": 8, "maximum": 8192}

SETTINGS_SCHEMA: Final[Mapping[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A model of the library diffusers",
    "type": "object",
    "additionalProperties": False,
    "required": ["model"],
    "properties": {
        "model": {
            "type": "string",
            "minLength": 1,
            "description": "A folder, or the id of a repository on the hub, such as Wan-AI/Wan2.2.",
        },
        "revision": {
            "type": "string",
            "pattern": "^[0-9a-f]{40}$",
            "description": "The commit of a repository on the hub; it always needs one.",
        },
        "variant": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]{1,32}$",
            "description": "Which of a folder's weights, such as fp16.",
        },
        "pipeline": {
            "type": "string",
            "pattern": "^[A-Z][A-Za-z0-9]*Pipeline$",
            "description": "The class to run it by, where the model names another one.",
        },
        "task": {"enum": list(TASKS), "description": "What it makes, if its class does not tell."},
        "device": {"enum": ["auto", "cpu", "cuda"], "description": "Where it runs; auto: cuda."},
        "dtype": {
            "enum": ["auto", "float32", "bfloat16", "float16"],
            "description": "What it computes in; auto: bfloat16 on cuda, float32 on the CPU.",
        },
        "threads": {
            "type": "integer",
            "minimum": 1,
            "maximum": 256,
            "description": "Threads of the CPU that it computes with; 1 if left out.",
        },
        "offload": {
            "enum": ["none", "model", "sequential"],
            "description": "What is kept on the card: all, one component, or one layer at a time.",
        },
        "memory_mb": {
            "type": "integer",
            "minimum": 1,
            "description": "Memory that it takes on its device; else one and a half of its weights.",
        },
        "device_class": {
            "type": "string",
            "pattern": _NAME,
            "description": "The device's class in the price book; else cpu-core, or cuda.",
        },
        "quantisation": {
            "type": "object",
            "additionalProperties": False,
            "required": ["backend", "components"],
            "description": "How components are kept in fewer bits.",
            "properties": {
                "backend": {"enum": sorted(QUANTISERS)},
                "components": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string", "pattern": "^[a-z_0-9]+$"},
                },
                "options": {"type": "object"},
            },
        },
        "loras": {
            "type": "object",
            "maxProperties": 64,
            "propertyNames": {"pattern": _NAME},
            "additionalProperties": {"type": "string", "minLength": 1},
            "description": "LoRAs that a brief may ask for by name: a safetensors file of each.",
        },
        "width": _SIDE | {"description": "Of its own pictures, in pixels."},
        "height": _SIDE | {"description": "Of its own pictures, in pixels."},
        "fps": {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 240},
                {"type": "string", "pattern": "^[1-9][0-9]{0,6}/[1-9][0-9]{0,6}$"},
            ],
            "description": "Its own frames a second; 16 for Wan, 24 for LTX, 8 for CogVideoX, else 24.",
        },
        "window": {
            "type": "integer",
            "minimum": 1,
            "maximum": 4096,
            "description": "Its longest run in its own frames; longer shots are made in windows.",
        },
        "overlap": {
            "type": "integer",
            "minimum": 1,
            "maximum": 2048,
            "description": "Frames in which two windows fade into each other.",
        },
        "steps": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "By default."},
        "preview_every": {
            "type": "integer",
            "minimum": 0,
            "description": "Steps between two previews; 0: none.",
        },
        "resume_every": {
            "type": "integer",
            "minimum": 0,
            "description": "Steps between two resume points; 0: as often as costs 1 % of the time.",
        },
        "batch": {
            "type": "integer",
            "minimum": 1,
            "maximum": 64,
            "description": "Shots of a film that are made in one run at most, where they are alike.",
        },
        "step_cache": {
            "enum": ["none", "first-block"],
            "description": "Steps that reuse others' work: quicker, and never gone on with.",
        },
        "training_sets": {
            "type": "array",
            "description": "What it was trained on: name, share_bp of 10,000 in all, licence.",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "share_bp", "licence"],
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "share_bp": {"type": "integer", "minimum": 0, "maximum": 10_000},
                    "licence": {"type": "string"},
                },
            },
        },
        "licence": {"type": "string", "description": "Under which its weights may be used."},
        "us_per_megapixel": {
            "type": "integer",
            "minimum": 0,
            "description": "Device time of a frame of a million pixels, for estimates.",
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """Which components are kept in fewer bits, by which library, with its own options."""

    backend: str
    components: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A table of settings as values; what is None is for the model to say."""

    model: str
    revision: str | None
    variant: str | None
    pipeline: str | None
    task: str | None
    device: str
    dtype: str
    threads: int
    offload: str
    memory_mb: int | None
    device_class: str | None
    quantisation: Quantisation | None
    loras: Mapping[str, Path]
    width: int | None
    height: int | None
    fps: Fraction | None
    window: int | None
    overlap: int | None
    steps: int | None
    preview_every: int
    resume_every: int
    step_cache: str
    batch: int
    training_sets: tuple[TrainingSet, ...]
    licence: str
    us_per_megapixel: int | None

    @property
    def folder(self) -> Path | None:
        """The folder the model lies in; None where its name is one of the hub's."""
        path = Path(self.model).expanduser()
        is_place = path.is_absolute() or self.model.startswith((".", "~")) or path.is_dir()
        return path.absolute() if is_place else None


def configured_from(name: str, settings: Mapping[str, Json]) -> Configured:
    """Return settings, which fit the schema, as values; raise `ContractMismatch` by their path."""
    given: Any = settings
    quantised = given.get("quantisation")
    fps = given.get("fps")
    configured = Configured(
        model=given["model"],
        revision=given.get("revision"),
        variant=given.get("variant"),
        pipeline=given.get("pipeline"),
        task=given.get("task"),
        device=given.get("device", "auto"),
        dtype=given.get("dtype", "auto"),
        threads=given.get("threads", 1),
        offload=given.get("offload", "none"),
        memory_mb=given.get("memory_mb"),
        device_class=given.get("device_class"),
        quantisation=None
        if quantised is None
        else Quantisation(
            backend=quantised["backend"],
            components=tuple(quantised["components"]),
            options=quantised.get("options", {}),
        ),
        loras={key: Path(place).expanduser() for key, place in given.get("loras", {}).items()},
        width=given.get("width"),
        height=given.get("height"),
        fps=None if fps is None else Fraction(fps),
        window=given.get("window"),
        overlap=given.get("overlap"),
        steps=given.get("steps"),
        preview_every=given.get("preview_every", 4),
        resume_every=given.get("resume_every", 0),
        step_cache=given.get("step_cache", "none"),
        batch=given.get("batch", 1),
        training_sets=tuple(
            TrainingSet(
                name=each["name"],
                share_bp=BasisPoints(each["share_bp"]),
                licence=each["licence"],
            )
            for each in given.get("training_sets", ())
        ),
        licence=given.get("licence", ""),
        us_per_megapixel=given.get("us_per_megapixel"),
    )
    _check(name, configured)
    return configured


def refused(name: str, setting: str, found: str, remedy: str) -> ContractMismatch:
    """Return what is wrong with a setting of the model `name`."""
    return ContractMismatch(
        attempted=f"make the model {name!r} of its settings",
        found=f"models.{name}.{setting}: {found}",
        remedy=remedy,
    )


def _check(name: str, configured: Configured) -> None:
    if configured.folder is None and configured.revision is None:
        raise refused(
            name,
            "revision",
            f"{configured.model} is a repository on the hub, and what it holds may change",
            "Write the 40 characters of the commit that is meant; its page shows them.",
        )
    if configured.overlap is not None and (
        configured.window is None or 2 * configured.overlap > configured.window
    ):
        raise refused(
            name, "overlap", "it is more than half of window", "Write window, at least twice of it."
        )
    if (configured.width is None) != (configured.height is None):
        missing = "height" if configured.height is None else "width"
        raise refused(name, missing, "it is missing beside the other", "Write both, or neither.")
