"""The process that packages a film: pieces come in by their paths, a release's files go out.

Packets are copied into segments and keyframes are looked at; nothing is encoded but pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, Sha256
from cinefab.deliver.dash import media_description
from cinefab.deliver.files import MEDIA, Caching, path_of
from cinefab.deliver.hls import captions_playlist, media_playlist, multivariant_playlist
from cinefab.deliver.ladder import rung_name
from cinefab.deliver.stream import Captions, Rung, Segment, Sound, Stream, Track
from cinefab.media.boxes import AudioTrack
from cinefab.media.cmaf import WrittenTrack, codecs_of, segment_starts, write_sound, write_video
from cinefab.media.overview import Sheet, write_poster, write_sheet
from cinefab.store.file_digest import file_sha256

HLS: Final = "master.m3u8"
DASH: Final = "manifest.mpd"
POSTER: Final = "poster.jpg"
THUMBNAILS: Final = "thumbnails.vtt"
CAPTIONS: Final = "captions.vtt"

_PLAYLIST_TYPE: Final = "application/vnd.apple.mpegurl"
_THUMBNAIL_EVERY_S: Final = 2
_THUMBNAILS_MAX: Final = 200
_CANDIDATES_MAX: Final = 6


def package(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Write a release's files into `folder` and return them, each with what it was made from.

    `argument`: `folder`, `fps`, `size`, `frames`; `film`, whose sound and keyframes are taken;
    `pieces`, in order, each with its `frames`, its `path` and whether it is a `body`; `rungs`,
    largest first, each with `size` and the `paths` of its pieces, none for a film that is not
    streamed; `captions`, null or an object of `path` and `language`.

    A file's `pieces` are the numbers of those that it holds packets of; without any it was made
    from the film as a whole.
    """
    release = _Release(Path(argument["folder"]))
    fps = Fraction(argument["fps"])
    pieces = argument["pieces"]
    captions = argument["captions"]
    if captions is not None:
        content = Path(captions["path"]).read_text(encoding="utf-8")
        release.add_text(CAPTIONS, content, role="captions", media_type="text/vtt")
    if argument["rungs"]:
        _add_stream(release, argument, fps=fps, pieces=pieces)
    _add_overview(release, argument, fps=fps, pieces=pieces)
    return {"files": release.files, "codec": codecs_of(Path(argument["film"]))}


