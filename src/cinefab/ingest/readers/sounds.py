"""Sounds: WAV, FLAC, MP3, and AAC, bare or in MP4."""

from __future__ import annotations

from typing import Final

from cinefab.core.plan import MediaKind
from cinefab.ingest.reader import Format, ReaderCard
from cinefab.media.sandbox.films import FILM_TASK
from cinefab.media.sandbox.formats.boxes import sound_format_of

CARD: Final = ReaderCard(
    name="sounds",
    version="1",
    kind=MediaKind.SOUND,
    formats=(
        Format(
            name="wav",
            title="a WAV sound",
            media_type="audio/wav",
            suffixes=(".wav", ".wave"),
        ),
        Format(
            name="flac",
            title="a FLAC sound",
            media_type="audio/flac",
            suffixes=(".flac",),
        ),
        Format(
            name="mp3",
            title="an MP3 sound",
            media_type="audio/mpeg",
            suffixes=(".mp3",),
        ),
        Format(
            name="aac",
            title="an AAC sound",
            media_type="audio/aac",
            suffixes=(".aac", ".adts"),
        ),
        Format(
            name="m4a",
            title="an M4A sound",
            media_type="audio/mp4",
            suffixes=(".m4a", ".m4b", ".mp4"),
        ),
    ),
    task=FILM_TASK,
)


class Sounds:
    """Recognises sounds by how they begin."""

    card = CARD

    def recognise(self, data: bytes) -> str | None:
        """Return `wav`, `flac`, `mp3`, `aac` or `m4a`."""
        return sound_format_of(data)
