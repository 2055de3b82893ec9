"""What a brief says about sound and captions, as canonical JSON values and back.

A brief that says nothing of either has neither field, so that silent briefs keep their digests.
"""

from __future__ import annotations

from typing import Any

from cinefab.core.brief import Brief
from cinefab.core.canonical import Json
from cinefab.core.sound import Captions, Mood, Music, Sound, VoiceWish


def heard_document(brief: Brief) -> dict[str, Json]:
    """Return the fields `sound` and `captions` of the brief's document, where it has them."""
    document: dict[str, Json] = {}
    if brief.sound is not None:
        document["sound"] = _sound_document(brief.sound)
    if brief.captions is not None:
        captions = brief.captions
        document["captions"] = {
            "formats": list(captions.formats),
            "burn": captions.burn,
            "on_screen": captions.on_screen,
        }
    return document


def sound_from(stored: Any) -> Sound | None:
    """Return the sound that `heard_document` wrote."""
    if stored is None:
        return None
    return Sound(
        music=music_from(stored["music"]),
        effects=stored["effects"],
        voice=VoiceWish(**stored["voice"]),
        loudness_clu=stored["loudness_clu"],
    )


def music_from(stored: Any) -> Music | None:
    """Return the music that `heard_document` wrote."""
    if stored is None:
        return None
    return Music(**{**stored, "mood": Mood(stored["mood"])})


def captions_from(stored: Any) -> Captions | None:
    """Return the captions that `heard_document` wrote."""
    if stored is None:
        return None
    return Captions(**{**stored, "formats": tuple(stored["formats"])})


def _sound_document(sound: Sound) -> Json:
    music, voice = sound.music, sound.voice
    return {
        "music": None
        if music is None
        else {
            "mood": music.mood.value,
            "tempo_bpm": music.tempo_bpm,
            "level_db": music.level_db,
            # Only where there is one: films of before keep their documents.
            **({} if music.model is None else {"model": music.model, "prompt": music.prompt}),
        },
        "effects": sound.effects,
        "voice": {
            "name": voice.name,
            "rate_wpm": voice.rate_wpm,
            "pitch": voice.pitch,
            "required": voice.required,
        },
        "loudness_clu": sound.loudness_clu,
    }
