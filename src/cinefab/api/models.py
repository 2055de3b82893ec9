"""The models of the studio: listed as OpenAI's clients read it, shown, promoted and retired."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.core.clock import iso_utc
from cinefab.core.units import BasisPoints
from cinefab.generate.registry import ModelState
from cinefab.schedule.breakers import Breaker, State

routes: Final = APIRouter(prefix="/v1/models", tags=["models"])

ModelName = Annotated[
    str, Path(max_length=200, description="A model's name, or a version of it: `name@version`.")
]


class PromotionIn(BaseModel):
    """Where a version is to go; left out, to its next state."""

    model_config = ConfigDict(extra="forbid")

    to: Literal["registered", "shadow", "canary", "live"] | None = None
    share_bp: int | None = Field(
        None, gt=0, le=10_000, description="The part of the shots that a trial gets, of 10,000."
    )
    reason: str = Field("", max_length=500, description="Why; it is kept with the change.")


class RetirementIn(BaseModel):
    """What is to be asked for instead."""

    model_config = ConfigDict(extra="forbid")

    successor: str | None = Field(None, max_length=200, examples=["warm@2"])
    reason: str = Field("", max_length=500, description="Why; it is kept with the change.")


@routes.get("", summary="List the models")
def list_models(request: Request, asking: Asking, service: Serving) -> Response:
    """List the models that can be asked for, as OpenAI's clients read it, with their versions.

    `version` is what a new job gets; `state` is where it stands, null before anybody has asked for it.
    """
    resting = service.resting()
    data = [
        {
            "id": row["id"],
            "object": "model",
            "created": row.pop("created_us") // 1_000_000,
            "owned_by": "cinefab",
            **row,
            "breaker": _standing(resting.get(f"{row['id']}@{row['version']}")),
        }
        for row in service.registry.list(asking)
    ]
    return document_response(request, {"object": "list", "data": data})


@routes.get("/{name}", summary="Show a model")
def show_model(request: Request, asking: Asking, service: Serving, name: ModelName) -> Response:
    """Show a version: its card, how it came to where it stands, what it took, what checks said.

    Figures are those of your own tenant; who manages the models sees those of all.
    """
    return document_response(request, _document(service.registry.show(asking, name)))


@routes.post("/{name}/promote", summary="Move a version of a model on")
def promote_model(
    request: Request, asking: Asking, service: Serving, name: ModelName, order: PromotionIn
) -> Response:
    """Move a version to its next state, or where `to` says; once it is live, the one before is retired."""
    made = service.registry.promote(
        asking,
        name,
        to=None if order.to is None else ModelState(order.to),
        share_bp=None if order.share_bp is None else BasisPoints(order.share_bp),
        reason=order.reason,
    )
    return document_response(request, _document(made))


@routes.post("/{name}/retire", summary="Retire a version of a model")
def retire_model(
    request: Request, asking: Asking, service: Serving, name: ModelName, order: RetirementIn
) -> Response:
    """Refuse new jobs with a version; those that were ordered before go on with it."""
    made = service.registry.retire(asking, name, successor=order.successor, reason=order.reason)
    return document_response(request, _document(made))


def _standing(breaker: Breaker | None) -> dict[str, Any]:
    # Not why it rests: that was somebody's job, and may be another tenant's.
    if breaker is None:
        return {"state": State.CLOSED}
    return {"state": breaker.state, "until": iso_utc(breaker.until_us)}


def _document(shown: dict[str, Any]) -> dict[str, Any]:
    created = shown["history"][0]["at_us"] // 1_000_000 if shown.get("history") else 0
    return {
        "id": shown["model"],
        "object": "model",
        "created": created,
        "owned_by": "cinefab",
        **shown,
    }
