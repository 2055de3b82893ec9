"""Films: MP4, QuickTime and WebM. One that holds no picture track is taken as sound."""

from __future__ import annotations

from typing import Final

from cinefab.core.plan import MediaKind
from cinefab.ingest.reader import Format, ReaderCard
from cinefab.media.sandbox.films import FILM_TASK
from cinefab.media.sandbox.formats.boxes import film_format_of

CARD: Final = ReaderCard(
    name="films",
    version="1",
    kind=MediaKind.VIDEO,
    formats=(
        Format(
            name="mp4",
            title="an MP4 film",
            media_type="video/mp4",
            suffixes=(".mp4", ".m4v", ".mov", ".m4a"),
        ),
        Format(
            name="mov",
            title="a QuickTime film",
            media_type="video/quicktime",
            suffixes=(".mov", ".qt", ".mp4"),
        ),
        Format(
            name="webm",
            title="a WebM film",
            media_type="video/webm",
            suffixes=(".webm", ".weba"),
        ),
    ),
    task=FILM_TASK,
)


class Films:
    """Recognises films by how they begin."""

    card = CARD

    def recognise(self, data: bytes) -> str | None:
        """Return `mp4`, `mov` or `webm`."""
        return film_format_of(data)
