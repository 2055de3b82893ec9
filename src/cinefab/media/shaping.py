"""Words shaped by HarfBuzz: characters to placed glyph outlines, run by run.

A run is a stretch of one word in one direction, face and script. All measures are in ems.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import uharfbuzz as hb  # type: ignore[import-untyped]  # it ships no types

from cinefab.media.typeface import POINTS_MAX, Outline, ScaledFace

_JOINERS: Final = frozenset("\u200c\u200d")
_JOINED_SCRIPTS: Final = frozenset({"Arab"})  # letter-spacing would tear these apart
_LANGUAGE: Final = "und"  # never the machine's locale: the same text gives the same film


class Unset(Exception):
    """No face has a glyph for `character`; whoever knows the field says so to the person."""

    def __init__(self, character: str) -> None:
        super().__init__(character)
        self.character = character


@dataclass(frozen=True, slots=True, kw_only=True)
class Spacing:
    """How letters are set apart and which of their forms are used."""

    tracking: float = 0.0
    capitals: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """Placed glyphs, the pen starting at (0, 0) and ending at (advance, 0).

    They are one outline, or several if they have very many points; none at all if there is no
    ink. The ink lies in [left, right] x [bottom, top], y upwards.
    """

    outlines: tuple[Outline, ...]
    level: int
    advance: float
    left: float
    right: float
    bottom: float
    top: float


@lru_cache(maxsize=2048)
def shape_word(
    word: str, levels: tuple[int, ...], faces: tuple[ScaledFace, ...], spacing: Spacing
) -> tuple[Run, ...]:
    """Return the runs of a word in logical order; `levels` are its characters'.

    Raises `Unset` for the first character that none of the faces can show.
    """
    chosen = _faces_of(word, faces)
    scripts = _scripts_of(word)
    kinds = list(zip(levels, chosen, scripts, strict=True))
    starts = [i for i in range(len(word)) if i == 0 or kinds[i] != kinds[i - 1]]
    return tuple(
        _shape_run(word, start, end, levels[start], faces[chosen[start]], spacing)
        for start, end in zip(starts, [*starts[1:], len(word)], strict=True)
    )


def space_advance(faces: tuple[ScaledFace, ...]) -> float:
    """Return the width of a space in the first face."""
    first = faces[0]
    glyph = first.face.font.get_nominal_glyph(ord(" "))
    usual = 0.26
    if not glyph:
        return usual
    return float(first.face.font.get_glyph_h_advance(glyph) * first.face.em * first.scale)


def _faces_of(word: str, faces: Sequence[ScaledFace]) -> list[int]:
    """Choose a face for each grapheme cluster, so that marks stay with their letters."""
    chosen: list[int] = []
    for start, end in _clusters(word):
        cluster = word[start:end]
        if all(unicodedata.category(character) == "Cf" for character in cluster):
            chosen += [chosen[-1] if chosen else 0] * len(cluster)
            continue
        index = next((i for i, scaled in enumerate(faces) if scaled.face.covers(cluster)), None)
        if index is None:
            raise Unset(_uncovered(cluster, faces))
        chosen += [index] * len(cluster)
    return chosen


def _uncovered(cluster: str, faces: Sequence[ScaledFace]) -> str:
    """Return the character to name: one that nobody has, else the mark that nobody combines."""
    for character in cluster:
        if not any(scaled.face.covers(character) for scaled in faces):
            return character
    return cluster[-1]


def _clusters(word: str) -> list[tuple[int, int]]:
    starts = [
        index
        for index, character in enumerate(word)
        if index == 0 or not (unicodedata.category(character)[0] == "M" or character in _JOINERS)
    ]
    return list(zip(starts, [*starts[1:], len(word)], strict=True))


def _scripts_of(word: str) -> list[str]:
    """Return each character's script; what belongs to none takes its neighbour's."""
    own = [_script(character) for character in word]
    current = next((script for script in own if script), "")
    scripts = []
    for script in own:
        current = script or current
        scripts.append(current)
    return scripts


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    # A letter's Unicode name begins with its script, so no table of ranges is kept.
    if unicodedata.category(character)[0] != "L":
        return ""
    return unicodedata.name(character, "").partition(" ")[0]


def _shape_run(
    word: str, start: int, end: int, level: int, scaled: ScaledFace, spacing: Spacing
) -> Run:
    buffer = hb.Buffer()
    # The whole word is given as context: a letter joins its neighbour across a run's border.
    buffer.add_str(word, start, end - start)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if level % 2 else "ltr"
    buffer.language = _LANGUAGE
    buffer.flags = (
        hb.BufferFlags.REMOVE_DEFAULT_IGNORABLES | hb.BufferFlags.DO_NOT_INSERT_DOTTED_CIRCLE
    )
    spaced = spacing.tracking != 0 and buffer.script not in _JOINED_SCRIPTS
    features = {"lnum": True, "case": spacing.capitals}
    if spaced:
        features |= {"liga": False, "clig": False}
    hb.shape(scaled.face.font, buffer, features)
    return _placed(word, buffer, level, scaled, spacing.tracking if spaced else 0.0)


def _placed(word: str, buffer: Any, level: int, scaled: ScaledFace, tracking: float) -> Run:
    """Join the glyphs' outlines at their places."""
    em = scaled.face.em * scaled.scale
    infos, positions = buffer.glyph_infos, buffer.glyph_positions
    outlines, offsets = [], []
    pen_x = pen_y = 0.0
    for index, (info, position) in enumerate(zip(infos, positions, strict=True)):
        if info.codepoint == 0:
            raise Unset(word[info.cluster])
        outlines.append(scaled.face.outline(info.codepoint))
        offsets.append((pen_x + position.x_offset * em, pen_y + position.y_offset * em))
        pen_x += position.x_advance * em
        pen_y += position.y_advance * em
        if index + 1 == len(infos) or infos[index + 1].cluster != info.cluster:
            pen_x += tracking
    joined = tuple(_joined(outlines, offsets, scaled.scale))
    points = np.concatenate([o.points for o in joined]) if joined else np.zeros((1, 2))
    left, bottom = points.min(axis=0).tolist()
    right, top = points.max(axis=0).tolist()
    return Run(
        outlines=joined,
        level=level,
        advance=pen_x,
        left=left,
        right=right,
        bottom=bottom,
        top=top,
    )


def _joined(
    outlines: Sequence[Outline], offsets: Sequence[tuple[float, float]], scale: float
) -> Iterator[Outline]:
    """Join outlines at their offsets, as many in one as the rasteriser takes."""
    inked = [(o, offset) for o, offset in zip(outlines, offsets, strict=True) if len(o.points)]
    while inked:
        totals = np.cumsum([len(outline.points) for outline, _ in inked])
        fitting = max(int(np.searchsorted(totals, POINTS_MAX, side="right")), 1)
        group, inked = inked[:fitting], inked[fitting:]
        before = [0, *totals[: fitting - 1].tolist()]
        yield Outline(
            points=np.concatenate([o.points * scale + offset for o, offset in group]),
            tags=np.concatenate([o.tags for o, _ in group]),
            ends=np.concatenate([o.ends + n for (o, _), n in zip(group, before, strict=True)]),
        )
