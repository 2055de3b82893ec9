"""Replicate's own clients run, follow, cancel and list predictions here, and are told of them."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from receiver import receiving
from replicate.client import Client
from replicate.exceptions import ReplicateError
from replicate.webhook import Webhooks, WebhookSigningSecret
from served import Served, served

PHOTO = Path(__file__).parents[2] / "examples" / "coffee.png"
PLAYERS = Path(__file__).parents[1] / "players"
MODEL = "cinefab/procedural"
SMALL = {"seconds": 1, "size": "320x180", "quality": "preview"}

_JS_CLIENT = """
const Replicate = require("replicate"), fs = require("fs")
const [baseUrl, photo] = process.argv.slice(2)
const client = new Replicate({auth: "unused", baseUrl, useFileOutput: false})
async function main() {
  const input = {seconds: 1, size: "320x180", quality: "preview"}
  const seen = []
  const image = new Blob([fs.readFileSync(photo)], {type: "image/png"})
  const film = await client.run("cinefab/procedural", {
    input: {...input, prompt: "From JavaScript", image}, wait: {mode: "poll", interval: 100},
  }, (prediction) => seen.push([prediction.status, Replicate.parseProgressFromLogs(prediction)]))
  const waited = await client.run("cinefab/procedural", {
    input: {...input, prompt: "From JavaScript, waited for"},
  })
  let cancelled = await client.predictions.create({
    model: "cinefab/procedural", input: {...input, seconds: 30, prompt: "Never to be"},
  })
  cancelled = await client.predictions.cancel(cancelled.id)
  const listed = []
  for await (const page of client.paginate(client.predictions.list)) listed.push(...page)
  const model = await client.models.get("cinefab", "procedural")
  let refused = null
  try {
    await client.run("cinefab/procedural", {input: {prompt: "x", size: "huge"}})
  } catch (error) { refused = error.response.status }
  console.log(JSON.stringify({
    film, waited, seen, refused, cancelled: cancelled.status, listed: listed.length,
    version: model.latest_version.id,
  }))
}
main().catch((error) => { console.error(error); process.exit(1) })
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    with served(home, CINEFAB_WEBHOOK_NETWORKS="127.0.0.0/8") as running:
        yield running


@pytest.fixture(scope="module")
def client(service: Served) -> Iterator[Client]:
    # The client must send a token; this studio has none, and needs none.
    made = Client(api_token="unused", base_url=f"{service.url}/replicate")
    yield made
    made._client.close()


def asked(prompt: str, **fields: Any) -> dict[str, Any]:
    return {"prompt": prompt, **SMALL, **fields}


def is_film(url: str) -> None:
    # Whoever has the link needs no key, and it is over some time.
    assert "signature=" in url
    assert "expires=" in url
    answer = httpx.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.content[4:8] == b"ftyp"


def test_the_client_runs_a_model_with_a_picture_that_it_sends(client: Client) -> None:
    with PHOTO.open("rb") as photo:
        film = client.run(MODEL, input=asked("A cup of coffee", image=photo))

    is_film(str(film))


def test_a_version_is_run_and_a_picture_may_be_within_the_request(client: Client) -> None:
    model = client.models.get(MODEL)
    assert model.latest_version is not None
    inputs = model.latest_version.openapi_schema["components"]["schemas"]["Input"]
    assert inputs["properties"]["prompt"]["type"] == "string"
    uri = "data:image/png;base64," + base64.b64encode(PHOTO.read_bytes()).decode()

    film = client.run(f"{MODEL}:{model.latest_version.id}", input=asked("Within", image=uri))

    is_film(str(film))
    assert MODEL in {each.id for each in client.models.list()}
    assert model.versions.get(model.latest_version.id).id == model.latest_version.id
    assert client.accounts.current().type == "organization"


def test_a_prediction_is_followed_by_its_logs_listed_and_its_webhook_signed(
    client: Client, service: Served
) -> None:
    with receiving() as sink:
        prediction = client.predictions.create(
            model=MODEL,
            input=asked("Followed"),
            webhook=f"{sink.url}/hook",
            webhook_events_filter=["start", "completed"],
        )
        began: str = prediction.status
        client.poll_interval = 0.1
        seen = []
        while prediction.status not in ("succeeded", "failed", "canceled"):
            prediction.reload()
            if prediction.progress is not None:
                seen.append(prediction.progress)
        start, completed = sink.wait(2)

    assert began in ("starting", "processing")
    assert prediction.status == "succeeded", prediction
    assert (seen[-1].current, seen[-1].total, seen[-1].percentage) == (100, 100, 1)
    is_film(str(prediction.output))
    assert prediction.metrics is not None
    assert 0 < prediction.metrics["predict_time"] <= prediction.metrics["total_time"]
    assert prediction.id == client.predictions.list()[0].id
    secret = client.webhooks.default.secret()
    for message in (start, completed):
        Webhooks.validate(headers=message.headers, body=message.body.decode(), secret=secret)
        assert message.headers["content-type"] == "application/json"
        assert json.loads(message.body)["id"] == prediction.id
    assert json.loads(completed.body)["status"] == "succeeded"
    is_film(json.loads(completed.body)["output"])
    forged = WebhookSigningSecret(key="whsec_" + base64.b64encode(b"0" * 32).decode())
    with pytest.raises(ValueError, match="signature is invalid"):
        Webhooks.validate(headers=completed.headers, body=completed.body.decode(), secret=forged)
    # It came with the prediction, and is none of those that the tenant keeps.
    assert service.client.get("/v1/webhooks").json()["data"] == []


