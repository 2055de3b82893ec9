"""Frames arrive whole however they are cut, and never cost more than their limit."""

from __future__ import annotations

import os
import threading

import pytest
from hypothesis import given
from hypothesis.strategies import DataObject, binary, data, integers, lists

from cinefab.media.sandbox.wire import FrameReader, WireError, frame


@given(blobs=lists(binary(max_size=50), max_size=8), draw=data())
def test_a_frame_arrives_whole_however_it_is_cut(blobs: list[bytes], draw: DataObject) -> None:
    stream = b"".join(bytes(piece) for piece in frame({"facts": {"a": 1}}, blobs))
    reader = FrameReader(blob_bytes_max=1000)

    while not reader.done:
        room = reader.room()
        count = draw.draw(integers(1, len(room)))
        room[:count] = stream[:count]
        stream = stream[count:]
        reader.filled(count)

    assert stream == b""
    assert reader.head["facts"] == {"a": 1}
    assert reader.blobs == blobs


@given(binary(min_size=4, max_size=200))
def test_any_bytes_are_a_frame_or_an_error(stream: bytes) -> None:
    reader = FrameReader(blob_bytes_max=1000)

    try:
        feed(reader, stream)
    except WireError:
        return

    assert reader.done or len(reader.room()) > 0


@pytest.mark.parametrize(
    "stream",
    [
        b"\0\0\0\0",
        b"\xff\xff\xff\xff",
        b"\0\x01\0\x01",
        b"\0\0\0\x02{}",
        b"\0\0\0\x02[]",
        b"\0\0\0\x04null",
        b"\0\0\0\x04\xff\xff\xff\xff",
        b'\0\0\0\x0f{"blobs":[-1]} ',
        b'\0\0\0\x0f{"blobs":[1e3]}',
        b'\0\0\0\x10{"blobs":[1001]}',
        b'\0\0\0\x13{"blobs":[600,600]}',
    ],
)
def test_what_is_no_frame_or_too_large_is_an_error(stream: bytes) -> None:
    with pytest.raises(WireError):
        feed(FrameReader(blob_bytes_max=1000), stream)


def test_a_pipe_that_closes_inside_a_frame_is_an_error() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\0\0\0\x20{")
    os.close(writing)

    with pytest.raises(WireError, match="closed"):
        FrameReader(blob_bytes_max=0).read_from(reading)

    os.close(reading)


def test_a_head_that_nobody_would_read_is_not_sent() -> None:
    with pytest.raises(WireError):
        frame({"text": "x" * 70_000}, [])


def test_a_frame_crosses_a_real_pipe() -> None:
    reading, writing = os.pipe()
    blob = os.urandom(300_000)

    def send() -> None:
        for piece in frame({"name": "ü"}, [blob, b""]):
            view = memoryview(piece)
            while view:
                view = view[os.write(writing, view) :]

    sender = threading.Thread(target=send)
    sender.start()
    reader = FrameReader(blob_bytes_max=1 << 20)
    reader.read_from(reading)
    sender.join()
    os.close(reading)
    os.close(writing)

    assert (reader.head["name"], reader.blobs) == ("ü", [blob, b""])


def feed(reader: FrameReader, stream: bytes) -> None:
    while stream and not reader.done:
        room = reader.room()
        count = min(len(room), len(stream))
        room[:count] = stream[:count]
        stream = stream[count:]
        reader.filled(count)
