"""An engine that speaks OpenAI's media API and draws without a model, on a port of its own.

`POST /v1/videos` (a form, or JSON), `GET /v1/videos`, `GET` and `DELETE /v1/videos/{id}`,
`/content`, `/v1/images/generations`, `/v1/images/edits` and `/v1/audio/speech` have the shapes of
OpenAI's reference and of its published Python client, which is driven against it in the tests.
Equal requests give equal media. `frames=True` takes `num_frames` and `fps`, as vLLM-Omni does.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tempfile
import time
import wave
from collections.abc import Callable
from email.parser import BytesParser
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from engines.serving import Fault, Handler, Served

from cinefab.core.brief import Size
from cinefab.media.encode import PREVIEW, encode
from cinefab.media.fitting import to_frame
from cinefab.media.still import png_bytes

__all__ = ["Fault", "OpenaiStub", "film"]


class OpenaiStub(Served):
    """The engine; `url` is its API's. Use it as a context manager."""

    def __init__(
        self,
        *,
        polls: int = 2,
        frames: bool = False,
        key: str = "",
        form_needs_file: bool = False,
        at_once: bool = False,
    ) -> None:
        super().__init__(key=key)
        self.handler = _Handler
        self.polls = polls
        self.at_once = at_once
        """Whether videos are answered with themselves, as Dynamo does."""
        self.form_needs_file = form_needs_file
        """Whether a form without a picture is refused, as SGLang's server does."""
        self.frames = frames
        self.cost_header = ""
        self.signs: Callable[[bytes], bytes] = lambda content: content
        """What is done to media before they are delivered: credentials are put into them."""
        self.made: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.fails: dict[str, str] = {}
        """What videos end with, instead of being done: code and message."""
        self._videos: dict[str, dict[str, Any]] = {}

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"{self.root}/v1"

    def restart(self) -> None:
        """Forget every video, as a process that ends does."""
        with self._lock:
            self._videos.clear()

    def create(self, form: dict[str, Any]) -> dict[str, Any]:
        """Take a video; it is done when it was asked about often enough."""
        with self._lock:
            name = f"video_{len(self.made):04d}"
            video = {
                "id": name,
                "object": "video",
                "model": form["model"],
                "status": "queued",
                "progress": 0,
                "created_at": int(time.time()),
                "prompt": form["prompt"],
                "seconds": str(form.get("seconds", "4")),
                "size": form.get("size", "1280x720"),
            }
            self.made.append(form)
            self._videos[name] = {"video": video, "form": form, "asked": 0}
            return dict(video)

    def look(self, name: str) -> dict[str, Any] | None:
        with self._lock:
            kept = self._videos.get(name)
            if kept is None:
                return None
            kept["asked"] += 1
            video = kept["video"]
            if self.fails and kept["asked"] >= self.polls:
                video |= {"status": "failed", "error": dict(self.fails)}
            elif kept["asked"] >= self.polls:
                video |= {"status": "completed", "progress": 100}
            else:
                video |= {"status": "in_progress", "progress": 90 * kept["asked"] // self.polls}
            return dict(video)

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(kept["video"]) for kept in reversed(self._videos.values())]

    def delete(self, name: str) -> bool:
        with self._lock:
            if self._videos.pop(name, None) is None:
                return False
            self.deleted.append(name)
            return True

    def content(self, name: str) -> bytes | None:
        with self._lock:
            kept = self._videos.get(name)
        if kept is None:
            return None
        form = kept["form"]
        width, height = (int(side) for side in form.get("size", "160x96").split("x"))
        fps = Fraction(str(form.get("fps", 12))) if self.frames else Fraction(12)
        seconds = Fraction(str(form.get("seconds", 4)))
        count = int(form["num_frames"]) if self.frames else int(seconds * fps)
        return self.signs(film(_colour(form), size=Size(width, height), fps=fps, frames=count))

    def whole(self, form: dict[str, Any]) -> dict[str, Any]:
        """Return a video in its answer; what OpenAI does not know is under `nvext`."""
        with self._lock:
            name = f"video_{len(self.made):04d}"
            self.made.append(form)
        width, height = (int(side) for side in form.get("size", "832x480").split("x"))
        own = form.get("nvext", {})
        fps = Fraction(str(own.get("fps", 24)))
        count = int(own.get("num_frames", form.get("seconds", 4) * fps))
        made = film(_colour(form), size=Size(width, height), fps=fps, frames=count)
        return {
            "id": name,
            "object": "video",
            "model": form["model"],
            "status": "completed",
            "progress": 100,
            "created": int(time.time()),
            "data": [{"output_format": "mp4", "b64_json": base64.b64encode(made).decode()}],
            "error": self.fails.get("message"),
        }

    def image(self, form: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.made.append(form)
        width, height = (int(side) for side in form.get("size", "160x96").split("x"))
        picture = _picture(_colour(form), Size(width, height), 0)
        b64 = base64.b64encode(self.signs(png_bytes(picture))).decode()
        return {"created": int(time.time()), "data": [{"b64_json": b64}]}

    def speech(self, form: dict[str, Any]) -> bytes:
        with self._lock:
            self.made.append(form)
        return tone(200 + _colour(form)[0])


def film(colour: tuple[int, int, int], *, size: Size, fps: Fraction, frames: int) -> bytes:
    """Return a small film: a gradient in that colour that moves."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        pictures = (to_frame(_picture(colour, size, number)) for number in range(frames))
        encode(pictures, path, size=size, fps=fps, settings=PREVIEW)
        return path.read_bytes()


def tone(hertz: int) -> bytes:
    """Return a second of a tone as WAV, 24 kHz, one channel."""
    at = np.arange(24_000) / 24_000
    samples = (8000 * np.sin(2 * np.pi * hertz * at)).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def _colour(form: dict[str, Any]) -> tuple[int, int, int]:
    told = json.dumps({k: str(v) for k, v in sorted(form.items())})
    red, green, blue = hashlib.sha256(told.encode()).digest()[:3]
    return red, green, blue


def _picture(colour: tuple[int, int, int], size: Size, number: int) -> Any:
    x = np.linspace(0.5, 1.0, size.width)[None, :, None]
    moved = np.roll(np.broadcast_to(x, (size.height, size.width, 1)), 2 * number, axis=1)
    return np.clip(moved * np.array(colour)[None, None, :], 0, 255).astype(np.uint8)


class _Handler(Handler):
    other_id = "video_of_somebody_else"

    def path_asked(self) -> str:
        return urlsplit(self.path).path.removeprefix("/v1")

    def not_let_in(self) -> Any:
        error = {"message": "Incorrect API key provided", "type": "invalid_request_error"}
        return {"error": error | {"param": None, "code": "invalid_api_key"}}

    def says(self, message: str) -> Any:
        return {"error": {"message": message}}

    def more_headers(self, method: str, path: str) -> dict[str, str]:
        if self.served.cost_header and method == "POST":
            return {"x-litellm-response-cost": self.served.cost_header}
        return {}

    def answered(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        engine = self.served
        parts = path.strip("/").split("/")
        missing = {"error": {"message": f"{path} not found", "code": "not_found", "param": None}}
        if (method, path) == ("POST", "/videos"):
            form = self._form(body)
            if engine.at_once:
                return 200, engine.whole(form)
            is_json = self.headers.get("content-type", "").startswith("application/json")
            if engine.form_needs_file and not is_json and "input_reference" not in form:
                return 400, {"detail": "input_reference file is required"}
            steps = form.get("num_inference_steps")
            if steps is not None and int(steps) > 100:
                error = {"message": "too many steps", "param": "num_inference_steps"}
                return 400, {"error": error | {"type": "invalid_request_error", "code": None}}
            return 200, engine.create(form)
        if (method, path) == ("GET", "/videos"):
            limit = int(parse_qs(urlsplit(self.path).query).get("limit", ["20"])[0])
            listed = engine.listed()
            return 200, {
                "object": "list",
                "data": listed[:limit],
                "has_more": len(listed) > limit,
                "first_id": None,
                "last_id": None,
            }
        if parts[0] == "videos" and len(parts) == 2:
            if method == "DELETE":
                gone = {"id": parts[1], "object": "video.deleted", "deleted": True}
                return (200, gone) if engine.delete(parts[1]) else (404, missing)
            video = engine.look(parts[1])
            return (404, missing) if video is None else (200, video)
        if parts[0] == "videos" and parts[2:] == ["content"]:
            content = engine.content(parts[1])
            return (404, missing) if content is None else (200, content)
        if method == "POST" and path in ("/images/generations", "/images/edits"):
            return 200, engine.image(self._form(body))
        if (method, path) == ("POST", "/audio/speech"):
            return 200, engine.speech(self._form(body))
        return 404, missing

    def _form(self, body: bytes) -> dict[str, Any]:
        kind = self.headers.get("content-type", "")
        if kind.startswith("application/json"):
            read: dict[str, Any] = json.loads(body)
            return read
        message = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
        form: dict[str, Any] = {}
        for part in message.get_payload():
            name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
            content = part.get_payload(decode=True)  # type: ignore[union-attr]
            if part.get_filename() is None:  # type: ignore[union-attr]
                form[str(name)] = content.decode()  # type: ignore[union-attr]
            else:
                form[str(name)] = hashlib.sha256(content).hexdigest()  # type: ignore[arg-type]
        return form
