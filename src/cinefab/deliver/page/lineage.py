"""Lineage as a picture: from what came in, through everything that was made of it, to the film.

The graph is laid out in layers, each asset one step after the latest of its sources. Where there
are too many pieces to read, those of one shot are drawn as one; where even the shots are too
many, their rows become thin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cinefab.deliver.page.figures import digest, identity
from cinefab.deliver.page.markup import Html, said, tag
from cinefab.deliver.page.timeline import Report

_PIECES_MAX: Final = 24
"""With more pieces in a layer than this, those of one shot are drawn as one."""

_ROOMY_ROWS_MAX: Final = 26
_ROOMY, _TIGHT = 30, 17
_BOX_WIDTH: Final = 138
_GAP: Final = 56
_LABEL_LETTERS: Final = 21
_TABLE_MAX: Final = 60
_SWEEPS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A box of the picture: one asset, or several of one shot; `order` is its place in the film."""

    name: str
    kind: str
    label: str
    hint: str
    reused: bool
    order: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Boxes by name, and for each those that it was made from."""

    nodes: Mapping[str, Node]
    sources: Mapping[str, tuple[str, ...]]


def lineage(report: Report) -> Html:
    """Return the lineage as a picture and as a list."""
    entries = report["lineage"]
    if not entries:
        return Html("")
    labels = _labels(report)
    return tag(
        "section",
        tag("h2", "Lineage"),
        tag(
            "p",
            f"{len(entries)} assets, each with a signed record; what came in is on the left. "
            "A dashed box was reused from an earlier job.",
            class_="hint",
        ),
        tag("div", draw(build_graph(report)), class_="wide picture"),
        _list(entries, labels, report["job"]),
        id="lineage",
    )


def build_graph(report: Report) -> Graph:
    """Return the graph of a report's lineage, with the pieces of a shot together if need be."""
    entries = report["lineage"]
    labels = _labels(report)
    shots = _shots(report)
    pieces = [entry for entry in entries if entry["kind"] == "segment"]
    together = len(pieces) > _PIECES_MAX
    box_of = {
        entry["asset"]: f"shot {shots[entry['asset']]}"
        if together and entry["asset"] in shots and entry["kind"] == "segment"
        else entry["asset"]
        for entry in entries
    }
    members: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in entries:
        members[box_of[entry["asset"]]].append(entry)
    order = _order(report)
    nodes = {
        name: _node(name, each, labels, order, report["job"]) for name, each in members.items()
    }
    sources = {
        name: tuple(
            dict.fromkeys(
                box_of[source]
                for entry in each
                for source in entry["sources"]
                if source in box_of and box_of[source] != name
            )
        )
        for name, each in members.items()
    }
    return Graph(nodes=nodes, sources=sources)


def draw(graph: Graph) -> Html:
    """Return the graph as a drawing, its layers from left to right."""
    layers = arrange(graph)
    tallest = max(len(layer) for layer in layers)
    row = _ROOMY if tallest <= _ROOMY_ROWS_MAX else _TIGHT
    height = row * tallest + 8
    width = len(layers) * (_BOX_WIDTH + _GAP) - _GAP + 4
    places: dict[str, tuple[int, int]] = {}
    for column, layer in enumerate(layers):
        top = (height - row * len(layer)) // 2
        for position, name in enumerate(layer):
            places[name] = (2 + column * (_BOX_WIDTH + _GAP), top + position * row)
    box = row - 6 if row == _ROOMY else row - 3
    lines = [
        _line(places[source], places[name], box)
        for name in graph.nodes
        for source in graph.sources[name]
    ]
    boxes = [_box(node, places[name], box) for name, node in graph.nodes.items()]
    return tag(
        "svg",
        tag("title", f"Lineage: {len(graph.nodes)} boxes in {len(layers)} layers"),
        lines,
        boxes,
        class_="lineage" if row == _ROOMY else "lineage tight",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
    )


def arrange(graph: Graph) -> list[list[str]]:
    """Return the names in layers, each after all its sources, ordered so that few lines cross."""
    depth: dict[str, int] = {}
    waiting = list(graph.nodes)
    # A source is always listed before what was made of it, but a box of several assets may be
    # listed before a source of its later ones: so it is gone over until nothing moves.
    for _ in range(len(waiting)):
        moved = False
        for name in waiting:
            found = 1 + max((depth.get(source, 0) for source in graph.sources[name]), default=-1)
            moved |= depth.get(name) != found
            depth[name] = found
        if not moved:
            break
    layers: list[list[str]] = [[] for _ in range(1 + max(depth.values()))]
    for name in sorted(waiting, key=lambda name: (graph.nodes[name].order, name)):
        layers[depth[name]].append(name)
    results: dict[str, list[str]] = defaultdict(list)
    for name, sources in graph.sources.items():
        for source in sources:
            results[source].append(name)
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        place = _places(layers)
        for layer in layers if forward else reversed(layers):
            beside = graph.sources if forward else results
            layer.sort(key=lambda name: (_middle(beside.get(name, ()), place, place[name]), name))
            place |= _places([layer])
    return layers


