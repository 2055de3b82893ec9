"""A bucket that speaks S3: `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.exceptions import BaseError as ObstoreError
from obstore.exceptions import PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from cinefab.core.errors import StorageUnavailable
from cinefab.deliver.files import Caching
from cinefab.deliver.target import Access, MayPass, Parcel, Placed, Placing, with_attempts

if TYPE_CHECKING:
    from obstore.store import S3Config

_T = TypeVar("_T")


class S3:
    """Puts each file as an object with its media type and Cache-Control.

    An object shows when it is complete. Without keys in the settings, those of the environment
    are used.
    """

    name = "s3"

    def publish(
        self, place: str, parcels: Sequence[Parcel], /, *, access: Access
    ) -> tuple[Placed, ...]:
        """Put the parcels into the bucket that `place` names; raise `StorageUnavailable`."""
        shown = place.partition("?")[0].rstrip("/")
        store = _open(place, shown, access)
        return tuple(_publish(store, shown, parcel, access) for parcel in parcels)


def _publish(store: S3Store, shown: str, parcel: Parcel, access: Access) -> Placed:
    what = f"put {parcel.name} to {shown}"
    how = with_attempts(lambda: _what_is_there(store, parcel, what), what=what, access=access)
    if how is not Placing.KEPT:
        with_attempts(lambda: _put(store, parcel, what), what=what, access=access)
    return Placed(name=parcel.name, url=f"{shown}/{parcel.name}", how=how)


def _what_is_there(store: S3Store, parcel: Parcel, what: str) -> Placing:
    def ask() -> Placing:
        try:
            if parcel.caching is Caching.IMMUTABLE:
                same = obstore.head(store, parcel.name)["size"] == parcel.size_bytes
            else:
                there = bytes(obstore.get(store, parcel.name).bytes())
                same = hashlib.sha256(there).hexdigest() == parcel.sha256
        except FileNotFoundError:
            return Placing.SENT
        return Placing.KEPT if same else Placing.REPLACED

    return _asked(ask, what)


def _put(store: S3Store, parcel: Parcel, what: str) -> None:
    attributes = {"Content-Type": parcel.media_type, "Cache-Control": parcel.caching.value}
    _asked(lambda: obstore.put(store, parcel.name, parcel.path, attributes=attributes), what)


def _asked(ask: Callable[[], _T], what: str) -> _T:
    try:
        return ask()
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise StorageUnavailable(
            attempted=what,
            found=_said(error),
            remedy="Check the place's keys in the settings: it does not let us in.",
        ) from error
    except FileNotFoundError as error:
        raise StorageUnavailable(
            attempted=what,
            found="there is no such bucket",
            remedy="Create it, or correct its name.",
        ) from error
    except ObstoreError as error:
        raise MayPass(_said(error)) from error


def _said(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _open(place: str, shown: str, access: Access) -> S3Store:
    parts = urlsplit(place)
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    options |= access.options
    config: S3Config = {"virtual_hosted_style_request": False}
    endpoint = options.get("endpoint")
    if endpoint is not None:
        config["endpoint"] = endpoint
    if "region" in options:
        config["region"] = options["region"]
    if "access_key_id" in options:
        config["access_key_id"] = options["access_key_id"]
    if "secret_access_key" in options:
        config["secret_access_key"] = options["secret_access_key"]
    if "session_token" in options:
        config["session_token"] = options["session_token"]
    try:
        return S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config=config,
            client_options={"allow_http": bool(endpoint and endpoint.startswith("http:"))},
            # Attempts are counted here, once.
            retry_config={"max_retries": 0},
        )
    except (ObstoreError, ValueError) as error:
        raise StorageUnavailable(
            attempted=f"open {shown}", found=_said(error), remedy="Check the place's settings."
        ) from error
