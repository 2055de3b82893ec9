"""A prompt becomes a storyboard: an opening, two or three beats, an ending, about 14 seconds.

A plain reading of the text, the same every time; a language model may take its place later and
gives the same kind of answer, a brief with shots.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cinefab.core.brief import Brief, Role, Shot
from cinefab.generate.chance import pick

_PHRASE_CHARS_MAX: Final = 64
_BEATS_MAX: Final = 3
_LEAD_WORDS_MAX: Final = 3

# Three to five shots of 2 to 4 seconds, 12 to 15 together; an ending is never the shortest.
_LENGTHS_MS: Final[dict[int, tuple[tuple[int, ...], ...]]] = {
    3: ((4000, 4000, 4000),),
    4: ((3000, 3500, 3500, 4000), (3500, 3000, 3500, 3500), (3500, 4000, 3000, 4000)),
    5: ((2500, 3000, 2500, 3000, 3000), (3000, 2500, 3000, 2500, 3500), (2500, 3000, 3000, 3000, 3000)),
}  # fmt: skip

_QUOTED: Final = re.compile(r"\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|„([^“”]+)[“”]")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?…؟])\s+|\n+")
_CLAUSE_END: Final = re.compile(r"(?<=[,;:،؛])\s+|\s+[\u2013\u2014]\s+")
_QUOTE_PLACE: Final = "\x00"


def expand(brief: Brief) -> Brief:
    """Return `brief` with a storyboard of three to five shots made from its prompt.

    The title opens it; the prompt's phrases are the beats; the last words in quotation marks
    end it, as a call to action, and otherwise the last phrase does. References are dealt out in
    order. A brief that has shots is returned as it is.
    """
    if brief.shots:
        return brief
    call, phrases = _read(brief.prompt)
    phrases = [phrase for phrase in phrases if phrase.casefold() != brief.title.casefold()]
    if call is None and len(phrases) > 1:
        call = phrases.pop()
    beats = _spread(phrases, _BEATS_MAX) or [""]
    captions = [brief.title, *beats, call or brief.title]
    lengths = pick(_LENGTHS_MS[len(captions)], seed=brief.seed, what="lengths", index=0)
    shots = [
        Shot(
            length_ms=length_ms,
            prompt=brief.prompt[:2000] if i in (0, len(captions) - 1) else caption,
            caption=caption,
            references=_dealt(brief, i),
        )
        for i, (caption, length_ms) in enumerate(zip(captions, lengths, strict=True))
    ]
    return replace(brief, shots=tuple(shots))


def _read(prompt: str) -> tuple[str | None, list[str]]:
    """Return the call to action, if words stand in quotation marks, and the other phrases."""
    call = None
    text = prompt
    if quoted := list(_QUOTED.finditer(prompt)):
        last = quoted[-1]
        call = _caption(next(group for group in last.groups() if group is not None))
        text = prompt[: last.start()] + _QUOTE_PLACE + prompt[last.end() :]
    text = _QUOTED.sub(lambda match: match[0][1:-1], text)
    phrases: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        phrases += _phrases(sentence)
    return call or None, phrases


def _phrases(sentence: str) -> list[str]:
    """Return the sentence in pieces that fit on a picture, cut at clauses, else between words."""
    leads = _QUOTE_PLACE in sentence
    plain = sentence.replace(_QUOTE_PLACE, " ")
    # "End with …" belongs to the words it introduces and is no phrase of its own.
    if leads and len(plain.split()) <= _LEAD_WORDS_MAX:
        return []
    pieces: list[str] = []
    for clause in _CLAUSE_END.split(plain):
        joined = f"{pieces[-1]} {clause}" if pieces else clause
        if pieces and len(joined) <= _PHRASE_CHARS_MAX:
            pieces[-1] = joined
        else:
            pieces += _lines(clause)
    return [caption for piece in pieces if (caption := _caption(piece))]


def _lines(clause: str) -> list[str]:
    lines: list[str] = []
    for word in clause.split():
        if lines and len(lines[-1]) + 1 + len(word) <= _PHRASE_CHARS_MAX:
            lines[-1] += f" {word}"
        else:
            lines.append(word[:200])
    return lines


def _caption(text: str) -> str:
    """Return `text` as it stands on a picture: one line, no trailing stop, a capital first."""
    line = " ".join(text.split()).strip().rstrip(".,;:،؛\u2013\u2014 ")[:200]
    return line[:1].upper() + line[1:] if any(map(str.isalnum, line)) else ""


def _spread(phrases: Sequence[str], most: int) -> list[str]:
    """Return at most `most` of `phrases`, evenly from first to last."""
    if len(phrases) <= most:
        return list(phrases)
    return [phrases[i * (len(phrases) - 1) // (most - 1)] for i in range(most)]


def _dealt(brief: Brief, index: int) -> tuple[str, ...]:
    """Return the references of shot `index`: the next subject, before the next background.

    What the film is compared with is not what it is made from.
    """
    compare = brief.review.compare
    given = [r for r in brief.references if compare is None or r.name != compare.reference]
    backgrounds = [r.name for r in given if r.role is Role.BACKGROUND]
    subjects = [r.name for r in given if r.role in (Role.PRODUCT, Role.AUTO)]
    return tuple(names[index % len(names)] for names in (subjects, backgrounds) if names)
