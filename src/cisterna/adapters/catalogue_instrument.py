"""Declared instruments, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import instruments
from cisterna.domain.errors import AlreadyExists, NotFound
from cisterna.domain.instrument import Instrument


class SqlInstruments:
    """Implements `ports.catalogue.Instruments`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, instrument: Instrument) -> None:
        """Declare one."""
        row = {"name": instrument.name, "body": body_of(instrument)}
        if self._sql.run(insert(instruments).values(row).on_conflict_do_nothing()).rowcount:
            return
        present = self.get(instrument.name)
        since = {"created_at": instrument.created_at, "copies": instrument.copies}
        if present.model_copy(update=since) != instrument:
            msg = f"an instrument '{instrument.name}' is declared already, otherwise; choose another name or change it"
            raise AlreadyExists(msg, instrument=instrument.name)

    def save(self, instrument: Instrument) -> None:
        """Replace the declaration of that name."""
        change = update(instruments).where(instruments.c.name == instrument.name)
        if not self._sql.run(change.values(body=body_of(instrument))).rowcount:
            raise _unknown(instrument.name)

    def get(self, name: str) -> Instrument:
        """Read one."""
        body = self._sql.run(select(instruments.c.body).where(instruments.c.name == name)).scalar()
        if body is None:
            raise _unknown(name)
        return Instrument.model_validate_json(body)

    def lock(self, name: str) -> Instrument:
        """Read one that nobody else locks until the transaction ends."""
        wanted = select(instruments.c.body).where(instruments.c.name == name).with_for_update()
        body = self._sql.run(wanted).scalar()
        if body is None:
            raise _unknown(name)
        return Instrument.model_validate_json(body)

    def list(self) -> Sequence[Instrument]:
        """All of them, by name."""
        found = self._sql.run(select(instruments.c.body).order_by(instruments.c.name)).scalars()
        return [Instrument.model_validate_json(body) for body in found]


def _unknown(name: str) -> NotFound:
    return NotFound(f"no instrument '{name}' is declared; `cisterna instrument list` shows all", instrument=name)
