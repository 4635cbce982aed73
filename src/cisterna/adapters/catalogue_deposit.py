"""What is wanted of places outside, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_deposit_tables import deposits
from cisterna.domain.deposit import DepositState, DepositWish, claims_of
from cisterna.domain.errors import LeaseLost

_BODY = select(deposits.c.body)
_OTHERS = deposits.alias("others")
_TURN = sql_text("SELECT pg_advisory_xact_lock(hashtextextended('cisterna.deposits ' || :target, 0))")
"""Two that choose at the same time would both see that nobody has the dataset yet."""


class SqlDeposits:
    """Implements `ports.deposit.Deposits`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def put(self, wish: DepositWish) -> None:
        """Insert it, or replace what is there."""
        row = {
            "dataset_id": wish.dataset_id,
            "target": wish.target,
            "state": wish.state.value,
            "next_at": wish.next_at,
            "created_at": wish.created_at,
            "changed_at": wish.changed_at,
            "body": body_of(wish),
        }
        put = insert(deposits).values(key=wish.key, **row)
        self._sql.run(put.on_conflict_do_update(index_elements=["key"], set_=row))
        self._sql.ring("pages")

    def find(self, key: str) -> DepositWish | None:
        """Read one and hold its row."""
        return self._first(_BODY.where(deposits.c.key == key).with_for_update())

    def of(self, dataset_id: str) -> Sequence[DepositWish]:
        """Those of a dataset."""
        return self._all(_BODY.where(deposits.c.dataset_id == dataset_id).order_by(*_OLDEST_FIRST))

    def claim(self, target: str, *, now: datetime, until: datetime, claim: str) -> DepositWish | None:
        """Take one that is due; a row that somebody else is taking, or has the dataset of, is passed over."""
        self._sql.run(_TURN, {"target": target})
        is_carried = exists().where(
            _OTHERS.c.dataset_id == deposits.c.dataset_id,
            _OTHERS.c.target == target,
            _OTHERS.c.next_at > now,
            _OTHERS.c.body["claim"].astext.is_not(None),
        )
        due = _BODY.where(deposits.c.target == target, deposits.c.next_at <= now, ~is_carried)
        found = self._first(due.order_by(deposits.c.next_at, deposits.c.key).limit(1).with_for_update(skip_locked=True))
        if found is None:
            return None
        claimed = found.model_copy(update={"claim": claim, "next_at": until})
        self.put(claimed)
        return claimed

    def renew(self, key: str, *, claim: str, until: datetime) -> None:
        """Put off the moment from which others may take it."""
        found = self.find(key)
        if found is None or found.claim != claim:
            msg = f"somebody else is at {key} now, or it is to be withdrawn; what is in hand is dropped"
            raise LeaseLost(msg, key=key)
        self.put(found.model_copy(update={"next_at": until}))

    def let_go(self, home: str, *, now: datetime) -> int:
        """Take every claim of a home off."""
        claimed = deposits.c.body["claim"].astext.startswith(claims_of(home), autoescape=True)
        found = self._all(_BODY.where(deposits.c.next_at.is_not(None), claimed).with_for_update())
        for one in found:
            self.put(one.model_copy(update={"claim": None, "next_at": now}))
        return len(found)

    def list(self, *, state: DepositState | None = None, limit: int | None = None) -> Sequence[DepositWish]:
        """Latest change first."""
        wanted = _BODY if state is None else _BODY.where(deposits.c.state == state.value)
        return self._all(wanted.order_by(deposits.c.changed_at.desc(), deposits.c.key).limit(limit))

    def lost(self, targets: Sequence[str]) -> Sequence[DepositWish]:
        """Those that nobody will take."""
        waiting = _BODY.where(deposits.c.next_at.is_not(None), deposits.c.target.not_in(list(targets)))
        return self._all(waiting.order_by(*_OLDEST_FIRST))

    def _first(self, wanted: Any) -> DepositWish | None:
        body = self._sql.run(wanted).scalar()
        return None if body is None else DepositWish.model_validate_json(body)

    def _all(self, wanted: Any) -> Sequence[DepositWish]:
        return [DepositWish.model_validate_json(body) for body in self._sql.run(wanted).scalars()]


_OLDEST_FIRST = (deposits.c.created_at, deposits.c.key)
