"""A result that a service says lies somewhere: fetched from there, but never from a private place."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from cinefab.core.clock import Clock
from cinefab.core.errors import ContractMismatch
from cinefab.generate.http_api import Unanswered

_BYTES_MAX: Final = 256 << 20
_TOTAL_S: Final = 600.0
_HEADS: Final = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"RIFF": ".webp",
    b"\x1aE\xdf\xa3": ".webm",
}


def bytes_at(url: str, *, allow_networks: Iterable[str], made_by: str, clock: Clock) -> bytes:
    """Return what lies at `url`, once; raise `ContractMismatch` and `Unanswered`."""
    from cinefab.media.fetching.fetched import (  # noqa: PLC0415 - few results lie elsewhere
        FetchLimits,
        Refusal,
        resolve_by_system,
    )
    from cinefab.media.fetching.remote import Remote  # noqa: PLC0415 - as above

    remote = Remote(
        FetchLimits(bytes_max=_BYTES_MAX, total_seconds=_TOTAL_S),
        allow_networks=[ip_network(each) for each in allow_networks],
        resolve=resolve_by_system,
        tls=None,
        clock=clock,
    )
    try:
        return remote.fetch(url).data
    except Refusal as refusal:
        if "answered 5" in refusal.found or "connection failed" in refusal.found:
            raise Unanswered(f"{refusal.shown}: {refusal.found}") from refusal
        raise ContractMismatch(
            attempted=f"fetch what {made_by} made from {refusal.shown}",
            found=refusal.found,
            remedy="Allow the network in the model's table (allow_networks), if it is yours.",
        ) from refusal


def kept_as(folder: Path, content: bytes) -> Path:
    """Write what was delivered into a folder, under a name that says what it begins as."""
    path = folder / f"delivered{_suffix_of(content)}"
    path.write_bytes(content)
    return path


def _suffix_of(content: bytes) -> str:
    if content[4:8] == b"ftyp":
        return ".avif" if content[8:12] in (b"avif", b"avis") else ".mp4"
    return next((suffix for head, suffix in _HEADS.items() if content.startswith(head)), "")
