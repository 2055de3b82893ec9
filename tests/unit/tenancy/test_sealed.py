"""Sealed secrets: opened by the studio's key alone, and only as the secret of what they are of."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cinefab.tenancy.sealed import Seal, SecretsUnreadable, open_seal


def test_only_the_same_key_opens_a_secret_and_only_for_the_same_thing() -> None:
    seal, other = Seal.of(b"k" * 32), Seal.of(b"o" * 32)

    closed = seal.close("whsec_x", of="whk_1")

    assert seal.open(closed, of="whk_1") == "whsec_x"
    assert "whsec" not in closed
    assert seal.close("whsec_x", of="whk_1") != closed
    for wrong, of, text in (
        (other, "whk_1", closed),
        (seal, "whk_2", closed),
        (seal, "whk_1", closed[:-8]),
        (seal, "whk_1", "é"),
    ):
        with pytest.raises(SecretsUnreadable):
            wrong.open(text, of=of)


def test_processes_that_start_at_once_share_one_key_that_only_its_user_reads(
    tmp_path: Path,
) -> None:
    path = tmp_path / "home" / "secrets.key"

    with ThreadPoolExecutor(8) as several:
        seals = {seal.id for seal in several.map(lambda _: open_seal("", file=path), range(8))}

    assert len(seals) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_configured_key_must_be_one(tmp_path: Path) -> None:
    right = base64.b64encode(b"k" * 32).decode()

    assert open_seal(right, file=tmp_path / "none").id == Seal.of(b"k" * 32).id
    for wrong in ("short", base64.b64encode(b"k" * 16).decode(), "é" * 44):
        with pytest.raises(SecretsUnreadable):
            open_seal(wrong, file=tmp_path / "none")
    assert not (tmp_path / "none").exists()
