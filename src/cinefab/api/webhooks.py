"""Webhooks: who is told what happens, with which proof, and what became of each message."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from cinefab.api.bodies import IdempotencyKey, checked_key, digest_of
from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving
from cinefab.api.jobs import once_of
from cinefab.app.serving.webhooks import Made
from cinefab.core.clock import iso_utc
from cinefab.core.errors import RequestInvalid
from cinefab.deliver.webhooks.deliveries import Delivery
from cinefab.deliver.webhooks.endpoints import USUAL, Changes, Webhook

routes: Final = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

WebhookName = Annotated[str, Path(max_length=64, description="A webhook's id: whk_…")]
DeliveryName = Annotated[str, Path(max_length=64, description="A delivery's id: dlv_…")]

_OVERLAP_S: Final = 86_400
_OVERLAP_MAX_S: Final = 7 * 86_400
_Url = Annotated[str, Field(min_length=1, max_length=2048, examples=["https://shop.example/hook"])]
_Events = Annotated[list[Annotated[str, Field(max_length=66)]], Field(min_length=1, max_length=32)]


class WebhookOrder(BaseModel):
    """Where to tell what happens, and what of it."""

    model_config = ConfigDict(extra="forbid")

    url: _Url
    events: _Events = Field(
        list(USUAL), description="Kinds, as `job.delivered`, all of a noun, as `job.*`, or `*`."
    )
    description: str = Field("", max_length=200)


class WebhookChanges(BaseModel):
    """What is to be different; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    url: _Url | None = None
    events: _Events | None = None
    description: str | None = Field(None, max_length=200)
    enabled: bool | None = Field(None, description="Told again from now on, or no more.")


class Rotation(BaseModel):
    """How a secret is replaced."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: int = Field(
        _OVERLAP_S, ge=0, le=_OVERLAP_MAX_S, description="How long the old secret signs too."
    )


class Replay(BaseModel):
    """A time of which everything is told again."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime
    until: AwareDatetime | None = Field(None, description="Up to, not with; now if left out.")
    after: int = Field(0, ge=0, le=2**63 - 1, description="The last answer's `next`.")


class WebhookDocument(BaseModel):
    """A webhook; its secret is shown when it is made or rotated, and never again."""

    id: str
    object: Literal["webhook"] = "webhook"
    url: str
    events: list[str]
    description: str
    enabled: bool
    disabled_because: str | None
    failures: int = Field(description="How often in a row nobody answered there.")
    left_alone_until: str | None
    last_success: str | None
    created: str
    old_secrets_until: list[str] = Field(description="Until when replaced secrets sign too.")
    secret: str | None = Field(None, description="Shown this once: `whsec_…`.")


class WebhookPage(BaseModel):
    """Webhooks, oldest first; all of them."""

    object: Literal["list"] = "list"
    data: list[WebhookDocument]
    has_more: bool
    next: str | None


class AttemptDocument(BaseModel):
    """One attempt: the answer's status, null where nobody answered, and how the answer began."""

    at: str
    status: int | None
    said: str
    took_ms: int


class DeliveryDocument(BaseModel):
    """A message to a webhook; `event` is the `webhook-id` that it is sent with each time."""

    id: str
    object: Literal["webhook.delivery"] = "webhook.delivery"
    webhook: str
    event: str
    type: str
    subject: str
    state: Literal["waiting", "delivered", "dead"]
    attempts: list[AttemptDocument]
    attempts_made: int
    due: str | None
    created: str
    ended: str | None
    replay_of: str | None


class DeliveryPage(BaseModel):
    """Deliveries, newest first; `next` is what `after` asks the next page by."""

    object: Literal["list"] = "list"
    data: list[DeliveryDocument]
    has_more: bool
    next: str | None


class Replayed(BaseModel):
    """How many messages were queued again; `next` goes into `after` where there are more."""

    queued: int
    next: int | None


