"""What must be a video, to be shown or to be compared with, is looked at before there is a job."""

from __future__ import annotations

from cinefab.core.brief import Brief, Compare
from cinefab.core.canonical import Sha256
from cinefab.core.errors import BriefInvalid
from cinefab.core.plan import MediaKind
from cinefab.ingest.reader import Unrecognised, recognise
from cinefab.jobs.effects import BLOB
from cinefab.jobs.workshop import Workshop


def check_clips(shop: Workshop, brief: Brief) -> None:
    """Raise `BriefInvalid` where a clip or a comparison names a picture or a sound.

    References are blobs by now; what is behind a URL, or is of no format that is known, is left to
    ingest, which says so.
    """
    places = {reference.name: reference.location for reference in brief.references}
    for i, shot in enumerate(brief.shots):
        if shot.clip is None:
            continue
        kind = _kind_of(shop, places[shot.clip.reference])
        if kind not in (None, MediaKind.VIDEO):
            raise BriefInvalid(
                field=f"shots[{i}].clip.reference",
                found=f"{shot.clip.reference} is a {kind}, not a video",
                remedy="Name a video, or show a picture with references: [name].",
            )
    if (compare := brief.review.compare) is not None:
        check_compared(compare, _kind_of(shop, places[compare.reference]))


def check_compared(compare: Compare, kind: MediaKind | None) -> None:
    """Raise `BriefInvalid` where what the film is compared with is known to be no video."""
    if kind not in (None, MediaKind.VIDEO):
        raise BriefInvalid(
            field="review.compare.reference",
            found=f"{compare.reference} is a {kind}, not a video",
            remedy="Name a video, or take review.compare out.",
        )


def _kind_of(shop: Workshop, place: str) -> MediaKind | None:
    if not place.startswith(BLOB):
        return None
    digest, _, name = place.removeprefix(BLOB).partition("/")
    try:
        return recognise(shop.readers, shop.blobs.load(Sha256(digest)), name=name).card.kind
    except Unrecognised:
        return None
