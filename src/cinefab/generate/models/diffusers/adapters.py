"""LoRAs over a pipeline, put on and taken off between two requests.

They are never fused into the weights: a sum that is taken back leaves its rounding behind, but a
layer that is taken away leaves the weights as they were loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cinefab.core.errors import ContractMismatch

Wanted = tuple[str, float]
"""A LoRA by its name in the settings, and how strongly it is to be felt."""


class Adapters:
    """What lies over one pipeline."""

    def __init__(self, pipeline: Any, files: Mapping[str, Path]) -> None:
        self._pipeline = pipeline
        self._files = files
        self._on: tuple[str, ...] = ()

    def put(self, wanted: Sequence[Wanted]) -> None:
        """Have exactly the `wanted` LoRAs lie over the pipeline, or none."""
        names = tuple(name for name, _ in wanted)
        if names != self._on:
            self._take_off()
            for name in names:
                self._load(name)
            self._on = names
        if names:
            scales = [scale for _, scale in wanted]
            self._pipeline.set_adapters(
                [self._adapter(name) for name in names], adapter_weights=scales
            )

    def _adapter(self, name: str) -> str:
        # What a layer is called may hold no dot; names in the settings may.
        return f"lora_{sorted(self._files).index(name)}"

    def _take_off(self) -> None:
        if self._on:
            self._pipeline.unload_lora_weights()
        self._on = ()

    def _load(self, name: str) -> None:
        path = self._files[name]
        try:
            self._pipeline.load_lora_weights(
                str(path.parent),
                weight_name=path.name,
                adapter_name=self._adapter(name),
                use_safetensors=True,
                local_files_only=True,
            )
            on = {each for names in self._pipeline.get_list_adapters().values() for each in names}
        except Exception as error:
            self._pipeline.unload_lora_weights()
            raise _unfit(name, path, str(error).strip()[:300]) from error
        if self._adapter(name) not in on:
            # What fits no layer is only warned of, and would be no more than a name in the lineage.
            self._pipeline.unload_lora_weights()
            raise _unfit(name, path, "none of its layers is one of the model's")


def _unfit(name: str, path: Path, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"put the LoRA {name!r} over the model",
        found=f"{path}: {found}",
        remedy="Use one that was trained for this very model, or leave it out.",
    )
