"""The task behind the lock for many pictures of one sender: each is decoded as one alone would be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cinefab.media.sandbox import picture_task
from cinefab.media.sandbox.outcome import PayloadRefused

warm_up = picture_task.warm_up


def decode(
    payload: bytes, *, lengths: Sequence[int], pixels_max: int, side_max: int
) -> Iterator[tuple[dict[str, Any], list[memoryview]]]:
    """Yield what `picture_task.decode` gives for each of the files that `payload` is made of."""
    if sum(lengths) != len(payload):
        raise PayloadRefused(found="it is cut off", remedy="Send all of it.")
    at = 0
    for length in lengths:
        piece = payload[at : at + length]
        yield picture_task.decode(piece, name="", pixels_max=pixels_max, side_max=side_max)
        at += length
