"""Templates are filled on their tree, within bounds, and say who must look at what came of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cinefab.core.brief import Compare, Queue, Review, ReviewMode
from cinefab.core.errors import BriefInvalid
from cinefab.ingest.brief import load_written
from cinefab.ingest.passage import passage
from cinefab.ingest.template_schema import GuardrailsDocument, template_schema

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
TEMPLATE = """
template:
  name: card
  version: 3
  slots:
    words: {type: text, max: 30, forbidden: [best], scripts: [latin]}
    length: {type: number, min: 1, max: 3, default: 2}
    shape: {type: choice, of: {wide: 320x180, square: 180x180}, default: wide}
    accent: {type: colour, default: "#102030"}
    picture: {type: image, default: own.png}
    lines: {type: script, min: 1, max: 2, length: 20, default: [One, Two]}
  guardrails:
    categories:
      politics: {words: [vote], queue: strict, within: 30m}
      health: {words: [cure], review: automatic, within: 2h}
brief:
  title: {slot: words}
  references: {own: {file: {slot: picture}}}
  shots:
    - {seconds: {slot: length}, caption: {text: [{slot: words}, "!"]}, references: [own]}
    - {seconds: 1, caption: {slot: lines, item: 0}, transition: cut}
  output: {size: {slot: shape}}
  brand: {colours: [{slot: accent}]}
"""


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shelf").mkdir()
    for place in ("shelf/own.png", "mine.png"):
        (tmp_path / place).write_bytes(b"a picture")
    path = tmp_path / "shelf" / "card.yaml"
    path.write_text(TEMPLATE)
    return path


def filled(path: Path, *values: str) -> Any:
    return load_written(path, now_us=0, overrides=values)


def refused(path: Path, *values: str) -> BriefInvalid:
    with pytest.raises(BriefInvalid) as refusal:
        filled(path, *values)
    return refusal.value


def test_a_filled_template_is_a_brief_and_remembers_what_it_was_filled_with(template: Path) -> None:
    made = filled(template, "words=Bonjour", "length=1.5", "shape=square", "picture=mine.png")

    assert made.brief.title == "Bonjour"
    assert [shot.caption for shot in made.brief.shots] == ["Bonjour!", "One"]
    assert made.brief.shots[0].length_ms == 1500
    assert (made.brief.output.size.width, made.brief.output.size.height) == (180, 180)
    assert made.brief.references[0].location == str(template.parents[1] / "mine.png")
    assert made.template["name"] == "card"
    assert made.template["version"] == 3
    assert made.template["slots"]["words"] == "Bonjour"
    assert json.loads(made.text)["title"] == "Bonjour"


def test_a_default_file_lies_beside_the_template(template: Path) -> None:
    made = filled(template, "words=Hello")

    assert made.brief.references[0].location == str(template.parent / "own.png")


@pytest.mark.parametrize(
    "words", ["{slot: accent}", "a: b # c", "[1, 2]", "- x", "*x", "seed=9", '"', "{{words}}"]
)
def test_words_stay_words_whatever_they_look_like(template: Path, words: str) -> None:
    made = filled(template, f"words={words}")

    assert made.brief.title == words
    assert made.brief.shots[0].caption == f"{words}!"


@pytest.mark.parametrize(
    ("values", "field", "word"),
    [
        ((), "slots.words", "nobody filled it"),
        (("words=" + "x" * 31,), "slots.words", "31 characters"),
        (("words=The BEST one",), "slots.words", "best"),
        (("words=Привет",), "slots.words", "letter"),
        (("words=A", "length=9"), "slots.length", "9"),
        (("words=A", "length=much"), "slots.length", "much"),
        (("words=A", "shape=round"), "slots.shape", "round"),
        (("words=A", "accent=red"), "slots.accent", "red"),
        (("words=A", "picture=none.png"), "slots.picture", "no file"),
        (("words=A", "picture=mine.mp4"), "slots.picture", "no image"),
        (("words=A", "picture=blob:1.png"), "slots.picture", "blob"),
        (("words=A", "lines=[a, b, c]"), "slots.lines", "3 lines"),
        (("words=A", "lines=[a, " + "b" * 21 + "]"), "slots.lines[1]", "21"),
        (("words=A", "brief.title=B"), "slots.brief.title", "no such slot"),
        (("words=A", "budget=9"), "slots.budget", "no such slot"),
    ],
)
def test_what_does_not_fit_a_slot_is_refused_by_its_name(
    template: Path, values: tuple[str, ...], field: str, word: str
) -> None:
    error = refused(template, *values)

    assert error.field == field
    assert word in error.found


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("{slot: accent}", "{slot: accents}", "brief.brand.colours[0]"),
        ("item: 0", "item: 5", "brief.shots[1].caption"),
        ("accent: {type: colour", "more: {type: colour}\n    accent: {type: colour", "slots.more"),
        ("version: 3", "version: none", "template.version"),
        ("brief:\n", "brief:\n  model: other\n", "template.guardrails.models"),
    ],
)
def test_a_template_that_cannot_be_filled_says_where(
    template: Path, old: str, new: str, field: str
) -> None:
    template.write_text(TEMPLATE.replace(old, new, 1))

    assert refused(template, "words=Hello").field.endswith(field)


def test_the_stricter_of_all_rules_decides_who_looks(template: Path) -> None:
    harmless = filled(template, "words=Good morning")
    political = filled(template, "words=Vote and cure")

    assert harmless.brief.review.mode is ReviewMode.AUTOMATIC
    assert "passes if its checks pass" in harmless.template["reasons"][0]
    assert political.brief.review == Review(
        mode=ReviewMode.REQUIRED, queue=Queue.STRICT, within_us=1_800_000_000
    )
    assert political.template["categories"] == ["politics", "health"]


def test_what_a_template_compares_its_films_with_is_kept_whoever_looks(template: Path) -> None:
    template.write_text(TEMPLATE + "  review: {compare: {reference: own}}\n")

    review = filled(template, "words=Vote").brief.review

    assert review.queue is Queue.STRICT
    assert review.compare == Compare(reference="own")


def test_only_whole_words_put_a_film_into_a_category() -> None:
    rules = GuardrailsDocument.model_validate({"categories": {"politics": {"words": ["vote"]}}})

    def mode(text: str) -> ReviewMode:
        return passage(rules, texts=[text], choices={}, review=Review()).review.mode

    assert mode("devoted voters") is ReviewMode.AUTOMATIC
    assert mode("They VOTE, today") is ReviewMode.REQUIRED


@pytest.mark.parametrize(
    "name", ["template-retail-spot.yaml", "news-summary.yaml", "social-cut.yaml"]
)
def test_the_example_templates_keep_the_published_schema(name: str) -> None:
    document = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))

    jsonschema.validate(document, template_schema())
