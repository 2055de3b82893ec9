"""Work that is answered at once: there is no job to look for, so the answer itself is kept.

A run that was killed before its answer came asks again, under the same key: whoever honours keys makes
it once. A run that was killed afterwards has its answer, and asks nobody.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from cinefab.core.canonical import Json, canonical_json
from cinefab.generate.http_api import Patience
from cinefab.generate.run import Run

_ASKED: Final = "asked.json"
_ANSWER: Final = "answer"


def answered_once(
    content: str,
    ask: Callable[[], tuple[bytes, int | None]],
    run: Run,
    *,
    patience: Patience,
) -> tuple[bytes, int | None]:
    """Return what `content` names, and what it was said to cost: as it was kept, or asked for.

    Where an answer is lost it is asked for once more, and no more.
    """
    point = run.kept()
    if point is not None and _ANSWER in point.files:
        try:
            asked = json.loads(point.files[_ASKED].read_bytes())
            if asked["content"] == content:
                run.note("resumed_from", point.point)
                return point.files[_ANSWER].read_bytes(), asked["cost_uusd"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
    document: Json = {"content": content, "cost_uusd": None}
    run.keep("asking", {_ASKED: canonical_json(document)})
    answer, cost_uusd = patience.ask_paid(ask, run.check_wanted)
    document = {"content": content, "cost_uusd": cost_uusd}
    run.keep("answered", {_ASKED: canonical_json(document), _ANSWER: answer})
    return answer, cost_uusd
