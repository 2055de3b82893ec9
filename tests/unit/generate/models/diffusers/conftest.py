"""Tiny models of the real classes, built once, and requests for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from model_runs import ModelRuns
from tiny_pipelines import build_pipeline

Model = Callable[[str], Path]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Return the folder of a tiny model by name, built when it is first asked for."""
    built: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in built:
            built[name] = build_pipeline(name, tmp_path_factory.mktemp("models") / name)
        return built[name]

    return folder


@pytest.fixture(scope="session")
def run_models() -> Iterator[ModelRuns]:
    """Run models in processes of their own."""
    runs = ModelRuns()
    yield runs
    runs.close()
