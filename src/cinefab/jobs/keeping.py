"""What a brief names of what the studio has: an asset, or an upload that became one."""

from __future__ import annotations

from mimetypes import guess_extension

from cinefab.core.brief import UPLOAD
from cinefab.core.errors import ReferenceRefused, Unavailable
from cinefab.ingest.uploads import READY, load_upload
from cinefab.jobs.effects import BLOB
from cinefab.jobs.workshop import Workshop
from cinefab.provenance.assets import load_asset


def kept_as_blob(shop: Workshop, location: str, *, field: str) -> str:
    """Return the location of the bytes behind `asset:…` or `upload:…`, of the tenant's own.

    Raises `ReferenceRefused` at the field: what is another tenant's reads like what is not there.
    """
    noun, _, which = location.partition(":")
    try:
        with shop.recorder.db.read() as connection:
            if location.startswith(UPLOAD):
                found = load_upload(connection, tenant=shop.tenant, which=which)
                if found.asset is None or found.state != READY:
                    raise ReferenceRefused(
                        field=f"{field}.upload",
                        found=f"{which} is {found.state}",
                        remedy="Name it once it is ready; GET /v1/uploads says how it stands.",
                    )
                which, name = found.asset, found.name
            else:
                name = ""
            asset = load_asset(connection, shop.tenant, which)
    except Unavailable as error:
        raise ReferenceRefused(
            field=f"{field}.{noun}",
            found=f"there is no {noun} {which[:64]!r} here",
            remedy=f"List what there is, and name one {noun} of those.",
        ) from error
    if not asset.media_type.startswith(("image/", "video/", "audio/")):
        raise ReferenceRefused(
            field=f"{field}.{noun}",
            found=f"{which} is {asset.kind}, {asset.media_type}",
            remedy="Name a picture, a film or a sound.",
        )
    if not shop.blobs.has(asset.sha256):
        raise ReferenceRefused(
            field=f"{field}.{noun}",
            found=f"the bytes of {which} were swept away",
            remedy="Name another one, or send it again.",
        )
    called = name or f"{asset.public_id}{guess_extension(asset.media_type) or ''}"
    return f"{BLOB}{asset.sha256}/{called}"
