"""Plug-ins are found through entry points: ours exactly as a stranger's."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from cinefab.core.errors import ContractMismatch

_T = TypeVar("_T")


class FoundOnDemand(Mapping[str, _T], Generic[_T]):
    """The plug-ins of a group by name, looked for and loaded when somebody asks for them.

    Most films have no effects, and none of them should pay for finding out what there would be.
    """

    def __init__(self, group: str, load: Callable[[EntryPoint], _T]) -> None:
        self._group = group
        self._load = load
        self._points: Mapping[str, EntryPoint] | None = None
        self._loaded: dict[str, _T] = {}

    def __getitem__(self, name: str) -> _T:
        point = self._found()[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(point)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def _found(self) -> Mapping[str, EntryPoint]:
        if self._points is None:
            self._points = find_plugins(self._group)
        return self._points


def find_plugins(group: str) -> Mapping[str, EntryPoint]:
    """Return the entry points of `cinefab.<group>` by name; two of one name are an error."""
    found: dict[str, EntryPoint] = {}
    for point in _installed(tuple(sys.path)).select(group=f"cinefab.{group}"):
        if point.name in found and found[point.name].value != point.value:
            raise ContractMismatch(
                attempted=f"find the plug-in {point.name!r} of cinefab.{group}",
                found=f"two of that name: {found[point.name].value} and {point.value}",
                remedy="Uninstall one of the two packages, or rename its entry point.",
            )
        found[point.name] = point
    return found


@functools.lru_cache(maxsize=2)
def _installed(_path: tuple[str, ...]) -> Any:  # its type changed with Python 3.12
    """Read what every installed package offers: once, as it means opening hundreds of files."""
    return entry_points()


def load_plugin(point: EntryPoint) -> Any:
    """Import a plug-in and call it without arguments; a broken one is named."""
    try:
        return point.load()()
    except Exception as error:
        raise ContractMismatch(
            attempted=f"load the plug-in {point.name!r} ({point.value})",
            found=f"{type(error).__name__}: {error}",
            remedy="Reinstall its package, or uninstall it if it is not needed.",
        ) from error
