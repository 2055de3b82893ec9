"""A stream's DASH description (ISO/IEC 23009-1), over the same files as its HLS playlists."""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree as Tree

from cinefab.deliver.stream import Sound, Stream, Track

_NAMESPACE = "urn:mpeg:dash:schema:mpd:2011"
_MIN_BUFFER_S = 4
_CHANNELS = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"


def media_description(stream: Stream, *, media: str) -> str:
    """Return the MPD of a stream whose files lie in the folder `media` beside it.

    Every segment is named, with its exact length: names are digests, which no template makes.
    """
    root = Tree.Element(
        "MPD",
        {
            "xmlns": _NAMESPACE,
            "profiles": "urn:mpeg:dash:profile:isoff-main:2011,urn:mpeg:dash:profile:cmaf:2019",
            "type": "static",
            "mediaPresentationDuration": _duration(stream.length_s),
            "minBufferTime": f"PT{_MIN_BUFFER_S}S",
        },
    )
    period = Tree.SubElement(root, "Period", {"id": "film", "start": "PT0S"})
    _add_pictures(period, stream, media)
    if stream.sound is not None:
        _add_sound(period, stream.sound, media)
    if stream.captions is not None:
        languages = {"id": "captions", "contentType": "text", "mimeType": "text/vtt"}
        captions = Tree.SubElement(
            period, "AdaptationSet", {**languages, "lang": stream.captions.language}
        )
        text = Tree.SubElement(
            captions, "Representation", {"id": "captions-vtt", "bandwidth": "1000"}
        )
        Tree.SubElement(text, "BaseURL").text = f"{media}/{stream.captions.name}"
    Tree.indent(root)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(root, encoding="unicode") + "\n"
    )


def _add_pictures(period: Tree.Element, stream: Stream, media: str) -> None:
    largest = stream.rungs[0].size
    rate = stream.fps
    pictures = Tree.SubElement(
        period,
        "AdaptationSet",
        {
            "id": "pictures",
            "contentType": "video",
            "mimeType": "video/mp4",
            "segmentAlignment": "true",
            "startWithSAP": "1",
            "maxWidth": str(largest.width),
            "maxHeight": str(largest.height),
            "frameRate": str(rate.numerator) if rate.denominator == 1 else str(rate),
        },
    )
    for rung in stream.rungs:
        representation = _representation(
            rung.name,
            rung.track,
            width=str(rung.size.width),
            height=str(rung.size.height),
            sar="1:1",
        )
        pictures.append(representation)
        _add_segments(representation, rung.track, media)


def _add_sound(period: Tree.Element, sound: Sound, media: str) -> None:
    audio = Tree.SubElement(
        period,
        "AdaptationSet",
        {
            "id": "sound",
            "contentType": "audio",
            "mimeType": "audio/mp4",
            "segmentAlignment": "true",
            "startWithSAP": "1",
        },
    )
    rate = str(sound.track.ticks_per_s)
    representation = _representation("sound-aac", sound.track, audioSamplingRate=rate)
    audio.append(representation)
    count = {"schemeIdUri": _CHANNELS, "value": str(sound.channels)}
    Tree.SubElement(representation, "AudioChannelConfiguration", count)
    _add_segments(representation, sound.track, media)


def _representation(name: str, track: Track, **more: str) -> Tree.Element:
    said = {"id": name, "bandwidth": str(track.peak_bits_per_s), "codecs": track.codec, **more}
    return Tree.Element("Representation", said)


def _add_segments(representation: Tree.Element, track: Track, media: str) -> None:
    listed = Tree.SubElement(representation, "SegmentList", {"timescale": str(track.ticks_per_s)})
    Tree.SubElement(listed, "Initialization", {"sourceURL": f"{media}/{track.init}"})
    timeline = Tree.SubElement(listed, "SegmentTimeline")
    for segment in track.segments:
        # One element for each, alike or not: dash.js 5 finds a segment's URL by counting them,
        # and does not count what `r` repeats.
        said = {"t": str(segment.starts_at), "d": str(segment.ticks)}
        Tree.SubElement(timeline, "S", said)
    for segment in track.segments:
        Tree.SubElement(listed, "SegmentURL", {"media": f"{media}/{segment.name}"})


def _duration(length_s: Fraction) -> str:
    return f"PT{float(length_s):.3f}S"
