"""Reviews: films that wait for a person, and what a person answers."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cinefab.api.bodies import Changes
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.core.clock import iso_utc
from cinefab.review.gate import Choice
from cinefab.review.items import Decision, Item, decision_document

routes: Final = APIRouter(prefix="/v1/reviews", tags=["reviews"])

Subject = Annotated[str, Path(max_length=64, description="The id of what waits, or of its job.")]
Reason = Annotated[str, Field(max_length=2000, description="Why; some queues insist on it.")]


class Answer(BaseModel):
    """What a person says to a film."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason = ""


class SentBack(Changes):
    """What is to be changed before a person is asked again."""

    reason: Reason = ""


@routes.get("", summary="List what waits for a person")
def list_reviews(request: Request, asking: Asking, service: Serving) -> Response:
    """List the films that wait for a person, the soonest due first."""
    waiting = [_document(item) for item in service.reviews(asking)]
    return document_response(request, {"object": "list", "data": waiting, "has_more": False})


@routes.post("/{subject}/approve", summary="Let a film leave")
def approve(
    request: Request, asking: Asking, service: Serving, subject: Subject, answer: Answer
) -> Response:
    """Let a film leave; it is delivered without being made again."""
    made = service.decide(asking, subject, Choice.APPROVED, reason=answer.reason)
    return _decided(request, made)


@routes.post("/{subject}/reject", summary="Refuse a film")
def reject(
    request: Request, asking: Asking, service: Serving, subject: Subject, answer: Answer
) -> Response:
    """Refuse a film; its job ends."""
    made = service.decide(asking, subject, Choice.REJECTED, reason=answer.reason)
    return _decided(request, made)


@routes.post("/{subject}/send-back", summary="Have a film made again, changed")
def send_back(
    request: Request, asking: Asking, service: Serving, subject: Subject, answer: SentBack
) -> Response:
    """Have a film made again with changes; what they leave alone is reused."""
    made = service.send_back(
        asking, subject, reason=answer.reason, changes=answer.overrides(), shots=answer.reseed
    )
    return _decided(request, made)


def _decided(request: Request, made: Decision) -> Response:
    return document_response(request, {"object": "decision", **_plain(decision_document(made))})


def _plain(document: Any) -> dict[str, Any]:
    return dict(document)


def _document(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "object": "review",
        "job": item.job,
        "title": item.title,
        "queue": item.queue,
        "asked_by": item.question.check,
        "question": item.question.text,
        "frame": item.question.frame,
        "shown_frame": item.shown_frame,
        "since": iso_utc(item.opened_us),
        "due": iso_utc(item.due_us),
    }
