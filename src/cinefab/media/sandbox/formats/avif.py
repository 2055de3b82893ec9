"""AVIF, by its boxes (ISO/IEC 14496-12 and 23008-12, and the AV1 image file format)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cinefab.media.sandbox.formats.outline import (
    Outline,
    refuse_animated,
    refuse_broken,
    refuse_truncated,
)
from cinefab.media.sandbox.outcome import PayloadRefused

_BRANDS: Final = frozenset({b"avif", b"avis"})
_GENERAL_BRANDS: Final = frozenset({b"mif1", b"miaf"})
_FTYP_MAX: Final = 256
_BOXES_MAX: Final = 1_000
_ITEMS_MAX: Final = 100
_EXTENTS_MAX: Final = 64
_ALPHA: Final = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
_OLD_ALPHA: Final = b"urn:mpeg:hevc:2015:auxid:1\0"
# What determines pixels, and is kept; profiles, crops and everything else is not.
_KEPT: Final = frozenset({b"ispe", b"pixi", b"av1C", b"auxC"})
_UNDERSTOOD: Final = _KEPT | {b"colr", b"irot", b"imir", b"pasp", b"clap", b"clli", b"mdcv"}
# EXIF's number for each turn (quarters, counter-clockwise) and mirror (none, top to bottom,
# left to right): the turn comes first.
_ORIENTATIONS: Final = {
    (0, None): 1,
    (1, None): 8,
    (2, None): 3,
    (3, None): 6,
    (0, 0): 4,
    (1, 0): 5,
    (2, 0): 2,
    (3, 0): 7,
    (0, 1): 2,
    (1, 1): 7,
    (2, 1): 4,
    (3, 1): 5,
}


def is_avif(data: bytes) -> bool:
    """Say whether the bytes begin as an AVIF file does, still or animated."""
    if data[4:8] != b"ftyp" or len(data) < 16:
        return False
    if data[8:12] in _BRANDS:
        return True
    size = min(int.from_bytes(data[:4], "big"), _FTYP_MAX)
    others = {data[at : at + 4] for at in range(16, size, 4)}
    return data[8:12] in _GENERAL_BRANDS and b"avif" in others


def read_avif(data: bytes) -> Outline:
    """Return the outline of an AVIF; raise `PayloadRefused` unless it is one whole, still picture.

    Its essence is a new file with the picture and its alpha alone.
    """
    top = dict(reversed(list(_boxes(data, 0, len(data)))))
    if b"moov" in top or data[8:12] == b"avis":
        refuse_animated()
    if b"meta" not in top:
        refuse_broken("it has no list of what it holds")
    start, end = top[b"meta"]
    file = _Meta(data, start + 4, end)
    primary = file.item(file.primary)
    if primary.kind != b"av01":
        raise PayloadRefused(
            found="its picture is put together from tiles, or is not AV1",
            remedy="Export it as one AVIF picture, or as PNG, JPEG or WebP.",
        )
    colour = file.properties(primary)
    width, height = _size(colour)
    alpha = file.alpha_of(primary)
    pictures = [(file.content(primary), [box for kind, box in colour if _is_kept(kind, box)])]
    if alpha is not None:
        mask = file.properties(alpha)
        if _size(mask) != (width, height):
            refuse_broken("its alpha is not as large as its picture")
        kept = [box for kind, box in mask if kind in _KEPT]
        pictures.append((file.content(alpha), kept))
    return Outline(
        width=width,
        height=height,
        orientation=_orientation(colour),
        essence=_essence(pictures),
        bits=_bits(colour),
    )


@dataclass(slots=True)
class _Item:
    number: int
    kind: bytes = b""
    extents: list[tuple[int, int]] = field(default_factory=list)
    within: bool = False
    properties: list[int] = field(default_factory=list)


class _Meta:
    """The lists of a file's `meta` box."""

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self._data = data
        self._items: dict[int, _Item] = {}
        self._boxes: list[tuple[bytes, int, int]] = []
        self._references: list[tuple[bytes, int, list[int]]] = []
        self._idat: tuple[int, int] | None = None
        self.primary = -1
        try:
            for kind, (at, stop) in _boxes(data, start, end):
                self._take(kind, at, stop)
        except (struct.error, IndexError):
            refuse_broken("a list in it is shorter than it says")

    def item(self, number: int) -> _Item:
        """Return an item that must be there."""
        found = self._items.get(number)
        if found is None or not found.kind:
            refuse_broken("it names a picture that it does not hold")
        return found

    def properties(self, item: _Item) -> list[tuple[bytes, bytes]]:
        """Return an item's properties, each with its whole box."""
        found = []
        for entry in item.properties:
            essential, index = bool(entry & 0x8000), entry & 0x7FFF
            if not 0 < index <= len(self._boxes):
                refuse_broken("it names a property that it does not hold")
            kind, at, stop = self._boxes[index - 1]
            if essential and kind not in _UNDERSTOOD:
                refuse_broken(f"it needs a property {kind!r} that is not known")
            found.append((kind, self._data[at - 8 : stop]))
        return found

    def alpha_of(self, picture: _Item) -> _Item | None:
        """Return the item that holds a picture's alpha, if there is one."""
        for kind, source, targets in self._references:
            if kind == b"auxl" and picture.number in targets:
                item = self.item(source)
                told = [box[12:] for kind, box in self.properties(item) if kind == b"auxC"]
                if item.kind == b"av01" and told and told[0].startswith((_ALPHA, _OLD_ALPHA)):
                    return item
        return None

    def content(self, item: _Item) -> bytes:
        """Return an item's bytes."""
        base, limit = self._idat or (0, 0) if item.within else (0, len(self._data))
        parts = []
        length = 0
        for offset, told in item.extents:
            size = told or limit - base - offset
            length += size
            if size < 0 or offset < 0 or base + offset + size > limit or length > limit:
                refuse_truncated(f"after {len(self._data):,} bytes, inside its picture")
            parts.append(self._data[base + offset : base + offset + size])
        if not length:
            refuse_broken("it holds no pixels")
        return b"".join(parts)

    def _take(self, kind: bytes, at: int, stop: int) -> None:
        version = self._data[at] if stop > at else 0
        match kind:
            case b"pitm":
                self.primary = self._number(at + 4, 4 if version else 2)
            case b"iinf":
                self._take_infos(at + (8 if version else 6), stop)
            case b"iloc":
                self._take_locations(at, version)
            case b"iref":
                self._take_references(at + 4, stop, wide=version > 0)
            case b"idat":
                self._idat = (at, stop)
            case b"iprp":
                self._take_properties(at, stop)
            case _:
                pass

    def _take_infos(self, at: int, stop: int) -> None:
        for kind, (start, _) in _boxes(self._data, at, stop):
            if kind == b"infe" and (version := self._data[start]) >= 2:
                wide = 4 if version >= 3 else 2
                number = self._number(start + 4, wide)
                after = start + 4 + wide + 2
                self._item(number).kind = self._data[after : after + 4]

    def _take_locations(self, at: int, version: int) -> None:
        sizes = self._number(at + 4, 2)
        offset_size, length_size, base_size, index_size = (
            sizes >> shift & 15 for shift in (12, 8, 4, 0)
        )
        if {offset_size, length_size, base_size} - {0, 4, 8}:
            refuse_broken("its offsets are of no possible size")
        wide = 4 if version == 2 else 2
        count = self._number(at + 6, wide)
        at += 6 + wide
        if count > _ITEMS_MAX:
            refuse_broken(f"it has more than {_ITEMS_MAX} items")
        for _ in range(count):
            item = self._item(self._number(at, wide))
            at += wide
            if version:
                item.within = self._number(at, 2) & 15 == 1
                at += 2
            base = self._number(at + 2, base_size)
            extents = self._number(at + 2 + base_size, 2)
            at += 4 + base_size
            if extents > _EXTENTS_MAX:
                refuse_broken(f"it has more than {_EXTENTS_MAX} parts")
            item.extents.clear()
            for _ in range(extents):
                at += index_size if version else 0
                offset = self._number(at, offset_size)
                length = self._number(at + offset_size, length_size)
                at += offset_size + length_size
                item.extents.append((base + offset, length))

    def _take_references(self, at: int, stop: int, *, wide: bool) -> None:
        size = 4 if wide else 2
        for kind, (start, _) in _boxes(self._data, at, stop):
            source, count = self._number(start, size), self._number(start + size, 2)
            first = start + size + 2
            targets = [self._number(first + size * i, size) for i in range(min(count, _ITEMS_MAX))]
            self._references.append((kind, source, targets))

    def _take_properties(self, at: int, stop: int) -> None:
        for kind, (start, end) in _boxes(self._data, at, stop):
            if kind == b"ipco":
                self._boxes = [(k, a, z) for k, (a, z) in _boxes(self._data, start, end)]
            elif kind == b"ipma":
                self._take_associations(start)

    def _take_associations(self, at: int) -> None:
        version, wide_index = self._data[at], self._data[at + 3] & 1
        count = self._number(at + 4, 4)
        at += 8
        if count > _ITEMS_MAX:
            refuse_broken(f"it has more than {_ITEMS_MAX} items")
        for _ in range(count):
            size = 4 if version else 2
            item = self._item(self._number(at, size))
            entries = self._data[at + size]
            at += size + 1
            for _ in range(entries):
                if wide_index:
                    entry = self._number(at, 2)
                else:
                    byte = self._number(at, 1)
                    entry = (byte & 0x80) << 8 | byte & 0x7F
                at += 2 if wide_index else 1
                item.properties.append(entry)

    def _item(self, number: int) -> _Item:
        if number not in self._items and len(self._items) >= _ITEMS_MAX:
            refuse_broken(f"it has more than {_ITEMS_MAX} items")
        return self._items.setdefault(number, _Item(number))

    def _number(self, at: int, size: int) -> int:
        if at + size > len(self._data):
            refuse_truncated(f"after {len(self._data):,} bytes")
        return int.from_bytes(self._data[at : at + size], "big")


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Yield each box's kind and where its content is; one that goes on after `end` is cut off."""
    count = 0
    while start + 8 <= end:
        count += 1
        if count > _BOXES_MAX:
            refuse_broken(f"it has more than {_BOXES_MAX:,} boxes in a row")
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif size == 0:
            size = end - start
        if size < header:
            refuse_broken(f"a box at byte {start:,} is smaller than itself")
        if start + size > end:
            refuse_truncated(f"in a box that starts at byte {start:,}")
        yield kind, (start + header, start + size)
        start += size


