"""A stream's HLS playlists (RFC 8216): one for each track, and one that names them all."""

from __future__ import annotations

import math
from fractions import Fraction

from cinefab.deliver.stream import Stream, Track

_HEAD = ["#EXTM3U", "#EXT-X-VERSION:7"]


def media_playlist(track: Track) -> str:
    """Return a track's playlist, which lies beside its files."""
    lengths = [Fraction(each.ticks, track.ticks_per_s) for each in track.segments]
    lines = [
        *_HEAD,
        # The longest segment, rounded to the nearest second, must not be longer than this.
        f"#EXT-X-TARGETDURATION:{max(1, *(math.ceil(length) for length in lengths))}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        f'#EXT-X-MAP:URI="{track.init}"',
    ]
    for segment, length in zip(track.segments, lengths, strict=True):
        lines += [f"#EXTINF:{_seconds(length)},", segment.name]
    return _text([*lines, "#EXT-X-ENDLIST"])


def captions_playlist(name: str, *, length_s: Fraction) -> str:
    """Return the playlist of a film's captions, which are one file beside it."""
    return _text(
        [
            *_HEAD,
            f"#EXT-X-TARGETDURATION:{max(1, math.ceil(length_s))}",
            "#EXT-X-MEDIA-SEQUENCE:0",
            "#EXT-X-PLAYLIST-TYPE:VOD",
            f"#EXTINF:{_seconds(length_s)},",
            name,
            "#EXT-X-ENDLIST",
        ]
    )


def multivariant_playlist(
    stream: Stream, *, rungs: tuple[str, ...], sound: str | None, captions: str | None
) -> str:
    """Return the playlist that names the others, by their paths from it.

    Rates are those that were measured: of the dearest segment, and of the whole.
    """
    lines = [*_HEAD, "#EXT-X-INDEPENDENT-SEGMENTS"]
    groups = ""
    codecs, peak, average = "", 0, 0
    if stream.sound is not None and sound is not None:
        lines.append(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="Sound",DEFAULT=YES,AUTOSELECT=YES,'
            f'CHANNELS="{stream.sound.channels}",URI="{sound}"'
        )
        groups += ',AUDIO="sound"'
        track = stream.sound.track
        codecs, peak, average = f",{track.codec}", track.peak_bits_per_s, track.average_bits_per_s
    if stream.captions is not None and captions is not None:
        lines.append(
            '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="captions",NAME="Captions",DEFAULT=NO,'
            f'AUTOSELECT=YES,LANGUAGE="{stream.captions.language}",URI="{captions}"'
        )
        groups += ',SUBTITLES="captions"'
    for rung, path in zip(stream.rungs, rungs, strict=True):
        said = (
            f"BANDWIDTH={rung.track.peak_bits_per_s + peak},"
            f"AVERAGE-BANDWIDTH={rung.track.average_bits_per_s + average},"
            f'CODECS="{rung.track.codec}{codecs}",RESOLUTION={rung.size},'
            f"FRAME-RATE={float(stream.fps):.3f}{groups}"
        )
        lines += [f"#EXT-X-STREAM-INF:{said}", path]
    return _text(lines)


def _seconds(length: Fraction) -> str:
    return f"{float(length):.6f}"


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
