"""The walk through the code is true: every name in it exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import cinefab

SOURCE = Path(cinefab.__file__).parent
WALK = (SOURCE.parents[1] / "docs" / "one-brief.md").read_text(encoding="utf-8")
NAMES = sorted(set(re.findall(r"`([a-z_/0-9]+\.py(?:::\w+)?)`", WALK)))


def _defines(path: Path, name: str) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, kinds) and node.name == name for node in tree.body)


def test_the_walk_names_the_code_at_all() -> None:
    assert len(NAMES) > 40


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_the_walk_exists(name: str) -> None:
    module, _, definition = name.partition("::")
    path = SOURCE / module

    assert path.is_file(), f"docs/one-brief.md names {module}, which does not exist"
    assert not definition or _defines(path, definition), f"{module} does not define {definition}"


@pytest.mark.parametrize("layer", ["ingest", "generate", "assemble", "review", "deliver"])
def test_the_walk_passes_through_every_layer(layer: str) -> None:
    assert any(name.startswith(f"{layer}/") for name in NAMES)


def test_every_folder_says_in_one_sentence_what_lives_there() -> None:
    for package in SOURCE.rglob("__init__.py"):
        docstring = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8")))
        assert docstring, f"{package.parent} does not say what lives there"
