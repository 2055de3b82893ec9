"""What bytes are, by how they begin; never by what the file is called."""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from cinefab.media.sandbox.formats import jpeg, png
from cinefab.media.sandbox.formats.avif import is_avif
from cinefab.media.sandbox.formats.webp import is_webp
from cinefab.media.sandbox.outcome import PayloadRefused

_ACCEPTED: Final = "PNG, JPEG, WebP or AVIF"


class PictureFormat(StrEnum):
    """The formats that are decoded, each the last part of its media type."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"


_NAMES: Final = {
    PictureFormat.PNG: "PNG",
    PictureFormat.JPEG: "JPEG",
    PictureFormat.WEBP: "WebP",
    PictureFormat.AVIF: "AVIF",
}
_SUFFIXES: Final = {
    PictureFormat.PNG: (".png", ".apng"),
    PictureFormat.JPEG: (".jpg", ".jpeg", ".jpe", ".jfif"),
    PictureFormat.WEBP: (".webp",),
    PictureFormat.AVIF: (".avif",),
}
# Endings that promise something else; any other ending promises nothing (`photo.php`).
# fmt: off
FOREIGN_SUFFIXES: Final = frozenset({
    ".gif", ".svg", ".svgz", ".tif", ".tiff", ".bmp", ".heic", ".heif", ".jxl", ".jp2",
    ".j2k", ".ico", ".psd", ".eps", ".ai", ".exr", ".hdr", ".tga", ".pdf", ".mp4", ".mov", ".webm",
    ".mkv", ".avi", ".m3u", ".m3u8", ".zip", ".gz", ".html", ".htm", ".xml", ".txt", ".json",
    ".exe", ".js", ".sh", ".wav", ".flac", ".mp3", ".aac", ".m4a", ".ogg", ".opus",
})
# fmt: on

_BEGINNINGS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"GIF8", "a GIF"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"II+\0", "a BigTIFF"),
    (b"MM\0+", "a BigTIFF"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"BM", "a BMP"),
    (b"8BPS", "a Photoshop file"),
    (b"qoif", "a QOI picture"),
    (b"v/1\x01", "an OpenEXR picture"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\x01\0", "an icon file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM film"),
    (b"RIFF", "an AVI film or a WAV sound"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 sound"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"#!", "a script"),
    (b"#EXTM3U", "a playlist"),
    (b"[playlist]", "a playlist"),
    (b"ffconcat", "a list of films"),
)
_MARKUP: Final[tuple[tuple[bytes, str], ...]] = (
    (b"<svg", "an SVG drawing"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<mpd", "a playlist"),
    (b"<?xml", "XML"),
)
_BRANDS: Final = {
    b"avif": "an AVIF picture",
    b"avis": "an animated AVIF",
    b"heic": "an HEIC picture",
    b"heix": "an HEIC picture",
    b"mif1": "an HEIF picture",
}


def sniff(data: bytes, *, name: str) -> PictureFormat:
    """Return the format that `data` begins as; raise `PayloadRefused` for every other one.

    The ending of `name`, where it promises a format, must be the right one.
    """
    found = format_of(data)
    if found is None:
        raise PayloadRefused(found=looks_like(data), remedy=f"Send a {_ACCEPTED} picture.")
    suffix = PurePosixPath(name).suffix.lower()
    promised = {s for suffixes in _SUFFIXES.values() for s in suffixes} | FOREIGN_SUFFIXES
    if suffix in promised and suffix not in _SUFFIXES[found]:
        raise PayloadRefused(
            found=f"it is called {suffix} but holds {_article(_NAMES[found])} picture",
            remedy=f"Name it {_SUFFIXES[found][0]}, or export it in the format that it promises.",
        )
    return found


def format_of(data: bytes) -> PictureFormat | None:
    """Return the picture format that `data` begins as, if it is one that is decoded."""
    if data.startswith(png.MAGIC):
        return PictureFormat.PNG
    if data.startswith(jpeg.MAGIC):
        return PictureFormat.JPEG
    if is_webp(data):
        return PictureFormat.WEBP
    return PictureFormat.AVIF if is_avif(data) else None


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'AEIO' else 'a'} {name}"


def looks_like(data: bytes) -> str:
    """Return a clause that says what bytes look like which nobody takes."""
    if not data:
        return "it is empty"
    if data[4:8] == b"ftyp":
        return f"it looks like {_BRANDS.get(data[8:12], 'an MP4 or QuickTime film')}"
    for beginning, what in _BEGINNINGS:
        if data.startswith(beginning):
            return f"it looks like {what}"
    text = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for beginning, what in _MARKUP:
        if beginning in text and text.startswith(b"<"):
            return f"it looks like {what}"
    if png.MAGIC.startswith(data) or jpeg.MAGIC.startswith(data) or data == b"RIFF"[: len(data)]:
        return f"it is cut off after {len(data)} bytes"
    if all(byte >= 0x20 or byte in b"\t\r\n\f" for byte in data[:512]):
        return "it looks like text"
    return "it begins as no picture, film or sound does"
