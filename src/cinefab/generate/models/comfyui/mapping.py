"""Which inputs of a workflow's nodes a request fills: as the settings say, or as can be guessed.

The contract's own names are `prompt`, `negative_prompt`, `seed`, `width`, `height`, `frames`, `fps`,
`image`, `steps` and `guidance`; every other name becomes a field of the brief's `model_settings`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cinefab.core.canonical import Json
from cinefab.core.errors import ContractMismatch
from cinefab.generate.models.comfyui.workflow import (
    VIDEO_OUTPUTS,
    Place,
    Workflow,
    is_link,
)

OURS: Final = frozenset({"seed", "width", "height", "frames", "fps"})
"""Names whose values the film determines: no field of the brief is to blame for them."""

_SHOTS: Final = {"prompt": "prompt", "image": "references", "caption": "caption"}
"""Names that are fields of a shot, and the field."""

_SEEDS: Final = ("seed", "noise_seed")
_FRAMES: Final = ("length", "num_frames", "video_frames")
_RATES: Final = ("fps", "frame_rate")
_TEXTS: Final = ("text", "prompt", "text_g", "text_l", "clip_l", "t5xxl")
_PRIMITIVE_TEXTS: Final = ("value", "string", "text")
_GUIDANCES: Final = ("cfg", "guidance")
_JSON_TYPES: Final = {bool: "boolean", int: "number", float: "number", str: "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A name and the places that its value goes to; `schema` is what a brief may give for it."""

    name: str
    places: tuple[Place, ...]
    schema: Mapping[str, Any] = field(default_factory=dict)

    @property
    def brief_field(self) -> str | None:
        """Where a brief gives it, as the contract of models writes it; None where it does not."""
        if self.name in OURS:
            return None
        return _SHOTS.get(self.name, f"model_settings.{self.name}")

    def __str__(self) -> str:
        """Return it as it would stand in the settings."""
        return f"{self.name} = {', '.join(str(place) for place in self.places)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """All inputs of a workflow that a request fills, and whether they were guessed."""

    inputs: Mapping[str, Input]
    guessed: bool

    def at(self, node: str, name: str) -> Input | None:
        """Return what goes into an input of a node, None where nothing does."""
        place = Place(node, name)
        return next((each for each in self.inputs.values() if place in each.places), None)

    def of_node(self, node: str) -> tuple[Input, ...]:
        """Return what goes into a node."""
        inputs = self.inputs.values()
        return tuple(each for each in inputs if any(place.node == node for place in each.places))

    def __contains__(self, name: str) -> bool:
        """Say whether a name is mapped."""
        return name in self.inputs

    def values(self, given: Mapping[str, Json]) -> dict[Place, Json]:
        """Return `given` by place; what has no place is left out."""
        return {
            place: value
            for name, value in given.items()
            if name in self.inputs
            for place in self.inputs[name].places
        }

    def settings_schema(self) -> Mapping[str, Any]:
        """Return the JSON Schema of what a brief may set for the model."""
        own = {
            name: dict(each.schema)
            for name, each in sorted(self.inputs.items())
            if (each.brief_field or "").startswith("model_settings.")
        }
        return {"type": "object", "additionalProperties": False, "properties": own}

    def __str__(self) -> str:
        """Return it as a line for people."""
        lines = "; ".join(str(each) for each in self.inputs.values()) or "nothing"
        return f"guessed: {lines}" if self.guessed else lines


def mapped(
    workflow: Workflow, wanted: Mapping[str, Any] | None, *, output: str, model: str
) -> Mapped:
    """Return the mapping in the settings, `wanted`, or what can be guessed where there is none.

    Raises `ContractMismatch` for a place that the workflow does not have.
    """
    places = _guessed(workflow, output) if wanted is None else _written(wanted)
    inputs = {}
    for name, (where, own) in places.items():
        for place in where:
            _check_place(workflow, place, name, model=model)
        inputs[name] = Input(
            name=name, places=where, schema=_schema(name, workflow.literal(where[0])) | dict(own)
        )
    return Mapped(inputs=inputs, guessed=wanted is None)


_Places = dict[str, tuple[tuple[Place, ...], Mapping[str, Any]]]


def _written(wanted: Mapping[str, Any]) -> _Places:
    found: _Places = {}
    for name, written in wanted.items():
        own: dict[str, Any] = {}
        if isinstance(written, Mapping):
            own = {key: value for key, value in written.items() if key != "at"}
        at = written["at"] if isinstance(written, Mapping) else written
        texts = [at] if isinstance(at, str) else at
        found[name] = (tuple(Place.read(text) for text in texts), own)
    return found


def _check_place(workflow: Workflow, place: Place, name: str, *, model: str) -> None:
    node = workflow.nodes.get(place.node)
    if node is None:
        found = f"there is no node {place.node!r}"
    elif is_link(node.inputs.get(place.input)):
        source = node.inputs[place.input][0]
        found = f"{place} is linked to node {source} ({workflow.nodes[source].kind})"
    else:
        return
    known = ", ".join(f"{key} ({each.kind})" for key, each in workflow.nodes.items())
    raise ContractMismatch(
        attempted=f"map the input {name!r} of the model {model!r} to {place}",
        found=found,
        remedy=f"Mend models.{model}.inputs.{name}. The workflow has the nodes {known[:600]}.",
    )


def _schema(name: str, literal: Any) -> dict[str, Any]:
    if name == "steps":
        return {"type": "integer", "minimum": 1, "maximum": 1000}
    if name == "guidance":
        return {"type": "number", "minimum": 0}
    if name == "negative_prompt":
        return {"type": "string", "maxLength": 10_000}
    # An export writes 1 for 1.0, so whether a whole number is meant is the engine's to say.
    kind = _JSON_TYPES.get(type(literal))
    return {} if kind is None else {"type": kind}


def _guessed(workflow: Workflow, output: str) -> _Places:
    above = workflow.above(output)
    found: dict[str, list[Place]] = {}

    def literals(names: Sequence[str], kinds: tuple[type, ...]) -> Iterator[Place]:
        for node in above:
            for name in names:
                place = Place(node, name)
                value = workflow.literal(place)
                if isinstance(value, kinds) and not isinstance(value, bool):
                    yield place

    found["prompt"] = _texts(workflow, above, "positive")
    found["negative_prompt"] = _texts(workflow, above, "negative")
    if not found["prompt"]:
        conditioning = _texts(workflow, above, "conditioning")
        found["prompt"] = conditioning or list(literals(_TEXTS, (str,)))[:1]
    found["negative_prompt"] = [p for p in found["negative_prompt"] if p not in found["prompt"]]
    found["seed"] = list(literals(_SEEDS, (int,)))
    canvases = [node for node in above if _is_canvas(workflow, node)]
    found["width"] = [Place(node, "width") for node in canvases]
    found["height"] = [Place(node, "height") for node in canvases]
    found["frames"] = [
        Place(node, name)
        for node in canvases
        for name in _FRAMES
        if isinstance(workflow.literal(Place(node, name)), int)
    ]
    found["fps"] = list(literals(_RATES, (int, float)))
    found["image"] = [
        Place(node, "image")
        for node in above
        if workflow.nodes[node].kind.startswith("LoadImage")
        and isinstance(workflow.literal(Place(node, "image")), str)
    ][:1]
    found["steps"] = list(literals(("steps",), (int,)))
    found["guidance"] = list(literals(_GUIDANCES[:1], (int, float))) or list(
        literals(_GUIDANCES[1:], (int, float))
    )
    return {name: (tuple(places), {}) for name, places in found.items() if places}


def _is_canvas(workflow: Workflow, node: str) -> bool:
    """Say whether a node is where a picture's size is decided, not where one is scaled."""
    width, height = (workflow.literal(Place(node, side)) for side in ("width", "height"))
    if not isinstance(width, int) or not isinstance(height, int):
        return False
    inputs = workflow.nodes[node].inputs
    kind = workflow.nodes[node].kind
    return kind.startswith("Empty") or "batch_size" in inputs or any(n in inputs for n in _FRAMES)


