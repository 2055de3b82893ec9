"""Plug-ins are found through entry points: ours exactly as a stranger's."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from cinefab.core.errors import ContractMismatch


def find_plugins(group: str) -> Mapping[str, EntryPoint]:
    """Return the entry points of `cinefab.<group>` by name; two of one name are an error."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"cinefab.{group}"):
        if point.name in found and found[point.name].value != point.value:
            raise ContractMismatch(
                attempted=f"find the plug-in {point.name!r} of cinefab.{group}",
                found=f"two of that name: {found[point.name].value} and {point.value}",
                remedy="Uninstall one of the two packages, or rename its entry point.",
            )
        found[point.name] = point
    return found


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
