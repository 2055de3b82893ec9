"""What a table `[models.NAME]` with `backend = "litellm"` may hold, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cinefab.generate.services.table import SHARED_SETTINGS

SETTINGS_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "A media model of a provider that litellm knows",
    "type": "object",
    "additionalProperties": False,
    "required": ["model", "task"],
    "properties": {
        **SHARED_SETTINGS,
        "model": {
            "type": "string",
            "minLength": 1,
            "description": "as litellm names it: provider/model",
        },
        "task": {
            "enum": [
                *("text-to-video", "image-to-video", "text-to-image", "image-to-image"),
                "text-to-audio",
            ]
        },
        "base_url": {
            "type": "string",
            "pattern": "^https?://",
            "description": "in place of the provider's own",
        },
        "aws_access_key_id_env": {"type": "string"},
        "aws_secret_access_key_env": {"type": "string"},
        "aws_session_token_env": {"type": "string"},
        "vertex_credentials_env": {"type": "string"},
        "python": {
            "type": "string",
            "minLength": 1,
            "description": "the Python of an environment that has litellm; this one, if left out",
        },
        "options": {
            "type": "object",
            "description": "what litellm takes beside: api_version, aws_region_name, vertex_project",
            "propertyNames": {"pattern": "^[a-z_]+$"},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
        "voice": {"type": "string", "description": "for speech"},
        "sizes": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "pattern": "^[0-9]+x[0-9]+$"},
            "description": "the sizes that it makes; any, if left out",
        },
        "allow_networks": {
            "type": "array",
            "items": {"type": "string"},
            "description": "networks that results may be fetched from though private",
        },
    },
}

OWN_SETTINGS: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "quality": {"type": "string", "maxLength": 40},
        "voice": {"type": "string", "maxLength": 80},
        "instructions": {"type": "string", "maxLength": 2000},
    },
}
"""What a brief may set for such a model under `model_settings`."""
