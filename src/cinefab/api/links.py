"""Links to content that expire: whoever has one needs no key, and can change nothing of it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path
from urllib.parse import urlencode

from cinefab.api.errors import LinkRefused
from cinefab.core.ids import TenantId


class Links:
    """Signs links, and knows its own again; the secret is a file in the studio's home."""

    def __init__(self, home: Path) -> None:
        self._secret = _secret_in(home / "links.key")

    def sign(self, tenant: TenantId, asset: str, *, expires: int) -> str:
        """Return the path and query of a link to an asset's content until `expires` (Unix time)."""
        query = urlencode(
            {"tenant": tenant, "expires": expires, "signature": self._of(tenant, asset, expires)}
        )
        return f"/v1/assets/{asset}/content?{query}"

    def check(
        self, tenant: TenantId, asset: str, *, expires: int, signature: str, now_us: int
    ) -> None:
        """Raise `LinkRefused` unless the link is one of ours, unchanged, and not over."""
        right = self._of(tenant, asset, expires)
        given = signature.encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, right.encode()):
            raise _refused("it is no link of this studio, or was changed")
        if expires * 1_000_000 <= now_us:
            raise _refused("it is over")

    def _of(self, tenant: TenantId, asset: str, expires: int) -> str:
        said = "\n".join((tenant, asset, str(expires))).encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()


def _secret_in(path: Path) -> bytes:
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(file, "wb") as writing:
        made = secrets.token_bytes(32)
        writing.write(made)
    return made


def _refused(found: str) -> LinkRefused:
    return LinkRefused(
        attempted="open a link to content",
        found=found,
        remedy="Ask whoever gave it to you for another one.",
    )
