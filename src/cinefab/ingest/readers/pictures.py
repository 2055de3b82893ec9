"""Still pictures: PNG, JPEG, WebP, AVIF."""

from __future__ import annotations

from typing import Final

from cinefab.core.plan import MediaKind
from cinefab.ingest.reader import Format, ReaderCard
from cinefab.media.sandbox.formats.sniff import format_of
from cinefab.media.sandbox.pictures import PICTURE_TASK

CARD: Final = ReaderCard(
    name="pictures",
    version="1",
    kind=MediaKind.PICTURE,
    formats=(
        Format(
            name="png",
            title="a PNG picture",
            media_type="image/png",
            suffixes=(".png", ".apng"),
        ),
        Format(
            name="jpeg",
            title="a JPEG picture",
            media_type="image/jpeg",
            suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        ),
        Format(
            name="webp",
            title="a WebP picture",
            media_type="image/webp",
            suffixes=(".webp",),
        ),
        Format(
            name="avif",
            title="an AVIF picture",
            media_type="image/avif",
            suffixes=(".avif",),
        ),
    ),
    task=PICTURE_TASK,
)


class Pictures:
    """Recognises still pictures by how they begin."""

    card = CARD

    def recognise(self, data: bytes) -> str | None:
        """Return `png`, `jpeg`, `webp` or `avif`."""
        found = format_of(data)
        return None if found is None else str(found)
