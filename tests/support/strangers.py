"""Plug-ins of somebody else, installed as any package is: found by entry points alone."""

from __future__ import annotations

import textwrap
from pathlib import Path

from studio_runs import Studio


def install(studio: Studio, *, module: str, source: str, points: dict[str, dict[str, str]]) -> None:
    """Put a package with one module where this studio's processes find it; see `lay_down`."""
    folder = lay_down(studio.folder / "strangers", module=module, source=source, points=points)
    studio.environment["PYTHONPATH"] = str(folder)


def lay_down(folder: Path, *, module: str, source: str, points: dict[str, dict[str, str]]) -> Path:
    """Put a package with one module into a folder, which is returned, as a path to import from.

    `points` maps an entry-point group's last word to names and what they stand for.
    """
    metadata = folder / f"{module}-1.dist-info"
    metadata.mkdir(parents=True, exist_ok=True)
    (folder / f"{module}.py").write_text(textwrap.dedent(source))
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
    lines = [
        line
        for group, names in points.items()
        for line in (f"[cinefab.{group}]", *(f"{name} = {what}" for name, what in names.items()))
    ]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return folder
