"""A ComfyUI that draws without a model: its published wire format, on a port of its own.

What it answers to `/prompt`, `/queue`, `/history`, `/view`, `/upload/image`, `/object_info`,
`/system_stats`, `/interrupt` and `/ws` has the shapes of ComfyUI 0.3 and later; `before=True` is
one of 2024: it chooses the prompts' ids itself, and interrupts whatever it executes. Its samplers
turn seed, text and steps into colours, so equal prompts give equal pictures and others do not.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import cv2
import numpy as np

from cinefab.core.brief import Size
from cinefab.media.encode import PREVIEW, encode
from cinefab.media.fitting import to_frame

INT = "INT"
_SEED = {"default": 0, "min": 0, "max": 0xFFFFFFFFFFFFFFFF}
_SIDE = {"default": 512, "min": 16, "max": 16384, "step": 8}
_SAMPLER: dict[str, Any] = {
    "model": ["MODEL"],
    "seed": [INT, _SEED],
    "steps": [INT, {"default": 20, "min": 1, "max": 10000}],
    "cfg": ["FLOAT", {"default": 8.0, "min": 0.0, "max": 100.0}],
    "sampler_name": [["euler", "dpmpp_2m", "uni_pc"], {}],
    "scheduler": [["normal", "karras", "simple"], {}],
    "positive": ["CONDITIONING"],
    "negative": ["CONDITIONING"],
    "latent_image": ["LATENT"],
    "denoise": ["FLOAT", {"default": 1.0, "min": 0.0, "max": 1.0}],
}
_PREFIX = ["STRING", {"default": "ComfyUI"}]
NODES: dict[str, tuple[dict[str, Any], list[str], bool]] = {
    "CheckpointLoaderSimple": (
        {"ckpt_name": [["tiny.safetensors", "other.safetensors"], {}]},
        ["MODEL", "CLIP", "VAE"],
        False,
    ),
    "CLIPTextEncode": (
        {"text": ["STRING", {"multiline": True}], "clip": ["CLIP"]},
        ["CONDITIONING"],
        False,
    ),
    "KSampler": (_SAMPLER, ["LATENT"], False),
    "EmptyLatentImage": (
        {
            "width": [INT, _SIDE],
            "height": [INT, _SIDE],
            "batch_size": [INT, {"default": 1, "min": 1, "max": 4096}],
        },
        ["LATENT"],
        False,
    ),
    "EmptyHunyuanLatentVideo": (
        {
            "width": [INT, _SIDE],
            "height": [INT, _SIDE],
            "length": [INT, {"default": 25, "min": 1, "max": 16384, "step": 4}],
            "batch_size": [INT, {"default": 1, "min": 1, "max": 4096}],
        },
        ["LATENT"],
        False,
    ),
    "EmptyImage": (
        {
            "width": [INT, {"default": 512, "min": 1, "max": 16384, "step": 1}],
            "height": [INT, {"default": 512, "min": 1, "max": 16384, "step": 1}],
            "batch_size": [INT, {"default": 1, "min": 1, "max": 4096}],
            "color": [
                INT,
                {"default": 0, "min": 0, "max": 16777215, "step": 1, "display": "color"},
            ],
        },
        ["IMAGE"],
        False,
    ),
    "ShowsSteps": (
        {"image": ["IMAGE"], "steps": [INT, {"default": 4, "min": 1, "max": 100}]},
        ["IMAGE"],
        False,
    ),
    "RaisesValue": (
        {"image": ["IMAGE"], "text": ["STRING", {"default": ""}]},
        ["IMAGE"],
        False,
    ),
    "VAEDecode": ({"samples": ["LATENT"], "vae": ["VAE"]}, ["IMAGE"], False),
    "VAEEncode": ({"pixels": ["IMAGE"], "vae": ["VAE"]}, ["LATENT"], False),
    "LoadImage": ({"image": [["example.png"], {"image_upload": True}]}, ["IMAGE", "MASK"], False),
    "CreateVideo": (
        {"images": ["IMAGE"], "fps": ["FLOAT", {"default": 30.0, "min": 1.0, "max": 120.0}]},
        ["VIDEO"],
        False,
    ),
    "SaveImage": ({"images": ["IMAGE"], "filename_prefix": _PREFIX}, [], True),
    "PreviewImage": ({"images": ["IMAGE"]}, [], True),
    "SaveVideo": (
        {
            "video": ["VIDEO"],
            "filename_prefix": _PREFIX,
            "format": [["auto", "mp4"], {}],
            "codec": [["auto", "h264"], {}],
        },
        [],
        True,
    ),
}


@dataclass
class Fault:
    """Something that goes wrong on a path, `times` times.

    `kind`: `hang` (the connection is cut without an answer), `late` (answered after `seconds`),
    `slow` (a byte at a time), `garbage` (no JSON), `after` (done, and then answered with `status`),
    or `status` (answered with `status`, and not done).
    """

    path: str
    kind: str
    times: int = 1
    status: int = 500
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Prompt:
    """A prompt as the queue holds it."""

    number: float
    id: str
    nodes: dict[str, Any]
    extra: dict[str, Any]
    outputs: list[str]

    def item(self) -> list[Any]:
        return [self.number, self.id, self.nodes, self.extra, self.outputs]


class Interrupted(Exception):
    """Somebody asked the engine to stop what it executes."""


class NodeRaised(Exception):
    """A node raised; `raised` is the class of it."""

    def __init__(self, raised: str, message: str) -> None:
        super().__init__(message)
        self.raised = raised


class ComfyuiStub:
    """The engine; `url` is where it listens. Use it as a context manager."""

    def __init__(self, *, step_s: float = 0.004, before: bool = False, key: str = "") -> None:
        self.step_s = step_s
        self.before = before
        self.key = key
        self.faults: list[Fault] = []
        self.raises: dict[str, tuple[str, str]] = {}
        """What a class of nodes raises when it is executed: the exception's class and its text."""
        self.swaps_files = False
        """Whether the history names another prompt's files."""
        self.sockets_work = True
        self.asked: Counter[str] = Counter()
        self.executed: list[Prompt] = []
        self.interrupted: list[str] = []
        self.deleted: list[str] = []
        self.uploads: dict[str, bytes] = {}
        self._lock = threading.RLock()
        self._wake = threading.Condition(self._lock)
        self._queue: list[Prompt] = []
        self._running: Prompt | None = None
        self._stop = False
        self._interrupt = False
        self._history: dict[str, Any] = {}
        self._files: dict[tuple[str, str, str], bytes] = {}
        self._cache: dict[str, str] = {}
        self._ui: dict[str, Any] = {}
        self._values: dict[str, Any] = {}
        self._sockets: dict[str, socket.socket] = {}
        self._counter = 0
        self._number = 0
        self._epoch = 0

    def __enter__(self) -> ComfyuiStub:
        stub = self

        class Handler(_Handler):
            engine = stub

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._threads = [
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}),
            threading.Thread(target=self._work),
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with self._wake:
            self._stop = True
            self._interrupt = True
            self._wake.notify_all()
        self._server.shutdown()
        self.cut_sockets()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    # What tests do to it

    def restart(self) -> None:
        """Forget the queue, the history and what is being executed, as a process that ends does."""
        with self._wake:
            self._epoch += 1
            self._interrupt = True
            self._queue.clear()
            self._history.clear()
            self._cache.clear()
        self.cut_sockets()

    def cut_sockets(self) -> None:
        """Cut every socket's connection."""
        with self._lock:
            sockets, self._sockets = list(self._sockets.values()), {}
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def fault_on(self, path: str) -> Fault | None:
        """Return the fault that is due on a path, once less than before."""
        with self._lock:
            for fault in self.faults:
                if path.startswith(fault.path) and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    # What it is asked

    def take(self, body: dict[str, Any]) -> tuple[int, Any]:
        """Validate a prompt and queue it."""
        if "prompt" not in body:
            error = _error("no_prompt", "No prompt provided", "No prompt provided")
            return 400, {"error": error, "node_errors": {}}
        wanted = None if self.before else body.get("prompt_id")
        if wanted is not None and str(uuid.UUID(wanted)) != wanted:
            error = _error("invalid_prompt_id", "prompt_id must be a valid UUID", "")
            return 400, {"error": error, "node_errors": {}}
        error, outputs, node_errors = self._validated(body["prompt"])
        if error is not None:
            return 400, {"error": error, "node_errors": node_errors}
        extra = dict(body.get("extra_data", {}))
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        extra["create_time"] = int(time.time() * 1000)
        with self._wake:
            number, self._number = self._number, self._number + 1
            prompt = Prompt(
                number, wanted or str(uuid.uuid4()), body["prompt"], extra, sorted(outputs)
            )
            self._queue.append(prompt)
            self._wake.notify_all()
        self._status()
        return 200, {"prompt_id": prompt.id, "number": number, "node_errors": node_errors}

    def queue(self) -> dict[str, Any]:
        with self._lock:
            running = [] if self._running is None else [self._running.item()]
            return {
                "queue_running": running,
                "queue_pending": [each.item() for each in self._queue],
            }

    def history(self, prompt: str | None) -> dict[str, Any]:
        with self._lock:
            if prompt is None:
                return dict(self._history)
            return {prompt: self._history[prompt]} if prompt in self._history else {}

    def change_queue(self, body: dict[str, Any]) -> Any:
        with self._wake:
            for wanted in body.get("delete", []):
                before = len(self._queue)
                self._queue = [each for each in self._queue if each.id != wanted]
                if len(self._queue) < before:
                    self.deleted.append(wanted)
        self._status()

    def interrupt(self, body: dict[str, Any]) -> Any:
        with self._wake:
            wanted = None if self.before else body.get("prompt_id")
            running = self._running
            if running is not None and wanted in (None, running.id):
                self._interrupt = True
                self.interrupted.append(running.id)

    def view(self, filename: str, subfolder: str, kind: str) -> bytes | None:
        with self._lock:
            return self._files.get((filename, subfolder, kind))

    def node_info(self, kind: str) -> dict[str, Any]:
        if kind not in NODES:
            return {}
        inputs, outputs, is_output = NODES[kind]
        info = {
            "input": {"required": inputs},
            "input_order": {"required": list(inputs)},
            "output": outputs,
            "output_is_list": [False] * len(outputs),
            "output_name": outputs,
            "name": kind,
            "display_name": kind,
            "description": "",
            "python_module": "nodes",
            "category": "sd",
            "output_node": is_output,
        }
        return {kind: info}

    def stats(self) -> dict[str, Any]:
        return {
            "system": {"os": "linux", "comfyui_version": "0.3.0-stub", "python_version": "3.11"},
            "devices": [{"name": "cpu", "type": "cpu", "index": 0}],
        }

    def listen(self, client: str, connection: socket.socket) -> None:
        """Send a client what concerns it, until it goes away."""
        with self._lock:
            self._sockets[client] = connection
        self._send(client, "status", {"status": self._queue_info(), "sid": client})
        with contextlib.suppress(OSError, EOFError):
            for opcode, content in _client_frames(connection):
                if opcode in (8, 9):
                    # A close is answered by a close, a ping by a pong.
                    self._frame(client, {8: 8, 9: 10}[opcode], content)
                if opcode == 8:
                    break
        with self._lock:
            if self._sockets.get(client) is connection:
                del self._sockets[client]

    # What it executes

    def _work(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._stop:
                    self._wake.wait()
                if self._stop:
                    return
                prompt = self._running = self._queue.pop(0)
                self._interrupt = False
                epoch = self._epoch
            self._status()
            outputs, messages, success = self._execute(prompt)
            with self._wake:
                self._running = None
                if epoch != self._epoch:
                    continue
                if self.swaps_files:
                    outputs = self._of_another()
                self._history[prompt.id] = {
                    "prompt": prompt.item(),
                    "outputs": outputs,
                    "status": {
                        "status_str": "success" if success else "error",
                        "completed": success,
                        "messages": messages,
                    },
                    "meta": {
                        node: {
                            "node_id": node,
                            "display_node": node,
                            "parent_node": None,
                            "real_node_id": node,
                        }
                        for node in outputs
                    },
                }
            self._status()
            self._tell(prompt, "executing", {"node": None})

    def _execute(self, prompt: Prompt) -> tuple[dict[str, Any], list[Any], bool]:
        messages: list[Any] = []

        def add(event: str, data: dict[str, Any]) -> None:
            data = {"prompt_id": prompt.id, **data, "timestamp": int(time.time() * 1000)}
            messages.append([event, data])
            self._tell(prompt, event, data)

        self.executed.append(prompt)
        add("execution_start", {})
        order = self._order(prompt)
        keys = self._keys(prompt, order)
        cached = [node for node in order if keys[node] in self._cache]
        add("execution_cached", {"nodes": cached})
        outputs = {node: self._ui[keys[node]] for node in cached if keys[node] in self._ui}
        for node, output in outputs.items():
            self._tell(prompt, "executed", {"node": node, "display_node": node, "output": output})
        done: list[str] = []
        for node in order:
            if node in cached:
                continue
            kind = prompt.nodes[node]["class_type"]
            try:
                self._check_interrupt()
                self._tell_state(prompt, node, "running")
                self._tell(prompt, "executing", {"node": node, "display_node": node})
                if kind in self.raises:
                    raise NodeRaised(*self.raises[kind])
                self._values[keys[node]] = self._run(prompt, node, kind, keys)
            except Interrupted:
                add(
                    "execution_interrupted",
                    {"node_id": node, "node_type": kind, "executed": done},
                )
                return outputs, messages, False
            except NodeRaised as error:
                add(
                    "execution_error",
                    {
                        "node_id": node,
                        "node_type": kind,
                        "executed": done,
                        "exception_message": f"{error}\n",
                        "exception_type": error.raised,
                        "traceback": ["  File …"],
                        "current_inputs": {
                            name: [str(value)]
                            for name, value in prompt.nodes[node]["inputs"].items()
                        },
                        "current_outputs": cached + done,
                    },
                )
                return outputs, messages, False
            self._cache[keys[node]] = node
            done.append(node)
            self._tell_state(prompt, node, "finished", 1.0)
            if keys[node] in self._ui:
                outputs[node] = self._ui[keys[node]]
                self._tell(
                    prompt,
                    "executed",
                    {"node": node, "display_node": node, "output": outputs[node]},
                )
        add("execution_success", {})
        return outputs, messages, True

    def _run(self, prompt: Prompt, node: str, kind: str, keys: dict[str, str]) -> Any:
        inputs = prompt.nodes[node]["inputs"]

        def of(name: str) -> Any:
            value = inputs[name]
            return self._values[keys[value[0]]] if isinstance(value, list) else value

        match kind:
            case "CLIPTextEncode":
                return of("text")
            case "EmptyLatentImage":
                return {
                    "size": (of("width"), of("height")),
                    "frames": of("batch_size"),
                    "base": None,
                }
            case "EmptyHunyuanLatentVideo":
                length = (of("length") - 1) // 4 * 4 + 1
                return {"size": (of("width"), of("height")), "frames": length, "base": None}
            case "LoadImage":
                return self._picture(of("image"))
            case "VAEEncode":
                base = of("pixels")
                size = (base.shape[2], base.shape[1])
                return {"size": size, "frames": 1, "base": base.reshape(-1, 3).mean(axis=0)}
            case "EmptyImage":
                colour = [of("color") >> shift & 255 for shift in (16, 8, 0)]
                shape = (of("batch_size"), of("height"), of("width"), 3)
                return np.broadcast_to(np.array(colour, np.uint8), shape)
            case "ShowsSteps":
                self._stepped(prompt, node, of("steps"), np.zeros((48, 64, 3), np.uint8))
                return self._gave(node, kind, of, keys)
            case "KSampler":
                return self._sampled(prompt, node, of)
            case "VAEDecode":
                return _drawn(of("samples"))
            case _:
                return self._gave(node, kind, of, keys)

    def _gave(self, node: str, kind: str, of: Any, keys: dict[str, str]) -> Any:
        match kind:
            case "CreateVideo":
                return (of("images"), Fraction(of("fps")).limit_denominator(1001))
            case "ShowsSteps":
                return of("image")
            case "RaisesValue":
                raise NodeRaised("ValueError", f"text cannot be said: {of('text')}")
            case "SaveImage" | "PreviewImage":
                self._ui[keys[node]] = {"images": self._saved_pictures(of, kind)}
            case "SaveVideo":
                self._ui[keys[node]] = {"images": [self._saved_film(of)], "animated": [True]}
        return None

    def _sampled(self, prompt: Prompt, node: str, of: Any) -> Any:
        steps = of("steps")
        latent = of("latent_image")
        text = f"{of('positive')}|{of('negative')}|{of('seed')}|{of('cfg')}|{steps}"
        digest = hashlib.sha256(text.encode()).digest()
        preview = _drawn({**latent, "size": (64, 48), "frames": 1, "digest": digest})[0]
        self._stepped(prompt, node, steps, preview)
        return {**latent, "digest": digest}

    def _stepped(self, prompt: Prompt, node: str, steps: int, preview: Any) -> None:
        for step in range(1, steps + 1):
            time.sleep(self.step_s)
            self._check_interrupt()
            self._tell_state(prompt, node, "running", float(step), float(steps))
            self._tell(
                prompt,
                "progress",
                {"value": step, "max": steps, "prompt_id": prompt.id, "node": node},
            )
            if prompt.extra.get("preview_method") not in (None, "none"):
                self._tell_bytes(prompt, struct.pack(">II", 1, 1) + _encoded(".jpg", preview))

    def _tell_state(
        self, prompt: Prompt, node: str, state: str, value: float = 0.0, of: float = 1.0
    ) -> None:
        told = {
            "value": value,
            "max": of,
            "state": state,
            "node_id": node,
            "prompt_id": prompt.id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }
        self._tell(prompt, "progress_state", {"nodes": {node: told}})

    def _saved_pictures(self, of: Any, kind: str) -> list[dict[str, str]]:
        prefix = of("filename_prefix") if kind == "SaveImage" else "ComfyUI_temp_x"
        where = "output" if kind == "SaveImage" else "temp"
        return [
            self._save(prefix, where, ".png", _encoded(".png", picture)) for picture in of("images")
        ]

    def _saved_film(self, of: Any) -> dict[str, str]:
        pictures, fps = of("video")
        size = Size(pictures.shape[2] // 2 * 2, pictures.shape[1] // 2 * 2)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film.mp4"
            frames = (to_frame(each) for each in pictures)
            encode(frames, path, size=size, fps=fps, settings=PREVIEW)
            return self._save(of("filename_prefix"), "output", ".mp4", path.read_bytes())

    def _save(self, prefix: str, where: str, suffix: str, content: bytes) -> dict[str, str]:
        subfolder, _, name = prefix.rpartition("/")
        with self._lock:
            self._counter += 1
            filename = f"{name}_{self._counter:05}_{suffix}"
            self._files[filename, subfolder, where] = content
        return {"filename": filename, "subfolder": subfolder, "type": where}

    def _picture(self, name: str) -> Any:
        if name not in self.uploads:
            raise NodeRaised("FileNotFoundError", f"[Errno 2] No such file: image {name}")
        pixels = cv2.imdecode(np.frombuffer(self.uploads[name], np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        return pixels[None, :, :, ::-1]

    def _of_another(self) -> dict[str, Any]:
        black = _encoded(".png", np.zeros((32, 32, 3), np.uint8))
        return {"9": {"images": [self._save("ComfyUI", "output", ".png", black)]}}

    def _check_interrupt(self) -> None:
        with self._lock:
            if self._interrupt:
                self._interrupt = False
                raise Interrupted

    def _order(self, prompt: Prompt) -> list[str]:
        order: list[str] = []

        def visit(node: str) -> None:
            if node in order:
                return
            for value in prompt.nodes[node]["inputs"].values():
                if isinstance(value, list):
                    visit(value[0])
            order.append(node)

        for output in prompt.outputs:
            visit(output)
        return order

    def _keys(self, prompt: Prompt, order: list[str]) -> dict[str, str]:
        keys: dict[str, str] = {}
        for node in order:
            own = prompt.nodes[node]
            inputs = {
                name: [keys[value[0]], value[1]] if isinstance(value, list) else value
                for name, value in sorted(own["inputs"].items())
            }
            text = json.dumps([own["class_type"], inputs], sort_keys=True)
            keys[node] = hashlib.sha256(text.encode()).hexdigest()
        return keys

    # How it validates

    def _validated(self, nodes: dict[str, Any]) -> tuple[Any, set[str], dict[str, Any]]:
        for name, node in nodes.items():
            kind = node.get("class_type")
            if kind not in NODES:
                title = node.get("_meta", {}).get("title", kind)
                error = _error(
                    "missing_node_type",
                    f"Node '{title}' not found. The custom node may not be installed.",
                    f"Node ID '#{name}'",
                )
                return error, set(), {}
        outputs = {name for name, node in nodes.items() if NODES[node["class_type"]][2]}
        if not outputs:
            return _error("prompt_no_outputs", "Prompt has no outputs", ""), set(), {}
        good, found = set(), {}
        reasons: dict[str, list[Any]] = {}
        for output in sorted(outputs):
            wrong = self._wrong_above(nodes, output, reasons)
            if not wrong:
                good.add(output)
            for name in wrong:
                entry = found.setdefault(
                    name,
                    {
                        "errors": reasons[name],
                        "dependent_outputs": [],
                        "class_type": nodes[name]["class_type"],
                    },
                )
                entry["dependent_outputs"].append(output)
        if good:
            return None, good, found
        details = "\n".join(
            f"{e['message']}: {e['details']}" for n in found.values() for e in n["errors"]
        )
        error = _error(
            "prompt_outputs_failed_validation", "Prompt outputs failed validation", details
        )
        return error, set(), found

    def _wrong_above(
        self, nodes: dict[str, Any], output: str, reasons: dict[str, list[Any]]
    ) -> list[str]:
        wrong, waiting, seen = [], [output], {output}
        while waiting:
            name = waiting.pop()
            if name not in reasons:
                reasons[name] = list(self._wrong_in(nodes[name]))
            if reasons[name]:
                wrong.append(name)
            for value in nodes[name]["inputs"].values():
                if isinstance(value, list) and value[0] not in seen:
                    seen.add(value[0])
                    waiting.append(value[0])
        return wrong

    def _wrong_in(self, node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        kind, given = node["class_type"], node["inputs"]
        for name, config in NODES[kind][0].items():
            if name not in given:
                yield _error(
                    "required_input_missing",
                    "Required input is missing",
                    name,
                    {"input_name": name},
                )
                continue
            value = given[name]
            if isinstance(value, list):
                continue
            extra = {"input_name": name, "input_config": config, "received_value": value}
            wanted, limits = config[0], config[1] if len(config) > 1 else {}
            try:
                if wanted == INT:
                    value = given[name] = int(value)
                elif wanted == "FLOAT":
                    value = given[name] = float(value)
            except (TypeError, ValueError) as error:
                yield _error(
                    "invalid_input_type",
                    f"Failed to convert an input value to a {wanted} value",
                    f"{name}, {value}, {error}",
                    extra,
                )
                continue
            if "min" in limits and value < limits["min"]:
                message = f"Value {value} smaller than min of {limits['min']}"
                yield _error("value_smaller_than_min", message, name, extra)
            elif "max" in limits and value > limits["max"]:
                message = f"Value {value} bigger than max of {limits['max']}"
                yield _error("value_bigger_than_max", message, name, extra)
            # As the real one, it looks itself for a picture that was uploaded.
            elif kind == "LoadImage" and name == "image":
                if value not in self.uploads:
                    yield _error(
                        "custom_validation_failed",
                        "Custom validation failed for node",
                        f"image - Invalid image file: {value}",
                        {"input_name": "image"},
                    )
            elif isinstance(wanted, list) and value not in wanted:
                details = f"{name}: '{value}' not in {wanted}"
                yield _error("value_not_in_list", "Value not in list", details, extra)

    # What it says on its sockets

    def _queue_info(self) -> dict[str, Any]:
        with self._lock:
            remaining = len(self._queue) + (self._running is not None)
        return {"exec_info": {"queue_remaining": remaining}}

    def _status(self) -> None:
        with self._lock:
            clients = list(self._sockets)
        for client in clients:
            self._send(client, "status", {"status": self._queue_info()})

    def _tell(self, prompt: Prompt, event: str, data: dict[str, Any]) -> None:
        client = prompt.extra.get("client_id")
        if client is not None:
            self._send(client, event, {**data, "prompt_id": prompt.id})

    def _tell_bytes(self, prompt: Prompt, content: bytes) -> None:
        client = prompt.extra.get("client_id")
        if client is not None:
            self._frame(client, 2, content)

    def _send(self, client: str, event: str, data: dict[str, Any]) -> None:
        self._frame(client, 1, json.dumps({"type": event, "data": data}).encode())

    def _frame(self, client: str, opcode: int, content: bytes) -> None:
        size = len(content)
        if size < 126:
            head = struct.pack(">BB", 0x80 | opcode, size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 127, size)
        with self._lock:
            connection = self._sockets.get(client)
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.sendall(head + content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    engine: ComfyuiStub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_what: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        path = urlsplit(self.path).path.removeprefix("/api")
        self.engine.asked[f"{self.command} {path}"] += 1
        if self.engine.key and self.headers.get("Authorization") != f"Bearer {self.engine.key}":
            self._answer(401, b"")
            return
        fault = self.engine.fault_on(path)
        if fault is not None and fault.kind == "hang":
            self._hang_up()
            return
        if fault is not None and fault.kind == "status":
            self._answer(fault.status, b"", headers=fault.headers)
            return
        if path == "/ws":
            self._upgrade()
            return
        status, content = self._content(path, body)
        if fault is not None and fault.kind == "late":
            time.sleep(fault.seconds)
        if fault is not None and fault.kind == "after":
            self._answer(fault.status, b"", headers=fault.headers)
        elif fault is not None and fault.kind == "garbage":
            self._answer(200, b"<html>502 Bad Gateway</html>")
        else:
            self._answer(status, content, slow=fault is not None and fault.kind == "slow")

    def _content(self, path: str, body: bytes) -> tuple[int, bytes]:
        query = {name: found[0] for name, found in parse_qs(urlsplit(self.path).query).items()}
        engine, asked = self.engine, f"{self.command} {path}"
        if asked == "GET /view":
            found = engine.view(
                query["filename"], query.get("subfolder", ""), query.get("type", "output")
            )
            return (404, b"") if found is None else (200, found)
        if asked == "POST /upload/image":
            return 200, json.dumps(self._uploaded(body)).encode()
        last = unquote(path.rpartition("/")[2])
        status = 200
        match [self.command, *path.strip("/").split("/")]:
            case ["POST", "prompt"]:
                status, answer = engine.take(json.loads(body))
            case ["POST", "queue"]:
                answer = engine.change_queue(json.loads(body))
            case ["POST", "interrupt"]:
                answer = engine.interrupt(json.loads(body) if body else {})
            case ["GET", "prompt"]:
                answer = engine._queue_info()
            case ["GET", "queue"]:
                answer = engine.queue()
            case ["GET", "system_stats"]:
                answer = engine.stats()
            case ["GET", "object_info", _]:
                answer = engine.node_info(last)
            case ["GET", "history"]:
                answer = engine.history(None)
            case ["GET", "history", _]:
                answer = engine.history(last)
            case _:
                return 404, b""
        return status, b"" if answer is None else json.dumps(answer).encode()

    def _uploaded(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = BytesParser().parsebytes(head + body)
        for part in form.get_payload():
            if part.get_param("name", header="content-disposition") == "image":
                name = str(part.get_filename())
                self.engine.uploads[name] = part.get_payload(decode=True)
                return {"name": name, "subfolder": "", "type": "input"}
        raise AssertionError("an upload without an image")

    def _upgrade(self) -> None:
        client = parse_qs(urlsplit(self.path).query).get("clientId", [uuid.uuid4().hex])[0]
        if not self.engine.sockets_work:
            self._answer(503, b"")
            return
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        self.engine.listen(client, self.connection)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _answer(
        self,
        status: int,
        content: bytes,
        *,
        headers: dict[str, str] | None = None,
        slow: bool = False,
    ) -> None:
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for piece in _pieces(content, 64 if slow else 1 << 16):
                self.wfile.write(piece)
                self.wfile.flush()
                if slow:
                    time.sleep(0.002)


def _client_frames(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield what a client sends: frames of one piece, masked, shorter than 64 KiB."""

    def read(count: int) -> bytes:
        found = b""
        while len(found) < count:
            piece = connection.recv(count - len(found))
            if not piece:
                raise EOFError
            found += piece
        return found

    while True:
        first, second = read(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack(">H", read(2))[0]
        mask = read(4)
        yield first & 0xF, bytes(byte ^ mask[i % 4] for i, byte in enumerate(read(size)))


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def _error(
    kind: str, message: str, details: str, extra: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": extra or {}}


def _drawn(latent: dict[str, Any]) -> Any:
    """Return pictures, shape (frames, height, width, 3): a gradient that moves."""
    width, height = latent["size"]
    colours = np.frombuffer(latent["digest"][:9], np.uint8).reshape(3, 3).astype(np.float32)
    if latent["base"] is not None:
        colours[0] = latent["base"]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    pictures = []
    for frame in range(latent["frames"]):
        at = (x + frame / 16) % 1
        mixed = colours[0] * (1 - at) * (1 - y) + colours[1] * at + colours[2] * y * (1 - at)
        pictures.append(np.clip(mixed, 0, 255).astype(np.uint8))
    return np.stack(pictures)


def _encoded(suffix: str, rgb: Any) -> bytes:
    return bytes(cv2.imencode(suffix, np.ascontiguousarray(rgb[:, :, ::-1]))[1])
