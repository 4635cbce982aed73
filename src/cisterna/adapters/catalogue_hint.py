"""The doorbell for sweeps and the nonces of senders, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements
from cisterna.adapters.catalogue_tables import nonces
from cisterna.ports.hint import HINT_TOPIC

_DROPPED_AT_ONCE = 1000


class SqlHints:
    """Implements `ports.hint.Hints`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def ring(self, instruments: Iterable[str]) -> None:
        """Wake whoever sweeps these once the transaction has committed."""
        for name in instruments:
            self._sql.ring(f"{HINT_TOPIC}{name}")

    def take_nonce(self, sender: str, nonce: str, *, now: datetime, until: datetime) -> bool:
        """Insert it; of two at once one waits for the other and finds it there."""
        key = (nonces.c.sender, nonces.c.nonce)
        over = select(*key).where(nonces.c.until < now).limit(_DROPPED_AT_ONCE).with_for_update(skip_locked=True)
        self._sql.run(delete(nonces).where(tuple_(*key).in_(over)))
        put = insert(nonces).values(sender=sender, nonce=nonce, until=until).on_conflict_do_nothing()
        return self._sql.run(put).rowcount == 1
