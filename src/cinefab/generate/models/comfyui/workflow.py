"""A workflow as a value: its nodes, which of their inputs are filled, and where the result is.

Read from the file that ComfyUI writes for its API: an object of nodes by id, each with a
`class_type` and `inputs`, an input being a literal or a link `[node, output]`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cinefab.core.canonical import Json, Sha256, sha256_of
from cinefab.core.errors import ContractMismatch

_OUTPUTS: Final = (
    "SaveVideo",
    "SaveWEBM",
    "VHS_VideoCombine",
    "SaveImage",
    "SaveAnimatedPNG",
    "SaveAnimatedWEBP",
    "PreviewImage",
)
"""Classes of nodes that give pictures, best first."""

VIDEO_OUTPUTS: Final = frozenset({"SaveVideo", "SaveWEBM", "VHS_VideoCombine", "SaveAnimatedWEBP"})
"""Classes of nodes that give films."""

_ANIMATED: Final = frozenset({"SaveAnimatedPNG", "SaveAnimatedWEBP"})
_ANIMATED_FORMATS: Final = frozenset({"image/gif", "image/webp"})

PREFIX: Final = "filename_prefix"
"""What a saving node calls its files; without it they cannot be told from another run's."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """An input of a node, written `6.text`."""

    node: str
    input: str

    @classmethod
    def read(cls, text: str) -> Place:
        """Return the place that `text` writes; the schema has seen to its dot."""
        node, _, name = text.partition(".")
        return cls(node, name)

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.node}.{self.input}"


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its class, its title in the editor, and its inputs, literal or linked."""

    kind: str
    title: str
    inputs: Mapping[str, Any]

    def linked(self) -> Iterator[tuple[str, str, int]]:
        """Yield the inputs that come from another node: name, that node's id, and its output."""
        for name, value in self.inputs.items():
            if is_link(value):
                yield name, value[0], value[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """The nodes of a workflow by id, and the digest of the file they were read from."""

    nodes: Mapping[str, Node]
    document: Mapping[str, Any]
    digest: Sha256

    @property
    def kinds(self) -> tuple[str, ...]:
        """The classes of its nodes, each once, in order."""
        return tuple(sorted({node.kind for node in self.nodes.values()}))

    def outputs(self) -> tuple[str, ...]:
        """Return the nodes that give pictures, best first."""
        found = [
            (_OUTPUTS.index(node.kind), number, name)
            for number, (name, node) in enumerate(self.nodes.items())
            if node.kind in _OUTPUTS
        ]
        return tuple(name for _, _, name in sorted(found))

    def above(self, node: str) -> tuple[str, ...]:
        """Return `node` and all that it is made of, nearest first."""
        seen = {node: None}
        waiting = [node]
        while waiting:
            for _, other, _ in self.nodes[waiting.pop(0)].linked():
                if other in self.nodes and other not in seen:
                    seen[other] = None
                    waiting.append(other)
        return tuple(seen)

    def literal(self, place: Place) -> Any:
        """Return what the file has at a place; None where it is linked or absent."""
        node = self.nodes.get(place.node)
        value = None if node is None else node.inputs.get(place.input)
        return None if is_link(value) else value

    def filled(self, values: Mapping[Place, Json]) -> dict[str, Any]:
        """Return the workflow as it is sent, with `values` in their places."""
        document: dict[str, Any] = copy.deepcopy(dict(self.document))
        for place, value in values.items():
            document[place.node]["inputs"][place.input] = value
        return document


def is_link(value: object) -> bool:
    """Say whether an input's value is a link: `[node, output]`."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
    )


def read_workflow(path: Path, *, model: str) -> Workflow:
    """Return the workflow in a file; raise `ContractMismatch` where it is none for the API."""

    def refused(found: str, remedy: str) -> ContractMismatch:
        return ContractMismatch(
            attempted=f"read the workflow of the model {model!r}, {path}",
            found=found,
            remedy=remedy,
        )

    try:
        content = path.read_bytes()
        document = json.loads(content)
    except OSError as error:
        raise refused(
            error.strerror or str(error), f"Mend models.{model}.workflow: the path of a file."
        ) from error
    except ValueError as error:
        raise refused(f"it is no JSON: {error}", _EXPORT) from error
    if isinstance(document, dict) and isinstance(document.get("nodes"), list):
        raise refused("it is in the editor's format, which cannot be run", _EXPORT)
    if not isinstance(document, dict) or not document:
        raise refused("it is no object of nodes", _EXPORT)
    nodes = {}
    for name, node in document.items():
        if not (
            isinstance(node, dict)
            and isinstance(node.get("class_type"), str)
            and isinstance(node.get("inputs"), dict)
        ):
            raise refused(f"node {name!r} has no class_type and inputs", _EXPORT)
        meta = node.get("_meta")
        title = meta.get("title") if isinstance(meta, dict) else None
        nodes[name] = Node(node["class_type"], str(title or node["class_type"]), node["inputs"])
    for name, node in nodes.items():
        for given, other, _ in node.linked():
            if other not in nodes:
                found = f"{name}.{given} is linked to node {other!r}, which is not there"
                raise refused(found, _EXPORT)
    return Workflow(nodes=nodes, document=document, digest=sha256_of(content))


def output_of(workflow: Workflow, wanted: str | None, *, model: str) -> str:
    """Return the node whose pictures are taken; raise `ContractMismatch` where none is clear."""
    known = workflow.outputs()
    if wanted is not None:
        if wanted in workflow.nodes:
            return _not_animated(workflow, wanted, model=model)
        found = f"there is no node {wanted!r}"
    elif known:
        best = [each for each in known if workflow.nodes[each].kind != "PreviewImage"] or [*known]
        if len(best) == 1:
            return _not_animated(workflow, best[0], model=model)
        found = f"there are several nodes that give pictures: {_listed(workflow, best)}"
    else:
        found = f"no node is one of {', '.join(_OUTPUTS)}"
    choice = _listed(workflow, known or list(workflow.nodes))
    raise ContractMismatch(
        attempted=f"find what the workflow of the model {model!r} gives",
        found=found,
        remedy=f"Name the node as models.{model}.output, one of: {choice}.",
    )


def _not_animated(workflow: Workflow, name: str, *, model: str) -> str:
    """Return the node; raise `ContractMismatch` where what it saves would be refused after it is paid."""
    node = workflow.nodes[name]
    if node.kind in _ANIMATED or node.inputs.get("format") in _ANIMATED_FORMATS:
        raise ContractMismatch(
            attempted=f"take what the workflow of the model {model!r} gives",
            found=f"{name} ({node.kind}) saves an animated picture, which is not taken in",
            remedy="Have it save its frames (SaveImage), or a film as MP4 or WebM (SaveVideo).",
        )
    return name


def _listed(workflow: Workflow, names: Sequence[str]) -> str:
    return ", ".join(f"{name} ({workflow.nodes[name].kind})" for name in names)


_EXPORT: Final = (
    "In ComfyUI open the workflow and choose Workflow > Export (API); in older versions switch on "
    "the developer options first and press Save (API Format)."
)
