"""What playlists say of a stream, read by parsers that are not ours."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from xml.etree import ElementTree as Tree

from cinefab.core.brief import Size
from cinefab.deliver.dash import media_description
from cinefab.deliver.hls import captions_playlist, media_playlist, multivariant_playlist
from cinefab.deliver.package_task import thumbnails
from cinefab.deliver.stream import Captions, Rung, Segment, Sound, Stream, Track
from cinefab.media.overview import Sheet

NTSC = Fraction(30000, 1001)
MPD = "{urn:mpeg:dash:schema:mpd:2011}"


def a_track(name: str, *lengths: int, rate: int = 30000, peak: int = 900) -> Track:
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    return Track(
        init=f"{name}.mp4",
        segments=tuple(
            Segment(name=f"{name}-{i}.m4s", starts_at=start, ticks=length)
            for i, (start, length) in enumerate(zip(starts, lengths, strict=True))
        ),
        ticks_per_s=rate,
        codec="mp4a.40.2" if name == "sound" else "avc1.64001F",
        peak_bits_per_s=peak,
        average_bits_per_s=peak // 2,
    )


def a_stream() -> Stream:
    return Stream(
        rungs=(
            Rung(name="720p", size=Size(1280, 720), track=a_track("hd", 64064, 64064, 31031)),
            Rung(name="360p", size=Size(640, 360), track=a_track("sd", 64064, 64064, 31031)),
        ),
        sound=None,
        captions=None,
        fps=NTSC,
        length_s=Fraction(159159, 30000),
    )


def with_sound_and_captions() -> Stream:
    sound = Sound(channels=2, track=a_track("sound", 102400, 102400, 49000, rate=48000, peak=128))
    return replace(a_stream(), sound=sound, captions=Captions(name="words.vtt", language="de"))


def test_a_media_playlist_has_exact_lengths_a_true_target_and_an_end() -> None:
    lines = media_playlist(a_track("hd", 64064, 31031)).splitlines()

    assert lines[0] == "#EXTM3U"
    assert "#EXT-X-TARGETDURATION:3" in lines
    assert "#EXT-X-PLAYLIST-TYPE:VOD" in lines
    assert '#EXT-X-MAP:URI="hd.mp4"' in lines
    assert lines[-5:] == [
        "#EXTINF:2.135467,",
        "hd-0.m4s",
        "#EXTINF:1.034367,",
        "hd-1.m4s",
        "#EXT-X-ENDLIST",
    ]


def test_the_multivariant_playlist_adds_the_sounds_rate_to_every_rung() -> None:
    text = multivariant_playlist(
        with_sound_and_captions(), rungs=("hd.m3u8", "sd.m3u8"), sound="s.m3u8", captions="c.m3u8"
    )

    rungs = re.findall(r"#EXT-X-STREAM-INF:(.*)\n(.*)", text)
    assert [path for _, path in rungs] == ["hd.m3u8", "sd.m3u8"]
    assert rungs[0][0] == (
        'BANDWIDTH=1028,AVERAGE-BANDWIDTH=514,CODECS="avc1.64001F,mp4a.40.2",'
        'RESOLUTION=1280x720,FRAME-RATE=29.970,AUDIO="sound",SUBTITLES="captions"'
    )
    assert 'TYPE=AUDIO,GROUP-ID="sound"' in text
    assert 'LANGUAGE="de",URI="c.m3u8"' in text


def test_a_silent_film_names_no_sound_and_no_captions() -> None:
    text = multivariant_playlist(a_stream(), rungs=("a", "b"), sound=None, captions=None)

    assert "EXT-X-MEDIA" not in text
    assert "AUDIO" not in text
    assert "mp4a" not in text


def test_captions_last_as_long_as_the_film() -> None:
    assert "#EXTINF:5.305300,\nwords.vtt\n" in captions_playlist(
        "words.vtt", length_s=a_stream().length_s
    )


def test_the_dash_description_names_each_segment_with_its_exact_length() -> None:
    root = Tree.fromstring(media_description(with_sound_and_captions(), media="media"))

    assert root.get("type") == "static"
    assert root.get("mediaPresentationDuration") == "PT5.305S"
    sets = root.findall(f".//{MPD}AdaptationSet")
    assert [each.get("contentType") for each in sets] == ["video", "audio", "text"]
    assert sets[0].get("frameRate") == "30000/1001"
    hd = sets[0].find(f"{MPD}Representation")
    assert hd is not None
    assert (hd.get("width"), hd.get("bandwidth"), hd.get("codecs")) == (
        "1280",
        "900",
        "avc1.64001F",
    )
    listed = hd.find(f"{MPD}SegmentList")
    assert listed is not None
    timeline = [dict(each.attrib) for each in listed.iter(f"{MPD}S")]
    assert timeline == [
        {"t": "0", "d": "64064"},
        {"t": "64064", "d": "64064"},
        {"t": "128128", "d": "31031"},
    ]
    media = [each.get("media") for each in listed.iter(f"{MPD}SegmentURL")]
    assert media == ["media/hd-0.m4s", "media/hd-1.m4s", "media/hd-2.m4s"]
    text = sets[2].find(f".//{MPD}BaseURL")
    assert text is not None
    assert text.text == "media/words.vtt"


def test_thumbnails_cover_the_film_without_a_gap_and_stay_on_the_sheet() -> None:
    sheet = Sheet(thumbnail=Size(160, 90), columns=10, count=12)

    text = thumbnails(sheet, "media/s.jpg", every_s=Fraction(2), length_s=Fraction(47, 2))

    cues = re.findall(r"(\S+) --> (\S+)\nmedia/s\.jpg#xywh=(\d+),(\d+),160,90", text)
    assert len(cues) == 12
    assert cues[0][0] == "00:00:00.000"
    assert cues[-1][1] == "00:00:23.500"
    assert [end for _, end, *_ in cues[:-1]] == [begin for begin, *_ in cues[1:]]
    assert [(int(x), int(y)) for *_, x, y in cues][-2:] == [(0, 90), (160, 90)]
