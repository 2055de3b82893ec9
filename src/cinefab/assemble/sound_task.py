"""The process that makes a film's sound: numbers and paths come in, two files go out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

from cinefab.assemble.sound.mastering import Raw, find_level, mastered, measured
from cinefab.assemble.sound.mixing import Mix, mixed
from cinefab.assemble.sound.samples import in_blocks
from cinefab.assemble.sound.speech import Line, line_at
from cinefab.assemble.sound.timeline import timeline_of
from cinefab.core.brief import TransitionKind
from cinefab.core.canonical import Json
from cinefab.core.errors import ContractMismatch
from cinefab.core.sound import SAMPLE_RATE, Mood, Music
from cinefab.media.audio import read_sound, write_aac, write_flac

PEAK_MAX_DBTP: Final = -1.0
"""What no true peak is above, measured on the sound that is delivered."""

_CEILING_DB: Final = -2.0  # AAC adds peaks of its own, seldom more than half a decibel
_SPARE_DB: Final = 0.1
_ATTEMPTS: Final = 4


def make_sound(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Mix and master a film's sound; write it as FLAC at `kept` and as AAC at `track`.

    `argument`: `shots` (lengths in frames), `transitions` ([into, kind, frames]), `fps`, `music`
    (null or its fields), `effects`, `seed`, `lines` (`path`, `start_ms`, `length_ms`), `lufs_hundredths`,
    `kept`, `track`, and `bed`, the file of the music where a model made it. Returns both files' sizes and what was measured on the delivered one.
    """
    kept, track = Path(argument["kept"]), Path(argument["track"])
    kept.parent.mkdir(parents=True, exist_ok=True)
    lufs = argument["lufs_hundredths"] / 100
    scratch = kept.with_suffix(".raw")
    try:
        raw = Raw(scratch, mixed(_mix(argument)))
        ceiling_db, heard_lufs, peak_dbtp = _CEILING_DB, 0.0, 0.0
        for _ in range(_ATTEMPTS):
            level = find_level(raw, lufs=lufs, ceiling_db=ceiling_db)
            kept_bytes = write_flac(mastered(raw, level), kept)
            track_bytes = write_aac(kept, track)
            heard_lufs, peak_dbtp = measured(in_blocks(read_sound(track)))
            if peak_dbtp <= PEAK_MAX_DBTP - _SPARE_DB:
                break
            ceiling_db -= peak_dbtp - PEAK_MAX_DBTP + 2 * _SPARE_DB
        else:
            raise ContractMismatch(
                attempted="master the film's sound",
                found=f"true peaks of {peak_dbtp:.2f} dBTP after {_ATTEMPTS} attempts",
                remedy="Order a lower sound.loudness, or music at a lower level",
            )
    finally:
        scratch.unlink(missing_ok=True)
    return {
        "kept_bytes": kept_bytes,
        "track_bytes": track_bytes,
        "samples": raw.samples,
        "lufs_hundredths": round(100 * heard_lufs),
        "peak_hundredths": round(100 * peak_dbtp),
    }


def _mix(argument: Mapping[str, Any]) -> Mix:
    music = argument["music"]
    timeline = timeline_of(
        argument["shots"],
        [(into, TransitionKind(kind), frames) for into, kind, frames in argument["transitions"]],
        fps=Fraction(argument["fps"]),
    )
    return Mix(
        timeline=timeline,
        music=_music(music),
        bed=None if argument.get("bed") is None else Path(argument["bed"]),
        effects=argument["effects"],
        lines=[
            Line(
                path=Path(line["path"]),
                at=line_at(line["start_ms"]),
                samples=line["length_ms"] * SAMPLE_RATE // 1000,
            )
            for line in argument["lines"]
        ],
        seed=argument["seed"],
    )


def _music(given: Any) -> Music | None:
    if given is None:
        return None
    # What a model made has no mood.
    return Music(**{**given, **({"mood": Mood(given["mood"])} if "mood" in given else {})})
