"""Captions from words and their times: two short lines at a time, there when they are heard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from cinefab.core.brief import Brief
from cinefab.core.sound import Cue, Sound, SpokenLine, Word

LINE_CHARS: Final = 42
"""The most characters in a line; a caption has at most two."""

_CHARS_A_SECOND: Final = 17
_LINGER_MS: Final = 250
_PAUSE_MS: Final = 600
_SENTENCE_CHARS_MIN: Final = 18
_APART_MS: Final = 1
_SENTENCE_ENDS: Final = (".", "!", "?", "…", "。", "؟")


def plan_cues(
    brief: Brief, spoken: Sequence[SpokenLine], *, starts_ms: Sequence[int]
) -> tuple[Cue, ...]:
    """Return the film's captions in order; `starts_ms` are the shots' starts and the film's end.

    A caption begins with its first word and stays long enough to be read, but not into the next.
    """
    said = {line.shot: line for line in spoken}
    wants_words = brief.captions is not None and brief.captions.on_screen
    cues: list[Cue] = []
    for index, shot in enumerate(brief.shots):
        start_ms, end_ms = starts_ms[index], starts_ms[index + 1]
        if (line := said.get(index)) is not None:
            words = [
                Word(word.text, line.start_ms + word.start_ms, line.start_ms + word.end_ms)
                for word in line.words
            ]
            cues += _cues(words, shot=index, language=line.language, until_ms=end_ms)
        elif wants_words and shot.caption.split():
            language = (brief.sound or Sound()).voice.name.rpartition("/")[2]
            words = list(_spread(shot.caption, start_ms, end_ms))
            cues += _cues(words, shot=index, language=language, until_ms=end_ms)
    return tuple(cues)


def _cues(words: Sequence[Word], *, shot: int, language: str, until_ms: int) -> Iterator[Cue]:
    groups = list(_grouped([part for word in words for part in _short(word)]))
    for index, group in enumerate(groups):
        start_ms = group[0].start_ms
        text = " ".join(word.text for word in group)
        following = groups[index + 1][0].start_ms if index + 1 < len(groups) else until_ms
        read_ms = start_ms + len(text) * 1000 // _CHARS_A_SECOND
        wanted = max(group[-1].end_ms + _LINGER_MS, read_ms)
        yield Cue(
            shot=shot,
            start_ms=start_ms,
            end_ms=max(start_ms + _APART_MS, min(wanted, following)),
            lines=_balanced([word.text for word in group]),
            language=language,
        )


def _grouped(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and (_is_over(group, word) or not _fits([*group, word])):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _is_over(group: Sequence[Word], following: Word) -> bool:
    """Say whether a thought ends here: a pause, or a sentence that is not too short to stand alone."""
    last = group[-1]
    if following.start_ms - last.end_ms > _PAUSE_MS:
        return True
    length = sum(len(word.text) + 1 for word in group)
    return last.text.endswith(_SENTENCE_ENDS) and length >= _SENTENCE_CHARS_MIN


def _fits(group: Sequence[Word]) -> bool:
    lines = _balanced([word.text for word in group])
    return len(lines) <= 2 and all(len(line) <= LINE_CHARS for line in lines)


def _balanced(words: Sequence[str]) -> tuple[str, ...]:
    """Return one line where it is short enough, else two of nearly the same length."""
    whole = " ".join(words)
    if len(whole) <= LINE_CHARS or len(words) == 1:
        return (whole,)
    halves = [(" ".join(words[:n]), " ".join(words[n:])) for n in range(1, len(words))]
    # The shorter longest line; of two alike, the one that is heavier below.
    return min(halves, key=lambda lines: (max(map(len, lines)), len(lines[0])))


def _short(word: Word) -> Iterator[Word]:
    """Return a word in pieces that fit a line, each with its share of the time."""
    pieces = [word.text[n : n + LINE_CHARS] for n in range(0, len(word.text), LINE_CHARS)]
    length_ms = word.end_ms - word.start_ms
    for index, piece in enumerate(pieces):
        start_ms = word.start_ms + length_ms * index // len(pieces)
        yield Word(piece, start_ms, word.start_ms + length_ms * (index + 1) // len(pieces))


def _spread(text: str, start_ms: int, end_ms: int) -> Iterator[Word]:
    """Return the words of a text that nobody speaks, spread over its shot by their length."""
    words = text.split()
    total = sum(len(word) + 1 for word in words)
    over = 0
    for word in words:
        begins = start_ms + (end_ms - start_ms) * over // total
        over += len(word) + 1
        yield Word(word, begins, start_ms + (end_ms - start_ms) * over // total)
