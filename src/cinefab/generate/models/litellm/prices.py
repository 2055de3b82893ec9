"""The price map that comes with litellm, as a price book: read as a file, of the installed version.

The library itself is not imported for it. A model that the map does not have costs nobody knows
what, and so does one that is billed by tokens, of which nobody knows how many it will be.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch
from cinefab.generate.models.litellm.asking import where_it_lies
from cinefab.generate.services.prices import Prices

_LIBRARY: Final = "litellm"
_FILE: Final = "model_prices_and_context_window_backup.json"
_PER_IMAGE: Final = ("output_cost_per_image", "input_cost_per_image")
_PER_SECOND: Final = ("output_cost_per_second", "output_cost_per_video_per_second")
_TIERS: Final = ((480, "480p"), (720, "720p"), (768, "768p"), (1080, "1080p"), (1440, "2k"))
_HIGHEST: Final = "4k"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMap:
    """Prices by the model's name, and the version of the library that they came with."""

    version: str
    entries: Mapping[str, Mapping[str, Any]]

    @property
    def source(self) -> str:
        """Where the prices are from, as bills and lineage say it."""
        return f"{_LIBRARY} {self.version}"

    def prices_of(self, model: str, *, task: str, size: Size | None = None) -> Prices:
        """Return what a model asks: of a picture for each, of a film for each second.

        Where it differs with the size and none is given, the dearest: an estimate must be enough.
        """
        if task.endswith("video"):
            entry = self._entry(model, size)
            found = [_uusd(entry[name]) for name in _names_per_second(entry, size)]
            known = [each for each in found if each is not None]
            return Prices(per_second=max(known, default=None))
        if task.endswith("image"):
            entry = self._entry(model, size)
            found = [_uusd(entry.get(name)) for name in _PER_IMAGE]
            return Prices(per_run=next((each for each in found if each is not None), None))
        return Prices()

    def _entry(self, model: str, size: Size | None) -> Mapping[str, Any]:
        bare = model.partition("/")[2]
        for name in (model, bare) if bare else (model,):
            sized = () if size is None else (f"{size.width}-x-{size.height}/{name}",)
            for each in (*sized, name):
                if each in self.entries:
                    return self.entries[each]
        return {}


@functools.cache
def read_price_map(python: str) -> PriceMap:
    """Return the map of the litellm that a Python has; raise `ContractMismatch` where it has none."""
    place, installed = where_it_lies(python)
    path = Path(place) / _FILE
    try:
        read = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ContractMismatch(
            attempted="read the price map of litellm",
            found=f"{path}: {error}",
            remedy="Reinstall the extra: pip install 'cinefab[litellm]'.",
        ) from error
    entries = {name: entry for name, entry in read.items() if isinstance(entry, dict)}
    return PriceMap(version=installed, entries=MappingProxyType(entries))


def uusd_of(dollars: float | None) -> int | None:
    """Return dollars as whole µUSD, rounded up; None for what is no price."""
    return _uusd(dollars)


def _names_per_second(entry: Mapping[str, Any], size: Size | None) -> Iterator[str]:
    if size is not None:
        side = min(size.width, size.height)
        tier = next((word for most, word in _TIERS if side <= most), _HIGHEST)
        exact = f"{_PER_SECOND[0]}_{tier}"
        if exact in entry:
            yield exact
            return
    for name in entry:
        if name.startswith(_PER_SECOND):
            yield name


def _uusd(price: object) -> int | None:
    if isinstance(price, bool) or not isinstance(price, int | float | str):
        return None
    try:
        dollars = Decimal(str(price))
    except InvalidOperation:
        return None
    if not dollars.is_finite() or dollars <= 0:
        # The map has zeros where nobody has looked: that is not a price of nothing.
        return None
    return int((dollars * 1_000_000).to_integral_value(ROUND_CEILING))
