"""What dialects that know of one prompt make of it: a job of one shot, and how far that is."""

from __future__ import annotations

from typing import Any, Final

from cinefab.jobs.listing import ListedJob
from cinefab.jobs.status import JobStatus
from cinefab.jobs.workshop import Progress

INPUT: Final = "input"
"""The name of the picture that came with a prompt."""

_CAPTION_MAX: Final = 64

BEGUN: Final = {
    "plan": 5,
    "preview": 10,
    "generate": 20,
    "assemble": 80,
    "review": 85,
    "deliver": 95,
}
"""How far a job is, in percent, when a stage of it begins."""


def told(prompt: str) -> dict[str, str]:
    """Return what a prompt is called, and the words of it that a picture has room for."""
    line = " ".join(prompt.split())
    caption = line
    if len(line) > _CAPTION_MAX:
        caption = line[:_CAPTION_MAX].rpartition(" ")[0] or line[:_CAPTION_MAX]
    return {"title": line[:100].strip() or "Untitled", "caption": caption}


def one_shot(
    prompt: str, *, seconds: float, size: str, model: str, quality: str, seed: int
) -> dict[str, Any]:
    """Return the brief of a prompt."""
    said = told(prompt)
    return {
        "title": said["title"],
        "prompt": prompt,
        "shots": [{"seconds": seconds, "prompt": prompt, "caption": said["caption"]}],
        "output": {"size": size},
        "model": model,
        "quality": quality,
        "seed": seed,
    }


def add_input(brief: dict[str, Any], where: dict[str, str]) -> None:
    """Have the brief of a prompt show a picture, which is where a reference says."""
    brief["shots"][0]["references"] = [INPUT]
    brief["references"] = {INPUT: where}


def percent(job: ListedJob, news: Progress | None) -> int:
    """Return how far a job is, by the latest news of it."""
    if job.status is JobStatus.DELIVERED:
        return 100
    if job.is_over or news is None:
        return 0
    return percent_of(news.stage, news.done)


def percent_of(stage: str, done: float) -> int:
    """Return how far a job is that has done this part of a stage."""
    begun = BEGUN.get(stage.partition(":")[0], 0)
    later = min((each for each in BEGUN.values() if each > begun), default=99)
    return round(begun + (later - begun) * min(1.0, max(0.0, done)))


def said_of(failure: Any) -> str:
    """Return what went wrong with a job, and what to do, in a line."""
    known = failure or {}
    return f"{known.get('found', '')}. {known.get('remedy', '')}"
