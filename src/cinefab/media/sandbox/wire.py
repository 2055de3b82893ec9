"""The frames that cross the sandbox's pipes: lengths, JSON, raw bytes, nothing that can execute.

A frame is the length of a JSON object in four bytes, big end first, the object, and then the
blobs one after another; `"blobs"` in the object lists their lengths. The reader believes no
length before it has compared it with a limit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

HEAD_BYTES_MAX: Final = 1 << 16
BLOBS_MAX: Final = 8
_LENGTH_BYTES: Final = 4


class WireError(ValueError):
    """What came over the pipe is no frame, or is larger than allowed."""


def frame(head: Mapping[str, Any], blobs: Sequence[bytes | memoryview]) -> list[bytes | memoryview]:
    """Return the pieces of a frame in the order in which they are sent."""
    text = json.dumps({**head, "blobs": [memoryview(blob).nbytes for blob in blobs]}).encode()
    if len(text) > HEAD_BYTES_MAX:
        raise WireError(f"a head of {len(text)} bytes, at most {HEAD_BYTES_MAX} are allowed")
    return [len(text).to_bytes(_LENGTH_BYTES, "big"), text, *blobs]


class FrameReader:
    """Takes one frame in, piece by piece, straight into the buffers that keep it."""

    def __init__(self, *, blob_bytes_max: int) -> None:
        self.head: dict[str, Any] = {}
        self.blobs: list[bytearray] = []
        self._blob_bytes_max = blob_bytes_max
        self._wanted = [bytearray(_LENGTH_BYTES)]
        self._position = 0
        self._stage = self._take_length

    @property
    def done(self) -> bool:
        """Whether the whole frame has arrived."""
        return not self._wanted

    def room(self) -> memoryview:
        """Return where the next bytes belong; never empty while the frame is not done."""
        return memoryview(self._wanted[0])[self._position :]

    def filled(self, count: int) -> None:
        """Note that `count` bytes were put into `room()`; raise `WireError` for a bad frame."""
        self._position += count
        while self._wanted and self._position == len(self._wanted[0]):
            self._position = 0
            self._stage(self._wanted.pop(0))

    def read_from(self, descriptor: int) -> None:
        """Fill the frame from a blocking descriptor; raise `WireError` if it ends too early."""
        while not self.done:
            count = os.readv(descriptor, [self.room()])
            if count == 0:
                raise WireError("the pipe closed inside a frame")
            self.filled(count)

    def _take_length(self, piece: bytearray) -> None:
        length = int.from_bytes(piece, "big")
        if not 0 < length <= HEAD_BYTES_MAX:
            raise WireError(f"a head of {length} bytes, at most {HEAD_BYTES_MAX} are allowed")
        self._stage = self._take_head
        self._wanted.append(bytearray(length))

    def _take_head(self, piece: bytearray) -> None:
        try:
            head = json.loads(piece)
        except (ValueError, RecursionError) as error:
            raise WireError("the head is not JSON") from error
        lengths = head.get("blobs") if isinstance(head, dict) else None
        if not isinstance(lengths, list) or not all(type(n) is int and n >= 0 for n in lengths):
            raise WireError("the head does not list the lengths of its blobs")
        if len(lengths) > BLOBS_MAX or sum(lengths) > self._blob_bytes_max:
            raise WireError(
                f"{len(lengths)} blobs of {sum(lengths)} bytes announced, at most {BLOBS_MAX} of "
                f"{self._blob_bytes_max} are allowed"
            )
        self.head = head
        # Untouched pages of a fresh bytearray cost nothing: memory grows with what arrives.
        self.blobs = [bytearray(length) for length in lengths]
        self._stage = self._take_blob
        self._wanted = [blob for blob in self.blobs if blob]

    def _take_blob(self, piece: bytearray) -> None:
        """Nothing to do: the blob is already where it belongs."""
