"""What Alembic runs to apply the steps; the connection comes from `upgrade`."""

from __future__ import annotations

from alembic import context

from cisterna.adapters.catalogue_tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
