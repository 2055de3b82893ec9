"""The service, asked over HTTP as its callers do: jobs, their events, their films, and refusals."""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families
from served import Served, a_brief, served

PHOTO = Path(__file__).parents[2] / "examples" / "coffee.png"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def film(service: Served) -> dict[str, Any]:
    created = service.client.post("/v1/jobs", json=a_brief("A film", labels={"campaign": "autumn"}))
    assert created.status_code == 201, created.text
    made = service.wait(created.json()["id"])
    assert made["status"] == "delivered", made
    return made


def events_of(response: httpx.Response) -> list[dict[str, Any]]:
    found = []
    for block in response.text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "data" in lines:
            found.append(
                {"id": lines.get("id"), "event": lines["event"], **json.loads(lines["data"])}
            )
    return found


def is_problem(response: httpx.Response, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["type"] == f"/errors/{name}"
    assert document["status"] == status
    assert document["error"]["message"] == document["detail"]
    return document


def test_it_is_well_and_ready_and_listens_on_loopback_only(service: Served) -> None:
    assert service.client.get("/healthz").json() == {"status": "ok"}
    assert service.client.get("/readyz").json()["status"] == "ok"
    assert service.url.startswith("http://127.0.0.1:")


def test_a_film_is_made_and_its_bytes_are_those_that_its_digest_names(
    service: Served, film: dict[str, Any]
) -> None:
    asset = service.client.get(film["links"]["film"].removesuffix("/content")).json()

    content = service.client.get(film["links"]["film"])

    assert content.status_code == 200
    assert hashlib.sha256(content.content).hexdigest() == asset["sha256"]
    assert content.headers["content-type"] == "video/mp4"
    assert "immutable" in content.headers["cache-control"]
    again = service.client.get(
        film["links"]["film"], headers={"if-none-match": content.headers["etag"]}
    )
    assert again.status_code == 304
    assert again.content == b""


def test_ranges_of_a_film_join_to_its_bytes(service: Served, film: dict[str, Any]) -> None:
    url = film["links"]["film"]
    whole = service.client.get(url).content
    bounds = [(at, min(at + 4096, len(whole)) - 1) for at in range(0, len(whole), 4096)]

    def part(bound: tuple[int, int]) -> bytes:
        answer = httpx.get(service.url + url, headers={"range": f"bytes={bound[0]}-{bound[1]}"})
        assert answer.status_code == 206
        assert answer.headers["content-range"] == f"bytes {bound[0]}-{bound[1]}/{len(whole)}"
        return answer.content

    with ThreadPoolExecutor(4) as several:
        parts = list(several.map(part, bounds[:24]))

    assert b"".join(parts) == whole[: 24 * 4096]
    last = service.client.get(url, headers={"range": "bytes=-10"})
    assert (last.status_code, last.content) == (206, whole[-10:])
    head = service.client.head(url)
    assert (head.headers["content-length"], head.content) == (str(len(whole)), b"")
    other = service.client.get(url, headers={"range": "bytes=0-9", "if-range": '"other"'})
    assert (other.status_code, len(other.content)) == (200, len(whole))
    beyond = service.client.get(url, headers={"range": f"bytes={len(whole)}-"})
    is_problem(beyond, 416, "range-refused")
    assert beyond.headers["content-range"] == f"bytes */{len(whole)}"
    for nonsense in ("bytes=x-y", "lines=1-2", "bytes=9-1", f"bytes=0-{'9' * 400}"):
        assert service.client.get(url, headers={"range": nonsense}).status_code == 200


def test_an_asset_says_where_it_comes_from_what_it_cost_and_who_is_paid(
    service: Served, film: dict[str, Any]
) -> None:
    here = film["links"]["film"].removesuffix("/content")

    lineage = service.client.get(f"{here}/lineage").json()
    cost = service.client.get(f"{here}/cost").json()
    credentials = service.client.get(f"{here}/credentials").json()
    royalties = service.client.get(f"{here}/royalties").json()
    thumbnail = service.client.get(f"{here}/thumbnail")

    assert lineage["holds"]
    assert lineage["lineage"][-1]["kind"] == "film"
    assert cost["cost_uusd"] == sum(stage["cost_uusd"] for stage in cost["stages"]) > 0
    assert credentials["state"] == "signed"
    assert royalties["royalties"] == []
    assert thumbnail.content.startswith(b"\xff\xd8")


def test_a_signed_link_needs_no_key_until_it_is_over_or_changed(
    service: Served, film: dict[str, Any]
) -> None:
    here = film["links"]["film"].removesuffix("/content")

    link = service.client.post(f"{here}/links", json={"seconds": 60}).json()["url"]

    elsewhere = {"host": "films.example"}
    assert service.client.get(link, headers=elsewhere).status_code == 200
    is_problem(
        service.client.get(link.replace("expires=", "expires=9"), headers=elsewhere),
        403,
        "link-refused",
    )
    other = link.replace(here, f"{here[:-1]}{'y' if here.endswith('x') else 'x'}")
    is_problem(service.client.get(other, headers=elsewhere), 403, "link-refused")


def test_events_are_told_from_the_first_and_again_from_any_of_them(
    service: Served, film: dict[str, Any]
) -> None:
    url = film["links"]["events"]

    told = events_of(service.client.get(url))

    kinds = [event["event"] for event in told]
    assert kinds[0] == "job.created"
    assert kinds[-1] == "job.delivered"
    assert any(event.get("preview") for event in told)
    middle = told[len(told) // 2]
    rest = events_of(service.client.get(url, headers={"last-event-id": middle["id"]}))
    assert rest == told[len(told) // 2 + 1 :]
    over = service.client.get(url, headers={"last-event-id": told[-1]["id"]})
    assert over.status_code == 204
    is_problem(service.client.get(url, headers={"last-event-id": "x"}), 422, "request-invalid")


def test_a_job_is_followed_live_with_its_progress_to_the_end(service: Served) -> None:
    job = service.client.post("/v1/jobs", json=a_brief("Followed")).json()

    told = events_of(service.client.get(job["links"]["events"]))

    ids = [int(event["id"]) for event in told if event["id"] is not None]
    assert ids == sorted(set(ids))
    assert told[-1]["event"] == "job.delivered"
    assert any(event["event"] == "progress" for event in told)
    assert service.client.get(f"/v1/jobs/{job['id']}/preview").status_code == 200


def test_jobs_are_listed_in_pages_and_by_status_and_label(
    service: Served, film: dict[str, Any]
) -> None:
    service.client.post("/v1/jobs", json=a_brief("Another one"))

    seen, after = [], None
    while True:
        page = service.client.get(
            "/v1/jobs", params={"limit": 1, **({"after": after} if after else {})}
        ).json()
        seen += [job["id"] for job in page["data"]]
        after = page["next"]
        if not page["has_more"]:
            break

    assert len(seen) == len(set(seen)) >= 2
    assert film["id"] in seen
    labelled = service.client.get("/v1/jobs", params={"label": "campaign=autumn"}).json()["data"]
    assert [job["id"] for job in labelled] == [film["id"]]
    none = service.client.get("/v1/jobs", params={"label": "campaign=spring"}).json()["data"]
    assert none == []
    delivered = service.client.get("/v1/jobs", params={"status": "delivered", "limit": 100}).json()
    assert {job["status"] for job in delivered["data"]} == {"delivered"}
    is_problem(service.client.get("/v1/jobs", params={"status": "x"}), 422, "request-invalid")
    is_problem(service.client.get("/v1/jobs", params={"limit": 0}), 422, "request-invalid")
    is_problem(service.client.get("/v1/jobs", params={"after": "job_x"}), 404, "unavailable")


def test_a_job_that_has_not_changed_is_not_sent_again(
    service: Served, film: dict[str, Any]
) -> None:
    first = service.client.get(film["links"]["self"])

    again = service.client.get(
        film["links"]["self"], headers={"if-none-match": first.headers["etag"]}
    )

    assert again.status_code == 304
    assert first.headers["cache-control"] == "private, no-cache"


def test_a_file_is_sent_along_and_shown_in_the_film(service: Served) -> None:
    brief = a_brief("With a cup", references={"cup": {"file": "cup.png", "role": "product"}})
    brief["shots"][0]["references"] = ["cup"]

    created = service.client.post(
        "/v1/jobs",
        files={
            "brief": (None, json.dumps(brief), "application/json"),
            "cup.png": ("any/name.png", PHOTO.read_bytes(), "image/png"),
        },
    )

    assert created.status_code == 201, created.text
    made = service.wait(created.json()["id"])
    assert made["status"] == "delivered", made
    report = service.client.get(made["links"]["report"]).json()
    assert report["references"][0]["name"] == "cup"


@pytest.mark.parametrize(
    "place", ["/etc/passwd", "../../etc/passwd", "file:///etc/passwd", "blob:x"]
)
def test_no_file_of_the_service_itself_can_be_named(service: Served, place: str) -> None:
    brief = a_brief(references={"secret": {"file": place}})

    answer = service.client.post("/v1/jobs", json=brief)

    is_problem(answer, 422, "brief-invalid")


def test_a_remix_is_another_job_that_reuses_what_is_not_changed(
    service: Served, film: dict[str, Any]
) -> None:
    here = film["links"]["self"]

    made = service.client.post(f"{here}/remix", json={"set": {"title": "Other", "seed": 9}})

    assert made.status_code == 201, made.text
    assert made.json()["title"] == "Other"
    assert service.wait(made.json()["id"])["status"] == "delivered"
    again = service.client.post(f"{here}/retry")
    assert again.status_code == 201
    assert service.wait(again.json()["id"])["status"] == "delivered"
    report = service.client.get(again.json()["links"]["report"]).json()
    assert {segment["made_by"] for segment in report["segments"]} == {"reuse"}
    is_problem(
        service.client.post(f"{here}/remix", json={"set": {"references.x.file": "/etc/passwd"}}),
        422,
        "brief-invalid",
    )
    is_problem(service.client.post(f"{here}/remix", json={}), 422, "request-invalid")
    is_problem(service.client.post(f"{here}/remix", json={"sett": 1}), 422, "request-invalid")


def test_a_job_is_cancelled_and_stays_so(service: Served) -> None:
    job = service.client.post("/v1/jobs", json=a_brief("Cancelled", seed=77)).json()

    cancelled = service.client.post(f"{job['links']['self']}/cancel")

    assert cancelled.json()["status"] == "cancelled"
    assert service.client.post(f"{job['links']['self']}/cancel").json()["status"] == "cancelled"
    # A brief that was given up is ordered anew, however soon.
    anew = service.client.post("/v1/jobs", json=a_brief("Cancelled", seed=77))
    assert anew.status_code == 201


def test_a_film_waits_for_a_person_who_answers_over_http(service: Served) -> None:
    job = service.client.post("/v1/jobs", json=a_brief("Asked", review="required")).json()["id"]
    service.wait(job, {"needs_person"})

    waiting = service.client.get("/v1/reviews").json()["data"]
    approved = service.client.post(f"/v1/reviews/{job}/approve", json={"reason": "It is good."})

    assert [item["job"] for item in waiting] == [job]
    assert approved.status_code == 200, approved.text
    assert service.wait(job)["status"] == "delivered"
    twice = service.client.post(f"/v1/reviews/{job}/reject", json={"reason": "no"})
    is_problem(twice, 409, "nothing-to-decide")


def test_a_preview_is_told_fetched_and_answered_over_http(service: Served) -> None:
    brief = a_brief("Shown first", preview_first={"ask": True})
    job = service.client.post("/v1/jobs", json=brief).json()["id"]
    shown = service.wait(job, {"needs_person"})

    preview = service.client.get(shown["links"]["preview_film"])
    (item,) = service.client.get("/v1/reviews").json()["data"]
    refused = service.client.post(f"/v1/reviews/{job}/reject", json={"reason": "Another cup."})

    assert shown["links"]["film"] is None
    assert preview.headers["content-type"] == "video/mp4"
    assert preview.content[4:8] == b"ftyp"
    assert (item["job"], item["asked_by"]) == (job, "preview")
    assert refused.status_code == 200, refused.text
    assert service.wait(job)["status"] == "refused"
    told = events_of(service.client.get(shown["links"]["events"]))
    (ready,) = [event for event in told if event["event"] == "preview.ready"]
    assert ready["preview_film"] == shown["links"]["preview_film"]
    assert ready["data"]["sha256"] == hashlib.sha256(preview.content).hexdigest()
    (created,) = [event for event in told if event["event"] == "job.created"]
    assert set(created["data"]["estimate"]) == {"preview_uusd", "film_uusd"}


def test_models_and_books_are_shown(service: Served, film: dict[str, Any]) -> None:
    # A client must send a key; one that is none of ours is none, where none is needed.
    listed = openai.OpenAI(api_key="unused", base_url=f"{service.url}/v1").models.list()

    assert "procedural" in [model.id for model in listed]
    assert service.client.get("/v1/ledger").json()["spend_uusd"] > 0
    assert service.client.get("/v1/ledger/check").json()["balances"] is True


@pytest.mark.parametrize(
    ("body", "kind", "status", "name"),
    [
        (b"{", "application/json", 400, "malformed-request"),
        (b"[]", "application/json", 400, "malformed-request"),
        (b"\xff\xfe", "application/json", 400, "malformed-request"),
        (b"[" * 100_000, "application/json", 400, "malformed-request"),
        (b"{}", "text/plain", 415, "media-type-refused"),
        (b"{}", "", 415, "media-type-refused"),
        (b'{"title": "x", "nonsense": 1}', "application/json", 422, "brief-invalid"),
        (b'{"title": 7, "shots": "many"}', "application/json", 422, "brief-invalid"),
        (b'{"title": "\\ud800", "prompt": "x"}', "application/json", 422, "brief-invalid"),
        (b" " * (2 << 20), "application/json", 413, "body-too-large"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 422, "request-invalid"),
        (b"x", "multipart/form-data", 400, "malformed-request"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422, "request-invalid"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_document(
    service: Served, body: bytes, kind: str, status: int, name: str
) -> None:
    answer = service.client.post("/v1/jobs", content=body, headers={"content-type": kind})

    is_problem(answer, status, name)


def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(service: Served) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: 99999999999\r\n\r\n"
        )

        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_paths_and_methods_that_are_none_are_refused_with_documents(service: Served) -> None:
    is_problem(service.client.get("/v1/nothing"), 404, "no-such-route")
    is_problem(service.client.get("/v1/jobs/job_x"), 404, "unavailable")
    is_problem(service.client.get("/v1/jobs/job_x/events"), 404, "unavailable")
    is_problem(service.client.get("/v1/assets/ast_x/content"), 404, "unavailable")
    refused = service.client.delete("/v1/models")
    is_problem(refused, 405, "method-refused")
    assert "GET" in refused.headers["allow"]


def test_pages_from_elsewhere_and_names_from_elsewhere_are_not_let_in_without_a_key(
    service: Served,
) -> None:
    page = service.client.get("/v1/jobs", headers={"origin": "https://elsewhere.example"})
    is_problem(page, 401, "not-authenticated")
    assert page.headers["www-authenticate"].startswith("Bearer")
    name = service.client.get("/v1/jobs", headers={"host": "elsewhere.example"})
    is_problem(name, 401, "not-authenticated")


def test_openais_client_reads_our_errors(service: Served) -> None:
    client = openai.OpenAI(api_key="cfk_wrong", base_url=f"{service.url}/v1", max_retries=0)

    with pytest.raises(openai.AuthenticationError) as refused:
        client.models.list()

    assert refused.value.code == "not_authenticated"
    assert refused.value.type == "authentication_error"


def test_the_document_and_its_page_need_no_other_host(service: Served) -> None:
    document = service.client.get("/openapi.json").json()
    page = service.client.get("/docs")

    assert document["openapi"].startswith("3.1")
    assert "/v1/jobs/{job}/events" in document["paths"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http" not in page.text.replace("HTTP", "")
    assert service.client.get("/errors/brief-invalid").text.startswith("# Brief invalid")


def test_fifty_equal_creates_at_once_are_one_job_and_another_body_is_refused(
    database_url: str, tmp_path: Path
) -> None:
    with served(tmp_path / "home", "--db", database_url) as running:

        def create(_: int) -> tuple[int, str]:
            answer = httpx.post(
                f"{running.url}/v1/jobs",
                json=a_brief("Once"),
                headers={"idempotency-key": "one"},
                timeout=60,
            )
            return answer.status_code, answer.json()["id"]

        with ThreadPoolExecutor(50) as many:
            answers = list(many.map(create, range(50)))
        other = running.client.post(
            "/v1/jobs", json=a_brief("Twice"), headers={"idempotency-key": "one"}
        )
        anew = running.client.post(
            "/v1/jobs", json=a_brief("Once"), headers={"idempotency-key": "two"}
        )
        plain = [running.client.post("/v1/jobs", json=a_brief("Plain")) for _ in range(3)]

        assert len({job for _, job in answers}) == 1
        assert sorted(status for status, _ in answers) == [200] * 49 + [201]
        is_problem(other, 422, "idempotency-key-reused")
        assert anew.json()["id"] not in {job for _, job in answers}
        assert len({answer.json()["id"] for answer in plain}) == 1


def test_a_create_that_was_answered_survives_a_kill(tmp_path: Path) -> None:
    with served(tmp_path / "home") as running:
        created = running.client.post("/v1/jobs", json=a_brief("Kept"))
        running.kill()

    with served(tmp_path / "home") as again:
        made = again.wait(created.json()["id"])

    assert made["status"] == "delivered"


def test_beyond_this_machine_every_request_needs_the_key_that_was_shown_once(
    tmp_path: Path,
) -> None:
    with served(tmp_path / "home", "--host", "0.0.0.0") as running:
        key = next(line for line in running.said if "owner's key" in line).split()[-1]
        url = running.url.replace("0.0.0.0", "127.0.0.1")

        with httpx.Client(base_url=url) as client:
            is_problem(client.get("/v1/jobs"), 401, "not-authenticated")
            let_in = client.get("/v1/jobs", headers={"authorization": f"Bearer {key}"})
            wrong = client.get("/v1/jobs", headers={"authorization": f"Bearer {key}x"})

        assert let_in.status_code == 200
        is_problem(wrong, 401, "not-authenticated")
        models = openai.OpenAI(api_key=key, base_url=f"{url}/v1").models.list()
        assert "procedural" in [model.id for model in models]


def test_prometheus_reads_what_the_books_and_the_jobs_say(
    service: Served, film: dict[str, Any]
) -> None:
    ledger = service.client.get("/v1/ledger").json()
    service.client.get("/v1/jobs/job_none")
    service.client.request("BREW", "/v1/jobs/job_none")

    answered = service.client.get("/metrics")

    assert answered.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answered.text)
        for sample in family.samples
    }
    assert found["cinefab_jobs", "delivered"] >= 1
    assert found["cinefab_film_seconds_total",] >= film["seconds"]
    assert found["cinefab_stages_total", "deliver"] == found["cinefab_films_total",]
    assert found["cinefab_workers",] == 1
    spent_uusd = round(found["cinefab_spend_usd_total",] * 1e6)
    assert {"code": "spend", "posted": spent_uusd} in [
        {"code": each["code"], "posted": each["debits_posted"]} for each in ledger["balances"]
    ]
    of_jobs = ("cinefab_http_request_seconds_count", "GET", "/v1/jobs/{job}")
    assert found[*of_jobs, "404"] >= 1
    assert not [key for key in found if "BREW" in key or "job_none" in str(key)]
