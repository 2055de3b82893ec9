"""The one place where c2pa is imported, and how it is set up: no network, no thumbnails.

Importing this module loads a native library of 23 MB; import it where credentials are read or
written, not at start-up.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Final

from cryptography.x509.oid import ObjectIdentifier

from cinefab.core.errors import Unavailable
from cinefab.provenance.certificates import TRUSTED_USES

_NATIVE_NAMES: Final = ("libc2pa_c.so", "libc2pa_c.dylib")


def _import_c2pa() -> Any:
    # c2pa looks for its native library below the working directory before it looks in its own
    # package: a file of that name in a folder of downloads would run as code when a film there
    # is verified. Such a file is refused before it can be loaded.
    here = Path.cwd()
    for folder in (here, here / "artifacts", here / "libs"):
        for name in _NATIVE_NAMES:
            for found in (folder / name, *folder.glob(f"*-*/{name}")):
                if found.exists():
                    raise Unavailable(
                        attempted="load the library for content credentials",
                        found=f"{found}, which would be loaded in its place",
                        remedy="Run in another folder, and find out where that file comes from.",
                    )
    return importlib.import_module("c2pa")


c2pa: Final = _import_c2pa()
"""The module `c2pa`, which has no type information."""


def open_context(*, anchors_pem: bytes | None = None, signer: Any = None) -> Any:
    """Return a context to be closed by the caller; it consumes `signer`, a c2pa signer."""
    settings: dict[str, Any] = {
        "verify": {
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_after_sign": False,
        },
        "builder": {"thumbnail": {"enabled": False}},
    }
    if anchors_pem:
        settings["trust"] = {
            "trust_anchors": anchors_pem.decode(),
            "trust_config": "\n".join(_dotted(use) for use in TRUSTED_USES),
        }
    return c2pa.Context.from_dict(settings, signer=signer)


def _dotted(use: ObjectIdentifier) -> str:
    return use.dotted_string
