"""What is planned to be heard: the brief's wishes and its spoken lines become exact, with a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from cinefab.core.brief import Brief
from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.ids import TenantId
from cinefab.core.plan import PlannedShot, PlannedTransition, Versions
from cinefab.core.sound import Cue, Mood, Music, PlannedSound, Sound, SpokenLine, Word

SOUND_KEY_SCHEMA: Final = "cinefab.sound-key/1"

BED_KEY_SCHEMA: Final = "cinefab.bed-key/1"

SYNTHESIS: Final = 1
"""Goes up when the same plan no longer sounds the same."""

_VOICE_ONLY: Final = Sound(music=None, effects=False)


def plan_sound(
    brief: Brief,
    *,
    shots: Sequence[PlannedShot],
    transitions: Sequence[PlannedTransition],
    spoken: Sequence[SpokenLine],
    versions: Versions,
    tenant: TenantId,
) -> PlannedSound | None:
    """Return the film's sound, or None where nothing would be heard.

    Its key knows of the picture only what is heard of it: lengths, and kinds of transitions.
    """
    wish = brief.sound or _VOICE_ONLY
    hits = wish.effects and len(shots) > 1
    if wish.music is None and not hits and not spoken:
        return None
    key = digest_of(
        {
            "schema": SOUND_KEY_SCHEMA,
            "synthesis": SYNTHESIS,
            "machine": versions.machine,
            "encoder": versions.encoder,
            "tenant": tenant,
            "fps": f"{brief.output.fps.numerator}/{brief.output.fps.denominator}",
            "shots": [shot.frames for shot in shots],
            "transitions": [[each.into, each.kind.value, each.frames] for each in transitions],
            "music": music_document(wish.music),
            "effects": wish.effects,
            "loudness_clu": wish.loudness_clu,
            "seed": brief.seed,
            "lines": [[line.digest, line.start_ms] for line in spoken],
        }
    )
    return PlannedSound(
        key=key,
        music=wish.music,
        effects=wish.effects,
        loudness_clu=wish.loudness_clu,
        seed=brief.seed,
        lines=tuple(spoken),
    )


def music_document(music: Music | None) -> Json:
    """Return the music as JSON values, null where there is none."""
    if music is None:
        return None
    if music.model is not None:
        return {"model": music.model, "prompt": music.prompt, "level_db": music.level_db}
    return {
        "mood": music.mood.value,
        "tempo_bpm": music.tempo_bpm,
        "level_db": music.level_db,
    }


def bed_key(sound: PlannedSound, *, samples: int, machine: str, tenant: TenantId) -> Sha256:
    """Return the key of the bed that a model makes: of all that determines a sample of it."""
    assert sound.music is not None, "a bed is music"
    return digest_of(
        {
            "schema": BED_KEY_SCHEMA,
            "model": sound.music.model,
            "prompt": sound.music.prompt,
            "seed": sound.seed,
            "samples": samples,
            "machine": machine,
            "tenant": tenant,
        }
    )


def sound_notes(brief: Brief, *, spoken: Sequence[SpokenLine], heard: bool) -> list[str]:
    """Return a note for every wish that is not heard."""
    said = {line.shot for line in spoken}
    notes = [
        f"shots[{i}].voice: not spoken; no voice is installed (pip install 'cinefab[speech]')"
        for i, shot in enumerate(brief.shots)
        if shot.voice and i not in said
    ]
    if brief.sound is not None and not heard:
        notes.append("sound: there is nothing to hear; made a silent film")
    return notes


def sound_document(sound: PlannedSound) -> Json:
    """Return the planned sound as JSON values; `sound_from_document` undoes it exactly."""
    return {
        "key": sound.key,
        "music": music_document(sound.music),
        "effects": sound.effects,
        "loudness_clu": sound.loudness_clu,
        "seed": sound.seed,
        "lines": [line_document(line) for line in sound.lines],
    }


def music_from_document(stored: Any) -> Music | None:
    """Return the music that `music_document` wrote."""
    if stored is None:
        return None
    return Music(**{**stored, **({"mood": Mood(stored["mood"])} if "mood" in stored else {})})


def line_document(line: SpokenLine) -> Json:
    """Return a spoken line as JSON values; `line_from_document` undoes it exactly."""
    return {
        "shot": line.shot,
        "text": line.text,
        "language": line.language,
        "digest": line.digest,
        "start_ms": line.start_ms,
        "length_ms": line.length_ms,
        "words": [[word.text, word.start_ms, word.end_ms] for word in line.words],
    }


def sound_from_document(stored: Any) -> PlannedSound | None:
    """Return the sound that `sound_document` wrote; None where there is none."""
    if stored is None:
        return None
    music = stored["music"]
    return PlannedSound(
        key=Sha256(stored["key"]),
        music=music_from_document(music),
        effects=stored["effects"],
        loudness_clu=stored["loudness_clu"],
        seed=stored["seed"],
        lines=tuple(line_from_document(line) for line in stored["lines"]),
    )


def line_from_document(stored: Any) -> SpokenLine:
    """Return the line that `line_document` wrote."""
    return SpokenLine(
        shot=stored["shot"],
        text=stored["text"],
        language=stored["language"],
        digest=Sha256(stored["digest"]),
        start_ms=stored["start_ms"],
        length_ms=stored["length_ms"],
        words=tuple(Word(*word) for word in stored["words"]),
    )


def cue_document(cue: Cue) -> Json:
    """Return a caption as JSON values; `cue_from_document` undoes it exactly."""
    return {
        "shot": cue.shot,
        "start_ms": cue.start_ms,
        "end_ms": cue.end_ms,
        "lines": list(cue.lines),
        "language": cue.language,
    }


def cue_from_document(stored: Any) -> Cue:
    """Return the caption that `cue_document` wrote."""
    return Cue(**{**stored, "lines": tuple(stored["lines"])})
