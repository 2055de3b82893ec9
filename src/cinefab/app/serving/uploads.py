"""Uploads, for whoever may send files to their tenant: piece by piece into quarantine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from cinefab.app.serving.desk import Desk, create_once
from cinefab.app.studio import Studio
from cinefab.core.errors import CinefabError
from cinefab.ingest.fetch import FetchLimits
from cinefab.ingest.uploads import (
    Piece,
    Upload,
    append,
    create_upload,
    list_uploads,
    load_upload,
    remove_upload,
)
from cinefab.jobs.once import Once
from cinefab.jobs.uploading import WORKFLOW, drop_pieces
from cinefab.store.quarantine import Quarantine
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.roles import Action

UPLOAD_BYTES_MAX: Final = FetchLimits().bytes_max
"""The most that one upload may have: what a reference may."""

_log: Final = logging.getLogger(__name__)


class Uploads:
    """The uploads of the caller's tenant; any thread may call."""

    def __init__(self, desk: Desk, studio: Studio) -> None:
        self._desk = desk
        self._studio = studio
        self._quarantine = Quarantine(studio.shop.blobs)
        self._lasts_us = studio.settings.upload_hours * 3_600_000_000

    def create(
        self, caller: Caller, *, name: str, media_type: str, length_bytes: int, once: Once
    ) -> tuple[Upload, bool]:
        """Begin an upload, or find that it was begun under its key; raise `QuotaExceeded`."""
        desk = self._desk
        desk.check(caller, Action.UPLOAD_CREATE)
        now_us = desk.clock.now_us()
        with desk.db.write() as connection:

            def make() -> str:
                return create_upload(
                    connection,
                    tenant=caller.tenant,
                    principal=caller.principal,
                    name=name,
                    media_type=media_type,
                    length_bytes=length_bytes,
                    lasts_us=self._lasts_us,
                    usual=self._studio.shop.usual_quota,
                    ids=desk.ids,
                    now_us=now_us,
                ).id

            which, before = create_once(connection, caller, once, now_us=now_us, make=make)
            return load_upload(connection, tenant=caller.tenant, which=which), before

    def show(self, caller: Caller, which: str) -> Upload:
        """Return an upload; raise `Unavailable` if the tenant has none by this id."""
        self._desk.check(caller, Action.UPLOAD_CREATE)
        with self._desk.db.read() as connection:
            return load_upload(connection, tenant=caller.tenant, which=which)

    def list(self, caller: Caller) -> tuple[Upload, ...]:
        """Return the tenant's uploads, newest first."""
        self._desk.check(caller, Action.UPLOAD_CREATE)
        with self._desk.db.read() as connection:
            return list_uploads(connection, tenant=caller.tenant)

    def put(self, which: str, content: bytes) -> Piece:
        """Put a piece into quarantine, of which nothing speaks until it is appended."""
        return Piece(name=self._quarantine.put(which, content), size_bytes=len(content))

    def take_back(self, which: str, pieces: Sequence[Piece]) -> None:
        """Take pieces away that were not appended."""
        self._quarantine.take_away(which, [piece.name for piece in pieces])

    def append(
        self, caller: Caller, which: str, pieces: Sequence[Piece], *, offset_bytes: int
    ) -> Upload:
        """Have pieces follow what there is, or take them away again; raise `OffsetRefused`.

        Once it is whole it is taken in: decoded in the sandbox, and an asset after that.
        """
        try:
            with self._desk.db.write() as connection:
                grown = append(
                    connection,
                    pieces,
                    tenant=caller.tenant,
                    which=which,
                    offset_bytes=offset_bytes,
                    lasts_us=self._lasts_us,
                    now_us=self._desk.clock.now_us(),
                )
        except CinefabError:
            self.take_back(which, pieces)
            raise
        if grown.is_whole:
            self._begin(grown)
        return grown

    def remove(self, caller: Caller, which: str) -> None:
        """Give an upload up; raise `NothingToDecide` for one that became an asset."""
        self._desk.check(caller, Action.UPLOAD_CREATE)
        with self._desk.db.write() as connection:
            remove_upload(
                connection, tenant=caller.tenant, which=which, now_us=self._desk.clock.now_us()
            )
        drop_pieces(self._studio.shop, which)

    def _begin(self, upload: Upload) -> None:
        # What was received survives: if this fails, or is not for this process, a worker finds it.
        if self._studio.settings.jobs_at_once == 0:
            return
        try:
            self._studio.shop.durable.start(WORKFLOW, upload.id, upload.id)
        except CinefabError as error:
            _log.warning(
                "upload_not_started", extra={"upload": upload.id, "found": type(error).__name__}
            )
