"""A prompt becomes a storyboard: an opening, beats, an ending, always the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cinefab.core.brief import Brief, Compare, Reference, Review, Role, Shot
from cinefab.generate.storyboard import expand


def captions(prompt: str, title: str = "Title") -> list[str]:
    return [shot.caption for shot in expand(Brief(title=title, prompt=prompt)).shots]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("steam rises. The cup waits.", ["Title", "Steam rises", "The cup waits"]),
        ('Steam rises. "Come in"', ["Title", "Steam rises", "Come in"]),
        ("Steam rises. Ends with “Come in!”", ["Title", "Steam rises", "Come in!"]),
        ("Ζεστός καφές, γιατί όχι; «Περάστε»", ["Title", "Ζεστός καφές, γιατί όχι", "Περάστε"]),
        ("قهوة ساخنة؟ تفضل «أهلا»", ["Title", "قهوة ساخنة؟", "أهلا"]),
        ("One cup", ["Title", "One cup", "Title"]),
        ("Title. Then more. Then the end.", ["Title", "Then more", "Then the end"]),
        ("A. B. C. D. E. F", ["Title", "A", "C", "E", "F"]),
        ('"Buy"', ["Title", "", "Buy"]),
    ],
)
def test_the_title_opens_phrases_follow_and_quoted_words_end_it(
    prompt: str, expected: list[str]
) -> None:
    assert captions(prompt) == expected


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    prompt = (
        "A cup of coffee on a wooden table by the window, "
        "steam rising into the first light of the day, and nobody in a hurry."
    )

    assert captions(prompt) == [
        "Title",
        "A cup of coffee on a wooden table by the window",
        "Steam rising into the first light of the day",
        "And nobody in a hurry",
    ]


@given(st.text(min_size=1, max_size=400), st.integers(0, 100))
def test_any_prompt_makes_three_to_five_shots_of_two_to_four_seconds(
    prompt: str, seed: int
) -> None:
    shots = expand(Brief(title="Title", prompt=prompt, seed=seed)).shots

    assert 3 <= len(shots) <= 5
    assert all(2000 <= shot.length_ms <= 4000 for shot in shots)
    assert 12_000 <= sum(shot.length_ms for shot in shots) <= 15_000
    assert all(len(shot.caption) <= 200 for shot in shots)


def test_the_same_prompt_and_seed_make_the_same_storyboard() -> None:
    brief = Brief(title="Title", prompt="One. Two. Three. Four.", seed=3)

    assert expand(brief) == expand(brief)


def test_a_storyboard_is_left_as_it_is() -> None:
    brief = Brief(title="Title", prompt="One. Two.", shots=(Shot(length_ms=1000),))

    assert expand(brief) is brief


def test_references_are_dealt_out_over_the_shots_and_the_logo_is_not() -> None:
    roles = {"cup": Role.PRODUCT, "mug": Role.AUTO, "far": Role.BACKGROUND, "mark": Role.LOGO}
    references = tuple(Reference(name=n, location=n, role=role) for n, role in roles.items())

    shots = expand(Brief(title="T", prompt="A. B.", references=references)).shots

    assert [shot.references for shot in shots] == [("cup", "far"), ("mug", "far"), ("cup", "far")]


def test_what_the_film_is_compared_with_is_not_dealt_out() -> None:
    references = tuple(Reference(name=name, location=name) for name in ("cup", "before"))
    review = Review(compare=Compare(reference="before"))

    film = Brief(title="T", prompt="A. B.", references=references, review=review)

    assert {shot.references for shot in expand(film).shots} == {("cup",)}
