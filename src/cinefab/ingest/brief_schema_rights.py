"""The shape of rights: which source is whose, and who is paid."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from cinefab.core.units import WHOLE_BP
from cinefab.ingest.brief_schema_base import Document


class PartyShareDocument(Document):
    """One party's share of one source."""

    model_config = ConfigDict(title="Party's share")

    party: str = Field(min_length=1, max_length=200)
    """Who is paid."""
    share_bp: int = Field(ge=1, le=WHOLE_BP)
    """Its share in basis points; a source's shares are 10000 together."""


class RightsSourceDocument(Document):
    """Who holds the rights in one reference."""

    model_config = ConfigDict(title="Source")

    reference: str
    """The name of the reference it covers."""
    licence: str = Field(min_length=1, max_length=200, examples=["CC0-1.0"])
    """The licence, as an SPDX identifier where there is one."""
    parties: list[PartyShareDocument] = Field(min_length=1, max_length=64)
    """Who is paid, and how much of it."""


class RightsDocument(Document):
    """What the film is made from, and who is paid for it."""

    model_config = ConfigDict(title="Rights")

    sources: list[RightsSourceDocument] = Field(default_factory=list, max_length=256)
    """One entry for each reference that somebody holds rights in."""
