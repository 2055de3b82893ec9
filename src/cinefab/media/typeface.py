"""The faces that text is set in: the bundled ones, a brand's own, and who stands in for whom.

HarfBuzz alone reads font files, a stranger's among them: it checks every table before use, and
since it gives the outlines too, shaping and drawing cannot disagree about a variable weight.
All measures are in ems.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import uharfbuzz as hb  # type: ignore[import-untyped]  # it ships no types
from numpy.typing import NDArray

from cinefab.core.errors import BriefInvalid

Family: TypeAlias = Literal["sans", "display", "serif"]
Weight: TypeAlias = Literal["regular", "bold", "black"]

POINTS_MAX: Final = 30_000
"""The most points of one outline: FreeType counts them in 16 bits."""

_FOLDER: Final = Path(__file__).parent / "fonts"
_CLASSES: Final[dict[Weight, float]] = {"regular": 400.0, "bold": 700.0, "black": 900.0}
_OWN: Final[dict[Family, str]] = {
    "sans": "Inter-{}.otf",
    "display": "LeagueSpartan-{}.otf",
    "serif": "Vollkorn-{}.ttf",
}
_ARABIC: Final[dict[Family, str]] = {
    "sans": "NotoSansArabic-{}.ttf",
    "display": "NotoKufiArabic-{}.ttf",
    "serif": "NotoNaskhArabic-{}.ttf",
}
_OTHERS: Final = ("Inter-{}.otf", "NotoSansArabic-{}.ttf", "NotoSansHebrew-{}.ttf")
_SYMBOLS: Final = ("NotoSansSymbols2-Regular.ttf", "NotoSansSymbols-Regular.ttf")
_HEAVIEST: Final = {"NotoNaskhArabic-Black.ttf": "NotoNaskhArabic-Bold.ttf"}  # none is blacker
_LETTERS_TRIED: Final = 500
_SFNT: Final = (b"\x00\x01\x00\x00", b"OTTO", b"true", b"ttcf")
_FILE_BYTES_MAX: Final = 32 * 1024 * 1024
_CAP_HEIGHT_USUAL: Final = 0.7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outline:
    """A filled shape in ems, y upwards, in FreeType's terms.

    `points` has shape (n, 2), float64; `tags` shape (n,), uint8: 1 on the curve, 0 a quadratic
    control, 2 a cubic one; `ends` the last point of each contour, shape (contours,), int64.
    """

    points: NDArray[np.float64]
    tags: NDArray[np.uint8]
    ends: NDArray[np.int64]


class Typeface:
    """One face at one weight. Equal only to itself; load it through `faces_for`."""

    def __init__(self, *, name: str, data: bytes, weight: Weight, private_use: bool) -> None:
        face = hb.Face(hb.Blob(data))
        self.name = name
        self.font = hb.Font(face)
        if any(axis.tag == "wght" for axis in face.axis_infos):
            self.font.set_variations({"wght": _CLASSES[weight]})
        self._em: float = 1.0 / max(face.upem, 1)
        # Private characters mean what a brand says; in a bundled font they would be a surprise.
        self._characters = frozenset(
            point
            for point in face.unicodes
            if private_use or unicodedata.category(chr(point)) != "Co"
        )
        self._outlines: dict[int, Outline] = {}  # bounded by the font's number of glyphs
        self._covered: dict[str, bool] = {}  # bounded by Unicode's number of characters
        self.cap_height = self._measure_cap_height()

    @property
    def em(self) -> float:
        """One font unit, in ems."""
        return self._em

    def shows_anything(self) -> bool:
        """Return whether one of the first characters that the font lists can be seen."""
        visible = (
            chr(point)
            for point in sorted(self._characters)
            if unicodedata.category(chr(point))[0] in "LNPS"
        )
        return any(self.covers(character) for character in islice(visible, _LETTERS_TRIED))

    def covers(self, cluster: str) -> bool:
        """Return whether every visible character of the cluster has a glyph that shows it."""
        return all(self._covers_character(character) for character in cluster)

    def outline(self, glyph: int) -> Outline:
        """Return a glyph's shape; a space's has no points.

        Raises `BriefInvalid` if it has more than `POINTS_MAX`.
        """
        found = self._outlines.get(glyph)
        if found is None:
            found = self._outlines[glyph] = _drawn(self.font, glyph, self._em)
            if len(found.points) > POINTS_MAX:
                raise _no_font(f"{self.name} has a glyph of {len(found.points)} points")
        return found

    def _covers_character(self, character: str) -> bool:
        known = self._covered.get(character)
        if known is None:
            known = self._covered[character] = self._find_cover(character)
        return known

    def _find_cover(self, character: str) -> bool:
        category = unicodedata.category(character)
        if category == "Cf" or character in _VARIATION_SELECTORS:
            return True  # shown by nothing
        if category == "Zs":
            return ord(" ") in self._characters  # HarfBuzz makes every space from this one
        if ord(character) in self._characters:
            # Trial fonts map letters to blank glyphs; a letter that cannot be seen is missing.
            glyph = self.font.get_nominal_glyph(ord(character))
            return bool(glyph) and len(self.outline(glyph).points) > 0
        parts = unicodedata.normalize("NFD", character)
        return len(parts) > 1 and all(ord(part) in self._characters for part in parts)

    def _measure_cap_height(self) -> float:
        glyph = self.font.get_nominal_glyph(ord("H"))
        points = self.outline(glyph).points if glyph else np.empty((0, 2))
        return float(points[:, 1].max()) if len(points) else _CAP_HEIGHT_USUAL


@dataclass(frozen=True, slots=True)
class ScaledFace:
    """A face and the factor that makes its size agree with the family it stands in for."""

    face: Typeface
    scale: float


@lru_cache(maxsize=64)
def bundled_faces(family: Family, weight: Weight) -> tuple[ScaledFace, ...]:
    """Return the bundled faces for a family and weight, the first choice first.

    The family's own face, its Arabic companion, then whoever else may know a character.
    """
    own = _bundled(_OWN[family], weight)
    chosen = [own, _bundled(_ARABIC[family], weight)]
    chosen += [face for name in _OTHERS if (face := _bundled(name, weight)) not in chosen]
    chosen += [_bundled(name, weight) for name in _SYMBOLS]
    return tuple(ScaledFace(face, _agreeing(face, own)) for face in chosen)


def faces_for(
    family: Family, weight: Weight, font_file: Path | None = None
) -> tuple[ScaledFace, ...]:
    """Return the faces to try for each character, the brand's own font first if there is one.

    A font with a weight axis is set to the weight. Raises `BriefInvalid` for 'brand.font' if
    the file cannot be read or is no TrueType or OpenType font with outlines.
    """
    if font_file is None:
        return bundled_faces(family, weight)
    try:
        stat = font_file.stat()
        brand = _brand(font_file, stat.st_mtime_ns, stat.st_size, weight)
    except OSError as error:
        raise _no_font(f"{font_file.name} cannot be read: {error.strerror}") from error
    others = (scaled.face for scaled in bundled_faces(family, weight))
    return (ScaledFace(brand, 1.0), *(ScaledFace(face, _agreeing(face, brand)) for face in others))


def _bundled(name: str, weight: Weight) -> Typeface:
    filename = name.format(weight.capitalize())
    filename = _HEAVIEST.get(filename, filename)
    return _load_bundled(filename, weight)


@lru_cache(maxsize=64)
def _load_bundled(filename: str, weight: Weight) -> Typeface:
    path = _FOLDER / filename
    return Typeface(name=path.stem, data=path.read_bytes(), weight=weight, private_use=False)


@lru_cache(maxsize=8)
def _brand(path: Path, _changed_ns: int, size_bytes: int, weight: Weight) -> Typeface:
    if size_bytes > _FILE_BYTES_MAX:
        raise _no_font(f"{path.name} has {size_bytes} bytes, more than {_FILE_BYTES_MAX}")
    data = path.read_bytes()
    if data[:4] in (b"wOFF", b"wOF2"):
        raise _no_font(f"{path.name} is a font packed for the web")
    if data[:4] not in _SFNT:
        raise _no_font(f"{path.name} is no font: it begins with the bytes {data[:4].hex() or '-'}")
    face = Typeface(name=path.name, data=data, weight=weight, private_use=True)
    if not face.shows_anything():
        raise _no_font(f"{path.name} is damaged or holds no outlines")
    return face


def _no_font(found: str) -> BriefInvalid:
    return BriefInvalid(
        field="brand.font",
        found=found,
        remedy="Give a TrueType or OpenType font (.ttf or .otf) whose glyphs are outlines, or "
        "leave the font out to use the bundled families.",
        attempted="load the brand's font",
    )


def _agreeing(face: Typeface, own: Typeface) -> float:
    """Return the factor that brings a stand-in's capitals to the height of the family's."""
    return min(max(own.cap_height / face.cap_height, 0.85), 1.2)


_VARIATION_SELECTORS: Final = frozenset(chr(point) for point in range(0xFE00, 0xFE10))


class _Pen:
    """Collects one glyph's contours from HarfBuzz's drawing callbacks."""

    def __init__(self) -> None:
        self.points: list[tuple[float, float]] = []
        self.tags: list[int] = []
        self.starts: list[int] = []

    def move(self, x: float, y: float) -> None:
        self.starts.append(len(self.points))
        self.add(1, (x, y))

    def add(self, tag: int, *points: tuple[float, float]) -> None:
        """Add control points with their tag, the last of them on the curve."""
        self.points += points
        self.tags += [tag] * (len(points) - 1) + [1]

    def ends(self) -> Iterator[int]:
        followers = [*self.starts[1:], len(self.points)][: len(self.starts)]
        yield from (following - 1 for following in followers)


def _drawing() -> Any:
    callbacks = hb.DrawFuncs()
    callbacks.set_move_to_func(lambda x, y, pen: pen.move(x, y))
    callbacks.set_line_to_func(lambda x, y, pen: pen.add(1, (x, y)))
    callbacks.set_quadratic_to_func(lambda a, b, x, y, pen: pen.add(0, (a, b), (x, y)))
    callbacks.set_cubic_to_func(lambda a, b, c, d, x, y, pen: pen.add(2, (a, b), (c, d), (x, y)))
    callbacks.set_close_path_func(lambda pen: None)
    return callbacks


_DRAWING: Final = _drawing()


def _drawn(font: Any, glyph: int, em: float) -> Outline:
    pen = _Pen()
    font.draw_glyph(glyph, _DRAWING, pen)
    return Outline(
        points=np.array(pen.points, dtype=np.float64).reshape(-1, 2) * em,
        tags=np.array(pen.tags, dtype=np.uint8),
        ends=np.array(list(pen.ends()), dtype=np.int64),
    )
