"""The service keeps its OpenAPI document, whatever it is sent: no request is ever a fault of ours."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from served import served

# A stream, and what waits for a film to be made: they are asked by name elsewhere.
APART = {"/v1/jobs/{job}/events", "/v1/images/generations", "/v1/audio/speech"}

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")  # the tool's own
def test_nothing_that_the_document_allows_or_forbids_is_a_fault(tmp_path: Path) -> None:
    with served(tmp_path / "home") as running:
        schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json")
        asked = 0
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path in APART:
                continue

            for mode in list(schemathesis.GenerationMode):

                @settings(
                    max_examples=3,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                )
                @given(operation.as_strategy(generation_mode=mode))
                def ask(case: schemathesis.Case) -> None:
                    nonlocal asked
                    asked += 1
                    case.call_and_validate(checks=[not_a_server_error], timeout=30)

                # Where nothing is asked for, nothing can be asked wrongly.
                with contextlib.suppress(Unsatisfiable):
                    ask()

    assert asked > 60
