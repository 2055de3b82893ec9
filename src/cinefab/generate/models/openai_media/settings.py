"""What a table `[models.NAME]` with `backend = "openai-media"` may hold, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from cinefab.generate.services.table import SHARED_SETTINGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What is known of an engine beside the API that it speaks.

    `takes_frames`: it takes `num_frames` and `fps` where OpenAI takes whole seconds. `lists`: what
    it was asked for can be found in its list. `keeps_jobs`: a restart does not lose them.
    `frees_device`: a delete stops the work. `form_needs_file`: it takes a form only with a picture
    in it, and JSON otherwise. `answers_at_once`: with the video itself, to JSON in which what OpenAI
    does not know is under `nvext`.
    """

    takes_frames: bool
    lists: bool
    keeps_jobs: bool
    frees_device: bool
    form_needs_file: bool = False
    answers_at_once: bool = False


ENGINES: Final[Mapping[str, Engine]] = MappingProxyType(
    {
        "openai": Engine(takes_frames=False, lists=True, keeps_jobs=True, frees_device=False),
        "vllm-omni": Engine(takes_frames=True, lists=True, keeps_jobs=False, frees_device=False),
        # Its list does not say the prompts, so nothing is found again there.
        "sglang": Engine(
            takes_frames=True,
            lists=False,
            keeps_jobs=False,
            frees_device=False,
            form_needs_file=True,
        ),
        "dynamo": Engine(
            takes_frames=True,
            lists=False,
            keeps_jobs=False,
            frees_device=False,
            answers_at_once=True,
        ),
        "litellm": Engine(takes_frames=False, lists=False, keeps_jobs=True, frees_device=False),
    }
)
"""By the word that a table calls it; of none of them a delete is known to free the device."""

SETTINGS_SCHEMA: Final[Mapping[str, Any]] = {
    "title": "A model behind OpenAI's media API",
    "type": "object",
    "additionalProperties": False,
    "required": ["base_url", "model", "task"],
    "properties": {
        **SHARED_SETTINGS,
        "base_url": {
            "type": "string",
            "pattern": "^https?://",
            "description": "where the API is, with /v1 if it has one",
        },
        "task": {
            "enum": [
                *("text-to-video", "image-to-video", "text-to-image", "image-to-image"),
                "text-to-audio",
            ]
        },
        "engine": {
            "enum": sorted(ENGINES),
            "description": "which engine it is; openai if not said",
        },
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "sizes": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "pattern": "^[0-9]+x[0-9]+$"},
            "description": "the sizes that it makes; any, if left out",
        },
        "voice": {"type": "string", "description": "for speech"},
    },
}

INPUT_SETTINGS: Final[Mapping[str, Any]] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "negative_prompt": {"type": "string", "maxLength": 2000},
        "steps": {"type": "integer", "minimum": 1, "maximum": 1000},
        "guidance": {"type": "number", "minimum": 0, "maximum": 100},
        "quality": {"type": "string", "maxLength": 40},
        "voice": {"type": "string", "maxLength": 80},
        "instructions": {"type": "string", "maxLength": 2000},
    },
}
"""What a brief may set for such a model under `model_settings`."""
