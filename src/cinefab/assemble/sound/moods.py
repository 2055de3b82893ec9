"""Moods: what a word in a brief means in keys, chords, tempo and instruments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cinefab.core.sound import Mood

Chord = tuple[int, ...]
"""Semitones above the tonic: the root first, then what colours it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Character:
    """How a mood is played; levels are in decibels, and None leaves an instrument out.

    `chords` go round; `cadence` leads to `home`, on which every film ends.
    """

    tempo_bpm: int
    scale: tuple[int, ...]
    chords: tuple[Chord, ...]
    cadence: Chord
    home: Chord
    pad_db: float
    keys_db: float | None
    bell_db: float | None
    bass_db: float
    bass_steps: int
    kick_db: float | None
    clap_db: float | None
    shaker_db: float | None
    brightness: float


_MAJOR: Final = (0, 2, 4, 7, 9)
_MINOR: Final = (0, 3, 5, 7, 10)

CHARACTERS: Final[Mapping[Mood, Character]] = {
    Mood.CALM: Character(
        tempo_bpm=72,
        scale=_MAJOR,
        chords=((0, 4, 7, 11, 14), (9, 12, 16, 19), (5, 9, 12, 16), (2, 5, 9, 12, 16)),
        cadence=(7, 12, 14, 17),
        home=(0, 4, 7, 14),
        pad_db=-17,
        keys_db=-21,
        bell_db=-27,
        bass_db=-19,
        bass_steps=1,
        kick_db=None,
        clap_db=None,
        shaker_db=None,
        brightness=0.35,
    ),
    Mood.WARM: Character(
        tempo_bpm=92,
        scale=_MAJOR,
        chords=((0, 4, 7, 14), (7, 11, 14, 16), (9, 12, 16, 19), (5, 9, 12, 19)),
        cadence=(7, 12, 14, 17),
        home=(0, 4, 7, 14),
        pad_db=-19,
        keys_db=-18,
        bell_db=-27,
        bass_db=-17,
        bass_steps=2,
        kick_db=-17,
        clap_db=-30,
        shaker_db=-33,
        brightness=0.5,
    ),
    Mood.BRIGHT: Character(
        tempo_bpm=112,
        scale=_MAJOR,
        chords=((0, 4, 7, 12), (5, 9, 12, 16), (9, 12, 16, 19), (7, 11, 14, 19)),
        cadence=(7, 11, 14, 17),
        home=(0, 4, 7, 12),
        pad_db=-22,
        keys_db=-16,
        bell_db=-22,
        bass_db=-16,
        bass_steps=4,
        kick_db=-14,
        clap_db=-23,
        shaker_db=-28,
        brightness=0.8,
    ),
    Mood.TENSE: Character(
        tempo_bpm=96,
        scale=_MINOR,
        chords=((0, 3, 7, 10), (8, 12, 15, 19), (5, 8, 12, 15), (7, 10, 14, 17)),
        cadence=(7, 11, 14, 17),
        home=(0, 3, 7, 12),
        pad_db=-18,
        keys_db=None,
        bell_db=-25,
        bass_db=-14,
        bass_steps=8,
        kick_db=-15,
        clap_db=None,
        shaker_db=-28,
        brightness=0.3,
    ),
    Mood.GRAND: Character(
        tempo_bpm=80,
        scale=_MAJOR,
        chords=((9, 12, 16, 19), (5, 9, 12, 16), (0, 4, 7, 12, 16), (7, 11, 14, 19)),
        cadence=(7, 11, 14, 17),
        home=(0, 4, 7, 12, 16),
        pad_db=-14,
        keys_db=-24,
        bell_db=-22,
        bass_db=-15,
        bass_steps=2,
        kick_db=-14,
        clap_db=-28,
        shaker_db=None,
        brightness=0.7,
    ),
}
