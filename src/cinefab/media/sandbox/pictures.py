"""A stranger's picture, decoded behind the lock.

Accepted: still PNG, JPEG, WebP and AVIF, whole, of the format that their name promises. What follows a
file's end is ignored. Embedded colour profiles are not applied: pixels are taken as sRGB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import numpy as np

from cinefab.core.canonical import Json
from cinefab.media.frames import Mask, Rgb
from cinefab.media.sandbox.outcome import Cause, DecodeRefused
from cinefab.media.sandbox.sandbox import Sandbox, SandboxResult
from cinefab.media.sandbox.talk import printable

PICTURE_TASK: Final = "cinefab.media.sandbox.picture_task:decode"
"""The task's name, for `Sandbox.warm`."""

ROW_TASK: Final = "cinefab.media.sandbox.row_task:decode"

_FORMATS: Final = frozenset({"png", "jpeg", "webp", "avif"})
_NAME_MAX: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLimits:
    """How large a picture may be before it is decoded: all its pixels, and either side."""

    pixels_max: int = 50_000_000
    side_max: int = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedPicture:
    """An upright picture; `alpha` is None where it is wholly opaque.

    Where there is an `alpha`, colours are not multiplied by it, and wholly clear pixels are white.
    `format` is `png`, `jpeg`, `webp` or `avif`, the last part of its media type.
    """

    rgb: Rgb
    alpha: Mask | None
    format: str


_DEFAULT_LIMITS: Final = PictureLimits()


def decode_picture(
    sandbox: Sandbox,
    data: bytes,
    *,
    name: str,
    task: str = PICTURE_TASK,
    expected: str | None = None,
    limits: PictureLimits = _DEFAULT_LIMITS,
) -> DecodedPicture:
    """Return the picture in `data`; `name` is the file's, whose ending must fit the content.

    `task` is a reader's, `expected` the format that it recognised; without one, any of ours will
    do. Raises `DecodeRefused` for what is no whole, still picture of an accepted format within the
    limits, or takes more than the sandbox gives; `SandboxUnavailable` as `Sandbox.run` does.
    """
    called = printable(name, length_max=_NAME_MAX) or "a picture without a name"
    result = sandbox.run(
        task,
        data,
        arguments={
            "name": name[-_NAME_MAX:],
            "pixels_max": limits.pixels_max,
            "side_max": limits.side_max,
        },
        called=called,
    )
    formats = _FORMATS if expected is None else frozenset({expected})
    return check_picture(result, called=called, limits=limits, formats=formats)


def decode_row(
    sandbox: Sandbox,
    files: Sequence[bytes],
    *,
    name: str,
    limits: PictureLimits = _DEFAULT_LIMITS,
) -> Iterator[DecodedPicture]:
    """Yield the pictures in `files`, which one sender sent, in one process; `name` is the row's.

    Raises as `decode_picture` does, also after pictures that were good.
    """
    called = printable(name, length_max=_NAME_MAX) or "pictures without a name"
    lengths: list[Json] = [len(each) for each in files]
    pieces = sandbox.stream(
        ROW_TASK,
        b"".join(files),
        arguments={
            "lengths": lengths,
            "pixels_max": limits.pixels_max,
            "side_max": limits.side_max,
        },
        called=called,
    )
    count = 0
    for piece in pieces:
        count += 1
        if count > len(files):
            break
        yield check_picture(piece, called=called, limits=limits)
    if count != len(files):
        _refuse(called, Cause.BAD_ANSWER, f"{count} pictures came of {len(files)}")


def check_picture(
    result: SandboxResult,
    *,
    called: str,
    limits: PictureLimits,
    formats: frozenset[str] = _FORMATS,
) -> DecodedPicture:
    """Return the picture in an answer, believing nothing; raise `DecodeRefused` for a false one.

    A decoder that was taken over may answer with anything.
    """
    if "premature end" in result.log.lower():
        _refuse(called, Cause.REFUSED, "its pixels end before the picture does")
    facts: dict[str, Any] = result.facts
    width, height, alpha = facts.get("width"), facts.get("height"), facts.get("alpha")
    kind = str(facts.get("format"))
    if type(width) is not int or type(height) is not int or kind not in formats:
        _refuse(called, Cause.BAD_ANSWER, "the decoder's answer does not describe a picture")
    if not (0 < width <= limits.side_max and 0 < height <= limits.side_max):
        _refuse(called, Cause.BAD_ANSWER, "the decoder's answer is of no possible size")
    sizes = [width * height * 3, width * height] if alpha is True else [width * height * 3]
    if [len(blob) for blob in result.blobs] != sizes:
        _refuse(called, Cause.BAD_ANSWER, "the decoder's pixels do not fit its description")
    pixels = [np.frombuffer(blob, np.uint8) for blob in result.blobs]
    return DecodedPicture(
        rgb=pixels[0].reshape(height, width, 3),
        alpha=pixels[1].reshape(height, width) if alpha is True else None,
        format=kind,
    )


def _refuse(called: str, cause: Cause, found: str) -> NoReturn:
    raise DecodeRefused(
        cause=cause,
        attempted=f"decode {called}",
        found=found,
        remedy="The file is broken or hostile; export it again.",
    )
