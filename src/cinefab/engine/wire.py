"""Errors and small values as JSON, so that they can cross to another process or another day.

An error of ours comes back as the same class with the same fields. Which classes may come back is
decided here and not by what is read: only subclasses of `CinefabError`, found by name among those
that this process knows or that our own package defines. Anything else becomes a `Fault`.
"""

from __future__ import annotations

import functools
import importlib
import json
import traceback
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.core.errors import CinefabError

_TRACE_CHARS_MAX: Final = 16_000
_OURS: Final = "cinefab."


class Fault(Exception):
    """An exception that nobody raised on purpose, so a mistake of ours or of a plug-in's.

    It is no `CinefabError`, so that nothing takes it for an answer. `kind` is the exception's
    class and `trace` its traceback as text, for the log.
    """

    def __init__(self, *, attempted: str, kind: str, message: str, trace: str) -> None:
        super().__init__(
            f"{attempted}: {kind}: {message}. This is a fault: report it with the log."
        )
        self.attempted = attempted
        self.kind = kind
        self.message = message
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial(Fault, **self.__dict__), ()


def dump(value: Json) -> bytes:
    """Return `value` as compact JSON; raise `TypeError` or `ValueError` if it is not JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def encode_error(error: BaseException, *, attempted: str) -> dict[str, Json]:
    """Return `error` as JSON; `attempted` says what was being done, for an unexpected one."""
    if not isinstance(error, CinefabError):
        fault = fault_from(error, attempted=attempted)
        return {"fault": dict(fault.__dict__)}
    classes = [kind for kind in type(error).__mro__ if issubclass(kind, CinefabError)]
    return {
        "classes": [f"{kind.__module__}:{kind.__qualname__}" for kind in classes],
        "message": str(error),
        "fields": {name: _as_json(value) for name, value in error.__dict__.items()},
    }


def decode_error(encoded: Mapping[str, Any]) -> CinefabError | Fault:
    """Return the error that `encode_error` wrote, as the nearest class that is known here."""
    if "fault" in encoded:
        return Fault(**encoded["fault"])
    kind = next(filter(None, map(_find_class, encoded["classes"])), CinefabError)
    # The constructors differ from class to class; the fields are what they all come down to.
    error = kind.__new__(kind)
    Exception.__init__(error, encoded["message"])
    error.__dict__.update(encoded["fields"])
    return error


def fault_from(error: BaseException, *, attempted: str) -> Fault:
    """Return the report on an unexpected exception, with the end of its traceback."""
    if isinstance(error, Fault):
        return error
    trace = "".join(traceback.format_exception(error))[-_TRACE_CHARS_MAX:]
    return Fault(attempted=attempted, kind=type(error).__name__, message=str(error), trace=trace)


def _as_json(value: object) -> Json:
    # A field that JSON cannot hold is kept as its text: a report loses its type, not its words.
    try:
        plain: Json = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return str(value)
    return plain


def _find_class(name: str) -> type[CinefabError] | None:
    module, _, qualname = name.partition(":")
    if module.startswith(_OURS):
        try:
            importlib.import_module(module)
        except ImportError:
            return None
    known = (kind for kind in _subclasses(CinefabError) if kind.__module__ == module)
    return next((kind for kind in known if kind.__qualname__ == qualname), None)


def _subclasses(kind: type[CinefabError]) -> Iterator[type[CinefabError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _subclasses(each)
