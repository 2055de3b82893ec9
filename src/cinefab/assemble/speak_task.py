"""The process that speaks: a line of text comes in, a sound file and its words' times go out."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cinefab.assemble.voice import Spoken, Voice
from cinefab.core.canonical import Json
from cinefab.core.errors import BriefInvalid
from cinefab.media.audio import resampled, write_flac

FASTER_MAX: Final = 1.25
"""How much faster than it was asked for a line may be spoken, so that it fits its shot."""

_SPARE: Final = 1.03
_TRIES: Final = 3


def speak(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Speak lines into FLAC files, each faster where it would not fit into its shot.

    `argument`: `entry` (`package.module:Class`) and `lines`, each with its `text`, `voice`,
    `rate_wpm`, `pitch`, `room_ms`, `field` (where the brief has it) and `path`. Raises `BriefInvalid` with that field for a line that
    is too long however fast, or in which nothing can be spoken; then none is written.
    """
    voice = _load(argument["entry"])
    spoken: list[Json] = []
    try:
        for line in argument["lines"]:
            # Written before the next is spoken: a long film's lines are never in memory together.
            found, rate_wpm = _fitted(voice, line)
            spoken.append(_written(found, rate_wpm, Path(line["path"])))
    except BaseException:
        for line in argument["lines"][: len(spoken)]:
            Path(line["path"]).unlink(missing_ok=True)
        raise
    return spoken


def _written(spoken: Spoken, rate_wpm: int, path: Path) -> Json:
    path.parent.mkdir(parents=True, exist_ok=True)
    size_bytes = write_flac([resampled(spoken.samples, spoken.rate_hz)], path)
    return {
        "path": str(path),
        "size_bytes": size_bytes,
        "language": spoken.language,
        "rate_wpm": rate_wpm,
        "length_ms": _length_ms(spoken),
        "words": [[word.text, word.start_ms, word.end_ms] for word in spoken.words],
    }


def _fitted(voice: Voice, argument: Mapping[str, Any]) -> tuple[Spoken, int]:
    asked, room_ms = argument["rate_wpm"], argument["room_ms"]
    most = math.floor(asked * FASTER_MAX)
    rate, length_ms = asked, 0
    for _ in range(_TRIES):
        spoken = voice.speak(
            argument["text"], voice=argument["voice"], rate_wpm=rate, pitch=argument["pitch"]
        )
        if not len(spoken.samples):
            raise _refused(argument, "nothing in it can be spoken", "Write words, or leave it out.")
        length_ms = _length_ms(spoken)
        if length_ms <= room_ms:
            return spoken, rate
        if rate == most:
            break
        rate = min(most, math.ceil(rate * length_ms / room_ms * _SPARE))
    raise _refused(
        argument,
        f"the line takes {length_ms / 1000:.1f} seconds at {rate} words a minute, its shot has "
        f"room for {room_ms / 1000:.1f}",
        "Shorten the line, make the shot longer, or raise sound.voice.rate.",
    )


def _length_ms(spoken: Spoken) -> int:
    return -(-len(spoken.samples) * 1000 // spoken.rate_hz)


def _refused(argument: Mapping[str, Any], found: str, remedy: str) -> BriefInvalid:
    return BriefInvalid(
        attempted="speak the film's lines", field=argument["field"], found=found, remedy=remedy
    )


def _load(entry: str) -> Voice:
    module, _, name = entry.partition(":")
    voice: Voice = getattr(importlib.import_module(module), name)()
    return voice
