"""A Python that has litellm: this one, or that of an environment of its own."""

from __future__ import annotations

import importlib.util
import os
import sys

import pytest


@pytest.fixture(scope="session")
def python() -> str:
    """Return the Python to ask through; skip where there is none."""
    named = os.environ.get("CINEFAB_TEST_LITELLM")
    if named is None and importlib.util.find_spec("litellm") is None:
        pytest.skip("the extra litellm is not installed: make test-litellm")
    return named or sys.executable
