"""The music bed: the score is played block by block, in a room, and faded at both ends."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Final

import numpy as np

from cinefab.assemble.sound.bus import Bus
from cinefab.assemble.sound.convolution import Convolver
from cinefab.assemble.sound.instruments import play
from cinefab.assemble.sound.moods import CHARACTERS
from cinefab.assemble.sound.samples import BLOCK, Samples, gain, rise, seconds
from cinefab.assemble.sound.score import Instrument, write_score
from cinefab.assemble.sound.tempo import fit_bars
from cinefab.assemble.sound.timeline import Timeline
from cinefab.core.sound import SAMPLE_RATE, Music

_DRY: Final = frozenset({Instrument.BASS, Instrument.KICK})
_ROOM_S: Final = 1.4
_FADE_IN_S: Final = 0.04
_FADE_OUT_S: Final = 0.9
_FADE_OUT_MOST: Final = 4  # of a short film no more than a quarter is fading


def play_music(timeline: Timeline, music: Music, *, seed: int) -> Iterator[Samples]:
    """Yield the bed of a film in blocks of `BLOCK` samples; the last one is what is left."""
    character = CHARACTERS[music.mood]
    bars = fit_bars(
        timeline.samples,
        [cut.at for cut in timeline.cuts],
        tempo_bpm=music.tempo_bpm or character.tempo_bpm,
    )
    notes = write_score(timeline, bars, character, seed=seed)
    note = next(notes, None)
    dry, wet, room = Bus(), Bus(), Convolver(_room())
    for start in range(0, timeline.samples, BLOCK):
        length = min(BLOCK, timeline.samples - start)
        while note is not None and note.at < start + length:
            bus = dry if note.instrument in _DRY else wet
            bus.lay(play(note, brightness=character.brightness), note.at - start)
            note = next(notes, None)
        direct = wet.take(length)
        block = dry.take(length) + direct + room.feed(direct)
        yield _ends_faded(block, start, timeline.samples) * gain(music.level_db)


def _ends_faded(block: Samples, start: int, samples: int) -> Samples:
    """Return the block with the film's first and last moments faded."""
    fade_in, length = seconds(_FADE_IN_S), block.shape[1]
    if start < fade_in:
        ramp = rise(fade_in)[start : start + length]
        block[:, : len(ramp)] *= ramp
    fade_out = min(seconds(_FADE_OUT_S), samples // _FADE_OUT_MOST)
    begins = samples - fade_out
    if start + length > begins:
        first = max(0, begins - start)
        place = start + first - begins
        block[:, first:] *= rise(fade_out)[::-1][place : place + length - first]
    return block


@functools.cache
def _room() -> Samples:
    """Return the room's response: noise that dies away, its treble first, unlike left and right."""
    length = seconds(_ROOM_S)
    time = np.arange(length) / SAMPLE_RATE
    noise = np.random.default_rng(77).standard_normal((2, length))
    dark = np.cumsum(noise, axis=1)
    dark[:, 480:] -= dark[:, :-480].copy()  # a running mean of 10 ms: only what is below it
    response = noise * np.exp(-time * 9) + dark * 0.06 * np.exp(-time * 4.5)
    response[:, : seconds(0.012)] = 0
    response *= 0.32 / np.sqrt((response**2).sum(axis=1, keepdims=True))
    return response.astype(np.float32)
