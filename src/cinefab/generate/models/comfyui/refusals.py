"""What an engine refuses or fails at, in the terms of the brief where the brief is to blame.

An input that a request fills has a field of the brief, or is the film's own doing. Where the node's
input cannot be told, or nobody filled it, the workflow or the engine is at fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cinefab.core.errors import BriefInvalid, CinefabError, ContractMismatch, Unavailable
from cinefab.generate.models.comfyui.mapping import Input, Mapped
from cinefab.generate.models.comfyui.wire import Failure, said

_OUT_OF_MEMORY: Final = ("OutOfMemory", "MemoryError", "OOM")
_BAD_VALUES: Final = frozenset(
    {"ValueError", "TypeError", "KeyError", "IndexError", "AssertionError", "FileNotFoundError"}
)
_MISSING: Final = frozenset({"missing_node_type", "invalid_prompt"})
"""What an engine calls a node that it does not have; the second until 2025."""
_CHANGE: Final = "Change the field, or choose another model."


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What an engine has against a node's input; `input` is empty where it does not say which."""

    node: str
    kind: str
    input: str
    why: str


def complaints(answer: object, *, output: str | None = None) -> tuple[Complaint, ...]:
    """Return what the `node_errors` of an answer say, of what `output` is made of if it is named."""
    errors = answer.get("node_errors") if isinstance(answer, Mapping) else None
    found: list[Complaint] = []
    for node, each in errors.items() if isinstance(errors, Mapping) else ():
        if not isinstance(each, Mapping):
            continue
        if output is not None and output not in (each.get("dependent_outputs") or ()):
            continue
        kind = said(each.get("class_type", ""))
        found.extend(
            Complaint(node=str(node), kind=kind, input=name, why=why)
            for name, why in _reasons(each.get("errors"))
        )
    return tuple(found)


def refused(answer: object, status: int, inputs: Mapped, *, model: str) -> CinefabError:
    """Return the error for a prompt that an engine did not take, from the body of its answer."""
    found = complaints(answer)
    if found:
        return blamed(found, inputs, model=model)
    error = answer.get("error") if isinstance(answer, Mapping) else None
    why = said(error)
    remedy = f"Mend the workflow of models.{model}, and try it in ComfyUI itself."
    if isinstance(error, Mapping):
        why = said(f"{error.get('message', '')} {error.get('details', '')}")
        if error.get("type") in _MISSING:
            remedy = "Install the node's package in the engine, or take the node out."
    return ContractMismatch(
        attempted=f"have ComfyUI run the workflow of the model {model!r}",
        found=f"it answered {status}: {why or 'nothing'}",
        remedy=remedy,
    )


def blamed(found: tuple[Complaint, ...], inputs: Mapped, *, model: str) -> CinefabError:
    """Return the error for complaints about nodes: the brief's where one of its fields is at fault."""
    for each in found:
        given = inputs.at(each.node, each.input)
        if given is not None and given.brief_field is not None:
            return _of_brief(given, f"{each.kind or 'the node'} {each.node}: {each.why}", model)
    first = found[0]
    place = f"{first.node}.{first.input}" if first.input else first.node
    return ContractMismatch(
        attempted=f"have ComfyUI run the workflow of the model {model!r}",
        found=f"node {place} ({first.kind}): {first.why}",
        remedy=f"Mend the workflow of models.{model}, and try it in ComfyUI itself.",
    )


def failed(failure: Failure, inputs: Mapped, *, model: str) -> CinefabError:
    """Return the error for a node that raised while it was executed."""
    attempted = f"have ComfyUI run the workflow of the model {model!r}"
    what = f"node {failure.node} ({failure.kind}) raised {failure.raised}: {failure.message}"
    if any(word in failure.raised for word in _OUT_OF_MEMORY):
        return Unavailable(
            attempted=attempted,
            found=f"the engine ran out of memory: {what}",
            remedy=f"Lower models.{model}.megapixels, shorten the shot, or use a larger device.",
        )
    given = _blamed_for(failure, inputs)
    if given is not None:
        return _of_brief(given, what, model)
    return ContractMismatch(
        attempted=attempted,
        found=what,
        remedy=f"Try the workflow of models.{model} in ComfyUI itself, and mend that node.",
    )


def _blamed_for(failure: Failure, inputs: Mapped) -> Input | None:
    own = [each for each in inputs.of_node(failure.node) if each.brief_field is not None]
    named = [
        each
        for each in own
        for place in each.places
        if place.node == failure.node and place.input in failure.message.split()
    ]
    if named:
        return named[0]
    is_value = failure.raised.rpartition(".")[2] in _BAD_VALUES
    return own[0] if len(own) == 1 and is_value else None


def _of_brief(given: Input, why: str, model: str) -> BriefInvalid:
    assert given.brief_field is not None, "only what a brief gives is its fault"
    return BriefInvalid(
        attempted=f"make a shot with the model {model!r}",
        field=given.brief_field,
        found=f"ComfyUI does not take this: {why}",
        remedy=_CHANGE,
    )


def _reasons(errors: object) -> Iterator[tuple[str, str]]:
    for each in errors if isinstance(errors, list) else ():
        if not isinstance(each, Mapping):
            continue
        extra: Any = each.get("extra_info")
        name = extra.get("input_name") if isinstance(extra, Mapping) else None
        why = said(f"{each.get('message', '')}: {each.get('details', '')}")
        yield str(name or ""), why
