"""A report's page is given its pictures and its film, which are blobs here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Sha256
from cinefab.core.errors import ContractMismatch, CredentialsInvalid, StorageUnavailable
from cinefab.core.plan import Part
from cinefab.deliver.page.page import Media, write_page
from cinefab.jobs.workshop import Workshop

_FRAMES_MAX: Final = 8
"""A check may remark many frames; a page shows the first ones."""

_LOST: Final = (ContractMismatch, CredentialsInvalid, StorageUnavailable)
"""What reading a picture may end in; a report is written all the same, without it."""


def write_report_page(shop: Workshop, report: Mapping[str, Any], path: Path) -> None:
    """Write the page of a job's report to `path`; pictures that are not kept any more are missing.

    Raises `StorageUnavailable` if it cannot be written, or the film's blob cannot be read.
    """
    film = report["content_credentials"].get("sha256")
    shots = _shot_pictures(shop, report)
    poster = _picture(shop, report["preview"])
    media = Media(
        film=None if film is None else shop.blobs.local_path(Sha256(film)),
        poster=next(iter(shots.values()), None) if poster is None else poster,
        shots=shots,
        frames=_frames_seen(shop, report),
        came_in=_came_in(shop, report),
        asked=_picture(shop, report.get("asked", {}).get("still")),
    )
    write_page(report, path, media)


def _shot_pictures(shop: Workshop, report: Mapping[str, Any]) -> dict[int, bytes]:
    bodies = [each for each in report["segments"] if each["part"] == Part.BODY]
    found = {
        each["shot"]: _picture(shop, each["thumbnail"]) or _decoded(shop, each) for each in bodies
    }
    return {shot: picture for shot, picture in found.items() if picture is not None}


def _came_in(shop: Workshop, report: Mapping[str, Any]) -> dict[str, bytes]:
    named = {each["name"]: (each["media"] or {}).get("thumbnail") for each in report["references"]}
    found = {name: _picture(shop, digest) for name, digest in named.items()}
    return {name: picture for name, picture in found.items() if picture is not None}


def _frames_seen(shop: Workshop, report: Mapping[str, Any]) -> dict[int, bytes]:
    """Return the frames that checks remarked: as review kept them, else out of their pieces."""
    findings = (report["verdict"] or {}).get("findings", ())
    kept = {shown["frame"]: shown["sha256"] for one in findings for shown in one.get("frames", ())}
    remarks = [each for one in findings for each in (*one["problems"], *one["questions"])]
    wanted = dict.fromkeys(each["frame"] for each in remarks if each["frame"] is not None)
    shown = [each for each in report["segments"] if each["part"] == Part.BODY]
    shown += [each for each in report["transitions"] if each["sha256"] is not None]
    pictures: dict[int, bytes] = {}
    for frame in list(wanted)[:_FRAMES_MAX]:
        found = _picture(shop, kept.get(frame))
        if found is not None:
            pictures[frame] = found
            continue
        for piece in shown:
            at = frame - piece["first_frame"]
            if 0 <= at < piece["frames"]:
                picture = _decoded(shop, piece, frame=at)
                if picture is not None:
                    pictures[frame] = picture
    return pictures


def _decoded(shop: Workshop, piece: Mapping[str, Any], *, frame: int | None = None) -> bytes | None:
    # Ten times as dear as a picture that is kept: for what has none, and what a check remarked.
    from cinefab.media import thumbnail  # noqa: PLC0415 - codecs, and seldom

    try:
        path = shop.blobs.local_path(Sha256(piece["sha256"]))
        if frame is None:
            return thumbnail.keyframe_thumbnail(path)
        return thumbnail.frame_thumbnail(path, frame)
    except _LOST:
        return None


def _picture(shop: Workshop, digest: str | None) -> bytes | None:
    if digest is None:
        return None
    try:
        return shop.blobs.load(Sha256(digest))
    except _LOST:
        return None
