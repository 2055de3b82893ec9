"""The credentials of a film, and an asset's record, keep their form.

What differs from run to run is put aside: labels, instance ids, hashes, the certificate's own
marks. When a change is meant, write the files anew: python tests/contracts/test_credentials_golden.py
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import c2pa
import numpy as np
from PIL import Image

from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.clock import SystemClock
from cinefab.core.ids import JobId
from cinefab.core.stage import Relation
from cinefab.provenance.authority import open_authority
from cinefab.provenance.credentials import (
    Action,
    FilmClaims,
    Ingredient,
    Mining,
    Software,
    sign_film,
)
from cinefab.provenance.records import SourceOfRecord, build_record

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
UPDATE = f"a stored format changed: decide, then run python {Path(__file__).name}"


def test_the_credentials_of_a_film_keep_their_form(tmp_path: Path) -> None:
    kept = (GOLDEN / "credentials-film.json").read_text()

    assert film_credentials(tmp_path) == kept, UPDATE


def test_the_record_of_an_asset_keeps_its_bytes() -> None:
    kept = (GOLDEN / "credentials-record.json").read_bytes()

    assert asset_record() == kept, UPDATE


def film_credentials(folder: Path) -> str:
    """Sign a small film with one ingredient of every kind and return what it then carries."""
    authority = open_authority(folder / "authority", clock=SystemClock())
    photo = folder / "photo.png"
    Image.new("RGB", (32, 32), "red").save(folder / "bare.png")
    camera = a_film(title="Photo", digital_source_type="digitalCapture", media_type="image/png")
    sign_film(folder / "bare.png", photo, claims=camera, signer=authority.signer)
    Image.new("RGB", (32, 32), "blue").save(folder / "mood.jpeg", quality=90)
    (folder / "face.ttf").write_bytes(b"\0\1\0\0")
    claims = a_film(
        prompt_digest=sha256_of(b"a prompt"),
        mining=Mining.NOT_ALLOWED,
        actions=(
            Action(action="c2pa.edited", description="Captions set in the brand's face"),
            Action(action="c2pa.transcoded"),
        ),
        ingredients=(
            an_ingredient(photo, "image/png"),
            an_ingredient(folder / "mood.jpeg", "image/jpeg", Relation.INPUT_TO),
            an_ingredient(folder / "face.ttf", "font/ttf"),
        ),
    )
    bare, film = folder / "bare.mp4", folder / "film.mp4"
    with av.open(bare, "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        pixels = np.full((64, 64, 3), 90, dtype=np.uint8)
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    sign_film(
        bare,
        film,
        claims=claims,
        signer=authority.signer,
        anchors_pem=authority.trust_anchors_pem,
    )
    with c2pa.Context() as context, c2pa.Reader(str(film), context=context) as reader:
        store = json.loads(reader.json())
    # The manifests are kept in the order of their random labels: the film's own comes first here.
    seen: dict[str, str] = {}
    normalised(store["manifests"][store["active_manifest"]], seen)
    return json.dumps(normalised(store, seen), indent=2, sort_keys=True) + "\n"


def asset_record() -> bytes:
    """Return the record of an asset with two sources."""
    sources = tuple(
        SourceOfRecord(asset=f"ast_{n}", sha256=Sha256(n * 64), relation=r, weight_bp=5_000)
        for n, r in (("b", "componentOf"), ("a", "inputTo"))
    )
    return build_record(
        public_id="ast_film",
        tenant="ten_a",
        sha256=Sha256("c" * 64),
        kind="take",
        made_by="procedural@1.0",
        prompt_digest="d" * 64,
        parameters='{"seed":7}',
        sources=sources,
        digital_source_type="algorithmicMedia",
        created_us=1_700_000_000_000_001,
        job="job_1",
    )


def a_film(**changes: Any) -> FilmClaims:
    fields: dict[str, Any] = {
        "title": "Spot",
        "made_by": Software(name="procedural", version="1.0"),
        "digital_source_type": "algorithmicMedia",
        "agent": Software(name="Cinefab", version="0.1.0"),
        "job": JobId("job_1"),
        "created_us": 1_700_000_000_000_000,
        "brief_digest": sha256_of(b"brief"),
        "seed": 7,
    }
    return FilmClaims(**(fields | changes))


def an_ingredient(
    path: Path, media_type: str, relation: Relation = Relation.COMPONENT_OF
) -> Ingredient:
    return Ingredient(
        name=path.stem,
        title=path.name,
        media_type=media_type,
        path=path,
        sha256=sha256_of(path.name.encode()),
        relation=relation,
    )


VOLATILE = ("hash", "pad", "cert_serial_number", "org.contentauth.c2pa_rs", "explanation", "value")
IDS = re.compile(r"(urn:c2pa:|xmp\.iid:|intermediate |signer )[0-9a-f-]{8,36}")


def normalised(value: Any, seen: dict[str, str]) -> Any:
    """Replace what differs from run to run; the same id becomes the same word everywhere."""
    match value:
        case dict():
            return {
                named(key, seen): "…" if key in VOLATILE else normalised(item, seen)
                for key, item in value.items()
            }
        case list():
            return [normalised(item, seen) for item in value]
        case str():
            return named(value, seen)
        case _:
            return value


def named(text: str, seen: dict[str, str]) -> str:
    return IDS.sub(
        lambda m: seen.setdefault(m.group(), f"{m.group(1)}{len(seen) + 1}"),
        text,
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        (GOLDEN / "credentials-film.json").write_text(film_credentials(Path(scratch)))
    (GOLDEN / "credentials-record.json").write_bytes(asset_record())
    sys.stdout.write("written: look at the difference before you keep it\n")
