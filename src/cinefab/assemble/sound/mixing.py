"""The mix: voice in front, music and effects behind it, out of the way while it speaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cinefab.assemble.sound.ducking import duck_gain, joined
from cinefab.assemble.sound.effects import play_effects
from cinefab.assemble.sound.music import play_music
from cinefab.assemble.sound.samples import BLOCK, Samples, silence
from cinefab.assemble.sound.speech import Line, play_lines, stretches
from cinefab.assemble.sound.timeline import Timeline
from cinefab.core.sound import Music


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What is heard over a film; `bed` is the music's file, where a model made it."""

    timeline: Timeline
    music: Music | None
    effects: bool
    lines: Sequence[Line]
    seed: int
    bed: Path | None = None


def mixed(mix: Mix) -> Iterator[Samples]:
    """Yield the film's sound before mastering, in blocks of `BLOCK` samples."""
    spoken = joined(stretches(mix.lines))
    samples = mix.timeline.samples
    music = _or_silence(_bed(mix), samples)
    effects = _or_silence(play_effects(mix.timeline) if mix.effects else None, samples)
    voice = _or_silence(play_lines(mix.lines, samples) if mix.lines else None, samples)
    start = 0
    for bed, hits, speech in zip(music, effects, voice, strict=True):
        behind = bed + hits
        if spoken:
            behind *= duck_gain(spoken, start, behind.shape[1])
        yield behind + speech
        start += behind.shape[1]


def _bed(mix: Mix) -> Iterator[Samples] | None:
    if mix.music is None:
        return None
    if mix.bed is not None:
        # Most films have theirs synthesised.
        from cinefab.assemble.sound.bed import play_bed  # noqa: PLC0415 - see above

        return play_bed(mix.bed, mix.timeline.samples, level_db=mix.music.level_db)
    return play_music(mix.timeline, mix.music, seed=mix.seed)


def _or_silence(blocks: Iterator[Samples] | None, samples: int) -> Iterator[Samples]:
    if blocks is not None:
        return blocks
    return (silence(min(BLOCK, samples - start)) for start in range(0, samples, BLOCK))
