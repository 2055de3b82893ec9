"""Services that are submitted to and polled, on a port of their own: Replicate, fal, Runway.

Each answers as its reference and its published client say. Results lie at URLs of the same server,
as files of a delivery network would.
"""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

from engines.openai_media import _colour, film
from engines.serving import Handler, Served

from cinefab.core.brief import Size


class ServiceStub(Served):
    """The service of that `kind`; `url` is what its clients call it by. Use it as a context manager."""

    def __init__(
        self, kind: str, *, polls: int = 2, key: str = "", honours_keys: bool = False
    ) -> None:
        super().__init__(key=key)
        self.handler = _Handler
        self.honours_keys = honours_keys
        """None of the three promises that the same Idempotency-Key is the same job."""
        self.kind = kind
        self.polls = polls
        self.made: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.cost: float | None = None
        self.units = ""
        """How many units fal says that it bills."""
        self.fails = ""
        self.result_url = ""
        """Where results are said to be, in place of here."""
        self._jobs: dict[str, dict[str, Any]] = {}
        self._by_key: dict[str, str] = {}

    @property
    def url(self) -> str:
        """What its clients call it by."""
        return self.root + ("" if self.kind == "fal" else "/v1")

    def restart(self) -> None:
        """Forget every job."""
        with self._lock:
            self._jobs.clear()
            self._by_key.clear()

    def submit(self, form: dict[str, Any], key: str) -> str:
        """Take a job; the same key names the same one."""
        with self._lock:
            if self.honours_keys and key in self._by_key:
                return self._by_key[key]
            name = f"job{len(self.made):04d}"
            self.made.append(form)
            self._jobs[name] = {"form": form, "asked": 0}
            self._by_key[key] = name
            return name

    def state(self, name: str, *, look: bool) -> str | None:
        """Return `waiting`, `running`, `done` or `failed`; None for what it does not know."""
        with self._lock:
            job = self._jobs.get(name)
            if job is None:
                return None
            job["asked"] += look
            if job["asked"] < self.polls:
                return "running" if job["asked"] else "waiting"
            return "failed" if self.fails else "done"

    def cancel(self, name: str) -> bool:
        with self._lock:
            if name not in self._jobs:
                return False
            self.cancelled.append(name)
            return True

    def content(self, name: str) -> bytes | None:
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            return None
        form = job["form"]
        frames = int(form.get("num_frames") or 12 * int(form.get("duration", 1)))
        return film(_colour(form), size=Size(64, 48), fps=Fraction(12), frames=frames)

    def where(self, name: str) -> str:
        return self.result_url or f"{self.root}/files/{name}.mp4"


class _Handler(Handler):
    file_type = "video/mp4"
    other_id = "job_of_somebody_else"

    def is_let_in(self, path: str) -> bool:
        return path.startswith("/files/") or super().is_let_in(path)

    def answered(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        form = json.loads(body) if body else {}
        parts = path.strip("/").split("/")
        if parts[0] == "files":
            content = self.served.content(parts[1].removesuffix(".mp4"))
            return (404, {}) if content is None else (200, content)
        answer = getattr(self, f"_{self.served.kind}")(method, parts, form)
        return answer if answer is not None else (404, {"detail": "Not found"})

    def _key(self) -> str:
        return str(self.headers.get("idempotency-key", ""))

    def _replicate(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        """See replicate.com/docs/reference/http: predictions of a model, of one, and its end."""
        service = self.served
        if method == "POST" and parts[-1] == "predictions":
            name = service.submit(body.get("input", {}), self._key())
            return 201, self._prediction(name, "starting")
        name = parts[2] if len(parts) > 2 else ""
        if method == "POST" and parts[-1] == "cancel":
            return (200, self._prediction(name, "canceled")) if service.cancel(name) else None
        state = service.state(name, look=True)
        words = {"waiting": "starting", "running": "processing", "done": "succeeded"}
        return None if state is None else (200, self._prediction(name, words.get(state, state)))

    def _prediction(self, name: str, status: str) -> dict[str, Any]:
        service = self.served
        root = f"{service.root}/v1/predictions/{name}"
        done = status == "succeeded"
        return {
            "id": name,
            "model": "studio/tiny",
            "version": "1",
            "input": {},
            "logs": "",
            "status": status,
            "error": service.fails or None,
            "output": service.where(name) if done else None,
            "created_at": "2026-01-01T00:00:00.000Z",
            "metrics": {
                "predict_time": 0.1,
                **({} if service.cost is None else {"cost": service.cost}),
            },
            "urls": {"get": root, "cancel": f"{root}/cancel"},
        }

    def more_headers(self, method: str, path: str) -> dict[str, str]:
        is_result = method == "GET" and "/requests/" in path and not path.endswith("/status")
        if self.served.units and self.served.kind == "fal" and is_result:
            return {"x-fal-billable-units": self.served.units}
        return {}

    def _fal(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        """See docs.fal.ai, queue: submit, status, response, cancel."""
        service = self.served
        if "requests" not in parts:
            if method != "POST":
                return None
            name = service.submit(body, self._key())
            root = f"{service.root}/{'/'.join(parts[:2])}/requests/{name}"
            urls = {
                "response_url": root,
                "status_url": f"{root}/status",
                "cancel_url": f"{root}/cancel",
            }
            return 200, {"request_id": name, "queue_position": 0, **urls}
        if parts.index("requests") != 2:
            return None
        name = parts[3]
        if method == "PUT":
            return (202, {"status": "CANCELLATION_REQUESTED"}) if service.cancel(name) else None
        is_status = parts[-1] == "status"
        state = service.state(name, look=is_status)
        words = {
            "waiting": "IN_QUEUE",
            "running": "IN_PROGRESS",
            "done": "COMPLETED",
            "failed": "ERROR",
        }
        if state is None:
            return None
        if is_status:
            answer = {"status": words[state], "request_id": name, "logs": [], "metrics": {}}
            if state == "waiting":
                answer["queue_position"] = 0
            return 200, answer | ({"error": service.fails} if service.fails else {})
        return 200, {"video": {"url": service.where(name), "content_type": "video/mp4"}, "seed": 1}

    def _runway(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        """See docs.dev.runwayml.com/api: a task is made, polled, and deleted."""
        service = self.served
        if method == "POST":
            name = service.submit(body, self._key())
            return 200, {"id": name, "estimatedCost": {"credits": 25}}
        name = parts[-1]
        if method == "DELETE":
            return (204, b"") if service.cancel(name) else None
        state = service.state(name, look=True)
        if state is None:
            return None
        words = {
            "waiting": "PENDING",
            "running": "RUNNING",
            "done": "SUCCEEDED",
            "failed": "FAILED",
        }
        task: dict[str, Any] = {
            "id": name,
            "status": words[state],
            "createdAt": "2026-01-01T00:00:00.000Z",
        }
        if state == "running":
            task["progress"] = 0.5
        if state in ("waiting", "running"):
            task["estimatedCost"] = {"credits": 25}
        elif service.cost is not None:
            task["cost"] = {"credits": round(service.cost * 100)}
        if state == "done":
            task["output"] = [service.where(name)]
        if state == "failed":
            task |= {"failure": service.fails, "failureCode": "INTERNAL.BAD_OUTPUT"}
        return 200, task
