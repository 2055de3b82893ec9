"""Templates of briefs that a tenant keeps, for whoever may read or store them."""

from __future__ import annotations

from dataclasses import dataclass

from cinefab.app.serving.desk import Desk, create_once
from cinefab.ingest.brief_text import read_document
from cinefab.ingest.template import read_template
from cinefab.jobs.once import Once
from cinefab.jobs.templates import StoredTemplate, list_templates, load_template, store_template
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.roles import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTemplate:
    """A template that a create led to; `before` says that it was there already."""

    template: StoredTemplate
    before: bool


class Templates:
    """The templates of the caller's tenant; any thread may call."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def store(self, caller: Caller, text: str, *, once: Once) -> KeptTemplate:
        """Keep a template; the same one again changes nothing. Raises `BriefInvalid`."""
        desk = self._desk
        desk.check(caller, Action.TEMPLATE_MANAGE)
        head = read_template(read_document(text, origin="the request"), origin="the request")
        now_us, known = desk.clock.now_us(), list[bool]()
        with desk.db.write() as connection:

            def make() -> str:
                made, was_there = store_template(
                    connection,
                    caller,
                    name=head.name,
                    version=head.version,
                    text=text,
                    ids=desk.ids,
                    now_us=now_us,
                )
                known.append(was_there)
                return made

            made, before = create_once(connection, caller, once, now_us=now_us, make=make)
            found = load_template(connection, tenant=caller.tenant, which=made)
        return KeptTemplate(template=found, before=before or known[0])

    def list(self, caller: Caller) -> tuple[StoredTemplate, ...]:
        """Return the tenant's templates, newest first."""
        self._desk.check(caller, Action.TEMPLATE_READ)
        with self._desk.db.read() as connection:
            return list_templates(connection, tenant=caller.tenant)

    def show(self, caller: Caller, template: str) -> StoredTemplate:
        """Return a template; raise `Unavailable`."""
        self._desk.check(caller, Action.TEMPLATE_READ)
        with self._desk.db.read() as connection:
            return load_template(connection, tenant=caller.tenant, which=template)
