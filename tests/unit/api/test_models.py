"""Models over HTTP: which there are, where their versions stand, and who may move them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import openai
import pytest
from doors import Door, opened

from cinefab.generate.models.procedural.card import CARD
from cinefab.generate.registry import Change, Made, register
from cinefab.tenancy.local import LOCAL_TENANT
from cinefab.tenancy.roles import Role


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home: Path = tmp_path_factory.mktemp("home")
    with opened(home) as door:
        change = Change(by="prn_local", reason="", now_us=1_000_000)
        with door.service.db.write() as connection:
            for version in ("1", "2"):
                card = replace(CARD, name="spot", version=version)
                register(connection, card, Made(), change=change)
        yield door


def test_the_operator_moves_versions_and_everybody_sees_where_they_stand(door: Door) -> None:
    operator = door.client(door.key(LOCAL_TENANT, Role.OWNER))
    other_key = door.key(door.tenant("North"), Role.OWNER)
    other = door.client(other_key)

    first = operator.post("/v1/models/spot@1/promote", json={"reason": "the first"})
    early = operator.post("/v1/models/spot@2/promote", json={"to": "live"})
    trial = operator.post("/v1/models/spot@2/promote", json={"to": "canary", "share_bp": 500})
    theirs = other.post("/v1/models/spot@2/promote", json={})
    listed = {each["id"]: each for each in other.get("/v1/models").json()["data"]}
    shown = other.get("/v1/models/spot@2").json()

    assert (first.status_code, first.json()["state"]) == (200, "live")
    assert (early.status_code, early.json()["type"]) == (409, "/errors/move-refused")
    assert (trial.status_code, trial.json()["share_bp"]) == (200, 500)
    assert (theirs.status_code, theirs.json()["policies"]) == (403, ["nobody-crosses-tenants"])
    assert (listed["spot"]["version"], listed["spot"]["state"]) == ("1", "live")
    assert listed["spot"]["versions"][1] == {"version": "2", "state": "canary", "share_bp": 500}
    assert listed["procedural"]["state"] is None
    assert [each["to"] for each in shown["history"]] == ["registered", "canary"]
    assert "made" not in shown
    assert "made" in operator.get("/v1/models/spot").json()
    client = openai.OpenAI(
        api_key=other_key, base_url="http://127.0.0.1/v1", http_client=other, max_retries=0
    )
    assert client.models.retrieve("procedural").owned_by == "cinefab"
    assert other.get("/v1/models/none").status_code == 404

    retired = operator.post("/v1/models/spot@2/retire", json={"successor": "spot@1"})

    assert (retired.json()["state"], retired.json()["successor"]) == ("retired", "spot@1")
