"""What recovery had to do with objects, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import recoveries
from cisterna.domain.recovery import ObjectNote, ObjectState


class SqlRecoveries:
    """Implements `ports.catalogue.Recoveries`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def put(self, note: ObjectNote) -> None:
        """Insert or replace."""
        row = {"object_root": note.object_root, "state": note.state.value, "body": body_of(note)}
        added = insert(recoveries).values(row)
        changed = {name: added.excluded[name] for name in ("state", "body")}
        self._sql.run(added.on_conflict_do_update(index_elements=["object_root"], set_=changed))

    def find(self, object_root: str) -> ObjectNote | None:
        """Read one."""
        body = self._sql.run(select(recoveries.c.body).where(recoveries.c.object_root == object_root)).scalar()
        return None if body is None else ObjectNote.model_validate_json(body)

    def forget(self, object_root: str) -> None:
        """Remove one."""
        self._sql.run(delete(recoveries).where(recoveries.c.object_root == object_root))

    def list(self, *, state: ObjectState | None = None) -> Sequence[ObjectNote]:
        """By object root."""
        wanted = select(recoveries.c.body).order_by(recoveries.c.object_root)
        if state is not None:
            wanted = wanted.where(recoveries.c.state == state.value)
        return [ObjectNote.model_validate_json(body) for body in self._sql.run(wanted).scalars()]
