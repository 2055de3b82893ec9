"""What is known of a picture before it is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from cinefab.media.sandbox.outcome import PayloadRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A picture's size in pixels as stored, how to turn it (EXIF 1 to 8), and its essence.

    `essence` is a valid file with nothing in it but what determines the pixels: metadata,
    profiles, thumbnails and trailing data never reach the decoder. `bits` is what white has where
    samples come in two bytes.
    """

    width: int
    height: int
    orientation: int
    essence: bytes
    bits: int = 16


def refuse_truncated(where: str) -> NoReturn:
    """Raise `PayloadRefused` for a file that ends before it is complete."""
    raise PayloadRefused(
        found=f"the file is cut off {where}", remedy="Copy or download it again, all of it."
    )


def refuse_broken(found: str) -> NoReturn:
    """Raise `PayloadRefused` for a file that its format does not allow."""
    raise PayloadRefused(
        found=f"the file is broken: {found}", remedy="Open it in an editor and export it again."
    )


def refuse_animated() -> NoReturn:
    """Raise `PayloadRefused` for a file with more than one frame.

    Showing its first frame would be a guess at what was meant.
    """
    raise PayloadRefused(
        found="it is animated, and a reference is one still picture",
        remedy="Export the one frame that is to be shown.",
    )
