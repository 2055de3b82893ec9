"""The studio's figures, as Prometheus asks for them."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from cinefab.api.callers import Asking, Serving
from cinefab.app.serving.meters import MEDIA_TYPE

routes: Final = APIRouter()


@routes.get(
    "/metrics",
    tags=["operations"],
    summary="Read the studio's figures",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def read_metrics(asking: Asking, service: Serving) -> Response:
    """Read what Prometheus reads: jobs, stages, device time and money of all tenants together.

    For keys of the studio's own tenant that may read its books.
    """
    page = service.meters.page(asking)
    return Response(page, media_type=MEDIA_TYPE, headers={"cache-control": "no-store"})
