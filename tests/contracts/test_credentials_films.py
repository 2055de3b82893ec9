"""Films and pictures are signed, altered in every way that matters, and verified by two verifiers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import encypher_c2pa
import numpy as np
import pytest
from PIL import Image

from cinefab.core.canonical import sha256_of
from cinefab.core.clock import SystemClock
from cinefab.core.errors import (
    ContractMismatch,
    CredentialsInvalid,
    StorageUnavailable,
    Unavailable,
)
from cinefab.core.ids import AssetId, JobId
from cinefab.core.stage import Relation
from cinefab.provenance.authority import Authority, open_authority
from cinefab.provenance.credential_rows import RecordedRelease
from cinefab.provenance.credentials import (
    Action,
    FilmClaims,
    Ingredient,
    Mining,
    SignedFilm,
    Software,
    read_embedded,
    sign_film,
)
from cinefab.provenance.verify import Verification, VerifyState, verify_file


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    # The second verifier keeps a preference in the home folder: it gets one of its own.
    home = str(tmp_path_factory.mktemp("home"))
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("XDG_CONFIG_HOME", home)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("ours"), clock=SystemClock())


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("theirs"), clock=SystemClock())


@pytest.fixture(scope="module")
def bare_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "bare.mp4"
    noise = np.random.default_rng(1)
    with av.open(path, "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(6):
            pixels = noise.integers(0, 255, (64, 96, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def signed(bare_film: Path, authority: Authority) -> tuple[Path, SignedFilm]:
    path = bare_film.with_name("signed.mp4")
    return path, sign_film(bare_film, path, claims=some_claims(), signer=authority.signer)


def some_claims(**changes: Any) -> FilmClaims:
    claims = FilmClaims(
        title="Spot",
        made_by=Software(name="procedural", version="1.0"),
        digital_source_type="algorithmicMedia",
        agent=Software(name="Cinefab", version="0.1.0"),
        job=JobId("job_1"),
        created_us=1_700_000_000_000_000,
        brief_digest=sha256_of(b"brief"),
        seed=7,
    )
    return replace(claims, **changes)


def a_picture(path: Path, colour: str = "red") -> Path:
    Image.new("RGB", (48, 32), colour).save(path)
    return path


def an_ingredient(path: Path, name: str = "photo", **changes: Any) -> Ingredient:
    ingredient = Ingredient(
        name=name,
        title=f"{name}{path.suffix}",
        media_type=f"image/{path.suffix[1:]}",
        path=path,
        sha256=sha256_of(path.read_bytes()),
    )
    return replace(ingredient, **changes)


def nothing_recorded(_label: str) -> None:
    return None


def verify(path: Path, authority: Authority, release: SignedFilm | None = None) -> Verification:
    def recorded(label: str) -> RecordedRelease | None:
        if release is None or label != release.label:
            return None
        return RecordedRelease(sha256=release.sha256, asset=AssetId("ast_film"), job=JobId("job_1"))

    return verify_file(path, anchors_pem=authority.trust_anchors_pem, recorded=recorded)


def second_opinion(path: Path, authority: Authority) -> Mapping[str, Any]:
    return encypher_c2pa.verify(
        path,
        trust_pem=authority.trust_anchors_pem.decode(),
        no_default_trust=True,
        telemetry=False,
        online=False,
    )


def altered(path: Path, to: Path, change: Any) -> Path:
    content = bytearray(path.read_bytes())
    to.write_bytes(bytes(change(content)))
    return to


def flip(content: bytearray, at: int) -> bytearray:
    content[at] ^= 1
    return content


def boxes(content: bytes) -> dict[bytes, tuple[int, int]]:
    found, at = {}, 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        found[content[at + 4 : at + 8]] = (at, size)
        at += size
    return found


def test_a_signed_film_is_trusted_by_both_verifiers_and_still_plays(
    signed: tuple[Path, SignedFilm], authority: Authority
) -> None:
    path, film = signed

    verdict = verify(path, authority, release=film)

    assert verdict.state is VerifyState.TRUSTED
    assert verdict.reasons == (
        "its signer is trusted here and nothing was changed",
        "it is, byte for byte, the file recorded here as ast_film",
    )
    assert verdict.details["job"] == "job_1"
    assert verdict.details["sha256"] == film.sha256 == sha256_of(path.read_bytes())
    assert film.size_bytes == path.stat().st_size
    assert second_opinion(path, authority)["validation_state"] == "Trusted"
    with av.open(path) as container:
        assert len(list(container.decode(video=0))) == 6


def test_a_trusted_file_that_is_not_recorded_stays_trusted_and_says_so(
    signed: tuple[Path, SignedFilm], authority: Authority
) -> None:
    verdict = verify(signed[0], authority)

    assert verdict.state is VerifyState.TRUSTED
    assert "there is no record of this file here" in verdict.reasons


def test_a_film_of_a_foreign_authority_is_valid_but_not_trusted(
    signed: tuple[Path, SignedFilm], stranger: Authority
) -> None:
    verdict = verify(signed[0], stranger)

    assert verdict.state is VerifyState.VALID
    assert verdict.reasons[0] == "the signer is not trusted here (signingCredential.untrusted)"
    assert second_opinion(signed[0], stranger)["validation_state"] != "Trusted"


def test_without_any_anchors_a_film_is_valid_at_most(signed: tuple[Path, SignedFilm]) -> None:
    verdict = verify_file(signed[0], anchors_pem=b"", recorded=nothing_recorded)

    assert verdict.state is VerifyState.VALID


def test_a_bit_flipped_anywhere_in_the_media_is_found_by_both_verifiers(
    signed: tuple[Path, SignedFilm], authority: Authority, tmp_path: Path
) -> None:
    start, size = boxes(signed[0].read_bytes())[b"mdat"]
    offsets = np.random.default_rng(2).integers(start + 8, start + size, 20)

    for offset in offsets:
        copy = altered(signed[0], tmp_path / "a.mp4", lambda c, at=offset: flip(c, at))

        verdict = verify(copy, authority, release=signed[1])

        assert verdict.state is VerifyState.INVALID
        assert verdict.reasons == (
            "the film was changed after it was signed (assertion.bmffHash.mismatch)",
        )
        assert second_opinion(copy, authority)["validation_state"] == "Invalid"


def test_a_changed_statement_is_found(
    signed: tuple[Path, SignedFilm], authority: Authority, tmp_path: Path
) -> None:
    at = signed[0].read_bytes().index(b"algorithmicMedia")
    copy = altered(signed[0], tmp_path / "a.mp4", lambda c: flip(c, at))

    verdict = verify(copy, authority)

    assert verdict.state is VerifyState.INVALID
    assert "a statement in the credentials was changed after signing" in verdict.reasons[0]
    assert second_opinion(copy, authority)["validation_state"] == "Invalid"


@pytest.mark.parametrize("place", ["padding", "free box", "file type", "appended box"])
def test_bytes_that_the_credentials_do_not_hash_are_found_by_the_recorded_digest(
    signed: tuple[Path, SignedFilm], authority: Authority, tmp_path: Path, place: str
) -> None:
    content = signed[0].read_bytes()
    zeros = content.index(bytes(64), content.index(b"c2pa.signature"))
    changes = {
        "padding": lambda c: flip(c, zeros + 32),
        "free box": lambda c: c + b"\0\0\0\x10freeABCDEFGH",
        "file type": lambda c: flip(c, 15),
        "appended box": lambda c: c + b"\0\0\0\x10skipABCDEFGH",
    }
    copy = altered(signed[0], tmp_path / "a.mp4", changes[place])

    alone, with_record = verify(copy, authority), verify(copy, authority, release=signed[1])

    assert alone.state is VerifyState.TRUSTED, "or c2pa now sees it: drop this case"
    assert with_record.state is VerifyState.INVALID
    assert "bytes outside the hashed range were changed" in with_record.reasons[0]
    assert signed[1].sha256 in with_record.reasons[0]


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_film_is_invalid(
    signed: tuple[Path, SignedFilm], authority: Authority, tmp_path: Path, part: float
) -> None:
    copy = altered(signed[0], tmp_path / "a.mp4", lambda c: c[: int(len(c) * part)])

    assert verify(copy, authority).state is VerifyState.INVALID


def test_a_remuxed_film_has_lost_its_credentials(
    signed: tuple[Path, SignedFilm], authority: Authority, tmp_path: Path
) -> None:
    copy = tmp_path / "remuxed.mp4"
    with av.open(signed[0]) as source, av.open(copy, "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)

    verdict = verify(copy, authority, release=signed[1])

    assert verdict.state is VerifyState.ABSENT
    assert verdict.reasons == ("the file carries no content credentials",)
    assert second_opinion(copy, authority)["present"] is False


def test_credentials_moved_to_another_film_are_invalid(
    signed: tuple[Path, SignedFilm], authority: Authority, tmp_path: Path
) -> None:
    content = signed[0].read_bytes()
    start, size = boxes(content)[b"uuid"]
    other = content[:start] + content[start : start + size]
    other += b"\0\0\0\x10mdatABCDEFGH" + content[start + size :]
    copy = tmp_path / "a.mp4"
    copy.write_bytes(other)

    assert verify(copy, authority).state is VerifyState.INVALID


def test_a_films_name_does_not_matter(
    signed: tuple[Path, SignedFilm], authority: Authority, tmp_path: Path
) -> None:
    for name in ("film", "film.png", "film.txt"):
        copy = Path(shutil.copy(signed[0], tmp_path / name))

        assert verify(copy, authority).state is VerifyState.TRUSTED


@pytest.mark.parametrize("suffix", [".png", ".jpeg"])
def test_pictures_are_signed_and_verified_as_films_are(
    authority: Authority, stranger: Authority, tmp_path: Path, suffix: str
) -> None:
    bare = a_picture(tmp_path / f"bare{suffix}")
    path = tmp_path / f"signed{suffix}"
    claims = some_claims(media_type=f"image/{suffix[1:]}")

    film = sign_film(bare, path, claims=claims, signer=authority.signer)

    assert verify(path, authority, release=film).state is VerifyState.TRUSTED
    assert verify(path, stranger).state is VerifyState.VALID
    assert verify(bare, authority).state is VerifyState.ABSENT
    assert second_opinion(path, authority)["validation_state"] == "Trusted"
    end = altered(path, tmp_path / f"altered{suffix}", lambda c: flip(c, len(c) - 20))
    assert verify(end, authority).state is VerifyState.INVALID
    assert second_opinion(end, authority)["validation_state"] == "Invalid"


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "an empty file"), (b"hello, world\n" * 9, "cannot be read"), (b"\0", "cannot be read")],
    ids=["empty", "text", "one byte"],
)
def test_what_is_no_media_is_an_error_that_says_so(
    authority: Authority, tmp_path: Path, content: bytes, found: str
) -> None:
    for name in ("film.mp4", "film", "picture.png", "notes.txt"):
        path = tmp_path / name
        path.write_bytes(content)

        with pytest.raises(CredentialsInvalid, match=found):
            verify(path, authority)


def test_a_file_that_is_not_there_or_a_folder_is_an_error_that_says_so(
    authority: Authority, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="no file of that name"):
        verify(tmp_path / "nothing.mp4", authority)
    with pytest.raises(Unavailable, match="not a file"):
        verify(tmp_path, authority)


def test_media_of_a_kind_that_cannot_carry_credentials_has_none(
    authority: Authority, tmp_path: Path
) -> None:
    picture = a_picture(tmp_path / "a.bmp")
    film = tmp_path / "a.webm"
    film.write_bytes(b"\x1aE\xdf\xa3" + bytes(60))

    assert verify(picture, authority).state is VerifyState.ABSENT
    assert verify(film, authority).state is VerifyState.ABSENT


def test_the_credentials_of_a_reference_are_kept_inside_the_films(
    bare_film: Path, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    camera = some_claims(
        title="Photo", media_type="image/png", digital_source_type="digitalCapture"
    )
    bare = a_picture(tmp_path / "b.png")
    original = sign_film(bare, photo, claims=camera, signer=stranger.signer)
    claims = some_claims(ingredients=(an_ingredient(photo),))

    sign_film(bare_film, tmp_path / "film.mp4", claims=claims, signer=authority.signer)

    verdict = verify(tmp_path / "film.mp4", authority)
    assert verdict.state is VerifyState.TRUSTED
    assert verdict.details["ingredients"] == ["photo.png"]
    content = (tmp_path / "film.mp4").read_bytes()
    assert original.label.encode() in content
    assert b"digitalCapture" in content
    assert second_opinion(tmp_path / "film.mp4", authority)["validation_state"] == "Trusted"


def test_a_reference_whose_credentials_do_not_hold_is_used_and_the_film_says_so(
    bare_film: Path, authority: Authority, tmp_path: Path
) -> None:
    bare = a_picture(tmp_path / "b.png")
    claims = some_claims(media_type="image/png")
    sign_film(bare, tmp_path / "p.png", claims=claims, signer=authority.signer)
    photo = altered(tmp_path / "p.png", tmp_path / "photo.png", lambda c: flip(c, len(c) - 20))
    claims = some_claims(ingredients=(an_ingredient(photo),))

    film = sign_film(bare_film, tmp_path / "film.mp4", claims=claims, signer=authority.signer)

    verdict = verify(tmp_path / "film.mp4", authority, release=film)
    assert verdict.state is VerifyState.TRUSTED
    assert verdict.reasons[-1] == (
        "the credentials that photo.png brought along did not hold when it was used"
    )


def test_every_ingredient_is_listed_with_its_relation_even_one_that_c2pa_cannot_read(
    bare_film: Path, authority: Authority, tmp_path: Path
) -> None:
    odd = tmp_path / "face.ttf"
    odd.write_bytes(b"\0\1\0\0 not a picture")
    ingredients = (
        an_ingredient(a_picture(tmp_path / "photo.png")),
        an_ingredient(a_picture(tmp_path / "mood.jpeg"), "mood", relation=Relation.INPUT_TO),
        an_ingredient(a_picture(tmp_path / "logo.bmp"), "logo"),
        an_ingredient(odd, "font", media_type="font/ttf"),
    )
    actions = (Action(action="c2pa.edited", ingredients=("logo",), description="Captions"),)
    claims = some_claims(ingredients=ingredients, actions=actions)

    sign_film(bare_film, tmp_path / "film.mp4", claims=claims, signer=authority.signer)

    verdict = verify(tmp_path / "film.mp4", authority)
    assert verdict.state is VerifyState.TRUSTED
    titles = {"photo.png", "mood.jpeg", "logo.bmp", "font.ttf"}
    assert set(verdict.details["ingredients"]) == titles
    assert verdict.details["actions"] == ["c2pa.created", "c2pa.placed", "c2pa.edited"]
    content = (tmp_path / "film.mp4").read_bytes()
    for ingredient in ingredients:
        assert ingredient.sha256.encode() in content
    assert second_opinion(tmp_path / "film.mp4", authority)["validation_state"] == "Trusted"


def test_training_is_spoken_of_only_if_asked(
    bare_film: Path, authority: Authority, tmp_path: Path
) -> None:
    for mining, stated in ((Mining.UNSTATED, False), (Mining.NOT_ALLOWED, True)):
        path = tmp_path / f"{mining}.mp4"

        sign_film(bare_film, path, claims=some_claims(mining=mining), signer=authority.signer)

        assert (b"cawg.training-mining" in path.read_bytes()) is stated
        assert verify(path, authority).state is VerifyState.TRUSTED
        assert second_opinion(path, authority)["validation_state"] == "Trusted"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"actions": (Action(action="c2pa.edited", ingredients=("x",)),)}, "not listed"),
        ({"actions": (Action(action="c2pa.created"),)}, "second creation"),
        ({"ingredients": ("photo", "photo")}, "share a name"),
        ({"ingredients": ("parent",)}, "parent"),
    ],
)
def test_claims_that_no_verifier_would_accept_are_refused_and_nothing_is_written(
    bare_film: Path, authority: Authority, tmp_path: Path, changes: dict[str, Any], found: str
) -> None:
    photo = a_picture(tmp_path / "photo.png")
    if "ingredients" in changes:
        relation = Relation.PARENT_OF if "parent" in changes["ingredients"] else None
        extra = {"relation": relation} if relation else {}
        names = changes["ingredients"]
        changes = {"ingredients": tuple(an_ingredient(photo, name, **extra) for name in names)}

    with pytest.raises(ContractMismatch, match=found):
        sign_film(
            bare_film,
            tmp_path / "film.mp4",
            claims=some_claims(**changes),
            signer=authority.signer,
        )

    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


class BrokenSigner:
    def __init__(self, authority: Authority, answer: bytes | None) -> None:
        self.chain_pem = authority.signer.chain_pem
        self.key_id = authority.signer.key_id
        self._answer = answer

    def sign(self, message: bytes, /) -> bytes:
        if self._answer is None:
            raise Unavailable(
                attempted="sign", found="the key service is away", remedy="Try again."
            )
        return self._answer


@pytest.mark.parametrize(
    ("answer", "found"),
    [(None, "the key service is away"), (bytes(range(64)), "not verify")],
    ids=["fails", "signs wrongly"],
)
def test_a_signer_that_fails_or_signs_wrongly_leaves_no_film(
    bare_film: Path, authority: Authority, tmp_path: Path, answer: bytes | None, found: str
) -> None:
    with pytest.raises(CredentialsInvalid, match=found):
        sign_film(
            bare_film,
            tmp_path / "film.mp4",
            claims=some_claims(),
            signer=BrokenSigner(authority, answer),
        )

    assert list(tmp_path.iterdir()) == []


def test_a_timestamp_server_that_does_not_answer_fails_the_signing_for_now(
    bare_film: Path, authority: Authority, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="time-stamp server"):
        sign_film(
            bare_film,
            tmp_path / "film.mp4",
            claims=some_claims(),
            signer=authority.signer,
            timestamp_url="http://127.0.0.1:9/",
        )

    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_or_written_is_an_error_that_says_so(
    bare_film: Path, authority: Authority, tmp_path: Path
) -> None:
    signer = authority.signer
    with pytest.raises(StorageUnavailable, match="No such file"):
        sign_film(tmp_path / "a.mp4", tmp_path / "b.mp4", claims=some_claims(), signer=signer)
    with pytest.raises(StorageUnavailable, match="No such file"):
        sign_film(bare_film, tmp_path / "x" / "b.mp4", claims=some_claims(), signer=signer)
    with pytest.raises(CredentialsInvalid, match=r"sign notes\.mp4"):
        notes = tmp_path / "notes.mp4"
        notes.write_text("no film")
        sign_film(notes, tmp_path / "b.mp4", claims=some_claims(), signer=signer)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.mp4"]


def test_a_file_that_points_to_credentials_elsewhere_is_not_followed(
    authority: Authority, tmp_path: Path
) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
        b'"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        b'xmlns:dcterms="http://purl.org/dc/terms/" '
        b'dcterms:provenance="http://127.0.0.1:9/x.c2pa"/></rdf:RDF></x:xmpmeta>'
    )
    path = tmp_path / "a.jpeg"
    Image.new("RGB", (8, 8)).save(path, xmp=xmp)

    verdict = verify(path, authority)
    facts, _ = read_embedded(path.read_bytes(), media_type="image/jpeg")

    assert verdict.state is VerifyState.ABSENT
    assert "http://127.0.0.1:9/x.c2pa; nothing is fetched" in verdict.reasons[0]
    assert facts == {"state": "absent", "remote": "http://127.0.0.1:9/x.c2pa"}


def test_signing_reads_back_what_it_wrote(signed: tuple[Path, SignedFilm]) -> None:
    facts, blobs = read_embedded(signed[0].read_bytes(), media_type="video/mp4")

    assert blobs == []
    assert facts["state"] == "valid"
    assert facts["label"] == signed[1].label
    assert facts["title"] == "Spot"
    assert facts["claim_generator"] == "Cinefab 0.1.0"
    assert facts["issuer"] == signed[1].issuer == "Cinefab development authority"
