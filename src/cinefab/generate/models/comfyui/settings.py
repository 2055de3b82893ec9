"""What a table `[models.NAME]` with `backend = "comfyui"` may hold, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_PLACE: Final = {"type": "string", "pattern": r"^[^.]+\..+$", "description": "node.input"}
_PLACES: Final = {"anyOf": [_PLACE, {"type": "array", "minItems": 1, "items": _PLACE}]}
_COUNT: Final = {"type": "integer", "minimum": 1}

SETTINGS_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "A workflow of ComfyUI as a model",
    "type": "object",
    "additionalProperties": False,
    "required": ["url", "workflow"],
    "properties": {
        "url": {"type": "string", "pattern": "^https?://", "description": "where ComfyUI listens"},
        "workflow": {
            "type": "string",
            "minLength": 1,
            "description": "path of the workflow, exported for the API",
        },
        "inputs": {
            "type": "object",
            "description": "what goes into which input of which node; guessed if it is left out",
            "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,39}$"},
            "additionalProperties": {
                "anyOf": [
                    *_PLACES["anyOf"],
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["at"],
                        "properties": {
                            "at": _PLACES,
                            "type": {"enum": ["string", "integer", "number", "boolean"]},
                            "minimum": {"type": "number"},
                            "maximum": {"type": "number"},
                            "enum": {"type": "array", "minItems": 1},
                            "description": {"type": "string"},
                        },
                    },
                ]
            },
        },
        "output": {"type": "string", "description": "the node whose pictures are taken"},
        "task": {
            "enum": ["text-to-image", "image-to-image", "text-to-video", "image-to-video"],
        },
        "fps": {"type": "number", "exclusiveMinimum": 0, "maximum": 120},
        "frames_step": {**_COUNT, "description": "lengths are this times n, and one"},
        "multiple": {**_COUNT, "description": "sides are multiples of this"},
        "megapixels": {"type": "number", "exclusiveMinimum": 0, "maximum": 64},
        "limits": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "width_max": _COUNT,
                "height_max": _COUNT,
                "frames_max": _COUNT,
                "overlap_frames": {"type": "integer", "minimum": 0},
            },
        },
        "deterministic": {
            "type": "boolean",
            "description": "the engine gives equal pictures again",
        },
        "api_key_env": {"type": "string"},
        "api_key_header": {"type": "string", "pattern": "^[A-Za-z0-9-]+$"},
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "timeout_s": {"type": "number", "exclusiveMinimum": 0},
        "patience_s": {
            "type": "number",
            "minimum": 0,
            "description": "how long an engine that does not answer is asked again",
        },
        "price_uusd": {
            "type": "integer",
            "minimum": 0,
            "description": "what one run costs, in µUSD",
        },
        "licence": {"type": "string", "description": "of the weights that the workflow loads"},
        "training_sets": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "share_bp", "licence"],
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "share_bp": {"type": "integer", "minimum": 0, "maximum": 10_000},
                    "licence": {"type": "string", "minLength": 1},
                },
            },
        },
        "digital_source_type": {"type": "string", "minLength": 1},
        "device_class": {"type": "string", "minLength": 1},
        "memory_mb": _COUNT,
        "cost_us_per_megapixel": {"type": "integer", "minimum": 0},
        "cost_us_fixed": {"type": "integer", "minimum": 0},
    },
}