@routes.post(
    "",
    status_code=201,
    summary="Create a webhook",
    responses={
        201: {"model": WebhookDocument},
        200: {"model": WebhookDocument, "description": "It was there; its secret is not shown."},
    },
    response_class=Response,
)
def create_webhook(
    request: Request,
    asking: Asking,
    service: Serving,
    order: WebhookOrder,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Have what happens from now on told to a URL. The answer has its secret, this once."""
    made = service.webhooks.create(
        asking,
        url=order.url,
        events=tuple(order.events),
        description=order.description,
        once=once_of(service, checked_key(idempotency_key), digest_of("webhook", order)),
    )
    return _shown_once(request, made, status=201 if made.secret is not None else 200)


@routes.get(
    "", summary="List webhooks", responses={200: {"model": WebhookPage}}, response_class=Response
)
def list_webhooks(request: Request, asking: Asking, service: Serving) -> Response:
    """List the tenant's webhooks, oldest first."""
    data = [_document(each) for each in service.webhooks.list(asking)]
    page = {"object": "list", "data": data, "has_more": False, "next": None}
    return document_response(request, page)


@routes.get(
    "/{webhook}",
    summary="Show a webhook",
    responses={200: {"model": WebhookDocument}},
    response_class=Response,
)
def show_webhook(
    request: Request, asking: Asking, service: Serving, webhook: WebhookName
) -> Response:
    """Show a webhook and whether it answers."""
    return document_response(request, _document(service.webhooks.show(asking, webhook)))


@routes.patch(
    "/{webhook}",
    summary="Change a webhook",
    responses={200: {"model": WebhookDocument}},
    response_class=Response,
)
def change_webhook(
    request: Request,
    asking: Asking,
    service: Serving,
    webhook: WebhookName,
    changes: WebhookChanges,
) -> Response:
    """Change where it is told what; or have it told no more, or again."""
    wanted = Changes(
        url=changes.url,
        events=changes.events,
        description=changes.description,
        enabled=changes.enabled,
    )
    return document_response(request, _document(service.webhooks.change(asking, webhook, wanted)))


@routes.delete("/{webhook}", status_code=204, summary="Remove a webhook", response_class=Response)
def remove_webhook(asking: Asking, service: Serving, webhook: WebhookName) -> Response:
    """Tell it nothing any more, not even what it is still owed."""
    service.webhooks.remove(asking, webhook)
    return Response(status_code=204)


@routes.post(
    "/{webhook}/rotate-secret",
    summary="Give a webhook another secret",
    responses={200: {"model": WebhookDocument}},
    response_class=Response,
)
def rotate_webhook_secret(
    request: Request,
    asking: Asking,
    service: Serving,
    webhook: WebhookName,
    rotation: Rotation | None = None,
) -> Response:
    """Replace its secret; until the overlap is over, messages carry both signatures."""
    overlap_s = _OVERLAP_S if rotation is None else rotation.overlap_seconds
    return _shown_once(
        request, service.webhooks.rotate(asking, webhook, overlap_s=overlap_s), status=200
    )


@routes.post(
    "/{webhook}/ping",
    status_code=202,
    summary="Try a webhook",
    responses={202: {"model": DeliveryDocument}},
    response_class=Response,
)
def ping_webhook(
    request: Request, asking: Asking, service: Serving, webhook: WebhookName
) -> Response:
    """Have a `webhook.ping` sent; the answer says which delivery to ask for."""
    return document_response(request, _delivery(service.webhooks.ping(asking, webhook)), status=202)


@routes.get(
    "/{webhook}/deliveries",
    summary="List what a webhook was sent",
    responses={200: {"model": DeliveryPage}},
    response_class=Response,
)
def list_webhook_deliveries(
    request: Request,
    asking: Asking,
    service: Serving,
    webhook: WebhookName,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[
        str | None, Query(max_length=64, description="The last page's `next`.")
    ] = None,
    state: Literal["waiting", "delivered", "dead"] | None = None,
) -> Response:
    """List what it was sent and is still owed, newest first, with how each attempt went."""
    found = service.webhooks.deliveries(asking, webhook, state=state, after=after, limit=limit + 1)
    has_more = len(found) > limit
    page = {
        "object": "list",
        "data": [_delivery(each) for each in found[:limit]],
        "has_more": has_more,
        "next": found[limit - 1].id if has_more else None,
    }
    return document_response(request, page)


@routes.get(
    "/{webhook}/deliveries/{delivery}",
    summary="Show a delivery",
    responses={200: {"model": DeliveryDocument}},
    response_class=Response,
)
def show_webhook_delivery(
    request: Request,
    asking: Asking,
    service: Serving,
    webhook: WebhookName,
    delivery: DeliveryName,
) -> Response:
    """Show a delivery and how each attempt went."""
    return document_response(
        request, _delivery(service.webhooks.delivery(asking, webhook, delivery))
    )


@routes.post(
    "/{webhook}/deliveries/{delivery}/replay",
    status_code=202,
    summary="Send a message again",
    responses={202: {"model": DeliveryDocument}},
    response_class=Response,
)
def replay_webhook_delivery(
    request: Request,
    asking: Asking,
    service: Serving,
    webhook: WebhookName,
    delivery: DeliveryName,
) -> Response:
    """Send it again under the same `webhook-id`; one that still waits is sent at once instead."""
    again = service.webhooks.replay(asking, webhook, delivery)
    return document_response(request, _delivery(again), status=202)


@routes.post(
    "/{webhook}/replay",
    status_code=202,
    summary="Send all of a time again",
    responses={202: {"model": Replayed}},
    response_class=Response,
)
def replay_webhook(
    request: Request, asking: Asking, service: Serving, webhook: WebhookName, replay: Replay
) -> Response:
    """Send again, in its order, what the webhook wants of a time, sent before or not."""
    try:
        since_us = round(replay.since.timestamp() * 1_000_000)
        until_us = None if replay.until is None else round(replay.until.timestamp() * 1_000_000)
    except (OverflowError, ValueError) as error:
        raise RequestInvalid(
            attempted="read the request",
            field="since",
            found="no clock goes there",
            remedy="Give times of this age.",
        ) from error
    queued, following = service.webhooks.replay_range(
        asking, webhook, since_us=since_us, until_us=until_us, after=replay.after
    )
    return document_response(request, {"queued": queued, "next": following}, status=202)


def _shown_once(request: Request, made: Made, *, status: int) -> Response:
    document = {**_document(made.webhook), "secret": made.secret}
    headers = {
        "location": f"/v1/webhooks/{made.webhook.id}",
        # What is shown once is kept by nobody on the way.
        "cache-control": "no-store",
    }
    return document_response(request, document, status=status, headers=headers)


def _document(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "object": "webhook",
        "url": webhook.url,
        "events": list(webhook.events),
        "description": webhook.description,
        "enabled": webhook.disabled_us is None,
        "disabled_because": webhook.disabled_why,
        "failures": webhook.failures,
        "left_alone_until": iso_utc(webhook.hold_until_us) if webhook.hold_until_us else None,
        "last_success": None if webhook.succeeded_us is None else iso_utc(webhook.succeeded_us),
        "created": iso_utc(webhook.created_us),
        "old_secrets_until": [iso_utc(each) for each in webhook.secrets_expire_us],
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "object": "webhook.delivery",
        "webhook": delivery.webhook,
        "event": delivery.event,
        "type": delivery.kind,
        "subject": delivery.subject,
        "state": delivery.state,
        "attempts": list(delivery.log),
        "attempts_made": delivery.attempts,
        "due": iso_utc(delivery.due_us) if delivery.state == "waiting" else None,
        "created": iso_utc(delivery.created_us),
        "ended": None if delivery.ended_us is None else iso_utc(delivery.ended_us),
        "replay_of": delivery.replay_of,
    }
