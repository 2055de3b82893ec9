"""Files that attack whoever opens them, built here and now: name → bytes, file name, words.

The words are in the message that the file must end in. Some point at a file and a server that
must never be touched: `aim` says which.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable

import numpy as np
from media_samples import a_film, a_sample
from PIL import Image

CANARY = "/etc/passwd"
URL = "http://127.0.0.1:9/canary.ts"

Build = Callable[[], bytes]


def aim(file: str, host: str) -> None:
    """Have files that are built from now on point at `file` and at `host`."""
    global CANARY, URL
    CANARY, URL = file, f"http://{host}/canary.ts"


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


def edited(data: bytes, path: tuple[bytes, ...], change: Callable[[bytes], bytes]) -> bytes:
    """Return an MP4 with the content of one box changed, and all that hold it made to fit."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == path[0]:
            body = data[at + 8 : at + size]
            head = 8 if kind == b"dref" else 0
            new = change(body) if len(path) == 1 else edited(body[head:], path[1:], change)
            return data[:at] + box(kind, body[:head] + new) + data[at + size :]
        at += size
    raise AssertionError(f"there is no {path[0]!r}")


TRACK = (b"moov", b"trak")
TABLE = (*TRACK, b"mdia", b"minf", b"stbl")


def many_frames(count: int) -> bytes:
    """Return a film whose tables promise `count` pictures, in a few bytes."""
    data = a_film(video="mpeg4", audio=None, frames=2)
    data = edited(data, (*TABLE, b"stsz"), lambda _: struct.pack(">III", 0, 1, count))
    return edited(data, (*TABLE, b"stts"), lambda _: struct.pack(">IIII", 0, 1, count, 512))


def long_film(ticks: int) -> bytes:
    """Return a film of two pictures, the first shown for ages."""
    data = a_film(video="mpeg4", audio=None, frames=2)
    return edited(data, (*TABLE, b"stts"), lambda _: struct.pack(">IIII", 0, 1, 2, ticks))


def tracks(count: int) -> bytes:
    """Return a film whose one track is listed again and again."""

    def again(moov: bytes) -> bytes:
        at = 0
        while True:
            size, kind = struct.unpack_from(">I4s", moov, at)
            if kind == b"trak":
                return moov + moov[at : at + size] * (count - 1)
            at += size

    return edited(a_film(video="mpeg4", audio=None, frames=2), (b"moov",), again)


def elsewhere(reference: bytes) -> bytes:
    """Return a QuickTime film whose pictures lie in another file."""
    data = a_film(muxer="mov", video="mpeg4", audio=None, frames=2)
    path = (*TRACK, b"mdia", b"minf", b"dinf", b"dref")
    return edited(data, path, lambda _: struct.pack(">II", 0, 1) + reference)


