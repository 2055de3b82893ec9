"""Webhooks of the real service: a film's events, signed, from a process that nobody waits for."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from receiver import Message, Receiver, receiving
from served import Served, a_brief, served
from standardwebhooks import Webhook


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    with served(home, CINEFAB_WEBHOOK_NETWORKS="127.0.0.0/8") as running:
        yield running


def is_problem(response: httpx.Response, status: int, name: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == f"/errors/{name}"


def made(service: Served, url: str, **fields: Any) -> dict[str, Any]:
    answer = service.client.post("/v1/webhooks", json={"url": url, **fields})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def senders_of(service: Served) -> set[int]:
    """Return the processes that send for a service."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"webhooks" in path.read_bytes().split(b"\0"):
                status = path.with_name("stat").read_text()
                if int(status.rpartition(")")[2].split()[1]) == service.process.pid:
                    found.add(int(path.parent.name))
        except OSError:
            continue
    return found


def settled(service: Served, delivery: dict[str, Any]) -> dict[str, Any]:
    url = f"/v1/webhooks/{delivery['webhook']}/deliveries/{delivery['id']}"
    for _ in range(600):
        shown: dict[str, Any] = service.client.get(url).json()
        if shown["state"] != "waiting":
            return shown
        time.sleep(0.05)
    raise AssertionError(shown)


def stops(messages: Receiver, subject: str) -> list[Message]:
    for _ in range(1200):
        mine = [each for each in messages.came if json.loads(each.body)["subject"] == subject]
        if mine and json.loads(mine[-1].body)["type"] == "job.delivered":
            return mine
        time.sleep(0.05)
    raise AssertionError([each.body for each in messages.came])


def test_a_films_events_come_signed_in_order_though_the_sender_is_killed_amid_them(
    service: Served,
) -> None:
    with receiving() as receiver:
        hook = made(service, receiver.url, events=["*"], description="all of it")
        assert "secret" not in service.client.get(f"/v1/webhooks/{hook['id']}").json()
        job = service.client.post("/v1/jobs", json=a_brief("Told")).json()["id"]
        receiver.wait(2)
        for sender in senders_of(service):
            os.kill(sender, signal.SIGKILL)
        messages = stops(receiver, job)

        told = service.client.get(f"/v1/jobs/{job}/events").text
        assert service.client.delete(f"/v1/webhooks/{hook['id']}").status_code == 204

    seen: dict[str, str] = {}
    for message in messages:
        event = Webhook(hook["secret"]).verify(message.body, message.headers)
        seen.setdefault(event["id"], event["type"])
    kinds = [line[7:] for line in told.splitlines() if line.startswith("event: ")]
    assert list(seen.values()) == [kind for kind in kinds if kind != "progress"]


def test_a_ping_says_how_it_went_and_can_be_sent_again(service: Served) -> None:
    with receiving() as receiver:
        hook = made(service, receiver.url)
        here = f"/v1/webhooks/{hook['id']}"

        pinged = service.client.post(f"{here}/ping")
        assert pinged.status_code == 202
        shown = settled(service, pinged.json())
        again = service.client.post(f"{here}/deliveries/{shown['id']}/replay").json()
        settled(service, again)
        rotated = service.client.post(f"{here}/rotate-secret", json={"overlap_seconds": 60}).json()
        settled(service, service.client.post(f"{here}/ping").json())
        listed = service.client.get(f"{here}/deliveries", params={"limit": 2}).json()
        everything = service.client.post(f"{here}/replay", json={"since": "2020-01-01T00:00:00Z"})

    first, second, third = receiver.came[:3]
    assert shown["state"] == "delivered"
    assert [attempt["status"] for attempt in shown["attempts"]] == [204]
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == shown["event"]
    assert json.loads(first.body)["type"] == "webhook.ping"
    for secret in (hook["secret"], rotated["secret"]):
        Webhook(secret).verify(third.body, third.headers)
    assert len(listed["data"]) == 2
    assert listed["has_more"]
    assert everything.status_code == 202
    assert everything.json()["next"] is None
    assert service.client.delete(here).status_code == 204
    is_problem(service.client.get(here), 404, "unavailable")


def test_the_same_create_under_a_key_is_one_webhook_whose_secret_is_shown_once(
    service: Served,
) -> None:
    order = {"url": "https://127.0.0.1/hook"}
    key = {"idempotency-key": "hook-1"}

    first = service.client.post("/v1/webhooks", json=order, headers=key)
    second = service.client.post("/v1/webhooks", json=order, headers=key)
    other = service.client.post("/v1/webhooks", json={"url": "https://127.0.0.1/"}, headers=key)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["cache-control"] == "no-store"
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["secret"] is None
    is_problem(other, 422, "idempotency-key-reused")
    listed = service.client.get("/v1/webhooks").json()["data"]
    assert [each["id"] for each in listed] == [first.json()["id"]]
    here = f"/v1/webhooks/{first.json()['id']}"
    off = service.client.patch(here, json={"enabled": False, "events": ["job.delivered"]}).json()
    assert (off["enabled"], off["events"]) == (False, ["job.delivered"])
    is_problem(
        service.client.patch(here, json={"url": "https://10.0.0.1/"}), 422, "request-invalid"
    )


@pytest.mark.parametrize(
    "order",
    [
        {"url": "https://10.0.0.1/hook"},
        {"url": "https://169.254.169.254/latest"},
        {"url": "http://8.8.8.8/hook"},
        {"url": "https://8.8.8.8:22/hook"},
        {"url": "https://127.0.0.1/\r\nx-injected: 1"},
        {"url": "https://u:p@127.0.0.1/"},
        {"url": "file:///etc/passwd"},
        {"url": "https://127.0.0.1/", "events": ["job"]},
        {"url": "https://127.0.0.1/", "events": []},
        {"url": "https://127.0.0.1/", "description": "a\nb"},
        {"url": "https://127.0.0.1/", "secret": "mine"},
        {"url": 7},
        {},
    ],
)
def test_what_cannot_be_a_webhook_is_refused_by_its_field(
    service: Served, order: dict[str, Any]
) -> None:
    before = service.client.get("/v1/webhooks").json()["data"]

    is_problem(service.client.post("/v1/webhooks", json=order), 422, "request-invalid")

    assert service.client.get("/v1/webhooks").json()["data"] == before
