"""The shape of review: who passes the film, what it is compared with, what is made again."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from cinefab.core.brief import Compare, Queue, Refine, Review, ReviewMode
from cinefab.ingest.brief_scalars import ReviewTime
from cinefab.ingest.brief_schema_base import Document, or_text

ThresholdName = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$", max_length=64)]
ThresholdValue = Annotated[int, Field(ge=-1_000_000, le=1_000_000)]


def expand_review(value: object) -> object:
    """Return the review that a mode alone stands for."""
    return {"mode": value} if isinstance(value, str) else value


class CompareDocument(Document):
    """A reference video that the film must be like."""

    model_config = ConfigDict(title="Compare")

    reference: str
    """The name of a reference that is a video; it need not be shown."""
    every: int = Field(default_factory=lambda: Compare(reference="").every, ge=1, le=1000)
    """Every so many frames one is compared, the first among them."""
    at_least_db: int = Field(
        default_factory=lambda: Compare(reference="").at_least_db,
        validation_alias="at_least",
        ge=1,
        le=99,
    )
    """How much each of them must be like it, in decibels of XPSNR."""


class ReviewDocument(Document):
    """Who passes the film, and how long it waits for a person."""

    model_config = ConfigDict(
        title="Review",
        json_schema_extra=or_text(
            "Review", "Who passes the film: " + ", ".join(ReviewMode), ["required"]
        ),
    )

    mode: Annotated[ReviewMode, Field(strict=False)] = ReviewMode.AUTOMATIC
    """automatic: its checks pass it; required: a person must approve it as well."""
    within_us: ReviewTime = Field(
        default_factory=lambda: Review().within_us,
        validation_alias="within",
        examples=["24h", "30m"],
        json_schema_extra={"default": "24h"},
    )
    """How long it waits for a person before it is given up, unpublished."""
    queue: Annotated[Queue, Field(strict=False)] = Queue.STANDARD
    """Where it waits; from strict it passes only with a written reason."""
    compare: CompareDocument | None = None
    """What its picture is compared with; without it, nothing."""
    thresholds: dict[ThresholdName, ThresholdValue] = Field(
        default_factory=dict, max_length=64, examples=[{"freeze_ms_max": 1000}]
    )
    """Where checks draw their lines for this film, by name, within what the studio's settings allow."""


class RefineDocument(Document):
    """How often a shot that a check refuses is made again."""

    model_config = ConfigDict(title="Refine")

    attempts: int = Field(default_factory=lambda: Refine().attempts, ge=0, le=8)
    """At most this many times, each with another seed and what the check advises; 0: never."""
