"""The process that has litellm in it. It is asked by lines of JSON, and answers each with one.

Run as a script, by a Python that may be of another environment: what litellm brings meets nothing
of ours, and whoever ends its input ends it. With `--where` it says where the library lies, and its
version, without importing it.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, TextIO

_TEXT_MAX: Final = 2000


def main() -> None:
    """Answer what comes on standard input, until it ends."""
    # What the library prints is nobody's answer.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if sys.argv[1:] == ["--where"]:
        spec = importlib.util.find_spec("litellm")
        places = [] if spec is None else list(spec.submodule_search_locations or ())
        known = version("litellm") if places else ""
        _say(out, {"place": places[0] if places else None, "version": known})
        return
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.num_retries = 0
    _ask_once()
    for line in sys.stdin:
        _say(out, _answered(litellm, json.loads(line)))


def _ask_once() -> None:
    """Have the client of OpenAI ask once.

    Pictures are asked for three times where an answer was lost, whatever `max_retries` says, and
    each may be paid for: how often is for whoever counts them.
    """
    options: Any = sys.modules["openai._models"]
    options.FinalRequestOptions.get_max_retries = lambda _options, _max_retries: 0


def _answered(litellm: Any, asked: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(_CALLS[asked["call"]](litellm, asked, asked["arguments"]))
    except Exception as error:  # noqa: BLE001 - whatever it is, whoever asked is told, and judges
        status = getattr(error, "status_code", None)
        return {
            "error": type(error).__name__,
            "status": status if isinstance(status, int) else None,
            "message": str(error)[:_TEXT_MAX],
        }


def _image(litellm: Any, asked: Mapping[str, Any], arguments: dict[str, Any]) -> Mapping[str, Any]:
    picture = asked.get("picture")
    if picture is None:
        made = litellm.image_generation(headers=_headers(asked), **arguments)
    else:
        with Path(picture).open("rb") as file:
            made = litellm.image_edit(image=file, extra_headers=_headers(asked), **arguments)
    items = made.data or []
    answer = {"pictures": len(items), "url": None, "cost_usd": _cost_of(made)}
    if len(items) == 1 and items[0].b64_json:
        Path(asked["to"]).write_bytes(base64.b64decode(items[0].b64_json, validate=True))
    elif len(items) == 1:
        answer["url"] = items[0].url
    return answer


def _speech(litellm: Any, asked: Mapping[str, Any], arguments: dict[str, Any]) -> Mapping[str, Any]:
    made = litellm.speech(headers=_headers(asked), **arguments)
    Path(asked["to"]).write_bytes(made.content)
    return {"cost_usd": _cost_of(made)}


def _video(litellm: Any, asked: Mapping[str, Any], arguments: dict[str, Any]) -> Mapping[str, Any]:
    picture = asked.get("picture")
    if picture is not None:
        arguments["input_reference"] = Path(picture).read_bytes()
    made = litellm.video_generation(extra_headers=_headers(asked), **arguments)
    return {"id": made.id, "cost_usd": _cost_of(made)}


def _state(litellm: Any, _asked: Mapping[str, Any], arguments: dict[str, Any]) -> Mapping[str, Any]:
    made = litellm.video_status(**arguments)
    return {
        "id": made.id,
        "status": made.status,
        "progress": made.progress,
        "failure": made.error,
        "cost_usd": _cost_of(made),
    }


def _content(
    litellm: Any, asked: Mapping[str, Any], arguments: dict[str, Any]
) -> Mapping[str, Any]:
    content = litellm.video_content(**arguments)
    Path(asked["to"]).write_bytes(content)
    return {"bytes": len(content)}


_CALLS: Final = {
    "image": _image,
    "speech": _speech,
    "video": _video,
    "state": _state,
    "content": _content,
}


def _headers(asked: Mapping[str, Any]) -> dict[str, str]:
    return {"Idempotency-Key": asked["key"]}


def _cost_of(made: Any) -> float | None:
    """Return what the library makes of its price map; a cost of nothing is no known one."""
    hidden = getattr(made, "_hidden_params", None)
    cost = hidden.get("response_cost") if isinstance(hidden, Mapping) else None
    return float(cost) if isinstance(cost, int | float) and cost > 0 else None


def _say(out: TextIO, answer: Mapping[str, Any]) -> None:
    out.write(json.dumps(answer, default=str) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
