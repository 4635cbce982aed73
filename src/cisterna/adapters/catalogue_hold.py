"""Holds, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import holds
from cisterna.domain.errors import Conflict, NotFound
from cisterna.domain.hold import Hold, HoldScope

_NEWEST_FIRST = (holds.c.placed_at.desc(), holds.c.hold_id.desc())


class SqlHolds:
    """Implements `ports.catalogue.Holds`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def place(self, hold: Hold) -> None:
        """Add it once."""
        self._sql.run(insert(holds).values(_row(hold)).on_conflict_do_nothing(index_elements=["hold_id"]))

    def lift(self, hold: Hold) -> None:
        """Write its end, if it has none."""
        change = update(holds).where(holds.c.hold_id == hold.hold_id, holds.c.lifted_at.is_(None))
        if not self._sql.run(change.values(_row(hold))).rowcount:
            present = self.get(hold.hold_id)
            msg = f"{present.lifted_by} has lifted the hold {hold.hold_id} already: {present.lifted_reason}"
            raise Conflict(msg, hold_id=hold.hold_id)

    def get(self, hold_id: str) -> Hold:
        """Read one."""
        body = self._sql.run(select(holds.c.body).where(holds.c.hold_id == hold_id)).scalar()
        if body is None:
            raise NotFound(f"no hold '{hold_id[:200]}'; `cisterna hold list` shows all", hold_id=hold_id[:200])
        return Hold.model_validate_json(body)

    def list(self, *, standing: bool | None = None) -> Sequence[Hold]:
        """Newest first."""
        wanted = select(holds.c.body).order_by(*_NEWEST_FIRST)
        if standing is not None:
            wanted = wanted.where(holds.c.lifted_at.is_(None) if standing else holds.c.lifted_at.is_not(None))
        return [Hold.model_validate_json(body) for body in self._sql.run(wanted).scalars()]

    def standing_on(self, targets: Sequence[tuple[HoldScope, str]]) -> Sequence[Hold]:
        """Those that nobody lifted, newest first."""
        pairs = [(scope.value, target) for scope, target in targets]
        wanted = select(holds.c.body).where(
            holds.c.lifted_at.is_(None), tuple_(holds.c.scope, holds.c.target).in_(pairs)
        )
        return [Hold.model_validate_json(body) for body in self._sql.run(wanted.order_by(*_NEWEST_FIRST)).scalars()]


def _row(hold: Hold) -> dict[str, object]:
    return {
        "hold_id": hold.hold_id,
        "scope": hold.scope.value,
        "target": hold.target,
        "placed_at": hold.placed_at,
        "lifted_at": hold.lifted_at,
        "body": body_of(hold),
    }
