"""The Unicode bidirectional algorithm (UAX #9): which way each character runs.

The installed library gives a line's characters reordered, but shaping needs the level of every
character before the lines are broken, so the levels are computed here; the tests hold them
against the library's order.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Final

_DEPTH_MAX: Final = 125
_ISOLATES: Final = frozenset({"LRI", "RLI", "FSI"})
_EMBEDDINGS: Final = {"LRE": (0, ""), "RLE": (1, ""), "LRO": (0, "L"), "RLO": (1, "R")}
_REMOVED: Final = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "BN"})
_NEUTRAL: Final = frozenset({"B", "S", "WS", "ON", "LRI", "RLI", "FSI", "PDI"})
_RISE: Final = {"L": {"L": 0, "R": 1}, "R": {"R": 0}}  # I1 and I2, but for numbers and strays
_BRACKETS_OPEN_MAX: Final = 63  # BD16


def base_level(text: str) -> int:
    """Return 0 for text that reads from the left, 1 for text that reads from the right.

    The first strong character decides (P2, P3); text that merely begins with a foreign name
    reads from the right too when most of its words do.
    """
    first = _first_strong(text)
    if first == 1:
        return 1
    strong = [_first_strong(word) for word in text.split()]
    return int(strong.count(1) > strong.count(0))


def embedding_levels(paragraph: str, *, base: int) -> list[int]:
    """Return the level of each character of one paragraph; odd levels run to the left.

    Rule L1 (white space at a line's end) is left to whoever breaks the lines.
    """
    types = [_bidi_class(character) for character in paragraph]
    closers = _matching_closers(types)
    levels, resolved = _explicit_levels(types, closers, base)
    # The edges look at explicit levels, so all are read before any is resolved.
    sequences = _isolating_sequences(types, levels, closers)
    edges = [_edges(sequence, types, levels, closers, base) for sequence in sequences]
    for sequence, (sos, eos) in zip(sequences, edges, strict=True):
        kinds = [resolved[index] for index in sequence]
        _resolve_weak(kinds, sos)
        embedding = _direction(levels[sequence[0]])
        characters = [paragraph[index] for index in sequence]
        originals = [types[index] for index in sequence]
        _resolve_brackets(characters, kinds, originals, embedding=embedding, sos=sos)
        _resolve_neutral(kinds, embedding=embedding, sos=sos, eos=eos)
        for index, kind in zip(sequence, kinds, strict=True):
            levels[index] += _RISE[embedding].get(kind, 2 if embedding == "L" else 1)
    for index, kind in enumerate(types):
        if kind in _REMOVED:
            levels[index] = levels[index - 1] if index else base
    return levels


def visual_order(levels: Sequence[int]) -> list[int]:
    """Return the indices of one line's items from left to right (L2)."""
    order = list(range(len(levels)))
    odd = [level for level in levels if level % 2]
    for threshold in range(max(levels, default=0), min(odd, default=1) - 1, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= threshold:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = end + 1
    return order


def _bidi_class(character: str) -> str:
    return unicodedata.bidirectional(character) or "L"


def _first_strong(text: str) -> int | None:
    types = [_bidi_class(character) for character in text]
    return _first_strong_level(types, _matching_closers(types), 0, len(types))


def _first_strong_level(
    types: Sequence[str], closers: dict[int, int], start: int, end: int
) -> int | None:
    index = start
    while index < end:
        if types[index] in ("L", "R", "AL"):
            return int(types[index] != "L")
        index = closers.get(index, end) if types[index] in _ISOLATES else index + 1
    return None


def _matching_closers(types: Sequence[str]) -> dict[int, int]:
    """Map each isolate's opening to its closing (BD9)."""
    found: dict[int, int] = {}
    open_at: list[int] = []
    for index, kind in enumerate(types):
        if kind in _ISOLATES:
            open_at.append(index)
        elif kind == "PDI" and open_at:
            found[open_at.pop()] = index
    return found


def _explicit_levels(
    types: Sequence[str], closers: dict[int, int], base: int
) -> tuple[list[int], list[str]]:
    """Apply X1 to X8: levels from embeddings and isolates, and classes after overrides."""
    levels = [base] * len(types)
    resolved = list(types)
    stack = _Embeddings(base)
    for index, kind in enumerate(types):
        if kind == "PDI":
            stack.close_isolate()
        elif kind == "PDF":
            stack.close_embedding()
        if kind not in _REMOVED:
            levels[index], resolved[index] = stack.level, stack.override or kind
        if kind in _EMBEDDINGS or kind in _ISOLATES:
            odd, override = _opening(kind, types, closers, index)
            stack.open(odd=odd, override=override, isolate=kind in _ISOLATES)
    return levels, resolved


class _Embeddings:
    """The directional status stack of X1, with what has overflowed it."""

    def __init__(self, base: int) -> None:
        self._entries: list[tuple[int, str, bool]] = [(base, "", False)]
        self._lost_isolates = self._lost_embeddings = self._isolates = 0

    @property
    def level(self) -> int:
        return self._entries[-1][0]

    @property
    def override(self) -> str:
        return self._entries[-1][1]

    def open(self, *, odd: int, override: str, isolate: bool) -> None:
        deeper = self.level + 1 if (self.level + 1) % 2 == odd else self.level + 2
        if deeper <= _DEPTH_MAX and not self._lost_isolates and not self._lost_embeddings:
            self._isolates += isolate
            self._entries.append((deeper, override, isolate))
        elif isolate:
            self._lost_isolates += 1
        elif not self._lost_isolates:
            self._lost_embeddings += 1

    def close_isolate(self) -> None:
        if self._lost_isolates:
            self._lost_isolates -= 1
        elif self._isolates:
            self._lost_embeddings = 0
            while not self._entries.pop()[2]:
                pass
            self._isolates -= 1

    def close_embedding(self) -> None:
        if self._lost_isolates:
            return
        if self._lost_embeddings:
            self._lost_embeddings -= 1
        elif not self._entries[-1][2] and len(self._entries) > 1:
            self._entries.pop()


def _opening(
    kind: str, types: Sequence[str], closers: dict[int, int], index: int
) -> tuple[int, str]:
    if kind in _EMBEDDINGS:
        return _EMBEDDINGS[kind]
    if kind == "FSI":
        end = closers.get(index, len(types))
        return _first_strong_level(types, closers, index + 1, end) or 0, ""
    return int(kind == "RLI"), ""


def _isolating_sequences(
    types: Sequence[str], levels: Sequence[int], closers: dict[int, int]
) -> list[list[int]]:
    """Return the isolating run sequences as lists of indices (BD13, X9, X10)."""
    runs: list[list[int]] = []
    for index, kind in enumerate(types):
        if kind in _REMOVED:
            continue
        if runs and levels[runs[-1][-1]] == levels[index]:
            runs[-1].append(index)
        else:
            runs.append([index])
    starting_at = {run[0]: run for run in runs}
    closing = set(closers.values())
    sequences = []
    for run in runs:
        if run[0] in closing:
            continue
        sequence = list(run)
        while (closer := closers.get(sequence[-1])) is not None and closer in starting_at:
            sequence += starting_at[closer]
        sequences.append(sequence)
    return sequences


def _edges(
    sequence: Sequence[int],
    types: Sequence[str],
    levels: Sequence[int],
    closers: dict[int, int],
    base: int,
) -> tuple[str, str]:
    """Return the directions that hold before and after a sequence, sos and eos (X10)."""
    first, last = sequence[0], sequence[-1]
    before = next((levels[i] for i in range(first - 1, -1, -1) if types[i] not in _REMOVED), base)
    after = next((levels[i] for i in range(last + 1, len(types)) if types[i] not in _REMOVED), base)
    if types[last] in _ISOLATES and last not in closers:
        after = base
    level = levels[first]
    return _direction(max(level, before)), _direction(max(level, after))


def _direction(level: int) -> str:
    return "R" if level % 2 else "L"


def _resolve_weak(kinds: list[str], sos: str) -> None:
    previous = sos
    for index, kind in enumerate(kinds):  # W1
        if kind == "NSM":
            kinds[index] = "ON" if previous in _ISOLATES or previous == "PDI" else previous
        previous = kinds[index]
    strong = sos
    for index, kind in enumerate(kinds):  # W2; W3 follows, since W2 looks for AL
        if kind in ("L", "R", "AL"):
            strong = kind
        elif kind == "EN" and strong == "AL":
            kinds[index] = "AN"
    kinds[:] = ["R" if kind == "AL" else kind for kind in kinds]
    for index in range(1, len(kinds) - 1):  # W4
        left, kind, right = kinds[index - 1 : index + 2]
        if left == right and (
            (kind in ("ES", "CS") and left == "EN") or (kind, left) == ("CS", "AN")
        ):
            kinds[index] = left
    _join_terminators(kinds)
    kinds[:] = ["ON" if kind in ("ES", "ET", "CS") else kind for kind in kinds]  # W6
    strong = sos
    for index, kind in enumerate(kinds):  # W7
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            kinds[index] = "L"


def _join_terminators(kinds: list[str]) -> None:
    """Let signs such as the euro's and the per cent's join the number beside them (W5)."""
    start = 0
    while start < len(kinds):
        end = start
        while end < len(kinds) and kinds[end] == "ET":
            end += 1
        beside = kinds[max(start - 1, 0) : start] + kinds[end : end + 1]
        if end > start and "EN" in beside:
            kinds[start:end] = ["EN"] * (end - start)
        start = max(end, start + 1)


def _resolve_brackets(
    characters: Sequence[str],
    kinds: list[str],
    originals: Sequence[str],
    *,
    embedding: str,
    sos: str,
) -> None:
    """Give both brackets of a pair one direction (N0)."""
    for opening, closing in _bracket_pairs(characters, kinds):
        inside = {_strong(kind) for kind in kinds[opening + 1 : closing]} - {""}
        if not inside:
            continue
        if embedding in inside:
            chosen = embedding
        else:
            earlier = (_strong(kind) for kind in reversed(kinds[:opening]))
            chosen = next((kind for kind in earlier if kind), sos)
        for bracket in (opening, closing):
            kinds[bracket] = chosen
            follower = bracket + 1
            while follower < len(kinds) and originals[follower] == "NSM":
                kinds[follower] = chosen
                follower += 1


def _strong(kind: str) -> str:
    return {"L": "L", "R": "R", "EN": "R", "AN": "R"}.get(kind, "")


def _bracket_pairs(characters: Sequence[str], kinds: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of BD16, by their openings."""
    pairs = []
    stack: list[tuple[str, int]] = []
    for index, character in enumerate(characters):
        if kinds[index] != "ON":
            continue
        closer = _closing_bracket(character)
        if closer:
            if len(stack) == _BRACKETS_OPEN_MAX:
                break
            stack.append((closer, index))
            continue
        for depth in range(len(stack) - 1, -1, -1):
            if stack[depth][0] == character:
                pairs.append((stack[depth][1], index))
                del stack[depth:]
                break
    return sorted(pairs)


def _closing_bracket(character: str) -> str:
    """Return the bracket that closes this one, or nothing.

    Outside ASCII a mirrored opening is followed in Unicode by its closing, so no table is kept.
    """
    ascii_pairs = {"(": ")", "[": "]", "{": "}"}
    if character in ascii_pairs:
        return ascii_pairs[character]
    if character < "\u0f3a" or unicodedata.category(character) != "Ps":
        return ""
    following = chr(ord(character) + 1)
    both = unicodedata.mirrored(character) and unicodedata.category(following) == "Pe"
    return following if both else ""


def _resolve_neutral(kinds: list[str], *, embedding: str, sos: str, eos: str) -> None:
    start = 0
    while start < len(kinds):
        end = start
        while end < len(kinds) and kinds[end] in _NEUTRAL:
            end += 1
        if end > start:
            left = _strong(kinds[start - 1]) if start else sos
            right = _strong(kinds[end]) if end < len(kinds) else eos
            kinds[start:end] = [left if left == right else embedding] * (end - start)
        start = max(end, start + 1)
