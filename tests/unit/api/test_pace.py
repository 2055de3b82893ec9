"""Rate limits at the door: what a tenant and a principal may ask, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from doors import OPERATOR, Door, opened
from sqlalchemy import event

from cinefab.tenancy.quotas import Quota, set_quota
from cinefab.tenancy.roles import Role


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    home: Path = tmp_path_factory.mktemp("home")
    limits = {"quota_requests_per_minute": 6, "quota_requests_per_minute_each": 4}
    with opened(home, **limits) as door:
        yield door


def test_answers_say_what_is_left_and_refusals_when_to_come_again(door: Door) -> None:
    asking = door.client(door.key(door.tenant("North"), Role.PRODUCER))

    answers = [asking.get("/v1/jobs") for _ in range(5)]

    assert [each.status_code for each in answers] == [200] * 4 + [429]
    first, last = answers[0].headers, answers[4]
    assert first["ratelimit-policy"] == '"tenant";q=6;w=60, "principal";q=4;w=60'
    assert first["ratelimit"] == '"tenant";r=5;t=10, "principal";r=3;t=15'
    assert first["x-ratelimit-limit-requests"] == "4"
    assert first["x-ratelimit-remaining-requests"] == "3"
    assert last.headers["content-type"] == "application/problem+json"
    assert 14 <= int(last.headers["retry-after"]) <= 15
    assert last.json()["type"] == "/errors/asked-too-often"
    assert last.json()["violated-policies"] == ["principal"]
    assert last.json()["error"]["type"] == "rate_limit_error"
    assert asking.get("/errors/asked-too-often").status_code == 200


def test_a_tenant_has_one_bucket_for_all_who_act_for_it_and_another_tenant_its_own(
    door: Door,
) -> None:
    north, south = door.tenant("North"), door.tenant("South")
    ann, ben = (door.client(door.key(north, Role.PRODUCER)) for _ in range(2))

    asked = [ann.get("/v1/jobs").status_code for _ in range(4)]
    asked += [ben.get("/v1/jobs").status_code for _ in range(3)]

    assert asked == [200] * 6 + [429]
    assert ben.get("/v1/jobs").json()["violated-policies"] == ["tenant"]
    assert door.client(door.key(south, Role.PRODUCER)).get("/v1/jobs").status_code == 200


def test_who_asks_too_often_is_refused_without_the_database(door: Door) -> None:
    asking = door.client(door.key(door.tenant("North"), Role.PRODUCER))
    while asking.get("/v1/jobs").status_code == 200:
        pass
    questions: list[str] = []
    engine = door.service.db.engine

    def note(*arguments: object) -> None:
        questions.append(str(arguments[2]))

    event.listen(engine, "before_cursor_execute", note)
    refused = [asking.get("/v1/jobs").status_code for _ in range(20)]
    event.remove(engine, "before_cursor_execute", note)

    assert refused == [429] * 20
    assert questions == []


def test_a_wrong_key_takes_nothing_from_anybody(door: Door) -> None:
    key = door.key(door.tenant("North"), Role.PRODUCER)

    wrong = [door.client(key[:-4] + "aaaa").get("/v1/jobs").status_code for _ in range(9)]

    assert set(wrong) == {401}
    assert door.client(key).get("/v1/jobs").headers["x-ratelimit-remaining-requests"] == "3"


def test_a_quota_of_the_tenants_own_holds(door: Door) -> None:
    tenant = door.tenant("North")
    key = door.key(tenant, Role.PRODUCER)
    with door.service.db.write() as connection:
        set_quota(
            connection,
            tenant=tenant,
            quota=Quota(requests_per_minute=2),
            by=OPERATOR,
            now_us=1,
        )

    asked = [door.client(key).get("/v1/jobs").status_code for _ in range(3)]

    assert asked == [200, 200, 429]


def test_openais_client_understands_it_and_waits_as_long_as_it_is_told(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = door.client(door.key(door.tenant("North"), Role.PRODUCER))
    while asking.get("/v1/models").status_code == 200:
        pass
    slept: list[float] = []
    monkeypatch.setattr("openai._base_client.time.sleep", slept.append)

    def forward(request: httpx.Request) -> httpx.Response:
        answer = asking.get(request.url.path)
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    with (
        httpx.Client(transport=httpx.MockTransport(forward)) as http,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        openai.OpenAI(
            base_url="http://127.0.0.1/v1", api_key="x", http_client=http, max_retries=2
        ).models.list()

    assert caught.value.code == "asked_too_often"
    assert len(slept) == 2
    assert all(10 < each <= 15 for each in slept)
