"""Keys, principals, tenants, audit, templates and budgets over HTTP: who may, once, and on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from doors import Door, opened

from cinefab.core.ids import TenantId
from cinefab.tenancy.local import LOCAL_TENANT
from cinefab.tenancy.roles import Action, Role

TEMPLATE = Path(__file__).parents[3] / "examples" / "template-retail-spot.yaml"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("home")) as door:
        yield door


@pytest.fixture
def north(door: Door) -> TenantId:
    return door.tenant("North")


@pytest.fixture
def owner(door: Door, north: TenantId) -> Any:
    return door.client(door.key(north, Role.OWNER))


def is_problem(answer: Any, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"/errors/{name}"
    return document


def test_a_key_is_shown_once_and_does_what_it_was_made_for(
    door: Door, north: TenantId, owner: Any
) -> None:
    order = {"name": "press", "scopes": ["job:read"], "labels": {"project": "spot"}, "seconds": 60}

    made = owner.post("/v1/keys", json=order, headers={"idempotency-key": "k1"})
    again = owner.post("/v1/keys", json=order, headers={"idempotency-key": "k1"})
    other = owner.post("/v1/keys", json={"name": "x"}, headers={"idempotency-key": "k1"})

    assert (made.status_code, again.status_code) == (201, 200)
    assert made.headers["cache-control"] == "no-store"
    assert again.json() == {**made.json(), "secret": None}
    is_problem(other, 422, "idempotency-key-reused")
    theirs = door.client(made.json()["secret"])
    assert theirs.get("/v1/jobs").status_code == 200
    refused = is_problem(theirs.get("/v1/ledger"), 403, "forbidden")
    assert refused["policies"] == ["the-scopes-of-the-key"]
    listed = owner.get("/v1/keys").json()["data"]
    assert made.json()["secret"] not in json.dumps(listed)
    assert listed[0]["id"] == made.json()["id"]
    assert listed[0]["state"] == "in force"
    assert door.leaves(north)[-2:] == ["principal.created", "key.created"]


def test_a_key_is_rotated_with_an_overlap_and_revoked_at_once(
    door: Door, north: TenantId, owner: Any
) -> None:
    old = owner.post("/v1/keys", json={"name": "press", "roles": ["producer"]}).json()

    new = owner.post(f"/v1/keys/{old['id']}/rotate", json={"overlap_seconds": 60}).json()
    both = [door.client(each["secret"]).get("/v1/jobs").status_code for each in (old, new)]
    gone = owner.post(f"/v1/keys/{old['id']}/revoke").json()

    assert both == [200, 200]
    assert new["rotated_from"] == old["id"]
    assert gone["state"] == "revoked"
    is_problem(door.client(old["secret"]).get("/v1/jobs"), 401, "not-authenticated")
    assert door.client(new["secret"]).get("/v1/jobs").status_code == 200
    is_problem(owner.post(f"/v1/keys/{old['id']}/rotate", json={}), 422, "request-invalid")
    assert door.leaves(north)[-3:] == ["key.created", "key.rotated", "key.revoked"]


def test_nobody_gets_more_out_of_a_key_than_they_have(
    door: Door, north: TenantId, owner: Any
) -> None:
    scoped = door.client(
        door.key(north, Role.OWNER, scopes=frozenset({Action.KEY_MANAGE, Action.TENANT_MANAGE}))
    )
    someone = door.person(north, Role.OWNER)

    wider = scoped.post("/v1/keys", json={"name": "wide", "roles": ["owner"]})
    acting = scoped.post("/v1/keys", json={"name": "x", "principal": someone})
    within = scoped.post("/v1/keys", json={"name": "x", "scopes": ["key:manage"]})

    for each in (wider, acting):
        refused = is_problem(each, 403, "forbidden")
        assert refused["policies"] == ["nobody-gives-more-than-they-have"]
    assert within.status_code == 201
    full = owner.post("/v1/keys", json={"name": "full", "principal": someone}).json()
    rotated = scoped.post(f"/v1/keys/{full['id']}/rotate", json={})
    is_problem(rotated, 403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/keys", None),
        ("POST", "/v1/keys", {"name": "x"}),
        ("GET", "/v1/principals", None),
        ("POST", "/v1/principals", {"kind": "person", "name": "x"}),
        ("GET", "/v1/tenants", None),
        ("POST", "/v1/tenants", {"name": "x"}),
        ("GET", "/v1/audit", None),
        ("GET", "/v1/ledger/budgets", None),
    ],
)
def test_a_producer_administers_nothing_and_is_told_why(
    door: Door, north: TenantId, method: str, path: str, body: Any
) -> None:
    producer = door.client(door.key(north, Role.PRODUCER))
    before = door.leaves(north)

    refused = is_problem(producer.request(method, path, json=body), 403, "forbidden")

    assert "producer" in refused["found"]
    assert door.leaves(north) == before


def test_people_are_added_and_given_and_lose_roles_on_record(
    door: Door, north: TenantId, owner: Any
) -> None:
    order = {"kind": "person", "name": "Ann", "roles": ["reviewer"]}
    made = owner.post("/v1/principals", json=order, headers={"idempotency-key": "p"})
    again = owner.post("/v1/principals", json=order, headers={"idempotency-key": "p"})
    here = f"/v1/principals/{made.json()['id']}"

    given = owner.put(f"{here}/roles/finance").json()
    taken = owner.delete(f"{here}/roles/reviewer").json()

    assert again.json() == made.json()
    assert given["roles"] == ["finance", "reviewer"]
    assert taken["roles"] == ["finance"]
    assert owner.get(here).json() == taken
    assert door.leaves(north)[-3:] == ["principal.created", "role.given", "role.taken"]
    boss = next(
        each["id"]
        for each in owner.get("/v1/principals").json()["data"]
        if "owner" in each["roles"]
    )
    is_problem(owner.delete(f"/v1/principals/{boss}/roles/owner"), 422, "request-invalid")


def test_lists_come_in_pages_and_answers_have_tags(owner: Any) -> None:
    for count in range(5):
        owner.post("/v1/principals", json={"kind": "person", "name": f"P{count}"})

    seen, after = [], None
    while True:
        params = {"limit": 2, **({} if after is None else {"after": after})}
        page = owner.get("/v1/principals", params=params).json()
        seen += [each["name"] for each in page["data"]]
        after = page["next"]
        if not page["has_more"]:
            break

    assert seen == ["P4", "P3", "P2", "P1", "P0", "Somebody"]
    is_problem(owner.get("/v1/principals", params={"after": "prn_x"}), 404, "unavailable")
    first = owner.get("/v1/principals")
    assert first.headers["cache-control"] == "private, no-cache"
    same = owner.get("/v1/principals", headers={"if-none-match": first.headers["etag"]})
    assert same.status_code == 304


def test_whoever_runs_the_studio_makes_tenants_and_bounds_them_and_tenants_do_not(
    door: Door, north: TenantId, owner: Any
) -> None:
    operator = door.client(door.key(LOCAL_TENANT, Role.OWNER))

    made = operator.post("/v1/tenants", json={"name": "South"}, headers={"idempotency-key": "t"})
    quota = operator.put(f"/v1/tenants/{north}/quota", json={"jobs_in_flight": 3}).json()
    budget = {"scope": "tenant", "period": "month", "limit_uusd": 5_000_000}
    bounded = operator.put(f"/v1/tenants/{north}/budgets", json=budget).json()

    assert made.status_code == 201
    assert made.json()["id"] in {each["id"] for each in operator.get("/v1/tenants").json()["data"]}
    assert quota["quota"]["jobs_in_flight"] == 3
    assert bounded["budgets"][0]["left_uusd"] == 5_000_000
    assert door.leaves(north)[-2:] == ["quota.set", "budget.set"]
    mine = f"/v1/tenants/{north}"
    assert [each["id"] for each in owner.get("/v1/tenants").json()["data"]] == [north]
    assert owner.get(mine).json() == bounded
    for refused in (
        owner.post("/v1/tenants", json={"name": "x"}),
        owner.put(f"{mine}/quota", json={}),
        owner.put(f"{mine}/budgets", json={**budget, "limit_uusd": None}),
    ):
        assert is_problem(refused, 403, "forbidden")["policies"] == ["the-studio-s-own-tenant"]
    is_problem(owner.get(f"/v1/tenants/{made.json()['id']}"), 404, "unavailable")
    label = {"scope": "label", "subject": "project=spot", "limit_uusd": 1}
    assert len(owner.put(f"{mine}/budgets", json=label).json()["budgets"]) == 2
    lifted = owner.put(f"{mine}/budgets", json={**label, "limit_uusd": None}).json()
    assert len(lifted["budgets"]) == 1
    finance = door.client(door.key(north, Role.FINANCE))
    assert finance.get("/v1/ledger/budgets").json()["data"] == lifted["budgets"]
    bad = owner.put(f"{mine}/budgets", json={**label, "subject": "spot"})
    is_problem(bad, 422, "request-invalid")


def test_the_audit_log_is_read_in_pages_by_kind_subject_and_time(
    door: Door, north: TenantId, owner: Any
) -> None:
    made = [owner.post("/v1/keys", json={"name": f"k{n}"}).json() for n in range(3)]
    auditor = door.client(door.key(north, Role.AUDITOR))

    seen, after = [], None
    while True:
        params = {"limit": 2, "kind": "key.created", **({} if after is None else {"after": after})}
        page = auditor.get("/v1/audit", params=params).json()
        seen += page["data"]
        after = page["next"]
        if not page["has_more"]:
            break

    subjects = [leaf["subject"] for leaf in seen]
    assert [each for each in subjects if each in {key["id"] for key in made}] == [
        key["id"] for key in reversed(made)
    ]
    assert {leaf["kind"] for leaf in seen} == {"key.created"}
    one = auditor.get("/v1/audit", params={"subject": made[0]["id"]}).json()["data"]
    assert [leaf["facts"]["name"] for leaf in one] == ["k0"]
    assert "secret" not in json.dumps(one)
    until = auditor.get("/v1/audit", params={"until": one[0]["at"], "limit": 100}).json()["data"]
    since = auditor.get("/v1/audit", params={"since": one[0]["at"], "limit": 100}).json()["data"]
    assert one[0] not in until
    assert one[0] in since
    assert len(until) + len(since) == len(door.leaves(north))
    is_problem(auditor.get("/v1/audit", params={"after": "x"}), 422, "request-invalid")
    is_problem(auditor.get("/v1/audit", params={"since": "noon"}), 422, "request-invalid")


def test_a_template_is_stored_once_under_its_version(
    door: Door, north: TenantId, owner: Any
) -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    yaml = {"content-type": "application/yaml"}

    made = owner.post("/v1/templates", content=text, headers=yaml)
    again = owner.post("/v1/templates", content=text, headers=yaml)
    other = owner.post("/v1/templates", content=text + "\n# changed\n", headers=yaml)
    wrong = owner.post("/v1/templates", json={"title": "a brief"})

    assert (made.status_code, again.status_code) == (201, 200), made.text
    assert made.json()["text"] == text
    is_problem(other, 422, "request-invalid")
    is_problem(wrong, 422, "brief-invalid")
    listed = owner.get("/v1/templates").json()["data"]
    assert [(each["id"], each["version"]) for each in listed] == [(made.json()["id"], 1)]
    assert owner.get(f"/v1/templates/{made.json()['id']}").json() == made.json()
    assert door.leaves(north)[-1] == "template.stored"
    reviewer = door.client(door.key(north, Role.REVIEWER))
    assert reviewer.get("/v1/templates").status_code == 200
    is_problem(reviewer.post("/v1/templates", content=text, headers=yaml), 403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/keys/%00", None),
        ("GET", "/v1/jobs/a%00b", None),
        ("GET", "/v1/audit?subject=%00", None),
        ("GET", "/v1/jobs?after=%00", None),
        ("POST", "/v1/keys", {"name": "x", "principal": "\0"}),
        ("PUT", "/v1/principals/%00/roles/owner", None),
    ],
)
def test_a_text_that_the_database_cannot_hold_is_no_fault_of_ours(
    on_postgres: Any, method: str, path: str, body: Any
) -> None:
    answer = on_postgres.request(method, path, json=body)

    is_problem(answer, 400, "malformed-request")


@pytest.fixture(scope="module")
def on_postgres(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    name = "administration"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    with opened(tmp_path_factory.mktemp("home"), db=f"{postgres_server}/{name}") as door:
        yield door.client(door.key(door.tenant("North"), Role.OWNER))
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