@dataclass(slots=True)
class _Release:
    """The files that were written so far, each once."""

    folder: Path
    files: list[Json] = field(default_factory=list)

    def add_media(
        self,
        written: Path,
        suffix: str,
        *,
        role: str,
        media_type: str,
        rung: str | None = None,
        codec: str | None = None,
        pieces: Sequence[int] = (),
    ) -> str:
        """Take in a file under the name of its digest; return that name."""
        sha256 = file_sha256(written)
        place = self.folder / path_of(sha256, suffix)
        place.parent.mkdir(parents=True, exist_ok=True)
        written.replace(place)
        self._add(
            place,
            sha256,
            role=role,
            media_type=media_type,
            caching=Caching.IMMUTABLE,
            rung=rung,
            codec=codec,
            pieces=pieces,
        )
        return place.name

    def add_text_media(self, content: str, suffix: str, *, role: str, media_type: str) -> str:
        """Write a text under the name of its digest; return that name."""
        unnamed = self.folder / f"unnamed{suffix}"
        unnamed.parent.mkdir(parents=True, exist_ok=True)
        unnamed.write_text(content, encoding="utf-8")
        return self.add_media(unnamed, suffix, role=role, media_type=media_type)

    def add_text(self, name: str, content: str, *, role: str, media_type: str) -> None:
        """Write a text where everybody enters."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        self.add_entry(path, role=role, media_type=media_type)

    def add_entry(self, path: Path, *, role: str, media_type: str) -> None:
        """Take in a file with a plain name."""
        self._add(path, file_sha256(path), role=role, media_type=media_type, caching=Caching.ENTRY)

    def _add(
        self,
        path: Path,
        sha256: Sha256,
        *,
        role: str,
        media_type: str,
        caching: Caching,
        rung: str | None = None,
        codec: str | None = None,
        pieces: Sequence[int] = (),
    ) -> None:
        name = path.relative_to(self.folder).as_posix()
        self.files.append(
            {
                "path": name,
                "local": str(path),
                "sha256": sha256,
                "size_bytes": path.stat().st_size,
                "role": role,
                "media_type": media_type,
                "cache_control": caching.value,
                "rung": rung,
                "codec": codec,
                "pieces": list(pieces),
            }
        )


# ── The stream ──────────────────────────────────────────────────────────────────────────────────


def _add_stream(
    release: _Release, argument: Mapping[str, Any], *, fps: Fraction, pieces: Sequence[Any]
) -> None:
    starts = segment_starts([piece["frames"] for piece in pieces], fps=fps)
    rungs = []
    for asked in argument["rungs"]:
        size = Size(*asked["size"])
        name = rung_name(size)
        folder = release.folder / "unnamed" / name
        written = write_video(
            [Path(path) for path in asked["paths"]], folder, starts=starts, fps=fps
        )
        track = _take_in(release, written, "video/mp4", rung=name, fps=fps, pieces=pieces)
        rungs.append(Rung(name=name, size=size, track=track))
    folder = release.folder / "unnamed" / "sound"
    heard = write_sound(
        Path(argument["film"]), folder, starts_s=[Fraction(start) / fps for start in starts]
    )
    sound = None
    if heard is not None:
        assert isinstance(heard.track, AudioTrack), "sound is written as sound"
        track = _take_in(release, heard, "audio/mp4", rung=None, fps=fps, pieces=())
        sound = Sound(channels=heard.track.channels, track=track)
    captions = None
    if argument["captions"] is not None:
        text = (release.folder / CAPTIONS).read_text(encoding="utf-8")
        name = release.add_text_media(text, ".vtt", role="captions", media_type="text/vtt")
        captions = Captions(name=name, language=argument["captions"]["language"])
    stream = Stream(
        rungs=tuple(rungs),
        sound=sound,
        captions=captions,
        fps=fps,
        length_s=Fraction(argument["frames"]) / fps,
    )
    _add_playlists(release, stream)


def _take_in(
    release: _Release,
    written: WrittenTrack,
    media_type: str,
    *,
    rung: str | None,
    fps: Fraction,
    pieces: Sequence[Any],
) -> Track:
    codec = written.track.codec
    ticks_per_s = written.track.ticks_per_s

    def take_in(path: Path, suffix: str, role: str, of: Sequence[int]) -> str:
        return release.add_media(
            path, suffix, role=role, media_type=media_type, rung=rung, codec=codec, pieces=of
        )

    init = take_in(written.init, ".mp4", "init", [0] if pieces else [])
    segments = []
    for each in written.segments:
        start = each.starts_at * fps / ticks_per_s
        end = start + each.ticks * fps / ticks_per_s
        name = take_in(each.path, ".m4s", "segment", _between(pieces, start=start, end=end))
        segments.append(Segment(name=name, starts_at=each.starts_at, ticks=each.ticks))
    return Track(
        init=init,
        segments=tuple(segments),
        ticks_per_s=ticks_per_s,
        codec=codec,
        peak_bits_per_s=written.peak_bits_per_s,
        average_bits_per_s=written.average_bits_per_s,
    )


def _between(pieces: Sequence[Any], *, start: Fraction, end: Fraction) -> list[int]:
    ends = list(accumulate(piece["frames"] for piece in pieces))
    begins = [0, *ends][: len(ends)]
    return [
        i
        for i, (first, last) in enumerate(zip(begins, ends, strict=True))
        if first < end and last > start
    ]


def _add_playlists(release: _Release, stream: Stream) -> None:
    def add(content: str) -> str:
        name = release.add_text_media(content, ".m3u8", role="playlist", media_type=_PLAYLIST_TYPE)
        return f"{MEDIA}/{name}"

    multivariant = multivariant_playlist(
        stream,
        rungs=tuple(add(media_playlist(rung.track)) for rung in stream.rungs),
        sound=None if stream.sound is None else add(media_playlist(stream.sound.track)),
        captions=None
        if stream.captions is None
        else add(captions_playlist(stream.captions.name, length_s=stream.length_s)),
    )
    release.add_text(HLS, multivariant, role="hls", media_type=_PLAYLIST_TYPE)
    description = media_description(stream, media=MEDIA)
    release.add_text(DASH, description, role="dash", media_type="application/dash+xml")


# ── The overview ────────────────────────────────────────────────────────────────────────────────


def _add_overview(
    release: _Release, argument: Mapping[str, Any], *, fps: Fraction, pieces: Sequence[Any]
) -> None:
    poster = release.folder / POSTER
    poster.parent.mkdir(parents=True, exist_ok=True)
    write_poster(_candidates(pieces), poster)
    release.add_entry(poster, role="poster", media_type="image/jpeg")
    length_s = Fraction(argument["frames"]) / fps
    every_s = max(Fraction(_THUMBNAIL_EVERY_S), length_s / _THUMBNAILS_MAX)
    unnamed = release.folder / "unnamed.jpg"
    sheet = write_sheet(
        Path(argument["film"]),
        unnamed,
        frames=argument["frames"],
        size=Size(*argument["size"]),
        every_frames=every_s * fps,
    )
    sprite = release.add_media(unnamed, ".jpg", role="sprite", media_type="image/jpeg")
    text = thumbnails(sheet, f"{MEDIA}/{sprite}", every_s=every_s, length_s=length_s)
    release.add_text(THUMBNAILS, text, role="thumbnails", media_type="text/vtt")


def thumbnails(sheet: Sheet, sprite: str, *, every_s: Fraction, length_s: Fraction) -> str:
    """Return the WebVTT that says which part of the sheet stands for which stretch of the film."""
    cues = ["WEBVTT"]
    for index in range(sheet.count):
        left, top = sheet.place(index)
        begins_s, ends_s = every_s * index, min(every_s * (index + 1), length_s)
        size = f"{sheet.thumbnail.width},{sheet.thumbnail.height}"
        cues.append(f"{_time(begins_s)} --> {_time(ends_s)}\n{sprite}#xywh={left},{top},{size}")
    return "\n\n".join(cues) + "\n"


def _candidates(pieces: Sequence[Any]) -> list[tuple[Path, int]]:
    """Return frames that may stand for the film: late in the longest bodies, out of transitions."""
    bodies = [piece for piece in pieces if piece["body"]] or list(pieces)
    longest = sorted(bodies, key=lambda piece: -piece["frames"])[:_CANDIDATES_MAX]
    # Words and pictures have come in by then, and do not leave yet.
    return [(Path(piece["path"]), piece["frames"] * 2 // 3) for piece in longest]


def _time(length_s: Fraction) -> str:
    ms = round(length_s * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"
