"""Readers, found as any package's are: each keeps every promise of the one suite."""

from __future__ import annotations

import io
from importlib.metadata import entry_points

import numpy as np
import pytest
from media_samples import a_sample
from PIL import Image

from cinefab.conformance.readers import PROMISES, Case
from cinefab.core.errors import ContractMismatch
from cinefab.core.plan import MediaKind
from cinefab.ingest.reader import Format, Reader, ReaderCard, Unrecognised, recognise

FOUND: dict[str, Reader] = {
    point.name: point.load()() for point in entry_points(group="cinefab.readers")
}


def a_picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (32, 48, 3), np.uint8)).save(
        file, kind
    )
    return file.getvalue()


SAMPLES = {
    "films": {"mp4": "mp4", "mov": "mov", "webm": "webm-vp8"},
    "sounds": {"wav": "wav", "flac": "flac", "mp3": "mp3", "aac": "aac", "m4a": "m4a"},
}


def a_case(name: str) -> Case:
    if name == "pictures":
        return Case(samples={k.lower(): a_picture(k) for k in ("PNG", "JPEG", "WEBP", "AVIF")})
    return Case(samples={k: a_sample(v) for k, v in SAMPLES[name].items()})


def test_ours_are_found_by_their_entry_points() -> None:
    assert {"films", "pictures", "sounds"} <= set(FOUND)


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("name", ["films", "pictures", "sounds"])
def test_each_of_ours_keeps_every_promise(name: str, promise: str) -> None:
    PROMISES[promise](FOUND[name], a_case(name))


class Greedy:
    """A reader that takes anything."""

    card = ReaderCard(
        name="greedy",
        version="1",
        kind=MediaKind.PICTURE,
        formats=(Format(name="any", title="a thing", media_type="image/any", suffixes=(".any",)),),
        task="cinefab.media.sandbox.probes:echo",
    )

    def recognise(self, data: bytes) -> str | None:
        return "any"


@pytest.mark.parametrize(
    "promise",
    [
        "it leaves the rest alone",
        "its decoder works behind the lock",
    ],
)
def test_a_reader_that_breaks_a_promise_is_told_which(promise: str) -> None:
    with pytest.raises(ContractMismatch, match="greedy"):
        PROMISES[promise](Greedy(), Case(samples={"any": b"thing"}))


def test_a_file_is_what_its_content_says_and_its_ending_must_agree() -> None:
    data = a_picture("PNG")

    for name in ("photo.png", "photo", "photo.php", "PHOTO.PNG"):
        assert recognise(FOUND.values(), data, name=name).format.name == "png"
    with pytest.raises(Unrecognised, match=r"called \.mp3 but holds a PNG picture"):
        recognise(FOUND.values(), data, name="photo.mp3")
