"""How much a commit waits for."""

from __future__ import annotations

from enum import StrEnum


class Durability(StrEnum):
    """What a commit waits for on SQLite: the operating system, or the disk."""

    NORMAL = "normal"
    STRICT = "strict"
