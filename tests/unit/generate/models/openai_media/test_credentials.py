"""What an engine signed stays signed: its own bytes are kept, and say where they are from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from brisk_clock import BriskClock
from engines.openai_media import OpenaiStub

from cinefab.conformance.models import Subject
from cinefab.core.canonical import sha256_of
from cinefab.core.clock import SystemClock
from cinefab.core.ids import JobId
from cinefab.generate.models.openai_media import OpenaiMedia
from cinefab.generate.run import Run
from cinefab.provenance.authority import open_authority
from cinefab.provenance.claims import FilmClaims, Software
from cinefab.provenance.credentials import may_carry_credentials, read_embedded, sign_film

TYPES = {"text-to-video": "video/mp4", "text-to-image": "image/png"}


@pytest.fixture
def engine_signs(tmp_path: Path) -> Callable[[str], Callable[[bytes], bytes]]:
    """Sign media as an engine with an authority of its own does."""
    authority = open_authority(tmp_path / "theirs", clock=SystemClock())

    def of_type(media_type: str) -> Callable[[bytes], bytes]:
        def sign(content: bytes) -> bytes:
            suffix = f".{media_type.partition('/')[2]}"
            bare, signed = tmp_path / f"bare{suffix}", tmp_path / f"signed{suffix}"
            bare.write_bytes(content)
            claims = FilmClaims(
                title="Made elsewhere",
                made_by=Software(name="their model", version="1"),
                digital_source_type="trainedAlgorithmicMedia",
                agent=Software(name="their engine", version="2"),
                job=JobId("job_theirs"),
                created_us=1_700_000_000_000_000,
                brief_digest=sha256_of(b""),
                seed=0,
                media_type=media_type,
            )
            sign_film(bare, signed, claims=claims, signer=authority.signer)
            return signed.read_bytes()

        return sign

    return of_type


@pytest.mark.parametrize("task", TYPES)
def test_credentials_that_an_engine_put_into_its_media_are_kept_with_them(
    task: str, engine_signs: Callable[[str], Callable[[bytes], bytes]], tmp_path: Path
) -> None:
    media_type = TYPES[task]
    sent: list[bytes] = []
    with OpenaiStub() as engine:
        sign = engine_signs(media_type)

        def signs(content: bytes) -> bytes:
            sent.append(sign(content))
            return sent[-1]

        engine.signs = signs
        table: dict[str, Any] = {"base_url": engine.url, "model": "tiny", "task": task}
        table |= {"poll_s": 0.01}
        model = OpenaiMedia("theirs", table, {}, clock=BriskClock())
        run = Run(folder=tmp_path / "run")
        request = Subject(make=lambda: model, folder=tmp_path / "subject").request()

        frames = list(model.frames(request, run))

    [delivered] = run.delivered
    content = delivered.read_bytes()
    assert len(frames) == request.frames
    assert content == sent[-1]
    assert may_carry_credentials(content)
    facts, _ = read_embedded(content, media_type=media_type)
    assert (facts["state"], facts["title"]) == ("valid", "Made elsewhere")
    assert facts["claim_generator"] == "their engine 2"
