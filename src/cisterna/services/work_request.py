"""Asks for work: one row of the inbox, in the transaction of whatever makes it necessary."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue

from cisterna.domain.work import Work, WorkKind
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock


def request_work(
    tx: Transaction,
    kind: WorkKind,
    subject: str,
    *,
    key: str,
    parameters: Mapping[str, JsonValue] | None = None,
    fairness: str = "",
    not_before: datetime | None = None,
    clock: Clock,
) -> Work:
    """Ask for work to be done once a worker is free, at a given time at the soonest; the same key is the same work."""
    now = clock.now()
    work = Work(
        work_id=clock.new_id(),
        key=key,
        kind=kind,
        subject=subject,
        parameters=dict(parameters or {}),
        fairness=fairness,
        not_before=not_before or now,
        created_at=now,
    )
    return tx.inbox.request(work)
