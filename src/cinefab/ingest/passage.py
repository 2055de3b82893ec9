"""Whether what came of a template passes without a person: decided by its guardrails alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from cinefab.core.brief import Queue, Review, ReviewMode
from cinefab.ingest.template_schema import GuardrailsDocument

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Who looks at a film, the categories that it is in, and why, in sentences."""

    review: Review
    categories: tuple[str, ...]
    reasons: tuple[str, ...]


def passage(
    guardrails: GuardrailsDocument,
    *,
    texts: Iterable[str],
    choices: Mapping[str, str],
    review: Review,
) -> Passage:
    """Return who looks at a film with these words and choices; pure.

    `review` is what the template's brief asks for already. Of several rules the stricter holds: a
    person before none, the strict queue before the other, the shorter time.
    """
    spoken = " ".join(texts).casefold()
    found: list[str] = []
    reasons: list[str] = []
    for name, category in guardrails.categories.items():
        words = [word for word in category.words if _stands_in(word, spoken)]
        chosen = category.slot is not None and choices.get(category.slot) == category.choice
        if not words and not chosen:
            continue
        found.append(name)
        why = f"it says {', '.join(words)}" if words else f"{category.slot} is {category.choice}"
        reasons.append(f"{name}: {why}; review is {category.review.value} ({category.queue.value})")
        within_us = review.within_us if category.within_us is None else category.within_us
        review = Review(
            mode=_stricter(review.mode, category.review, ReviewMode.REQUIRED),
            within_us=min(review.within_us, within_us),
            queue=_stricter(review.queue, category.queue, Queue.STRICT),
        )
    if review.mode is ReviewMode.AUTOMATIC:
        reasons.append("nothing in it needs a person; it passes if its checks pass it")
    elif not found:
        reasons.append("the template has every film approved by a person")
    return Passage(review=review, categories=tuple(found), reasons=tuple(reasons))


def _stands_in(word: str, spoken: str) -> bool:
    # Whole words, in any script: the border is where a letter, digit or mark ends.
    return re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", spoken) is not None


def _stricter(one: _T, other: _T, strict: _T) -> _T:
    return strict if strict in (one, other) else one
