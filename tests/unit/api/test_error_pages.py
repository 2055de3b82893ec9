"""Every error has a page under its type, here and in the service."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import cinefab
from cinefab.api.problems import error_page, slug
from cinefab.core.errors import CinefabError

PAGES = Path(__file__).parents[3] / "docs" / "errors"


def kinds(of: type[CinefabError]) -> Iterator[type[CinefabError]]:
    for kind in of.__subclasses__():
        # Tests have errors of their own.
        if kind.__module__.startswith("cinefab."):
            yield kind
        yield from kinds(kind)


def all_kinds() -> set[type[CinefabError]]:
    for module in pkgutil.walk_packages(cinefab.__path__, "cinefab."):
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    return set(kinds(CinefabError))


def test_each_kind_of_error_has_its_own_page_and_each_page_its_kind() -> None:
    names = [slug(kind) for kind in all_kinds()]

    assert len(names) == len(set(names))
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(names)


def test_a_page_says_what_to_do_and_is_listed() -> None:
    listed = (PAGES / "README.md").read_text()

    for kind in all_kinds():
        text = error_page(slug(kind))
        assert text is not None
        assert "## What to do" in text
        assert f"({slug(kind)}.md)" in listed


def test_no_other_file_is_a_page() -> None:
    assert error_page("../../README") is None
    assert error_page("nothing") is None