def test_a_prediction_is_cancelled_and_one_that_is_waited_for_in_vain_is_starting(
    client: Client, service: Served
) -> None:
    order = {"input": asked("Too long to wait for", seconds=60, quality="final")}

    answer = service.client.post(
        f"/replicate/v1/models/{MODEL}/predictions", json=order, headers={"prefer": "wait=1"}
    )

    assert answer.status_code == 201, answer.text
    assert (answer.json()["status"], answer.json()["output"]) == ("starting", None)
    # Sent again without a key, a moment later, it is the same prediction.
    again = service.client.post(f"/replicate/v1/models/{MODEL}/predictions", json=order)
    assert again.json()["id"] == answer.json()["id"]
    prediction = client.predictions.get(answer.json()["id"])
    prediction.cancel()
    assert prediction.status == "canceled"
    assert prediction.output is None


def test_the_asynchronous_client_waits_and_a_whole_brief_may_be_sent(client: Client) -> None:
    brief = {
        "title": "Whole",
        "shots": [{"seconds": 1, "caption": "Whole"}],
        "output": {"size": "320x180", "fps": 12},
        "quality": "preview",
    }

    async def run() -> tuple[Any, Any]:
        async_client = client._async_client
        film = await client.async_run(MODEL, input={"brief": brief})
        order = asked("Not now", seconds=30)
        other = await client.predictions.async_create(model=MODEL, input=order)
        await other.async_cancel()
        await other.async_wait()
        await async_client.aclose()
        return film, other.status

    film, status = asyncio.run(run())

    is_film(str(film))
    assert status == "canceled"


@pytest.mark.skipif(
    shutil.which("node") is None or not (PLAYERS / "node_modules" / "replicate").is_dir(),
    reason="node and Replicate's client come with tools/need-chromium",
)
def test_replicates_client_in_javascript_does_the_same(service: Served, tmp_path: Path) -> None:
    script = tmp_path / "run.cjs"
    script.write_text(_JS_CLIENT)

    ran = subprocess.run(
        ["node", str(script), f"{service.url}/replicate/v1", str(PHOTO)],
        env={"PATH": "/usr/bin:/usr/local/bin", "NODE_PATH": str(PLAYERS / "node_modules")},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    is_film(said["film"])
    is_film(said["waited"])
    assert said["seen"][-1] == ["succeeded", {"percentage": 1, "current": 100, "total": 100}]
    assert said["cancelled"] == "canceled"
    assert said["listed"] >= 3
    assert said["version"].startswith("procedural@")
    assert said["refused"] == 422


def test_what_is_wrong_is_told_as_their_clients_read_it(client: Client, service: Served) -> None:
    def refused(status: int, found: str, **fields: Any) -> None:
        with pytest.raises(ReplicateError) as error:
            client.predictions.create(**fields)
        assert error.value.status == status, error.value
        assert error.value.title
        assert found in str(error.value.detail)

    right = asked("x")
    refused(404, "all cinefab's", model="somebody/else", input=right)
    refused(422, "nowhere", model="cinefab/nowhere", input=right)
    refused(422, "pattern", model=MODEL, input={**right, "size": "huge"})
    refused(422, "neither a prompt", model=MODEL, input={"seconds": 1})
    refused(422, "Extra inputs", model=MODEL, input={**right, "steps": 1})
    refused(422, "no data URI", model=MODEL, input={**right, "image": "data:x"})
    refused(422, "file:", model=MODEL, input={**right, "image": "file:///etc/passwd"})
    hook = "http://10.0.0.1/hook"
    refused(422, "10.0.0.1", model=MODEL, input=right, webhook=hook)
    for path in ("predictions/job_none", "files/upl_none", "models/cinefab/nowhere"):
        assert service.client.get(f"/replicate/v1/{path}").status_code == 404
    text = httpx.post(f"{service.url}/replicate/v1/predictions", content=b"{")
    assert text.status_code == 415
    no_media = {"content": ("a.png", b"<script>", "image/png")}
    assert service.client.post("/replicate/v1/files", files=no_media).status_code == 422
