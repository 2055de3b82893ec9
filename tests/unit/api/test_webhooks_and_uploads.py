"""Who may have webhooks and send uploads, over HTTP: refused by the policy, hidden from others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from doors import Door, opened

from cinefab.tenancy.roles import Role

HOOK = {"url": "https://127.0.0.1/hook"}
LENGTH = {"upload-length": "10"}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home = tmp_path_factory.mktemp("home")
    networks = {"webhook_networks": "127.0.0.0/8", "quota_upload_bytes": 100}
    with opened(home, loopback=False, **networks) as running:
        yield running


def test_only_those_whom_the_policy_lets_have_webhooks_and_uploads(door: Door) -> None:
    tenant = door.tenant("North")
    owner, producer, auditor = (
        door.client(door.key(tenant, role)) for role in (Role.OWNER, Role.PRODUCER, Role.AUDITOR)
    )

    assert owner.post("/v1/webhooks", json=HOOK).status_code == 201
    for who in (producer, auditor):
        refused = who.post("/v1/webhooks", json=HOOK)
        assert refused.status_code == 403
        assert refused.json()["policies"] == []
    assert producer.post("/v1/uploads", headers=LENGTH).status_code == 201
    assert auditor.post("/v1/uploads", headers=LENGTH).status_code == 403
    assert door.client().get("/v1/webhooks").status_code == 401
    assert door.client().post("/v1/uploads", headers=LENGTH).status_code == 401
    assert "webhook.created" in door.leaves(tenant)


def test_what_is_another_tenants_is_not_there(door: Door) -> None:
    mine, theirs = (door.client(door.key(door.tenant(name), Role.OWNER)) for name in "AB")
    hook = mine.post("/v1/webhooks", json=HOOK).json()
    here = f"/v1/webhooks/{hook['id']}"
    delivery = mine.post(f"{here}/ping").json()
    upload = mine.post("/v1/uploads", headers=LENGTH).headers["location"]

    asked = [
        theirs.get(here),
        theirs.patch(here, json={"enabled": False}),
        theirs.delete(here),
        theirs.post(f"{here}/ping"),
        theirs.post(f"{here}/rotate-secret"),
        theirs.post(f"{here}/replay", json={"since": "2020-01-01T00:00:00Z"}),
        theirs.get(f"{here}/deliveries"),
        theirs.get(f"{here}/deliveries/{delivery['id']}"),
        theirs.post(f"{here}/deliveries/{delivery['id']}/replay"),
        theirs.get(upload),
        theirs.head(upload),
        theirs.delete(upload),
        theirs.patch(
            upload,
            content=b"x",
            headers={"upload-offset": "0", "content-type": "application/offset+octet-stream"},
        ),
    ]

    assert {answer.status_code for answer in asked} == {404}
    assert not theirs.get("/v1/webhooks").json()["data"]
    assert not theirs.get("/v1/uploads").json()["data"]
    brief = {
        "title": "Theirs",
        "shots": [{"seconds": 1}],
        "references": {"cup": {"upload": upload.rpartition("/")[2]}},
    }
    named = theirs.post("/v1/jobs", json=brief)
    brief["references"] = {"cup": {"upload": f"upl_{'0' * 26}"}}
    nothing = theirs.post("/v1/jobs", json=brief)
    assert named.status_code == nothing.status_code == 422
    assert named.json()["field"] == nothing.json()["field"] == "references.cup.upload"
    assert named.json()["found"].startswith("references.cup.upload: there is no upload")
    assert mine.get(here).json()["enabled"]


def test_a_full_quota_says_so_and_a_removed_upload_makes_room(door: Door) -> None:
    mine = door.client(door.key(door.tenant("Full"), Role.SERVICE))

    first = mine.post("/v1/uploads", headers={"upload-length": "90"}).headers["location"]
    full = mine.post("/v1/uploads", headers={"upload-length": "11"})

    assert full.status_code == 429
    assert full.json()["type"] == "/errors/quota-exceeded"
    assert mine.delete(first).status_code == 204
    assert mine.post("/v1/uploads", headers={"upload-length": "100"}).status_code == 201


def test_whoever_may_order_a_prediction_has_it_told_and_owners_alone_see_what_signs(
    door: Door,
) -> None:
    tenant = door.tenant("South")
    owner, producer, auditor = (
        door.client(door.key(tenant, role)) for role in (Role.OWNER, Role.PRODUCER, Role.AUDITOR)
    )
    theirs = door.client(door.key(door.tenant("East"), Role.OWNER))
    order = {"input": {"prompt": "A cup", "seconds": 1, "size": "320x180"}, "webhook": HOOK["url"]}
    where = "/replicate/v1/models/cinefab/procedural/predictions"

    created = producer.post(where, json=order)

    assert created.status_code == 201, created.text
    prediction = f"/replicate/v1/predictions/{created.json()['id']}"
    assert auditor.post(where, json=order).status_code == 403
    assert auditor.get(prediction).status_code == 200
    assert door.client().get(prediction).status_code == 401
    secret = "/replicate/v1/webhooks/default/secret"
    assert producer.get(secret).status_code == 403
    assert owner.get(secret).json() != theirs.get(secret).json()
    for answer in (theirs.get(prediction), theirs.post(f"{prediction}/cancel")):
        assert answer.status_code == 404
    assert theirs.get("/replicate/v1/predictions").json()["results"] == []
    keyed = {"idempotency-key": "once"}
    first, same = (producer.post(where, json=order, headers=keyed).json() for _ in range(2))
    assert same["id"] == first["id"]
    other = {**order, "webhook_events_filter": ["start"]}
    assert producer.post(where, json=other, headers=keyed).status_code == 422
