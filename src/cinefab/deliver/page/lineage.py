"""Lineage as a picture: from what came in, through everything that was made of it, to the film.

The graph is laid out in layers, each asset one step after the latest of its sources. Where there
are too many pieces to read, those of one shot are drawn as one; where even the shots are too
many, their rows become thin.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cinefab.deliver.page.figures import digest, identity
from cinefab.deliver.page.markup import Html, said, tag
from cinefab.deliver.page.timeline import Report

_PIECES_MAX: Final = 24
"""With more pieces in a layer than this, those of one shot are drawn as one."""

_ROOMY_ROWS_MAX: Final = 26
_ROOMY, _TIGHT = 30, 17
_BOX_WIDTH: Final = 128
_GAP: Final = 46
_LABEL_LETTERS: Final = 19
_TABLE_MAX: Final = 60
_HEARD: Final = frozenset({"sound", "soundtrack", "speech", "voice"})
_FROM_OUTSIDE: Final = frozenset({"reference", "picture", "mask", "video", "audio"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A box of the picture: one asset, or several of one shot; `order` is its place in the film."""

    name: str
    kind: str
    label: str
    hint: str
    reused: bool
    order: float | None


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
    """Return the names in layers, each after all its sources, in the film's order where it has one.

    What is not from outside stands with its own kind, as far right as its results allow: a shot of
    type and colour is no reference.
    """
    depth = _depths(graph)
    results = _results(graph)
    last = dict.fromkeys((node.kind for node in graph.nodes.values()), 0)
    for name, node in graph.nodes.items():
        last[node.kind] = max(last[node.kind], depth[name])
    for name, node in reversed(list(graph.nodes.items())):
        nearest = min((depth[result] for result in results[name]), default=None)
        if node.kind not in _FROM_OUTSIDE and nearest is not None:
            furthest = nearest - 1 if node.kind in _HEARD else min(last[node.kind], nearest - 1)
            depth[name] = max(depth[name], furthest)
    order = _orders(graph, results)
    layers: list[list[str]] = [[] for _ in range(1 + max(depth.values()))]
    for name in sorted(graph.nodes, key=lambda name: (order[name], graph.nodes[name].label)):
        layers[depth[name]].append(name)
    return [layer for layer in layers if layer]


def _depths(graph: Graph) -> dict[str, int]:
    depth: dict[str, int] = {}
    # A source is always listed before what was made of it, but a box of several assets may be
    # listed before a source of its later ones: so it is gone over until nothing moves.
    for _ in graph.nodes:
        before = dict(depth)
        for name in graph.nodes:
            found = (depth.get(source, 0) for source in graph.sources[name])
            depth[name] = 1 + max(found, default=-1)
        if depth == before:
            break
    return depth


def _results(graph: Graph) -> Mapping[str, list[str]]:
    results: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for name, sources in graph.sources.items():
        for source in sources:
            results[source].append(name)
    return results


def _orders(graph: Graph, results: Mapping[str, list[str]]) -> dict[str, float]:
    """Return each box's place from top to bottom: its own, or the middle of those beside it."""
    order = {name: node.order for name, node in graph.nodes.items() if node.order is not None}
    for beside, names in ((results, reversed(list(graph.nodes))), (graph.sources, graph.nodes)):
        for name in list(names):
            known = [order[other] for other in beside[name] if other in order]
            if name not in order and known:
                order[name] = sum(known) / len(known)
    return {name: order.get(name, 0.0) for name in graph.nodes}


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
        order=min(
            (order[each["asset"]] for each in members if each["asset"] in order), default=None
        ),
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
    named: dict[str, str] = {}
    for entry in report["lineage"]:
        # What was prepared of a reference goes by its name, however many steps there were.
        above = [named[source] for source in entry["sources"] if source in named]
        name = names.get(entry["sha256"]) or next(iter(above), None)
        if name is not None and entry["kind"] in _FROM_OUTSIDE:
            named[entry["asset"]] = name
            labels[entry["asset"]] = f"{entry['kind']} {name}"
    # What the film as a whole sounds like goes by a name of its own.
    heard = report["sound"]
    if heard is not None and heard["asset"] is not None:
        labels[heard["asset"]] = "sound mix"
    lines = {each["sha256"]: each["shot"] + 1 for each in heard["lines"]} if heard else {}
    return labels | {
        entry["asset"]: f"line of shot {lines[entry['sha256']]}"
        for entry in report["lineage"]
        if entry["sha256"] in lines
    }


def _shots(report: Report) -> dict[str, int]:
    return {each["asset"]: each["shot"] + 1 for each in report["segments"]}


def _order(report: Report) -> dict[str, float]:
    seen = [*report["segments"], *(each for each in report["transitions"] if each["asset"])]
    order = {each["asset"]: float(each["first_frame"]) for each in seen}
    # What is heard lies below all that is seen.
    last = float(report["frames"] or 0)
    return order | {each["asset"]: last for each in report["lineage"] if each["kind"] in _HEARD}


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
