"""How a shot that was refused is ordered again: another seed, and what the failed check advises.

Pure: the same refusals give the same shots, on every worker and however often it is asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cinefab.core.brief import Camera, Shot
from cinefab.core.effect import settings_text
from cinefab.core.verdict import Advice

_LIVELY: Final = (Camera.PUSH_IN, Camera.PAN_RIGHT, Camera.PULL_OUT, Camera.PAN_LEFT)
_CALM: Final = Camera.DRIFT


def refined(
    shots: Sequence[Shot],
    *,
    cameras: Sequence[Camera],
    tries: Mapping[int, Sequence[Advice]],
    seed: int,
    advised: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Shot, ...]:
    """Return the shots as they are to be made now.

    `cameras` are those that the planner chose first, and they stay, or a new move in one shot
    would change its neighbours; `tries` holds, by the shot's index, the advice of each refusal so
    far; `seed` is the film's, and `advised` what the model's card says of its settings. A shot without a refusal comes out as it was.
    """
    pinned = [replace(shot, camera=camera) for shot, camera in zip(shots, cameras, strict=True)]
    return tuple(
        _refined(shot, tries.get(index, ()), index=index, seed=seed, advised=advised or {})
        for index, shot in enumerate(pinned)
    )


def _refined(
    shot: Shot,
    advice: Sequence[Advice],
    *,
    index: int,
    seed: int,
    advised: Mapping[str, Mapping[str, Any]],
) -> Shot:
    for number, each in enumerate(advice, 1):
        camera = shot.camera
        if each is Advice.MORE_MOTION:
            free = [move for move in _LIVELY if move is not camera]
            camera = free[number % len(free)]
        elif each is Advice.LESS_MOTION:
            camera = _CALM
        first = seed if shot.seed is None else shot.seed
        settings = json.loads(shot.model_settings) | dict(advised.get(each.value, {}))
        shot = replace(
            shot,
            camera=camera,
            seed=_next_seed(first, index=index, number=number),
            model_settings=settings_text(settings),
        )
    return shot


def _next_seed(seed: int, *, index: int, number: int) -> int:
    digest = hashlib.sha256(f"{seed}:{index}:{number}".encode()).digest()
    # As large as a brief may write it: whatever reads JSON must get it exactly.
    return int.from_bytes(digest[:6], "big")
