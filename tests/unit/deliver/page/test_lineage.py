"""The picture of a lineage: layers that respect what was made of what, whatever its size."""

from __future__ import annotations

import pytest
from report_sample import a_report

from cinefab.deliver.page.lineage import arrange, build_graph, draw


def columns(layers: list[list[str]]) -> dict[str, int]:
    return {name: column for column, layer in enumerate(layers) for name in layer}


@pytest.mark.parametrize("shots", [1, 2, 5, 24, 25, 60, 200])
def test_everything_stands_to_the_right_of_all_it_was_made_from(shots: int) -> None:
    graph = build_graph(a_report(shots=shots))

    column = columns(arrange(graph))

    assert set(column) == set(graph.nodes)
    for name, sources in graph.sources.items():
        assert all(column[source] < column[name] for source in sources)


def test_pieces_stand_in_the_films_order() -> None:
    graph = build_graph(a_report(shots=5))

    layer = next(layer for layer in arrange(graph) if "ast_segment0" in layer)

    assert layer == [f"ast_segment{shot}" for shot in range(5)]


def test_a_shot_of_type_alone_stands_with_the_other_shots_and_not_with_what_came_in() -> None:
    report = a_report(shots=3)
    next(each for each in report["lineage"] if each["asset"] == "ast_segment1")["sources"] = []

    column = columns(arrange(build_graph(report)))

    assert column["ast_segment1"] == column["ast_segment0"] > column["ast_original"]


def test_too_many_pieces_are_drawn_as_one_box_a_shot() -> None:
    report = a_report(shots=30)
    for each in list(report["segments"]):
        tail = each | {"asset": f"{each['asset']}tail", "part": "tail"}
        report["segments"].append(tail)
        made = next(e for e in report["lineage"] if e["asset"] == each["asset"])
        report["lineage"].insert(2, made | {"asset": tail["asset"]})

    graph = build_graph(report)

    assert sum(node.kind == "segment" for node in graph.nodes.values()) == 30
    assert graph.nodes["shot 7"].label == "shot 7, 2 pieces"


def test_a_box_reused_from_an_earlier_job_is_dashed_and_others_are_not() -> None:
    report = a_report(shots=2)
    report["lineage"][2]["job"] = "job_earlier"

    graph = build_graph(report)

    assert [name for name, node in graph.nodes.items() if node.reused] == ["ast_segment0"]


def test_a_picture_of_sixty_shots_stays_readable_in_size() -> None:
    drawing = draw(build_graph(a_report(shots=60)))

    height = int(drawing.partition('height="')[2].partition('"')[0])
    assert height < 1100
