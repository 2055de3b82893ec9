"""The music as notes: harmony, bass, melody and rhythm over bars that follow the cut."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from cinefab.assemble.sound.moods import Character, Chord
from cinefab.assemble.sound.samples import seconds
from cinefab.assemble.sound.tempo import Bar, Part
from cinefab.assemble.sound.timeline import Timeline
from cinefab.core.brief import TransitionKind


class Instrument(Enum):
    """What plays a note; a swell's pitch and a drum's mean nothing."""

    PAD = auto()
    KEYS = auto()
    BELL = auto()
    BASS = auto()
    KICK = auto()
    CLAP = auto()
    SHAKER = auto()
    SWELL = auto()


@dataclass(frozen=True, slots=True)
class Note:
    """One note: where it begins and how long it is held, in samples; its pitch and level."""

    at: int
    samples: int
    instrument: Instrument
    pitch: int
    level_db: float
    place: float = 0.0


_PAD_LOW: Final = 53  # chords lie in the octave above, where they neither boom nor cover speech
_BASS_LOW: Final = 33
_BELL_LOW: Final = 72
_RING_S: Final = 0.35  # what is left of the last chord after its notes are let go
_RHYTHMS: Final = (
    (0, 1.5, 3),
    (0, 1, 2.5),
    (0.5, 1.5, 2.5, 3),
    (0, 0.75, 1.5, 3),
    (0, 2, 2.5, 3.5),
)
_ARPEGGIOS: Final = ((0, 2, 1, 3), (0, 1, 2, 3), (3, 1, 2, 0), (0, 2, 3, 1))


def write_score(
    timeline: Timeline, bars: Sequence[Bar], character: Character, *, seed: int
) -> Iterator[Note]:
    """Yield the notes of a film's music in the order in which they begin; the seed decides."""
    chance = random.Random(seed)
    writer = _Writer(
        character=character,
        tonic=chance.choice((-5, -3, -2, 0, 2, 3, 5)),
        rhythm=chance.choice(_RHYTHMS),
        contour=[chance.randrange(5) for _ in range(8)],
        arpeggio=chance.choice(_ARPEGGIOS),
        end=timeline.samples,
    )

    def played() -> Iterator[Note]:
        for number, bar in enumerate(bars):
            chord = _chord(number, len(bars), character)
            notes = writer.bar(bar, chord, number=number, last=number == len(bars) - 1)
            yield from sorted(notes, key=_order)  # all of them begin before the next bar does

    yield from heapq.merge(played(), sorted(_swells(timeline, bars), key=_order), key=_order)


def _order(note: Note) -> tuple[int, int, int]:
    return note.at, note.instrument.value, note.pitch


