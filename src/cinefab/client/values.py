"""What a studio tells, as frozen values; `document` is the whole of it, as it was sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

ENDED: Final = frozenset({"delivered", "refused", "failed", "cancelled", "parked"})
"""Where nothing more happens to a job."""

RESTS: Final = ENDED | {"needs_person"}
"""Where a job stays until somebody does something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stood when it was asked for; `progress` is of its `stage`, 0 to 1."""

    id: str
    status: str
    title: str
    seconds: float
    size: str
    labels: Mapping[str, str]
    stage: str | None
    progress: float | None
    created: datetime
    ended: datetime | None
    failure: Mapping[str, Any] | None
    film: str | None
    preview: str | None
    document: Mapping[str, Any] = field(repr=False)

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in ENDED

    @staticmethod
    def of(document: Mapping[str, Any]) -> Job:
        """Read a job's document."""
        ended = document["ended"]
        return Job(
            id=document["id"],
            status=document["status"],
            title=document["title"],
            seconds=document["seconds"],
            size=document["size"],
            labels=document["labels"],
            stage=document["stage"],
            progress=document["progress"],
            created=datetime.fromisoformat(document["created"]),
            ended=None if ended is None else datetime.fromisoformat(ended),
            failure=document["failure"],
            film=document["links"]["film"],
            preview=document["links"]["preview"],
            document=document,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Jobs, newest first; `next` is what `after` asks the next page by, None at the end."""

    jobs: tuple[Job, ...]
    next: str | None

    @staticmethod
    def of(document: Mapping[str, Any]) -> JobPage:
        """Read a page's document."""
        return JobPage(jobs=tuple(map(Job.of, document["data"])), next=document["next"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job; `id` is None for progress, which is told only once."""

    id: str | None
    type: str
    data: Mapping[str, Any]
