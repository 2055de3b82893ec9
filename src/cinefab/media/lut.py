"""Grading tables: the `.cube` files that colourists bring, read and applied."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cinefab.core.errors import BriefInvalid
from cinefab.media.frames import Rgb

_EDGE_MAX: Final = 129
_CURVE_MAX: Final = 65_536
_ROWS_MAX: Final = _EDGE_MAX**3
_HEADERS_MAX: Final = 16
_VALUE_MAX: Final = 1e6  # also refuses what is no number
_SIZES: Final = ("LUT_3D_SIZE", "LUT_1D_SIZE")
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


@dataclass(frozen=True, slots=True)
class Table:
    """A `.cube` file as it was written: `values` of shape (rows, 3), and their domain.

    A curve has one row a sample, and maps each channel by itself; a cube has its rows in the
    file's order, red changing fastest.
    """

    values: NDArray[np.float32]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    is_curve: bool

    @property
    def edge(self) -> int:
        """The number of samples along each axis."""
        return len(self.values) if self.is_curve else round(len(self.values) ** (1 / 3))


def load_lut(path: Path, *, field: str = "brand.lut") -> Lut:
    """Read a `.cube` file; raise `BriefInvalid` for `field` when it is not one."""
    return parse_lut(_text_of(path, field), field=field)


def parse_lut(text: str, *, field: str = "brand.lut") -> Lut:
    """Parse the text of a `.cube` file; one-dimensional tables become cubes.

    Raises `BriefInvalid` that names the line which cannot be understood, or what is missing.
    """
    table = parse_table(text, field=field)
    if table.is_curve:
        return _cube_of(table.values, table.low, table.high)
    edge = table.edge
    return Lut(table.values.reshape(edge, edge, edge, 3), table.low, table.high)


def load_table(path: Path, *, field: str = "brand.lut") -> Table:
    """Read a `.cube` file as it is; raise `BriefInvalid` for `field` when it is not one."""
    return parse_table(_text_of(path, field), field=field)


def parse_table(text: str, *, field: str = "brand.lut") -> Table:
    """Parse the text of a `.cube` file; raise as `parse_lut` does.

    Memory is bounded by the largest table there is: a row beyond those announced is refused as
    it is met, and so is a word, a number or a size that no table has.
    """
    header: dict[str, list[str]] = {}
    values = array("f")
    wanted = _ROWS_MAX
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.split("#", 1)[0].strip()
        if not line:
            continue
        words = line.split(maxsplit=4)
        if words[0][0].isalpha():
            name = words[0].upper()
            if name in header:
                raise _refused(field, f"line {number} gives {name[:40]} again")
            if len(header) == _HEADERS_MAX:
                raise _refused(field, f"line {number} is one more heading than tables have")
            header[name] = words[1:]
            if name in _SIZES:
                wanted = _rows_of(header, field)
            continue
        if len(values) == 3 * wanted:
            raise _refused(field, f"line {number} is a colour more than the {wanted} announced")
        values.extend(_numbers(words, number, field))
    low = _triple(header.get("DOMAIN_MIN", ["0", "0", "0"]), "DOMAIN_MIN", field)
    high = _triple(header.get("DOMAIN_MAX", ["1", "1", "1"]), "DOMAIN_MAX", field)
    if any(h <= lo for lo, h in zip(low, high, strict=True)):
        raise _refused(field, "DOMAIN_MAX is not above DOMAIN_MIN")
    if not any(name in header for name in _SIZES):
        raise _refused(field, "neither LUT_3D_SIZE nor LUT_1D_SIZE is given")
    wanted = _rows_of(header, field)
    if len(values) != 3 * wanted:
        given = len(values) // 3
        raise _refused(field, f"{wanted} colours are announced and {given} are given")
    table = np.frombuffer(values, np.float32).reshape(-1, 3)
    return Table(table, low, high, is_curve="LUT_3D_SIZE" not in header)


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


def _text_of(path: Path, field: str) -> str:
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise _refused(field, f"{path.name} is larger than a grading table can be")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(field, f"{path.name} cannot be read as text") from error


def _rows_of(header: dict[str, list[str]], field: str) -> int:
    """Return how many rows the headings announce; a cube comes before a curve."""
    if "LUT_3D_SIZE" in header:
        return _edge(header["LUT_3D_SIZE"], "LUT_3D_SIZE", _EDGE_MAX, field) ** 3
    return _edge(header["LUT_1D_SIZE"], "LUT_1D_SIZE", _CURVE_MAX, field)


def _numbers(words: list[str], line: int, field: str) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(abs(number) < _VALUE_MAX for number in numbers):
        raise _refused(field, f"line {line} is not three numbers: {' '.join(words)[:40]!r}")
    return numbers


def _triple(words: list[str], name: str, field: str) -> tuple[float, float, float]:
    try:
        r, g, b = (float(word) for word in words)
    except ValueError as error:
        raise _refused(field, f"{name} is not three numbers") from error
    if not np.isfinite([r, g, b]).all():
        raise _refused(field, f"{name} is not three numbers")
    return r, g, b


def _edge(words: list[str], name: str, edge_max: int, field: str) -> int:
    if len(words) != 1 or not words[0].isdecimal() or not 2 <= int(words[0]) <= edge_max:
        raise _refused(field, f"{name} is not a whole number from 2 to {edge_max}")
    return int(words[0])


def _refused(field: str, found: str) -> BriefInvalid:
    return BriefInvalid(
        attempted="read the grading table",
        field=field,
        found=found,
        remedy="Export it again as a .cube file with LUT_3D_SIZE, 33 being usual",
    )
