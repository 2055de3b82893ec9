"""The process that makes a film's music by a model: words and numbers come in, a file goes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cinefab.core.canonical import Json
from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import SoundRequest
from cinefab.generate.take import loaded_backend, run_of, said_of
from cinefab.media.audio import write_flac


def make_bed(argument: Mapping[str, Any], report: Callable[[Json], None]) -> Json:
    """Make sound by a model and write it as FLAC at `path`; return its size and what was said.

    `argument` names the model and its `run_folder` as `generate.take.make_takes` has them, and has
    `input`, `seed` and `samples`. Raises `ContractMismatch` when the model does not keep its
    contract, and where what it made cannot be heard.
    """
    backend, load_us = loaded_backend(argument)
    run = run_of(argument, report)
    model: Any = backend
    request = SoundRequest(
        input=argument["input"], seed=argument["seed"], samples=argument["samples"]
    )
    made = np.asarray(model.samples(request, run.within("bed")))
    if made.shape != (request.samples, 2) or not np.isfinite(made).all():
        raise _unfit(backend.card.ref, f"samples of shape {made.shape}")
    if not np.abs(made).max(initial=0) > 0:
        raise _unfit(backend.card.ref, "silence")
    path = Path(argument["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = np.ascontiguousarray(made.T.astype(np.float32))
    return {"size_bytes": write_flac([sound], path), "load_us": load_us, **said_of(run)}


def _unfit(ref: str, found: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"take the sound of {ref}",
        found=f"it gave {found}",
        remedy="Change sound.music.prompt, choose another model, or leave sound.music.model out.",
    )