def _is_kept(kind: bytes, box: bytes) -> bool:
    return kind in _KEPT or (kind == b"colr" and box[8:12] == b"nclx")


def _size(properties: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    for kind, box in properties:
        if kind == b"ispe" and len(box) >= 20:
            width, height = struct.unpack_from(">II", box, 12)
            if width and height:
                return width, height
    return refuse_broken("it has no size")


def _bits(properties: list[tuple[bytes, bytes]]) -> int:
    for kind, box in properties:
        if kind == b"av1C" and len(box) >= 12:
            high, twelve = box[10] & 0x40, box[10] & 0x20
            return 12 if high and twelve else 10 if high else 8
    return refuse_broken("it does not say how its picture is coded")


def _orientation(properties: list[tuple[bytes, bytes]]) -> int:
    turn, mirror = 0, None
    for kind, box in properties:
        if kind == b"irot" and len(box) > 8:
            turn = box[8] & 3
        elif kind == b"imir" and len(box) > 8:
            mirror = box[8] & 1
    return _ORIENTATIONS[turn, mirror]


def _essence(pictures: list[tuple[bytes, list[bytes]]]) -> bytes:
    """Return a file of one picture, and its alpha if there are two of `pictures`."""
    ids = range(1, len(pictures) + 1)
    properties = [box for _, boxes in pictures for box in boxes]
    associations = b""
    index = 0
    for number, (_, boxes) in zip(ids, pictures, strict=True):
        entries = bytes(
            index + i + 1 | (0x80 if box[4:8] == b"av1C" else 0) for i, box in enumerate(boxes)
        )
        index += len(boxes)
        associations += struct.pack(">HB", number, len(boxes)) + entries
    before = [
        _box(b"hdlr", b"\0" * 8 + b"pict" + b"\0" * 13),
        _box(b"pitm", struct.pack(">IH", 0, 1)),
    ]
    infos = b"".join(_box(b"infe", struct.pack(">IHH4sB", 2 << 24, n, 0, b"av01", 0)) for n in ids)
    after = [_box(b"iinf", struct.pack(">IH", 0, len(pictures)) + infos)]
    if len(pictures) > 1:
        after.append(_box(b"iref", b"\0" * 4 + _box(b"auxl", struct.pack(">HHH", 2, 1, 1))))
    after.append(
        _box(
            b"iprp",
            _box(b"ipco", b"".join(properties))
            + _box(b"ipma", struct.pack(">II", 0, len(pictures)) + associations),
        )
    )
    head = _box(b"ftyp", b"avif\0\0\0\0avifmif1miaf")
    # The table of places is as long whatever is in it, so it is known where the pictures begin.
    length = len(head) + len(_meta(before, after, [(0, 0)] * len(pictures))) + 8
    places = []
    for content, _ in pictures:
        places.append((length, len(content)))
        length += len(content)
    return head + _meta(before, after, places) + _box(b"mdat", b"".join(c for c, _ in pictures))


def _meta(before: list[bytes], after: list[bytes], places: list[tuple[int, int]]) -> bytes:
    located = b"".join(
        struct.pack(">HHHII", number, 0, 1, offset, size)
        for number, (offset, size) in enumerate(places, start=1)
    )
    table = _box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, len(places)) + located)
    return _box(b"meta", b"\0" * 4 + b"".join([*before, table, *after]))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body
