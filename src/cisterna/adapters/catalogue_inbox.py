"""The inbox, in PostgreSQL: work, and the leases on it.

An open attempt is the lease: a unique index allows one for each piece of work. Taking, ending and writing under a lease
all lock the attempt's row, so whoever finds it ended knows that nothing more of its owner will be committed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, bindparam, insert, select, update
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER, TEXT
from sqlalchemy.dialects.postgresql import insert as upsert

from cisterna.adapters.catalogue_connection import Statements, json_of
from cisterna.adapters.catalogue_tables import attempts, lanes, works
from cisterna.domain.errors import LeaseLost, NotFound
from cisterna.domain.progress import Progress
from cisterna.domain.work import Attempt, Claim, Work, WorkKind, WorkState

# The lanes are few and come in the order of their turns; the first that has work which nobody else is taking ends the
# search. The inner query reads one entry of a partial index, however long the queue is.
_NEXT_READY = sql_text(
    """
    SELECT ready.work_id
    FROM (
        SELECT lanes.fairness
        FROM lanes
        ORDER BY (SELECT max(attempts.begun) FROM attempts WHERE attempts.fairness = lanes.fairness) NULLS FIRST,
            lanes.fairness
    ) AS lane
    CROSS JOIN LATERAL (
        SELECT works.work_id
        FROM works
        WHERE works.fairness = lane.fairness AND works.state = 'ready' AND works.not_before <= :now
            AND works.kind = ANY(:kinds)
        ORDER BY works.not_before, works.created_at, works.work_id
        LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) AS ready
    LIMIT 1
    """
).bindparams(bindparam("kinds", type_=ARRAY(TEXT)))

# Built once: building a statement anew costs three times as much as running it.
_ADD_LANE = upsert(lanes).on_conflict_do_nothing()
_ADD = upsert(works).on_conflict_do_nothing(index_elements=["key"])
_BEGIN = (
    update(works)
    .where(works.c.work_id == bindparam("the_work"))
    .values(state="leased", attempts=works.c.attempts + 1, outcome=None)
    .returning(works)
)
_SETTLE = update(works).where(works.c.work_id == bindparam("the_work"))
_OPEN = (attempts.c.run_id == bindparam("the_run")) & attempts.c.ended.is_(None)
_HOLD = select(attempts.c.run_id).where(_OPEN).with_for_update()
_CHANGE = update(attempts).where(_OPEN)
_OVERDUE = (
    select(attempts.c.run_id, attempts.c.work_id)
    .join(works, works.c.work_id == attempts.c.work_id)
    .where(
        attempts.c.ended.is_(None),
        attempts.c.expires_at < bindparam("now"),
        works.c.kind.in_(bindparam("kinds", expanding=True)),
        (works.c.work_id == bindparam("the_work")) | bindparam("the_work", type_=TEXT).is_(None),
    )
    .order_by(attempts.c.begun)
    .limit(bindparam("most", type_=INTEGER))
    .with_for_update(skip_locked=True)
)


_IS_TOLD = works.c.kind != WorkKind.AHEAD.value
"""Reading ahead has a progress of its own, and that it waits for room keeps nobody waiting."""
_BANDWIDTH = sql_text("SELECT pg_advisory_xact_lock(hashtextextended('bandwidth ' || :instrument, 0))")
_READING = sql_text(
    "SELECT progress FROM attempts "
    "WHERE ended IS NULL AND run_id <> :the_run AND progress ->> 'instrument' = :instrument"
)


class _Lease(NamedTuple):
    run_id: str
    work_id: str


class SqlInbox:
    """Implements `ports.inbox.Inbox`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def request(self, work: Work) -> Work:
        """Add work, or return what has its key."""
        row = {
            **work.model_dump(mode="python", exclude={"parameters", "kind", "state"}),
            "kind": work.kind.value,
            "state": work.state.value,
            "parameters": json_of(work.parameters),
        }
        self._sql.run(_ADD_LANE, {"fairness": work.fairness})
        if self._sql.run(_ADD, row).rowcount:
            self._sql.ring("inbox")
            return work
        return _work(self._sql.run(select(works).where(works.c.key == work.key)).mappings().one())

    def get(self, work_id: str) -> Work:
        """Read one."""
        row = self._sql.run(select(works).where(works.c.work_id == work_id)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"no work {work_id} in the inbox", work_id=work_id)
        return _work(row)

    def list(self, *, state: WorkState | None = None, subject: str | None = None) -> Sequence[Work]:
        """Oldest first."""
        wanted = select(works).order_by(works.c.created_at, works.c.work_id)
        if state is not None:
            wanted = wanted.where(works.c.state == state.value)
        if subject is not None:
            wanted = wanted.where(works.c.subject == subject)
        return [_work(row) for row in self._sql.run(wanted).mappings()]

    def is_waiting(self, *, kinds: Sequence[WorkKind], now: datetime) -> bool:
        """Look for one."""
        wanted = select(works.c.work_id).where(
            works.c.state == "ready", works.c.not_before <= now, works.c.kind.in_([kind.value for kind in kinds])
        )
        return self._sql.run(wanted.limit(1)).scalar() is not None

    def claim(
        self,
        *,
        owner: str,
        run_id: str,
        now: datetime,
        lease: timedelta,
        kinds: Sequence[WorkKind] | None = None,
        work_id: str | None = None,
    ) -> Claim | None:
        """Take one ready piece of work, or one whose lease ran out."""
        names = [kind.value for kind in (WorkKind if kinds is None else kinds)]
        ready = (
            self._named(work_id, now) if work_id else self._sql.run(_NEXT_READY, {"now": now, "kinds": names}).scalar()
        )
        if ready is None:
            overdue = self._overdue(now, kinds=names, limit=1, work_id=work_id)
            if not overdue:
                return None
            ready = overdue[0].work_id
            self._end(overdue[0].run_id, "expired")
        work = _work(self._sql.run(_BEGIN, {"the_work": ready}).mappings().one())
        attempt = Attempt(run_id=run_id, work_id=work.work_id, owner=owner, started_at=now, expires_at=now + lease)
        self._sql.run(insert(attempts), {**attempt.model_dump(), "fairness": work.fairness})
        return Claim(work=work, attempt=attempt)

    def expired(self, *, now: datetime) -> Sequence[Claim]:
        """Tell attempts that ran out, once each, and make their work ready unless somebody has taken it over."""
        for lease in self._overdue(now, kinds=[kind.value for kind in WorkKind], limit=None):
            self._end(lease.run_id, "expired")
            self._sql.run(_SETTLE, {"the_work": lease.work_id, "state": "ready"})
            self._sql.ring("inbox")
        untold = (
            select(attempts.c.run_id)
            .where(attempts.c.ended == "expired")
            .order_by(attempts.c.begun)
            .with_for_update(skip_locked=True)
        )
        run_ids = list(self._sql.run(untold).scalars())
        if not run_ids:
            return []
        claims = self._claims(attempts.c.run_id.in_(run_ids))
        self._sql.run(update(attempts).where(attempts.c.run_id.in_(run_ids)).values(ended="told"))
        return claims

    def claims_of(self, owner: str) -> Sequence[Claim]:
        """Attempts that an owner holds, oldest first."""
        return self._claims((attempts.c.owner == owner) & attempts.c.ended.is_(None))

    def renew(self, attempt: Attempt, *, expires_at: datetime) -> None:
        """Prolong the lease."""
        self._change(attempt, expires_at=expires_at)

    def note_flow_run(self, attempt: Attempt, flow_run_id: str) -> None:
        """Remember Prefect's run."""
        self._change(attempt, flow_run_id=flow_run_id)

    def require_lease(self, attempt: Attempt) -> None:
        """Lock the lease for this transaction."""
        if self._sql.run(_HOLD, {"the_run": attempt.run_id}).scalar() is None:
            raise _lost(attempt)

    def note_progress(self, attempt: Attempt, progress: Progress) -> None:
        """Remember how far the attempt has come."""
        self._change(attempt, progress=progress.model_dump_json())

    def progress(self) -> Mapping[str, Progress]:
        """Tell how far each open attempt has come, by subject."""
        wanted = (
            select(works.c.subject, attempts.c.progress)
            .join(works, works.c.work_id == attempts.c.work_id)
            .where(attempts.c.ended.is_(None), attempts.c.progress.is_not(None), _IS_TOLD)
        )
        return {row.subject: Progress.model_validate_json(row.progress) for row in self._sql.run(wanted)}

    def put_off(self) -> Mapping[str, str]:
        """Read why work that was put back waits."""
        waiting = select(works.c.subject, works.c.outcome).where(
            works.c.state == "ready", works.c.outcome.is_not(None), _IS_TOLD
        )
        return {row.subject: row.outcome for row in self._sql.run(waiting.order_by(works.c.created_at))}

    def reading_beside(self, attempt: Attempt, *, instrument: str) -> Sequence[Progress]:
        """Lock the instrument's bandwidth and read what the others noted."""
        self._sql.run(_BANDWIDTH, {"instrument": instrument})
        found = self._sql.run(_READING, {"instrument": instrument, "the_run": attempt.run_id}).scalars()
        return [Progress.model_validate_json(body) for body in found]

    def finish(self, attempt: Attempt, *, outcome: str) -> None:
        """Mark the work as done."""
        self._change(attempt, ended="finished")
        self._settle(attempt, state="done", outcome=outcome)

    def put_back(self, attempt: Attempt, *, not_before: datetime, outcome: str, counts: bool = True) -> None:
        """Make the work ready for another attempt."""
        self._change(attempt, ended="put-back")
        uncounted = {} if counts else {"attempts": works.c.attempts - 1}
        self._sql.run(
            _SETTLE.values(state="ready", outcome=outcome, not_before=not_before, **uncounted),
            {"the_work": attempt.work_id},
        )
        self._sql.ring("inbox")

    def give_up(self, attempt: Attempt, *, outcome: str) -> None:
        """Mark the work as failed for good."""
        self._change(attempt, ended="given-up")
        self._settle(attempt, state="failed", outcome=outcome)

    def _named(self, work_id: str, now: datetime) -> str | None:
        """Lock one piece of work, if it is ready and nobody else is looking at it."""
        wanted = select(works.c.work_id).where(
            works.c.work_id == work_id, works.c.state == "ready", works.c.not_before <= now
        )
        found: str | None = self._sql.run(wanted.with_for_update(skip_locked=True)).scalar()
        return found

    def _overdue(
        self, now: datetime, *, kinds: Sequence[str], limit: int | None, work_id: str | None = None
    ) -> Sequence[_Lease]:
        """Lock leases that ran out, with their work; those that others are looking at are skipped."""
        values = {"now": now, "kinds": kinds, "the_work": work_id, "most": limit}
        return [_Lease(row.run_id, row.work_id) for row in self._sql.run(_OVERDUE, values)]

    def _end(self, run_id: str, how: str) -> None:
        self._sql.run(_CHANGE, {"the_run": run_id, "ended": how})

    def _change(self, attempt: Attempt, **values: Any) -> None:
        if not self._sql.run(_CHANGE, {"the_run": attempt.run_id, **values}).rowcount:
            raise _lost(attempt)

    def _settle(self, attempt: Attempt, **values: Any) -> None:
        self._sql.run(_SETTLE, {"the_work": attempt.work_id, **values})

    def _claims(self, which: Any) -> Sequence[Claim]:
        columns = (attempts.c.run_id, attempts.c.owner, attempts.c.started_at, attempts.c.expires_at)
        wanted = select(works, *columns, attempts.c.flow_run_id).join(attempts, attempts.c.work_id == works.c.work_id)
        found = self._sql.run(wanted.where(which).order_by(attempts.c.begun)).mappings()
        return [Claim(work=_work(row), attempt=_attempt(row)) for row in found]


def _work(row: RowMapping) -> Work:
    fields = {name: row[name] for name in Work.model_fields if name != "parameters"}
    return Work(**fields, parameters=json.loads(row["parameters"]))


def _attempt(row: RowMapping) -> Attempt:
    return Attempt(**{name: row[name] for name in Attempt.model_fields})


def _lost(attempt: Attempt) -> LeaseLost:
    msg = f"attempt {attempt.run_id} no longer holds {attempt.work_id}; what it has in hand is dropped"
    return LeaseLost(msg, run_id=attempt.run_id, work_id=attempt.work_id)
