"""Grading tables: the `.cube` files that colourists bring, read and applied."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cinefab.core.errors import BriefInvalid
from cinefab.media.frames import Rgb

_EDGE_MAX: Final = 129
_BYTES_MAX: Final = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Lut:
    """A colour cube: `table[b, g, r]` is the RGB, 0 to 1, of an input between `low` and `high`."""

    table: NDArray[np.float32]
    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def edge(self) -> int:
        """The number of samples along each axis."""
        return len(self.table)


def load_lut(path: Path, *, field: str = "brand.lut") -> Lut:
    """Read a `.cube` file; raise `BriefInvalid` for `field` when it is not one."""
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise _refused(field, f"{path.name} is larger than a grading table can be")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(field, f"{path.name} cannot be read as text") from error
    return parse_lut(text, field=field)


def parse_lut(text: str, *, field: str = "brand.lut") -> Lut:
    """Parse the text of a `.cube` file with LUT_3D_SIZE; one-dimensional tables become cubes.

    Raises `BriefInvalid` that names the line which cannot be understood, or what is missing.
    """
    header: dict[str, list[str]] = {}
    rows: list[list[float]] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("#", 1)[0].strip()
        if not line:
            continue
        words = line.split()
        if words[0][0].isalpha():
            header[words[0].upper()] = words[1:]
        else:
            rows.append(_numbers(words, number, field))
    low = _triple(header.get("DOMAIN_MIN", ["0", "0", "0"]), "DOMAIN_MIN", field)
    high = _triple(header.get("DOMAIN_MAX", ["1", "1", "1"]), "DOMAIN_MAX", field)
    if any(h <= lo for lo, h in zip(low, high, strict=True)):
        raise _refused(field, "DOMAIN_MAX is not above DOMAIN_MIN")
    if "LUT_3D_SIZE" in header:
        edge = _edge(header["LUT_3D_SIZE"], "LUT_3D_SIZE", _EDGE_MAX, field)
        values = _values(rows, edge**3, field)
        return Lut(values.reshape(edge, edge, edge, 3), low, high)
    if "LUT_1D_SIZE" in header:
        edge = _edge(header["LUT_1D_SIZE"], "LUT_1D_SIZE", 65_536, field)
        return _cube_of(_values(rows, edge, field), low, high)
    raise _refused(field, "neither LUT_3D_SIZE nor LUT_1D_SIZE is given")


def apply_lut(lut: Lut, rgb: Rgb) -> Rgb:
    """Return `rgb`, shape (height, width, 3), graded, between samples by tetrahedra.

    Tetrahedra keep greys grey where a trilinear mix would tint them.
    """
    last = lut.edge - 1
    low, high = np.array(lut.low, np.float32), np.array(lut.high, np.float32)
    # Only 256 inputs exist per channel: place them on the axes once.
    codes = np.arange(256, dtype=np.float32)[:, None] / np.float32(255)
    position = np.clip((codes - low) / (high - low), 0, 1) * np.float32(last)
    cell = np.minimum(position.astype(np.int32), max(last - 1, 0))
    part = (position - cell).astype(np.float32)
    flat = rgb.reshape(-1, 3)
    channels = np.arange(3)
    base, rest = cell[flat, channels], part[flat, channels]
    strides = np.array([1, lut.edge, lut.edge * lut.edge], np.int32)
    start = base @ strides
    order = np.argsort(-rest, axis=1, kind="stable")
    shares = np.take_along_axis(rest, order, axis=1)
    samples = lut.table.reshape(-1, 3)
    corner = start.copy()
    mixed = samples[corner] * (1 - shares[:, :1])
    for step in range(3):
        corner = corner + strides[order[:, step]]
        weight = shares[:, step] - (shares[:, step + 1] if step < 2 else 0)
        mixed += samples[corner] * weight[:, None]
    graded: Rgb = np.clip(mixed * 255 + 0.5, 0, 255).astype(np.uint8)
    return graded.reshape(rgb.shape)


def _cube_of(
    curve: NDArray[np.float32], low: tuple[float, float, float], high: tuple[float, float, float]
) -> Lut:
    edge = 65
    at = np.linspace(0, len(curve) - 1, edge)
    axes = [np.interp(at, np.arange(len(curve)), curve[:, k]) for k in range(3)]
    table = np.empty((edge, edge, edge, 3), np.float32)
    table[..., 0] = axes[0][None, None, :]
    table[..., 1] = axes[1][None, :, None]
    table[..., 2] = axes[2][:, None, None]
    return Lut(table, low, high)


def _numbers(words: list[str], line: int, field: str) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not np.isfinite(numbers).all():
        raise _refused(field, f"line {line} is not three numbers: {' '.join(words)[:40]!r}")
    return numbers


def _triple(words: list[str], name: str, field: str) -> tuple[float, float, float]:
    try:
        r, g, b = (float(word) for word in words)
    except ValueError as error:
        raise _refused(field, f"{name} is not three numbers") from error
    return r, g, b


def _edge(words: list[str], name: str, edge_max: int, field: str) -> int:
    if len(words) != 1 or not words[0].isdecimal() or not 2 <= int(words[0]) <= edge_max:
        raise _refused(field, f"{name} is not a whole number from 2 to {edge_max}")
    return int(words[0])


def _values(rows: list[list[float]], wanted: int, field: str) -> NDArray[np.float32]:
    if len(rows) != wanted:
        raise _refused(field, f"{wanted} colours are announced and {len(rows)} are given")
    return np.array(rows, np.float32)


def _refused(field: str, found: str) -> BriefInvalid:
    return BriefInvalid(
        attempted="read the grading table",
        field=field,
        found=found,
        remedy="Export it again as a .cube file with LUT_3D_SIZE, 33 being usual",
    )
