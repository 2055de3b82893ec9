"""The one thing in EXIF that changes how a picture looks: which way up it is."""

from __future__ import annotations

import struct
from typing import Final

_ORIENTATION_TAG: Final = 0x0112
_SHORT: Final = 3
_ENTRIES_MAX: Final = 512
UPRIGHT: Final = 1


def orientation_of(tiff: bytes) -> int:
    """Return the orientation (1 to 8) in a TIFF block, 1 where there is none to be found.

    Cameras write broken EXIF often enough that it is no reason to refuse a picture.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return UPRIGHT
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for index in range(min(count, _ENTRIES_MAX)):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * index)
            if tag == _ORIENTATION_TAG and kind == _SHORT and 1 <= value <= 8:
                return int(value)
    except struct.error:
        return UPRIGHT
    return UPRIGHT