def nested(kind: bytes, depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = box(kind, body)
    return box(b"ftyp", b"isom\0\0\0\0isom") + body


def a_wav(
    *,
    channels: int = 2,
    rate: int = 44_100,
    bits: int = 16,
    tag: int = 1,
    length: int | None = None,
) -> bytes:
    block = max(1, channels * bits // 8)
    pixels = bytes(4_000)
    form = struct.pack(
        "<HHIIHH", tag, channels, rate, rate * block & 0xFFFFFFFF, block & 0xFFFF, bits
    )
    data = b"data" + struct.pack("<I", len(pixels) if length is None else length) + pixels
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def a_long_flac() -> bytes:
    data = bytearray(a_sample("flac"))
    data[21] |= 0x0F  # the number of samples: 36 bits
    data[22:26] = b"\xff\xff\xff\xff"
    return bytes(data)


def a_vp8_bomb() -> bytes:
    data = a_sample("webm-vp8")
    sign = data.index(b"\x9d\x01\x2a") + 3
    return data[:sign] + struct.pack("<HH", 16_383, 16_383) + data[sign + 4 :]


def a_mjpeg_bomb() -> bytes:
    data = a_film(muxer="mov", video="mjpeg", audio=None, frames=2, pixels="yuvj420p")
    frame = data.index(b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">HH", 65_500, 65_500) + data[frame + 9 :]


def a_large_film() -> bytes:
    return a_film(video="mpeg4", audio=None, frames=1, size=(4_200, 2_400))


def a_picture(kind: str, size: tuple[int, int] = (96, 64)) -> bytes:
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[: size[1] // 2] = (200, 30, 90)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def a_png_bomb(side: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    squeeze = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    packed = b"".join(squeeze.compress(row) for _ in range(side)) + squeeze.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


def animated(kind: str) -> bytes:
    first, *others = (Image.new("RGB", (32, 32), (n * 20, 0, 0)) for n in range(8))
    file = io.BytesIO()
    first.save(file, kind, save_all=True, append_images=others, duration=40)
    return file.getvalue()


def cut(name: str, share: float = 0.5) -> bytes:
    data = a_sample(name)
    return data[: int(len(data) * share)]


def noise_after(name: str, kept: int) -> bytes:
    data = a_sample(name)
    return data[:kept] + random.Random(5).randbytes(len(data) - kept)


def noise_in_mdat(name: str) -> bytes:
    data = a_sample(name)
    return edited(data, (b"mdat",), lambda body: random.Random(6).randbytes(len(body)))


def patched(name: str, old: bytes, new: bytes) -> bytes:
    data = a_sample(name)
    assert old in data, f"{old!r} is not in a {name}"
    return data.replace(old, new, 1)


def svg(inside: str, before: str = "") -> bytes:
    text = f"<?xml version='1.0'?>{before}<svg xmlns='http://www.w3.org/2000/svg'>{inside}</svg>"
    return text.encode()


def xxe() -> str:
    return f"<!DOCTYPE s [<!ENTITY x SYSTEM 'file://{CANARY}'>]>"


def laughs() -> str:
    pairs = zip("abcdefgh", "bcdefghi", strict=True)
    entities = "".join(f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in pairs)
    return f"<!DOCTYPE s [<!ENTITY a 'ha'>{entities}]>"


HOSTILE: dict[str, tuple[Build, str, str]] = {
    # Nothing, or next to it.
    "no-bytes-film": (lambda: b"", "a.mp4", "empty"),
    "no-bytes-sound": (lambda: b"", "a.wav", "empty"),
    "no-bytes-picture": (lambda: b"", "a.avif", "empty"),
    "one-byte": (lambda: b"\0", "a.mp4", ""),
    "zeros": (lambda: bytes(5_000), "a.mp4", ""),
    "only-ftyp": (lambda: box(b"ftyp", b"isom\0\0\0\0isom"), "a.mp4", "broken"),
    "only-ebml": (lambda: a_sample("webm-vp8")[:40], "a.webm", "broken"),
    "only-riff": (lambda: b"RIFF\x24\0\0\0WAVE", "a.wav", "broken"),
    "only-flac": (lambda: b"fLaC", "a.flac", "broken"),
    "only-id3": (lambda: b"ID3\x04\0\0\0\0\0\0", "a.mp3", "broken"),
    "only-adts": (lambda: b"\xff\xf1\x50\x80", "a.aac", "broken"),
    # Cut off.
    "half-an-mp4": (lambda: cut("mp4"), "a.mp4", "broken"),
    "half-a-hevc": (lambda: cut("mp4-hevc"), "a.mp4", "broken"),
    "half-a-mov": (lambda: cut("mov"), "a.mov", "broken"),
    "half-a-webm": (lambda: cut("webm-vp8"), "a.webm", "cut off"),
    "half-a-vp9": (lambda: cut("webm-vp9"), "a.webm", "cut off"),
    "half-an-av1": (lambda: cut("webm-av1"), "a.webm", "cut off"),
    "half-a-wav": (lambda: cut("wav", 0.4), "a.wav", "damaged or cut off"),
    "half-a-flac": (lambda: cut("flac"), "a.flac", ""),
    "half-an-mp3": (lambda: cut("mp3"), "a.mp3", "cut off"),
    "half-an-m4a": (lambda: cut("m4a"), "a.m4a", "broken"),
    "half-an-avif": (lambda: a_picture("AVIF")[:-40], "a.avif", "cut off"),
    "half-a-webp": (lambda: a_picture("WEBP")[:-20], "a.webp", "cut off"),
    # Pixels without end.
    "pixels-png": (lambda: a_png_bomb(9_000), "a.png", "9000 x 9000"),
    "pixels-avif": (
        lambda: a_picture("AVIF").replace(
            struct.pack(">II", 96, 64), struct.pack(">II", 65_000, 65_000)
        ),
        "a.avif",
        "65000 x 65000",
    ),
    "pixels-vp8": (a_vp8_bomb, "a.webm", ""),
    "pixels-mjpeg": (a_mjpeg_bomb, "a.mov", ""),
    "pixels-mpeg4": (a_large_film, "a.mp4", "4200 x 2400"),
    # Frames without end.
    "frames-mp4": (lambda: many_frames(2_000_000), "a.mp4", "2,000,000 pictures"),
    "frames-of-all-numbers": (lambda: many_frames(0x7FFFFFFF), "a.mp4", ""),
    "frames-webp": (lambda: animated("WEBP"), "a.webp", "animated"),
    "frames-avif": (lambda: animated("AVIF"), "a.avif", "animated"),
    "frames-apng": (lambda: animated("PNG"), "a.png", "animated"),
    "frames-gif": (lambda: animated("GIF"), "a.gif", "GIF"),
    # Tracks without end.
    "tracks-sound": (lambda: a_film(tracks=20, video=None, seconds=0.1), "a.mp4", "20 tracks"),
    "tracks-picture": (lambda: tracks(400), "a.mp4", "400 tracks"),
    "tracks-thousands": (lambda: tracks(3_000), "a.mp4", ""),
    # Time without end.
    "duration-mp4": (lambda: long_film(1 << 28), "a.mp4", "more than 600 frames, or 600 s"),
    "duration-mp4-of-all-numbers": (lambda: long_film(0x7FFFFFFF), "a.mp4", ""),
    "duration-flac": (a_long_flac, "a.flac", "s long"),
    "duration-wav": (lambda: a_wav(rate=4_000, channels=1, bits=8, length=1 << 30), "a.wav", ""),
    "duration-slow": (lambda: a_wav(rate=1), "a.wav", "1 Hz"),
    # Sound that nothing plays.
    "channels": (lambda: a_wav(channels=64), "a.wav", "64 channels"),
    "channels-of-all-numbers": (lambda: a_wav(channels=0xFFFF), "a.wav", ""),
    "no-channels": (lambda: a_wav(channels=0), "a.wav", "broken"),
    "no-rate": (lambda: a_wav(rate=0), "a.wav", ""),
    "rate-of-all-numbers": (lambda: a_wav(rate=0x7FFFFFFF), "a.wav", ""),
    "codec-of-no-list": (lambda: a_wav(tag=2, bits=4), "a.wav", "adpcm"),
    # Playlists, and films whose media lies elsewhere.
    "hls": (f"#EXTM3U\n#EXTINF:1,\n{URL}\n".encode, "a.m3u8", "playlist"),
    "hls-called-mp4": (f"#EXTM3U\n#EXTINF:1,\n{URL}\n".encode, "a.mp4", "playlist"),
    "hls-of-a-file": (f"#EXTM3U\nfile://{CANARY}\n".encode, "a.wav", "playlist"),
    "hls-after-a-mark": (f"\ufeff#EXTM3U\n{URL}\n".encode, "a.mp4", ""),
    "concat": (
        f"ffconcat version 1.0\nfile '{CANARY}'\n".encode,
        "a.mp4",
        "list of films",
    ),
    "pls": (f"[playlist]\nFile1={URL}\n".encode, "a.mp3", "playlist"),
    "dash": (f"<MPD><BaseURL>{URL}</BaseURL></MPD>".encode, "a.mp4", "playlist"),
    "sdp": (lambda: b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n", "a.mp4", "text"),
    "smil": (f"<smil><body><video src='{URL}'/></body></smil>".encode, "a.mp4", ""),
    "url-elsewhere": (
        lambda: elsewhere(box(b"url ", b"\0\0\0\0" + URL.encode() + b"\0")),
        "a.mov",
        "",
    ),
    "file-elsewhere": (
        lambda: elsewhere(box(b"url ", f"\0\0\0\0file://{CANARY}\0".encode())),
        "a.mov",
        "",
    ),
    "alias-elsewhere": (
        lambda: elsewhere(box(b"alis", b"\0" * 150 + CANARY.encode().ljust(200, b"\0"))),
        "a.mov",
        "",
    ),
    "movie-elsewhere": (
        lambda: box(
            b"moov",
            box(b"rmra", box(b"rmda", box(b"rdrf", b"\0\0\0\0url \0\0\0\x20" + URL.encode()))),
        ),
        "a.mov",
        "",
    ),
    # Drawings and pages.
    "svg-link": (lambda: svg(f"<image href='{URL}'/>"), "a.svg", "SVG"),
    "svg-xxe": (lambda: svg("<text>&x;</text>", xxe()), "a.png", "SVG"),
    "svg-laughs": (lambda: svg("<text>&i;</text>", laughs()), "a.svg", "SVG"),
    "svg-called-mp4": (lambda: svg("<script>alert(1)</script>"), "a.mp4", "SVG"),
    "xml-xxe": (f"<?xml version='1.0'?>{xxe()}<s>&x;</s>".encode, "a.wav", "XML"),
    "svgz": (lambda: b"\x1f\x8b\x08\0" + bytes(40), "a.svgz", "gzip"),
    "html": (f"<html><img src='{URL}'></html>".encode, "a.webp", "HTML"),
    "pdf": (lambda: b"%PDF-1.7\n/JS (app.alert(1))", "a.jpg", "PDF"),
    # Called what it is not.
    "mp4-called-png": (lambda: a_sample("mp4"), "a.png", "holds an MP4"),
    "mp4-called-wav": (lambda: a_sample("mp4"), "a.wav", "holds an MP4"),
    "wav-called-mp3": (lambda: a_sample("wav"), "a.mp3", "holds a WAV"),
    "mp3-called-wav": (lambda: a_sample("mp3"), "a.wav", "holds an MP3"),
    "flac-called-webm": (lambda: a_sample("flac"), "a.webm", "holds a FLAC"),
    "webm-called-mp4": (lambda: a_sample("webm-vp8"), "a.mp4", "holds a WebM"),
    "aac-called-flac": (lambda: a_sample("aac"), "a.flac", "holds an AAC"),
    "avif-called-jpg": (lambda: a_picture("AVIF"), "a.jpg", "holds an AVIF"),
    "png-called-mov": (lambda: a_picture("PNG"), "a.mov", "holds a PNG"),
    "zip-called-mov": (lambda: b"PK\x03\x04" + bytes(100), "a.mov", "ZIP"),
    "program-called-mp4": (lambda: b"\x7fELF" + bytes(100), "a.mp4", "program"),
    # Containers and codecs that are on no list.
    "avi": (lambda: a_film(muxer="avi", video="mpeg4", audio=None, frames=2), "a.avi", "AVI"),
    "matroska": (lambda: a_film(muxer="matroska", audio=None, frames=2), "a.mkv", "Matroska"),
    "matroska-called-webm": (
        lambda: a_film(muxer="matroska", audio=None, frames=2),
        "a.webm",
        "Matroska",
    ),
    "flv": (lambda: a_film(muxer="flv", audio=None, frames=2), "a.flv", ""),
    "mpeg-ts": (lambda: a_film(muxer="mpegts", audio=None, frames=2), "a.mp4", ""),
    "ogg": (
        lambda: a_film(muxer="ogg", video=None, audio="libopus", rate=48_000),
        "a.ogg",
        "Ogg",
    ),
    "raw-video-in-mov": (
        lambda: a_film(muxer="mov", video="rawvideo", audio=None, frames=1, pixels="uyvy422"),
        "a.mov",
        "coded as rawvideo",
    ),
    "png-in-mov": (
        lambda: a_film(muxer="mov", video="png", audio=None, frames=1, pixels="rgb24"),
        "a.mov",
        "coded as png",
    ),
    "unknown-codec": (lambda: patched("mp4", b"avc1\0\0\0\0", b"xyz1\0\0\0\0"), "a.mp4", ""),
    # Broken within.
    "noise-in-mp4": (lambda: noise_in_mdat("mp4"), "a.mp4", "broken"),
    "noise-in-hevc": (lambda: noise_in_mdat("mp4-hevc"), "a.mp4", "broken"),
    "noise-in-webm": (lambda: noise_after("webm-vp9", 600), "a.webm", ""),
    "noise-in-flac": (lambda: noise_after("flac", 86), "a.flac", ""),
    "noise-in-aac": (lambda: noise_after("aac", 10), "a.aac", ""),
    "boxes-in-boxes": (lambda: nested(b"moov", 3_000), "a.mp4", "broken"),
    "box-of-no-size": (
        lambda: box(b"ftyp", b"isom\0\0\0\0") + b"\0\0\0\x01moov" * 3,
        "a.mp4",
        "no picture or sound",
    ),
    "box-larger-than-all": (
        lambda: box(b"ftyp", b"isom\0\0\0\0") + b"\x7f\xff\xff\xffmoov",
        "a.mp4",
        "no picture or sound",
    ),
    "pictures-where-sound-is-promised": (
        lambda: a_film(audio=None, frames=2).replace(b"ftypisom", b"ftypM4A ", 1),
        "a.m4a",
        "no sound track",
    ),
}