def _chord(number: int, count: int, character: Character) -> Chord:
    """Return a bar's chord: round and round, but for the cadence, which comes home at the end."""
    if number == count - 1:
        return character.home
    if number == count - 2 and count > 2:
        return character.cadence
    return character.chords[number % len(character.chords)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writer:
    """Writes bar after bar; holds what stays the same through a film."""

    character: Character
    tonic: int
    rhythm: tuple[float, ...]
    contour: Sequence[int]
    arpeggio: tuple[int, ...]
    end: int

    def bar(self, bar: Bar, chord: Chord, *, number: int, last: bool) -> Iterator[Note]:
        """Write one bar."""
        voicing = sorted(_above(_PAD_LOW, self.tonic + tone) for tone in chord)
        yield from self._pad(bar, voicing, last=last)
        yield from self._bass(bar, chord[0], last=last)
        yield from self._keys(bar, voicing, last=last)
        if last:
            yield Note(bar.at, bar.end - bar.at, Instrument.BELL, voicing[0] + 24, self._bell() - 2)
            return
        if bar.part is not Part.INTRO:
            yield from self._melody(bar, chord, number=number)
        if bar.part in (Part.BUILD, Part.FULL):
            yield from self._drums(bar)

    def _pad(self, bar: Bar, voicing: Sequence[int], *, last: bool) -> Iterator[Note]:
        until = self.end - seconds(_RING_S) if last else bar.end
        level = self.character.pad_db - (3 if bar.part is Part.INTRO else 0)
        for index, pitch in enumerate(voicing):
            place = -0.5 + index / max(1, len(voicing) - 1)
            yield Note(
                bar.at, max(1, until - bar.at), Instrument.PAD, pitch, level, round(place, 3)
            )

    def _bass(self, bar: Bar, root: int, *, last: bool) -> Iterator[Note]:
        pitch = _above(_BASS_LOW, self.tonic + root)
        level = self.character.bass_db
        steps = 1 if last or bar.part is Part.INTRO else self.character.bass_steps
        length = bar.beats / steps if steps <= 2 else bar.beats * 0.8 / max(steps, bar.beats)
        places = [bar.beats * step / steps for step in range(steps)]
        for index, place in enumerate(places):
            accent = 0 if index == 0 else -2.5
            at = bar.beat(place)
            held = min(round(length * bar.beat_samples), self.end - at)
            yield Note(at, max(1, held), Instrument.BASS, pitch, level + accent)

    def _keys(self, bar: Bar, voicing: Sequence[int], *, last: bool) -> Iterator[Note]:
        level = self.character.keys_db
        if level is None:
            return
        if last:
            for index, pitch in enumerate(voicing):
                # A rolled chord: a person's hand does not come down all at once.
                at = bar.at + seconds(0.03) * index
                yield Note(at, self.end - at, Instrument.KEYS, pitch, level + 1, 0.15)
            return
        steps = bar.beats if bar.part is Part.INTRO else bar.beats * 2
        for step in range(steps):
            tone = self.arpeggio[step % len(self.arpeggio)] % len(voicing)
            octave = 12 if step % 8 in (3, 6) else 0
            accent = (0.0, -5.0, -3.0, -4.5)[step % 4]
            at = bar.beat(step * bar.beats / steps)
            yield Note(
                at,
                round(bar.beat_samples * 1.4),
                Instrument.KEYS,
                voicing[tone] + octave,
                level + accent,
                0.25 if step % 2 else -0.2,
            )

    def _melody(self, bar: Bar, chord: Chord, *, number: int) -> Iterator[Note]:
        # The motif is heard in two bars of three; what is always there is not listened to.
        if number % 3 == 2 and bar.part is not Part.ENDING:
            return
        tones = sorted({_above(_BELL_LOW, self.tonic + tone) for tone in chord})
        passing = sorted({_above(_BELL_LOW, self.tonic + tone) for tone in self.character.scale})
        for index, place in enumerate(self.rhythm):
            if place >= bar.beats:
                return
            scale = tones if index in (0, len(self.rhythm) - 1) else passing
            pitch = scale[self.contour[(index + 4 * (number % 2)) % 8] % len(scale)]
            level = self._bell() - (0 if index == 0 else 2)
            yield Note(
                bar.beat(place), round(bar.beat_samples * 2), Instrument.BELL, pitch, level, 0.3
            )

    def _drums(self, bar: Bar) -> Iterator[Note]:
        character, full = self.character, bar.part is Part.FULL
        for beat in range(bar.beats):
            if character.kick_db is not None and beat % 2 == 0:
                yield Note(bar.beat(beat), 1, Instrument.KICK, 0, character.kick_db)
            if character.clap_db is not None and beat % 2 and full:
                yield Note(bar.beat(beat), 1, Instrument.CLAP, 0, character.clap_db, -0.1)
            if character.shaker_db is None:
                continue
            for half in (0.0, 0.5):
                accent = 0.0 if half else -4.0
                yield Note(
                    bar.beat(beat + half),
                    1,
                    Instrument.SHAKER,
                    0,
                    character.shaker_db + accent,
                    0.35,
                )

    def _bell(self) -> float:
        assert self.character.bell_db is not None, "every mood has a voice above the chords"
        return self.character.bell_db


def _swells(timeline: Timeline, bars: Sequence[Bar]) -> Iterator[Note]:
    """Let the music rise into each transition that is more than a cut, for about a beat."""
    beat = {bar.at: bar.beat_samples for bar in bars}
    for cut in timeline.cuts:
        if cut.kind is TransitionKind.CUT:
            continue
        rising = min(round(beat.get(cut.at, seconds(0.6)) + cut.samples / 2), cut.at)
        if rising > 0:
            yield Note(cut.at - rising, rising, Instrument.SWELL, 0, -22)


def _above(low: int, tone: int) -> int:
    """Return the pitch of that tone (0 is C) in the octave that begins at `low`."""
    return low + (tone - low) % 12
