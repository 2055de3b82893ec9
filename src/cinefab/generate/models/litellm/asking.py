"""The side of ours that asks the process with litellm in it: one for all models of a Python here."""

from __future__ import annotations

import atexit
import functools
import json
import os
import selectors
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from cinefab.core.clock import Clock
from cinefab.core.errors import ContractMismatch
from cinefab.generate.http_api import Gone, Refused, Unanswered, said

_SCRIPT: Final = Path(__file__).with_name("child.py")
_ENVIRONMENT: Final = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    # Prices, and whatever else it would fetch when it is imported, come from its own files.
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    # In any other mode it reads a file of settings from the folder that it is started in.
    "LITELLM_MODE": "PRODUCTION",
}
_START_S: Final = 120.0
_WHERE_S: Final = 30.0
_LOOK_S: Final = 0.2
_LINE_MAX: Final = 4 << 20
_NOT_TAKEN: Final = frozenset({"RateLimitError", "ServiceUnavailableError"})
_LOST: Final = frozenset(
    {"Timeout", "APIConnectionError", "InternalServerError", "APIError", "BadGatewayError"}
)
_NOT_FOUND: Final = 404
_BUSY: Final = 500


class Child:
    """One process of litellm, started when it is first asked; asked by one thread at a time."""

    def __init__(self, python: str) -> None:
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(
        self,
        call: str,
        asked: Mapping[str, Any],
        *,
        within_s: float,
        check_wanted: Callable[[], None],
        clock: Clock,
    ) -> Mapping[str, Any]:
        """Return the answer to a call.

        Raises `Gone`, `Refused` and `Unanswered` as the provider's answer was, and whatever
        `check_wanted` raises; the process is ended then, with what it waits for.
        """
        line = json.dumps({"call": call, **asked}).encode() + b"\n"
        with self._lock:
            try:
                answer = self._exchange(line, within_s, check_wanted, clock)
            except BaseException:
                # It would answer whoever asks next with what this one asked.
                self.close()
                raise
        error = answer.get("error")
        if error is None:
            return answer
        raise _raised(str(error), answer.get("status"), said(answer.get("message", "")))

    def close(self) -> None:
        """End the process, if there is one; the next question starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _started(self) -> subprocess.Popen[bytes]:
        # -P: this folder has the name of the library that the script is to find.
        return subprocess.Popen(  # noqa: S603 - the operator named the Python, the script is ours
            [self._python, "-P", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(_ENVIRONMENT),
        )

    def _exchange(
        self, line: bytes, within_s: float, check_wanted: Callable[[], None], clock: Clock
    ) -> Mapping[str, Any]:
        is_new = self._process is None or self._process.poll() is not None
        if is_new:
            self.close()
            self._process = self._started()
        process = self._process
        assert process is not None, "it was started"
        assert process.stdin is not None, "it has pipes"
        assert process.stdout is not None, "it has pipes"
        try:
            process.stdin.write(line)
            process.stdin.flush()
        except OSError as error:
            raise Unanswered("litellm's process has ended", is_taken=False) from error
        until_us = clock.elapsed_us() + round((within_s + _START_S * is_new) * 1_000_000)
        read = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not read.endswith(b"\n"):
                check_wanted()
                if clock.elapsed_us() > until_us:
                    raise Unanswered(f"litellm did not answer within {within_s:g} s")
                if not selector.select(_LOOK_S):
                    continue
                piece = os.read(process.stdout.fileno(), 1 << 16)
                read += piece
                if not piece or len(read) > _LINE_MAX:
                    raise Unanswered("litellm's process ended, or answered without end")
        try:
            answer = json.loads(read)
        except ValueError as error:
            raise Unanswered("litellm's process answered something that is no JSON") from error
        if not isinstance(answer, Mapping):
            raise Unanswered("litellm's process answered something that is no answer")
        return answer


@functools.cache
def child_of(python: str) -> Child:
    """Return this process's one child that such a Python runs: starting one takes seconds."""
    child = Child(python)
    atexit.register(child.close)
    return child


def where_it_lies(python: str) -> tuple[str, str]:
    """Return the folder of a Python's litellm and its version, without importing it.

    Raises `ContractMismatch` where it has none.
    """
    found = ""
    try:
        done = subprocess.run(  # noqa: S603 - as above
            [python, "-P", str(_SCRIPT), "--where"],
            capture_output=True,
            env=dict(_ENVIRONMENT),
            timeout=_WHERE_S,
            check=True,
        )
        said_of = json.loads(done.stdout)
        if said_of["place"]:
            return str(said_of["place"]), str(said_of["version"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError) as error:
        found = f" ({said(error)})"
    raise ContractMismatch(
        attempted="make a model of the backend litellm",
        found=f"{python} has no litellm to ask through{found}",
        remedy="Install the extra: pip install 'cinefab[litellm]'; or, where others need other "
        "versions of what it brings, install requirements/litellm.txt into an environment of "
        "its own, and name that one's Python as the table's `python`.",
    )


def _raised(kind: str, status: object, message: str) -> Exception:
    """Return what an error of litellm's means for whoever asked."""
    code = status if isinstance(status, int) else 0
    if kind in _NOT_TAKEN:
        return Unanswered(message, is_taken=False)
    if code == _NOT_FOUND or kind == "NotFoundError":
        return Gone()
    if kind in _LOST or code >= _BUSY or code == 0:
        return Unanswered(f"{kind}: {message}")
    is_prompt = kind == "ContentPolicyViolationError"
    return Refused(status=code, found=message, parameter="prompt" if is_prompt else None)
