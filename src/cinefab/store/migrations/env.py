"""What Alembic runs: the steps, on the connection and in the transaction of the caller."""

from __future__ import annotations

from alembic import context

from cinefab.store.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
