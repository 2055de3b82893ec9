"""What a table `[models.NAME]` with `backend = "http"` may hold, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cinefab.generate.services.table import SHARED_SETTINGS

SETTINGS_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "A service that is submitted to and polled",
    "type": "object",
    "additionalProperties": False,
    "required": ["mapping", "model", "task"],
    "properties": {
        **SHARED_SETTINGS,
        "mapping": {
            "type": "string",
            "minLength": 1,
            "description": "fal, replicate, runway, or the path of a TOML file",
        },
        "task": {"enum": ["text-to-video", "image-to-video", "text-to-image", "image-to-image"]},
        "base_url": {
            "type": "string",
            "pattern": "^https?://",
            "description": "in place of the mapping's own",
        },
        "price_uusd_per_unit": {
            "type": "integer",
            "minimum": 0,
            "description": "where the service says how many units it bills",
        },
        "extra": {
            "type": "object",
            "description": "values for further holes of the mapping",
            "propertyNames": {"pattern": "^[a-z_]+$"},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        "allow_networks": {
            "type": "array",
            "items": {"type": "string"},
            "description": "networks that results may be fetched from though private",
        },
    },
}

OWN_SETTINGS: Final[Mapping[str, Any]] = {
    "negative_prompt": {"type": "string", "maxLength": 2000},
    "steps": {"type": "integer", "minimum": 1, "maximum": 1000},
    "guidance": {"type": "number", "minimum": 0, "maximum": 100},
}
"""What a brief may set under `model_settings`, where the mapping has a hole for it."""
