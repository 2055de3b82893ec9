"""What a table `[models.NAME]` of somebody else's model may hold, and the card that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cinefab.generate.backend import SERVICE, DeviceNeed, Limits, ModelCard, TrainingSet
from cinefab.generate.services.prices import Prices

COUNT: Final = {"type": "integer", "minimum": 1}
_UUSD: Final = {"type": "integer", "minimum": 0}

SHARED_SETTINGS: Final[Mapping[str, Any]] = {
    "model": {"type": "string", "minLength": 1, "description": "what the service calls it"},
    "version": {"type": "string", "description": "of the weights, where you know it"},
    "api_key_env": {"type": "string"},
    "seconds": {
        "type": "array",
        "minItems": 1,
        "items": COUNT,
        "description": "the lengths that it makes; any, if left out",
    },
    "fps": {"type": "number", "exclusiveMinimum": 0, "maximum": 120},
    "poll_s": {"type": "number", "exclusiveMinimum": 0},
    "patience_s": {
        "type": "number",
        "minimum": 0,
        "description": "how long what does not answer is asked again",
    },
    "timeout_s": {"type": "number", "exclusiveMinimum": 0, "description": "for one run"},
    "price_uusd_per_second": _UUSD,
    "price_uusd_per_run": _UUSD,
    "deterministic": {
        "type": "boolean",
        "description": "equal media come again for an equal seed",
    },
    "frames_max": COUNT,
    "width_max": COUNT,
    "height_max": COUNT,
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
}
"""Settings that all such tables have."""

PATIENCE_S: Final = 60.0
TIMEOUT_S: Final = 1800.0


def service_card(
    name: str,
    version: str,
    settings: Mapping[str, Any],
    *,
    asked: str,
    own_settings: Mapping[str, Any],
    progress: bool,
    prices: Prices,
) -> ModelCard:
    """Return the card of a service's model: what its table says, as no service says it itself.

    `asked` titles what it is given, `own_settings` is the schema of its own `model_settings`, and
    `progress` says whether it tells its steps.
    """
    capabilities = {"progress"} if progress else set()
    if settings.get("deterministic"):
        capabilities.add("deterministic")
    return ModelCard(
        name=name,
        version=version,
        task=settings["task"],
        input_schema={
            "title": asked,
            "type": "object",
            "properties": {"prompt": {"type": "string"}, "settings": own_settings},
        },
        output_schema={"title": "What the service delivers", "type": "object"},
        limits=Limits(
            width_max=settings.get("width_max", 4096),
            height_max=settings.get("height_max", 4096),
            frames_max=settings.get("frames_max", 2_400),
        ),
        capabilities=frozenset(capabilities),
        devices=(DeviceNeed(device_class=SERVICE, memory_mb=1),),
        training_sets=tuple(TrainingSet(**each) for each in settings.get("training_sets", ())),
        digital_source_type="trainedAlgorithmicMedia",
        cost_us_per_megapixel=1_000,
        cost_us_fixed=5_000_000,
        price_uusd_per_run=prices.per_run,
        price_uusd_per_second=prices.per_second,
    )
