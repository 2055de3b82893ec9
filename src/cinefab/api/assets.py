"""Assets: their bytes, a picture of them, where they come from, what they cost, who is paid."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from cinefab.api.caching import document_response
from cinefab.api.callers import Asking, Serving, caller_of
from cinefab.api.content import FOR_EVER, content_response
from cinefab.api.links import Links
from cinefab.app.service import Service
from cinefab.app.serving.callers import LOCAL_OWNER
from cinefab.core.clock import iso_utc
from cinefab.core.ids import TenantId
from cinefab.provenance.asset import Asset
from cinefab.tenancy.caller import Caller

routes: Final = APIRouter(prefix="/v1/assets", tags=["assets"])

AssetName = Annotated[str, Path(max_length=64, description="An asset's id: ast_…")]


class AssetDocument(BaseModel):
    """A piece of media that was made or brought here; it never changes."""

    id: str
    object: str = "asset"
    kind: str
    media_type: str
    bytes: int
    sha256: str
    job: str | None
    made_by: str
    created: str
    links: dict[str, str]


class LinkOrder(BaseModel):
    """How long a link is to last."""

    model_config = ConfigDict(extra="forbid")

    seconds: int = Field(3600, ge=1, le=7 * 86400)


class SignedLink(BaseModel):
    """A link to content that needs no key until it is over."""

    object: str = "link"
    url: str
    expires: str


@routes.get(
    "/{asset}",
    summary="Show an asset",
    responses={200: {"model": AssetDocument}},
    response_class=Response,
)
def show_asset(request: Request, asking: Asking, service: Serving, asset: AssetName) -> Response:
    """Show what an asset is, and where its bytes and its origin are."""
    return document_response(request, _document(service.asset(asking, asset)))


@routes.get("/{asset}/content", summary="Read an asset's bytes", response_class=FileResponse)
@routes.head("/{asset}/content", include_in_schema=False)
def read_content(
    request: Request,
    service: Serving,
    asset: AssetName,
    tenant: Annotated[str | None, Query(max_length=64)] = None,
    expires: Annotated[int | None, Query(ge=0, le=2**40)] = None,
    signature: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """Read an asset's bytes, or ranges of them; with a signed link, without a key."""
    if signature is None or tenant is None or expires is None:
        asking = caller_of(request)
    else:
        asking = _holder(request, service, TenantId(tenant), asset, expires, signature)
    found, path = service.content(asking, asset)
    return content_response(request, found, path)


@routes.post(
    "/{asset}/links",
    status_code=201,
    summary="Make a link to an asset's bytes",
    responses={201: {"model": SignedLink}},
    response_class=Response,
)
def make_link(
    request: Request, asking: Asking, service: Serving, asset: AssetName, order: LinkOrder
) -> Response:
    """Make a link to an asset's bytes that needs no key, and expires."""
    found = service.asset(asking, asset)
    now_us = service.studio.shop.recorder.clock.now_us()
    expires = now_us // 1_000_000 + order.seconds
    links: Links = request.app.state.links
    document = {
        "object": "link",
        "url": links.sign(asking.tenant, found.public_id, expires=expires),
        "expires": iso_utc(expires * 1_000_000),
    }
    return document_response(request, document, status=201)


@routes.get("/{asset}/thumbnail", summary="See a picture of an asset", response_class=FileResponse)
@routes.head("/{asset}/thumbnail", include_in_schema=False)
def see_thumbnail(request: Request, asking: Asking, service: Serving, asset: AssetName) -> Response:
    """See a picture: an asset that is one, or of a film the best of three of its frames."""
    found, path = service.thumbnail(asking, asset)
    if found.media_type.startswith("image/"):
        return content_response(request, found, path)
    return FileResponse(path, media_type="image/jpeg", headers={"cache-control": FOR_EVER})


@routes.get("/{asset}/credentials", summary="Show an asset's content credentials")
def show_credentials(
    request: Request, asking: Asking, service: Serving, asset: AssetName
) -> Response:
    """Show what content credentials the asset's own bytes carry, as found or as embedded by us."""
    found, credential = service.credentials(asking, asset)
    document: dict[str, Any] = {
        "asset": found.public_id,
        "state": None if credential is None else credential.state,
        "label": None if credential is None else credential.label,
        "issuer": None if credential is None else credential.issuer,
        "body": None if credential is None else credential.body,
    }
    return document_response(request, document)


@routes.get("/{asset}/lineage", summary="Show where an asset comes from")
def show_lineage(request: Request, asking: Asking, service: Serving, asset: AssetName) -> Response:
    """Show everything that an asset was made from, each source before its results."""
    traced = service.traced(asking, asset)
    return document_response(
        request, {name: traced[name] for name in ("asset", "sha256", "holds", "lineage")}
    )


@routes.get("/{asset}/cost", summary="Show what an asset cost")
def show_cost(request: Request, asking: Asking, service: Serving, asset: AssetName) -> Response:
    """Show what each stage that an asset comes from cost, in µUSD; a stage is counted once."""
    lineage = service.traced(asking, asset)["lineage"]
    stages = {
        (entry["job"], entry["stage"]): entry["cost_uusd"]
        for entry in lineage
        if entry["stage"] is not None
    }
    known = [cost for cost in stages.values() if cost is not None]
    document = {
        "asset": asset,
        "cost_uusd": sum(known) if len(known) == len(stages) else None,
        "stages": [
            {"job": job, "stage": stage, "cost_uusd": cost} for (job, stage), cost in stages.items()
        ],
    }
    return document_response(request, document)


@routes.get("/{asset}/royalties", summary="Show who is paid for an asset")
def show_royalties(
    request: Request, asking: Asking, service: Serving, asset: AssetName
) -> Response:
    """Show each party's share of an asset, in hundredths of a percent."""
    traced = service.traced(asking, asset)
    return document_response(request, {"asset": asset, "royalties": traced["royalties"]})


def _document(asset: Asset) -> dict[str, Any]:
    here = f"/v1/assets/{asset.public_id}"
    parts = ("content", "thumbnail", "credentials", "lineage", "cost", "royalties")
    return {
        "id": asset.public_id,
        "object": "asset",
        "kind": asset.kind,
        "media_type": asset.media_type,
        "bytes": asset.size_bytes,
        "sha256": asset.sha256,
        "job": asset.job,
        "made_by": asset.made_by,
        "created": iso_utc(asset.created_us),
        "links": {"self": here, **{part: f"{here}/{part}" for part in parts}},
    }


def _holder(
    request: Request, service: Service, tenant: TenantId, asset: str, expires: int, signature: str
) -> Caller:
    links: Links = request.app.state.links
    now_us = service.studio.shop.recorder.clock.now_us()
    links.check(tenant, asset, expires=expires, signature=signature, now_us=now_us)
    # Who made the link was allowed to read it; the link is for this one asset.
    return replace(LOCAL_OWNER, tenant=tenant)