def _texts(workflow: Workflow, above: Sequence[str], wanted: str) -> list[Place]:
    """Return the texts that condition what is made: those nearest to the sampler."""
    for node in above:
        for name, source, at in workflow.nodes[node].linked():
            if name == wanted:
                return _nearest_text(workflow, source, at)
    return []


def _nearest_text(workflow: Workflow, node: str, output: int) -> list[Place]:
    waiting, seen = [(node, output)], {node}
    while waiting:
        level: list[tuple[str, int]] = []
        found: list[Place] = []
        for name, given in waiting:
            here = workflow.nodes[name]
            primitive = here.kind.startswith(("Primitive", "String"))
            found.extend(
                Place(name, each)
                for each in (_PRIMITIVE_TEXTS if primitive else _TEXTS)
                if isinstance(here.inputs.get(each), str)
            )
            level.extend(_sources(workflow, name, given))
        if found:
            return found
        waiting = [each for each in level if each[0] not in seen]
        seen |= {name for name, _ in waiting}
    return []


def _sources(workflow: Workflow, node: str, output: int) -> Iterator[tuple[str, int]]:
    here = workflow.nodes[node]
    # Nodes that take both conditionings give both back, in that order.
    pair = ("positive", "negative")
    if all(is_link(here.inputs.get(each)) for each in pair):
        source = here.inputs[pair[min(output, 1)]]
        yield source[0], source[1]
        return
    for name, other, at in here.linked():
        if name in {"clip", "vae", "model", "control_net", "image", "clip_vision"}:
            continue
        yield other, at


def task_of(workflow: Workflow, inputs: Mapped, output: str) -> str:
    """Return what a workflow is for, as far as its nodes show it."""
    film = "frames" in inputs or workflow.nodes[output].kind in VIDEO_OUTPUTS
    return f"{'image' if 'image' in inputs else 'text'}-to-{'video' if film else 'image'}"
