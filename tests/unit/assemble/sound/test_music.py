"""The music follows the cut: its bars begin with the shots, and it is at rest when the film ends."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cinefab.assemble.sound.ducking import DEPTH_DB, duck_gain, joined
from cinefab.assemble.sound.effects import play_effects
from cinefab.assemble.sound.moods import CHARACTERS
from cinefab.assemble.sound.music import play_music
from cinefab.assemble.sound.samples import BLOCK
from cinefab.assemble.sound.score import Instrument, write_score
from cinefab.assemble.sound.tempo import Part, fit_bars
from cinefab.assemble.sound.timeline import Timeline, samples_at, timeline_of
from cinefab.core.brief import TransitionKind
from cinefab.core.sound import SAMPLE_RATE, Mood, Music

SPOT = timeline_of(
    [72, 72, 72, 72, 72],
    [(1, TransitionKind.WIPE, 12), (2, TransitionKind.DISSOLVE, 18), (4, TransitionKind.DIP, 12)],
    fps=Fraction(24),
)


def bed(timeline: Timeline = SPOT, seed: int = 7, **music: object) -> np.ndarray:
    return np.concatenate(list(play_music(timeline, Music(**music), seed=seed)), axis=1)  # type: ignore[arg-type]


@settings(deadline=None)
@given(
    shots=st.lists(st.integers(6, 400), min_size=1, max_size=12),
    fps=st.sampled_from([Fraction(24), Fraction(30000, 1001), Fraction(60)]),
    tempo=st.integers(50, 180),
)
def test_bars_fill_the_film_without_a_gap_and_long_shots_begin_with_one(
    shots: list[int], fps: Fraction, tempo: int
) -> None:
    timeline = timeline_of(shots, [], fps=fps)
    cuts = [cut.at for cut in timeline.cuts]

    bars = fit_bars(timeline.samples, cuts, tempo_bpm=tempo)

    assert bars[0].at == 0
    assert bars[-1].end == timeline.samples
    assert all(one.end == other.at for one, other in pairwise(bars))
    assert bars[-1].part is Part.ENDING or len(bars) == 1
    beat = SAMPLE_RATE * 60 / tempo
    edges = [0, *cuts, timeline.samples]
    begins = {bar.at for bar in bars}
    for before, cut, after in zip(edges, edges[1:], edges[2:], strict=False):
        if cut - before > 4 * beat and after - cut > 4 * beat and timeline.samples - cut > 4 * beat:
            assert cut in begins, "a cut between two long shots falls on a first beat"


def test_the_tempo_stays_near_what_was_asked_for() -> None:
    bars = fit_bars(SPOT.samples, [cut.at for cut in SPOT.cuts], tempo_bpm=92)

    tempos = {round(60 * SAMPLE_RATE / bar.beat_samples) for bar in bars}
    assert all(abs(tempo - 92) <= 14 for tempo in tempos), tempos


@pytest.mark.parametrize("mood", Mood)
def test_every_mood_has_harmony_bass_and_an_end_that_comes_home(mood: Mood) -> None:
    character = CHARACTERS[mood]
    bars = fit_bars(SPOT.samples, [c.at for c in SPOT.cuts], tempo_bpm=character.tempo_bpm)

    notes = tuple(write_score(SPOT, bars, character, seed=7))

    pads = [note for note in notes if note.instrument is Instrument.PAD]
    chords = {bar.at: {n.pitch % 12 for n in pads if n.at == bar.at} for bar in bars}
    tonics = [
        n.pitch % 12 for n in notes if n.instrument is Instrument.BASS and n.at == bars[-1].at
    ]
    assert len({frozenset(chord) for chord in chords.values()}) >= 3
    assert chords[bars[-1].at] == {(tonics[0] + tone) % 12 for tone in character.home}
    assert all(note.at + note.samples <= SPOT.samples for note in pads)
    assert {cut.at for cut in SPOT.cuts} <= {note.at for note in pads}


@pytest.mark.parametrize("mood", Mood)
def test_the_bed_is_heard_throughout_and_neither_clipped_nor_one_tone(mood: Mood) -> None:
    sound = bed(mood=mood)

    middle = sound[:, SAMPLE_RATE // 4 : SPOT.samples - SAMPLE_RATE]
    power = (middle**2).mean(axis=0)[: len(middle[0]) // 4_800 * 4_800].reshape(-1, 4_800).mean(1)
    spectrum = np.abs(np.fft.rfft(sound.mean(axis=0))) ** 2
    strongest = np.sort(spectrum)[::-1]
    assert sound.shape == (2, SPOT.samples)
    assert np.abs(sound).max() < 1
    assert power.min() > power.mean() / 50, "no tenth of a second is silent"
    assert strongest[:20].sum() < 0.7 * spectrum.sum(), "more than a tone or two"
    assert np.abs(sound[:, -48:]).max() < 1e-3
    assert not np.array_equal(sound[0], sound[1])


def test_equal_seeds_give_equal_music_and_others_other_music() -> None:
    assert np.array_equal(bed(seed=1), bed(seed=1))
    assert not np.allclose(bed(seed=1), bed(seed=2))


def test_music_and_effects_come_in_blocks_that_memory_can_hold() -> None:
    long = timeline_of([24 * 20] * 3, [(1, TransitionKind.WIPE, 24)], fps=Fraction(24))

    for blocks in (play_music(long, Music(), seed=1), play_effects(long)):
        lengths = [block.shape[1] for block in blocks]
        assert max(lengths) <= BLOCK
        assert sum(lengths) == long.samples


def test_an_effect_is_heard_where_its_transition_is_and_nowhere_else() -> None:
    sound = np.concatenate(list(play_effects(SPOT)), axis=1)

    for cut in SPOT.cuts:
        around = sound[:, cut.at - 4_000 : cut.at + 14_000]
        assert np.abs(around).max() > 0.01
    between = sound[:, SPOT.cuts[0].at + 48_000 : SPOT.cuts[1].at - 48_000]
    assert np.abs(between).max() < 1e-4


@settings(max_examples=25, deadline=None)
@given(
    spoken=st.lists(st.tuples(st.integers(20_000, 300_000), st.integers(4_800, 96_000)), max_size=5)
)
def test_everything_else_is_down_while_somebody_speaks_and_never_jumps(
    spoken: list[tuple[int, int]],
) -> None:
    stretches = joined([(start, start + length) for start, length in spoken])

    gains = duck_gain(stretches, 0, 480_000)

    low = 10 ** (DEPTH_DB / 20)
    for start, end in stretches:
        assert np.allclose(gains[start:end], low, rtol=1e-3)
    assert np.abs(np.diff(gains)).max(initial=0) < 1e-3
    assert gains[0] == 1.0
    assert np.array_equal(duck_gain(stretches, 100_000, 5_000), gains[100_000:105_000])


def test_sound_is_never_longer_than_its_picture() -> None:
    for fps in (Fraction(24), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)):
        for frames in (1, 7, 100, 1799):
            assert Fraction(samples_at(frames, fps), SAMPLE_RATE) <= frames / fps
            assert Fraction(samples_at(frames, fps) + 1, SAMPLE_RATE) > frames / fps