def _places(layers: Sequence[Sequence[str]]) -> dict[str, float]:
    return {
        name: (position + 0.5) / len(layer)
        for layer in layers
        for position, name in enumerate(layer)
    }


def _middle(names: Iterable[str], place: Mapping[str, float], own: float) -> float:
    found = [place[name] for name in names]
    # Its own place counts a little, so that boxes with the same sources keep the film's order.
    return (sum(found) / len(found) if found else own) + own / 1000


def _node(
    name: str,
    members: Sequence[Mapping[str, Any]],
    labels: Mapping[str, str],
    order: Mapping[str, float],
    job: str,
) -> Node:
    first = members[0]
    label = labels.get(first["asset"], first["kind"])
    hint = f"{first['kind']} {first['asset']}, by {first['made_by']}, SHA-256 {first['sha256']}"
    if len(members) > 1:
        label = f"{name}, {len(members)} pieces"
        hint = f"{label}, by {', '.join(sorted({entry['made_by'] for entry in members}))}"
    return Node(
        name=name,
        kind=first["kind"],
        label=label,
        hint=hint,
        reused=all(entry["job"] not in (None, job) for entry in members),
        order=min(order.get(entry["asset"], 0.0) for entry in members),
    )


def _labels(report: Report) -> dict[str, str]:
    """Return what to call an asset, where there is a better name than its kind."""
    labels = {
        each["asset"]: f"shot {each['shot'] + 1} {each['part']}" for each in report["segments"]
    }
    labels |= {
        each["asset"]: f"{each['kind']} into {each['into'] + 1}"
        for each in report["transitions"]
        if each["asset"]
    }
    names = {each["sha256"]: each["name"] for each in report["references"]}
    originals = {
        entry["asset"]: names[entry["sha256"]]
        for entry in report["lineage"]
        if entry["sha256"] in names
    }
    for entry in report["lineage"]:
        of = entry["asset"] if entry["asset"] in originals else next(iter(entry["sources"]), None)
        if of in originals and entry["kind"] in {"reference", "picture", "mask"}:
            labels[entry["asset"]] = f"{entry['kind']} {originals[of]}"
    return labels


def _shots(report: Report) -> dict[str, int]:
    return {each["asset"]: each["shot"] + 1 for each in report["segments"]}


def _order(report: Report) -> dict[str, float]:
    order = {each["asset"]: float(each["first_frame"]) for each in report["segments"]}
    return order | {
        each["asset"]: float(each["first_frame"]) for each in report["transitions"] if each["asset"]
    }


def _box(node: Node, place: tuple[int, int], height: int) -> Html:
    x, y = place
    label = node.label
    if len(label) > _LABEL_LETTERS:
        label = label[: _LABEL_LETTERS - 1] + "…"
    kind = node.kind if node.kind.isidentifier() else "other"
    return tag(
        "g",
        tag("title", node.hint),
        tag(
            "rect",
            x=x,
            y=y,
            width=_BOX_WIDTH,
            height=height,
            rx=3,
            class_=f"box kind-{kind}" + (" reused" if node.reused else ""),
        ),
        tag("text", label, x=x + 8, y=y + height / 2 + 4),
    )


def _line(source: tuple[int, int], result: tuple[int, int], height: int) -> Html:
    x1, y1 = source[0] + _BOX_WIDTH, source[1] + height / 2
    x2, y2 = result[0], result[1] + height / 2
    bend = _GAP * 0.55
    path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return tag("path", d=path, class_="line")


def _list(entries: Sequence[Mapping[str, Any]], labels: Mapping[str, str], job: str) -> Html:
    shown = entries if len(entries) <= _TABLE_MAX else entries[:_TABLE_MAX]
    names = {entry["asset"]: labels.get(entry["asset"], entry["kind"]) for entry in entries}
    rows = [
        tag(
            "tr",
            tag("td", said(names[entry["asset"]])),
            tag("td", tag("code", said(entry["made_by"]))),
            tag("td", said(", ".join(names.get(source, "?") for source in entry["sources"]))),
            tag("td", "this job" if entry["job"] == job else identity(entry["job"])),
            tag("td", identity(entry["asset"])),
            tag("td", digest(entry["sha256"])),
        )
        for entry in shown
    ]
    if len(entries) > len(shown):
        more = f"… and {len(entries) - len(shown)} more: all of them are in report.json."
        rows.append(tag("tr", tag("td", more, colspan=6, class_="soft")))
    heads = ("Asset", "Made by", "From", "In", "Id", "SHA-256")
    head = tag("tr", [tag("th", name) for name in heads])
    return tag(
        "details",
        tag("summary", f"All {len(entries)} assets"),
        tag("div", tag("table", tag("thead", head), tag("tbody", rows)), class_="wide"),
    )
