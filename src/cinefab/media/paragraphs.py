"""A caption's text made ready for setting: cleaned, ordered, and shaped word by word."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from cinefab.core.errors import BriefInvalid
from cinefab.media.bidirectional import embedding_levels
from cinefab.media.shaping import Run, Spacing, shape_word, space_advance
from cinefab.media.typeface import ScaledFace

_NO_BREAK: Final = "\u00a0\u2007\u202f"
_NO_WIDTH: Final = "\u200b"
_WORD: Final = re.compile(rf"(?:[^\s{_NO_WIDTH}]|[{_NO_BREAK}])+")
# Marks that French and others set apart by a space, yet never at a line's start or end.
_CLINGS_TO_THE_LEFT: Final = re.compile(
    "[!?:;.,%…)\\]/+=|·•‰°»\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
    "\N{EN DASH}\N{EM DASH}\N{MULTIPLICATION SIGN}؟،؛٪-]+|[€$£¥₺₽₹₫₴₩₿]"
)
_CLINGS_TO_THE_RIGHT: Final = re.compile("[«“„\N{LEFT SINGLE QUOTATION MARK}(\\[¿¡#№§+-]+")
# A mark that belongs to a foreign name stays at its end, also in text that reads from the right.
_MARKED_NAME: Final = re.compile("([A-Za-z\u00c0-\u04ff][™®℠©+]+)(?!\\w)")
_LEFT_TO_RIGHT_MARK: Final = "\u200e"
_GREEK_ACCENTS: Final = frozenset("\u0300\u0301\u0313\u0314\u0342\u0345")
_PARTED: Final = "\N{GREEK SMALL LETTER IOTA}\N{GREEK SMALL LETTER UPSILON}"
_DIALYTIKA: Final = "\u0308"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShapedWord:
    """One word's runs in logical order, and what stands before it. Measures in ems.

    `width` is the most it can take on a line, wherever its runs come to stand; `clings` is
    whether no line may break before it.
    """

    runs: tuple[Run, ...]
    width: float
    gap: float
    gap_level: int
    clings: bool


def cleaned(text: str, *, field: str, uppercase: bool) -> str:
    """Return text in NFC with newlines only between paragraphs, in capitals if asked for.

    Raises `BriefInvalid` for control characters and lone surrogates.
    """
    text = re.sub("\r\n|\u2028|\u2029", "\n", text)
    for place, character in enumerate(text):
        if unicodedata.category(character) in ("Cc", "Cs") and character != "\n":
            raise BriefInvalid(
                field=field,
                found=f"the control character U+{ord(character):04X} at position {place + 1}",
                remedy="Remove it; only line breaks may stand between the words.",
                attempted="set the text in type",
            )
    text = unicodedata.normalize("NFC", text)
    return _capitals(text) if uppercase else text


def shaped_paragraphs(
    text: str, *, base: int, faces: tuple[ScaledFace, ...], spacing: Spacing
) -> tuple[tuple[ShapedWord, ...], ...]:
    """Return each paragraph's words; an empty line between others has none.

    Raises `Unset` for a character without a glyph.
    """
    space = space_advance(faces) + spacing.tracking
    if base:
        text = _MARKED_NAME.sub(rf"\1{_LEFT_TO_RIGHT_MARK}", text)
    return tuple(
        _shaped(paragraph, base, faces, spacing, space) for paragraph in text.strip().split("\n")
    )


def _shaped(
    paragraph: str, base: int, faces: tuple[ScaledFace, ...], spacing: Spacing, space: float
) -> tuple[ShapedWord, ...]:
    levels = embedding_levels(paragraph, base=base)
    words: list[ShapedWord] = []
    end, left = 0, ""
    for match in _WORD.finditer(paragraph):
        between, word = paragraph[end : match.start()], match.group()
        runs = shape_word(word, tuple(levels[match.start() : match.end()]), faces, spacing)
        if any(run.outlines for run in runs):
            words.append(
                ShapedWord(
                    runs=runs,
                    width=sum(max(r.advance, r.right) - min(0.0, r.left) for r in runs),
                    gap=space if between.strip(_NO_WIDTH) else 0.0,
                    gap_level=levels[match.start() - 1] if between else base,
                    clings=bool(words) and _cling(left, word),
                )
            )
            end, left = match.end(), word
    return tuple(words)


def _cling(left: str, right: str) -> bool:
    return bool(_CLINGS_TO_THE_LEFT.fullmatch(right) or _CLINGS_TO_THE_RIGHT.fullmatch(left))


def _capitals(text: str) -> str:
    """Return the text in capitals by Unicode's rules, Greek without its accents as is custom."""
    letters: list[str] = []
    greek = accented = False
    for character in unicodedata.normalize("NFD", text):
        if greek and character in _GREEK_ACCENTS:
            accented = True
            continue
        if unicodedata.combining(character):
            letters.append(character)
            continue
        # An accent also kept two vowels apart; the dialytika takes over: Μάιος, ΜΑΪΟΣ.
        parted = accented and character in _PARTED
        greek = "\u0370" <= character <= "\u03ff"
        accented = False
        letters += [character, _DIALYTIKA] if parted else [character]
    return unicodedata.normalize("NFC", "".join(letters).upper())
