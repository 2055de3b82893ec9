"""How the engine keeps what workflows are given, return and raise."""

from __future__ import annotations

import json
from typing import Any

from dbos import Serializer

from cinefab.engine.wire import decode_error, dump, encode_error


class JsonSerializer(Serializer):
    """Keeps arguments, results and errors as JSON that any release can read."""

    def name(self) -> str:
        """Return what rows say they were written with."""
        return "cinefab_json"

    def serialize(self, data: Any) -> str:
        """Return a value, or an error, as JSON."""
        if isinstance(data, BaseException):
            return dump({"error": encode_error(data, attempted="run a workflow")}).decode()
        return dump({"value": data}).decode()

    def deserialize(self, serialized_data: str) -> Any:
        """Return the value or the error that was kept."""
        kept = json.loads(serialized_data)
        return decode_error(kept["error"]) if "error" in kept else kept["value"]
