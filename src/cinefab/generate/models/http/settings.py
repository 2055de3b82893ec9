"""What a table `[models.NAME]` with `backend = "http"` may hold, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_COUNT: Final = {"type": "integer", "minimum": 1}
_UUSD: Final = {"type": "integer", "minimum": 0}

SETTINGS_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "A service that is submitted to and polled",
    "type": "object",
    "additionalProperties": False,
    "required": ["mapping", "model", "task"],
    "properties": {
        "mapping": {
            "type": "string",
            "minLength": 1,
            "description": "fal, replicate, runway, or the path of a TOML file",
        },
        "model": {"type": "string", "minLength": 1, "description": "what the service calls it"},
        "task": {"enum": ["text-to-video", "image-to-video", "text-to-image", "image-to-image"]},
        "base_url": {
            "type": "string",
            "pattern": "^https?://",
            "description": "in place of the mapping's own",
        },
        "version": {"type": "string"},
        "api_key_env": {"type": "string"},
        "extra": {
            "type": "object",
            "description": "values for further holes of the mapping",
            "propertyNames": {"pattern": "^[a-z_]+$"},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        "fps": {"type": "number", "exclusiveMinimum": 0, "maximum": 120},
        "seconds": {
            "type": "array",
            "minItems": 1,
            "items": _COUNT,
            "description": "the lengths that it makes; any, if left out",
        },
        "allow_networks": {
            "type": "array",
            "items": {"type": "string"},
            "description": "networks that results may be fetched from though private",
        },
        "poll_s": {"type": "number", "exclusiveMinimum": 0},
        "patience_s": {"type": "number", "minimum": 0},
        "timeout_s": {"type": "number", "exclusiveMinimum": 0},
        "price_uusd_per_second": _UUSD,
        "price_uusd_per_run": _UUSD,
        "deterministic": {"type": "boolean"},
        "frames_max": _COUNT,
        "width_max": _COUNT,
        "height_max": _COUNT,
        "licence": {"type": "string"},
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
    },
}

OWN_SETTINGS: Final[Mapping[str, Any]] = {
    "negative_prompt": {"type": "string", "maxLength": 2000},
    "steps": {"type": "integer", "minimum": 1, "maximum": 1000},
    "guidance": {"type": "number", "minimum": 0, "maximum": 100},
}
"""What a brief may set under `model_settings`, where the mapping has a hole for it."""
