"""Links to content that expire: whoever has one needs no key, and can change nothing of it."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from urllib.parse import urlencode

from cinefab.api.errors import LinkRefused
from cinefab.core.ids import TenantId
from cinefab.tenancy.sealed import key_in_file


class Links:
    """Signs links, and knows its own again, and those of doors with the same secret.

    It is made from the key that was configured for secrets, or else a file in the studio's home.
    """

    def __init__(self, home: Path, *, secrets_key: str) -> None:
        self._secret = _secret_of(home, secrets_key)

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


def _secret_of(home: Path, secrets_key: str) -> bytes:
    # Doors that share no folder share the key that was configured, and so each other's links.
    if secrets_key:
        return hmac.digest(secrets_key.encode(), b"links to content", "sha256")
    return key_in_file(home / "links.key")


def _refused(found: str) -> LinkRefused:
    return LinkRefused(
        attempted="open a link to content",
        found=found,
        remedy="Ask whoever gave it to you for another one.",
    )
