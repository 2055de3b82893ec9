"""What a service refuses, said to whoever can help: the brief's author, or whoever wrote the table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cinefab.core.errors import BriefInvalid, ContractMismatch
from cinefab.generate.http_api import Refused

_NOT_ALLOWED: Final = frozenset({401, 403})


def refusal(
    error: Refused,
    *,
    model: str,
    by: str,
    fields: Mapping[str, str],
    blames_prompt: frozenset[int] = frozenset(),
) -> BriefInvalid | ContractMismatch:
    """Return the error for what `by` refused.

    `fields` has the brief's field for a parameter that it names; with one of the statuses
    `blames_prompt` the prompt is meant where it names none.
    """
    attempted = f"ask for a shot of the model {model!r}"
    if error.status in _NOT_ALLOWED:
        return ContractMismatch(
            attempted=attempted,
            found=f"{by} does not let us: {error.found}",
            remedy="See that api_key_env names a key that is allowed this model.",
        )
    field = fields.get(error.parameter or "")
    if field is None and error.status in blames_prompt:
        field = "prompt"
    if field is not None:
        return BriefInvalid(
            attempted=attempted,
            field=field,
            found=f"{by} refused it: {error.found}",
            remedy="Change the shot or its model_settings as it says, or choose another model.",
        )
    return ContractMismatch(
        attempted=attempted,
        found=f"{by} refused it ({error.status}): {error.found}",
        remedy="Change the brief, or the model's table, as it says.",
    )
