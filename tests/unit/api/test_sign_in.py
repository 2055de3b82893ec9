"""Signing in with a browser: links that work once, cookies that stay here, and pages from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from doors import OPERATOR, Door, opened

from cinefab.core.ids import PrincipalId, TenantId
from cinefab.tenancy.local import LOCAL_TENANT
from cinefab.tenancy.owner_links import LASTS_US, open_invitation
from cinefab.tenancy.roles import Role
from cinefab.tenancy.sign_ins import open_sign_in


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with opened(tmp_path_factory.mktemp("home")) as door:
        yield door


@pytest.fixture
def north(door: Door) -> TenantId:
    return door.tenant("North")


def a_link(door: Door, tenant: TenantId, *roles: Role, late_us: int = 0) -> tuple[str, PrincipalId]:
    who = door.person(tenant, *roles, name="Ann <b>")
    with door.service.db.write() as connection:
        made = open_invitation(
            connection,
            tenant=tenant,
            principal=who,
            by=OPERATOR,
            ids=door.service.ids,
            now_us=door.service.clock.now_us() - late_us,
        )
    return made.text, who


def signed_in(door: Door, tenant: TenantId, *roles: Role) -> tuple[Any, dict[str, Any]]:
    browser = door.client()
    answer = browser.post("/v1/sign-ins", json={"link": a_link(door, tenant, *roles)[0]})
    assert answer.status_code == 201, answer.text
    return browser, answer.json()


def is_problem(answer: Any, status: int, name: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"/errors/{name}"
    return document


def test_the_first_start_gives_a_link_that_makes_one_owner_and_closes_the_studio(
    tmp_path: Any,
) -> None:
    with opened(tmp_path / "home") as door:
        anybody = door.client()
        assert anybody.get("/v1/jobs").status_code == 200
        before, link = door.service.entrance.owner_link(), door.service.entrance.owner_link()
        assert before is not None
        assert link is not None

        page = anybody.get("/sign-in", params={"link": link})
        again = anybody.get("/sign-in", params={"link": link})
        came_in = anybody.post(
            "/sign-in", data={"link": link, "name": "Ada <i>"}, follow_redirects=False
        )
        shown = anybody.get("/sign-in")

        assert (page.status_code, again.status_code) == (200, 200)
        assert "Your name" in page.text
        assert (came_in.status_code, came_in.headers["location"]) == (303, "/sign-in")
        assert "Ada &lt;i&gt;" in shown.text
        assert "owner" in shown.text
        assert anybody.get("/v1/keys").status_code == 200
        for over in (link, before):
            used = door.client().post("/v1/sign-ins", json={"link": over, "name": "Eve"})
            is_problem(used, 401, "not-authenticated")
        is_problem(door.client().get("/v1/jobs"), 401, "not-authenticated")
        assert door.service.entrance.owner_link() is None
        assert door.leaves(LOCAL_TENANT)[-2:] == ["principal.created", "sign_in.opened"]


def test_the_cookie_is_kept_from_scripts_and_over_tls_is_of_this_host_alone(
    door: Door, north: TenantId
) -> None:
    plain = door.client()
    secure = door.client()
    secure.base_url = "https://films.example"

    here = plain.post("/v1/sign-ins", json={"link": a_link(door, north)[0]}).headers["set-cookie"]
    there = secure.post("/v1/sign-ins", json={"link": a_link(door, north)[0]}).headers["set-cookie"]

    assert re.fullmatch(r"cinefab=cfs_\w+; HttpOnly; Max-Age=43200; Path=/; SameSite=lax", here)
    assert re.fullmatch(
        r"__Host-cinefab=cfs_\w+; HttpOnly; Max-Age=43200; Path=/; SameSite=lax; Secure", there
    )
    assert secure.get("/v1/sign-ins/current").status_code == 200


def test_nobody_gets_a_cookie_through_a_network_in_the_clear(door: Door, north: TenantId) -> None:
    elsewhere = door.client()
    elsewhere.base_url = "http://films.example"
    link = a_link(door, north)[0]

    refused = elsewhere.post("/v1/sign-ins", json={"link": link})

    assert is_problem(refused, 403, "forbidden")["policies"] == ["no-cookies-in-the-clear"]
    assert "set-cookie" not in refused.headers
    assert door.client().post("/v1/sign-ins", json={"link": link}).status_code == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"x-csrf-token": "x" * 43}, 403),
        ({"x-csrf-token": "RIGHT"}, 201),
        ({"x-csrf-token": "RIGHT", "origin": "http://127.0.0.1"}, 201),
        ({"x-csrf-token": "RIGHT", "origin": "http://evil.example"}, 403),
        ({"x-csrf-token": "RIGHT", "origin": "null"}, 403),
        ({"x-csrf-token": "RIGHT", "sec-fetch-site": "cross-site"}, 403),
        ({"x-csrf-token": "RIGHT", "sec-fetch-site": "same-site"}, 403),
        ({"x-csrf-token": "RIGHT", "sec-fetch-site": "same-origin"}, 201),
    ],
)
def test_what_a_page_changes_needs_its_token_and_its_place(
    door: Door, north: TenantId, headers: dict[str, str], status: int
) -> None:
    browser, who = signed_in(door, north, Role.OWNER)
    sent = {name: who["csrf"] if value == "RIGHT" else value for name, value in headers.items()}

    answer = browser.post("/v1/keys", json={"name": "x"}, headers=sent)

    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["policies"] == ["csrf"]
    assert browser.get("/v1/keys").status_code == 200


def test_a_link_from_another_site_signs_nobody_in(door: Door, north: TenantId) -> None:
    link = a_link(door, north)[0]

    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
        posted = door.client().post("/sign-in", data={"link": link}, headers=headers)
        assert posted.status_code == 403
        sent = door.client().post("/v1/sign-ins", json={"link": link}, headers=headers)
        assert is_problem(sent, 403, "forbidden")["policies"] == ["csrf"]

    assert door.client().post("/v1/sign-ins", json={"link": link}).status_code == 201


@pytest.mark.parametrize("how", ["used", "forged", "over", "nonsense", "a key"])
def test_links_that_are_none_any_more_or_never_were_let_nobody_in(
    door: Door, north: TenantId, how: str
) -> None:
    link = a_link(door, north, late_us=LASTS_US if how == "over" else 0)[0]
    if how == "used":
        assert door.client().post("/v1/sign-ins", json={"link": link}).status_code == 201
    given = {"forged": link[:-4] + "aaaa", "nonsense": "🗝\ud800", "a key": door.key(north)}
    sent = given.get(how, link).encode("utf-8", "replace").decode()

    answer = door.client().post("/v1/sign-ins", json={"link": sent})
    page = door.client().get("/sign-in", params={"link": sent})
    form = door.client().post("/sign-in", data={"link": sent})

    is_problem(answer, 401, "not-authenticated")
    assert (page.status_code, form.status_code) == (401, 401)
    assert "set-cookie" not in answer.headers
    assert "set-cookie" not in form.headers


@pytest.mark.parametrize("how", ["forged", "over", "ended", "another's prefix", "nonsense"])
def test_cookies_that_are_none_any_more_or_never_were_are_refused(
    door: Door, north: TenantId, how: str
) -> None:
    who = door.person(north, Role.OWNER)
    now_us = door.service.clock.now_us()
    with door.service.db.write() as connection:
        made = open_sign_in(
            connection,
            tenant=north,
            principal=who,
            ids=door.service.ids,
            now_us=now_us,
            lasts_us=-1 if how == "over" else 60_000_000,
        )
    if how == "ended":
        owner = door.client(door.key(north, Role.OWNER))
        assert owner.delete(f"/v1/sign-ins/{made.id}").status_code == 200
    given = {
        "forged": made.secret[:-4] + "aaaa",
        "another's prefix": "cfk" + made.secret[3:],
        "nonsense": '"\\',
    }

    answer = door.client().get(
        "/v1/jobs", headers={"cookie": f"cinefab={given.get(how, made.secret)}"}
    )

    is_problem(answer, 401, "not-authenticated")


def test_somebody_signs_out_and_is_out_everywhere_they_were_ended(
    door: Door, north: TenantId
) -> None:
    browser, who = signed_in(door, north, Role.PRODUCER)
    owner = door.client(door.key(north, Role.OWNER))

    listed = browser.get("/v1/sign-ins").json()["data"]
    others = owner.get("/v1/sign-ins", params={"principal": who["principal"]}).json()["data"]
    csrf = browser.get("/v1/sign-ins/current").json()["csrf"]
    unasked = browser.post("/sign-out", data={"csrf": "x"})
    out = browser.post("/sign-out", data={"csrf": csrf}, follow_redirects=False)

    assert [(each["id"], each["is_current"]) for each in listed] == [(who["sign_in"], True)]
    assert [each["id"] for each in others] == [who["sign_in"]]
    assert unasked.status_code == 403
    assert out.status_code == 303
    assert "cinefab" not in browser.cookies
    assert owner.get("/v1/sign-ins", params={"principal": who["principal"]}).json()["data"] == []
    assert door.leaves(north)[-1] == "sign_in.closed"
    other, other_who = signed_in(door, north, Role.PRODUCER)
    is_problem(other.get("/v1/sign-ins", params={"principal": who["principal"]}), 403, "forbidden")
    assert owner.delete(f"/v1/sign-ins/{other_who['sign_in']}").status_code == 200
    is_problem(other.get("/v1/jobs"), 401, "not-authenticated")


def test_an_owner_invites_a_person_once_and_nobody_above_themselves(
    door: Door, north: TenantId
) -> None:
    owner = door.client(door.key(north, Role.OWNER))
    ann = owner.post(
        "/v1/principals", json={"kind": "person", "name": "Ann", "roles": ["reviewer"]}
    ).json()
    here = f"/v1/principals/{ann['id']}/invitations"

    made = owner.post(here, headers={"idempotency-key": "i"})
    again = owner.post(here, headers={"idempotency-key": "i"})
    page = door.client().get(made.json()["url"])
    link = made.json()["url"].partition("link=")[2]
    came_in = door.client().post("/v1/sign-ins", json={"link": link})

    assert (made.status_code, again.status_code) == (201, 200)
    assert again.json()["url"] is None
    assert "Your name" not in page.text
    assert came_in.json()["roles"] == ["reviewer"]
    assert came_in.json()["principal"] == ann["id"]
    assert door.leaves(north)[-3:] == ["invitation.opened", "invitation.used", "sign_in.opened"]
    program = owner.post("/v1/principals", json={"kind": "service", "name": "bot"}).json()
    is_problem(owner.post(f"/v1/principals/{program['id']}/invitations"), 422, "request-invalid")
    elsewhere = door.person(door.tenant("South"), Role.OWNER)
    is_problem(owner.post(f"/v1/principals/{elsewhere}/invitations"), 404, "unavailable")
