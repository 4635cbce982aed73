"""Erasures, and the removal of what the catalogue says of an erased dataset, in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, RowMapping, bindparam, cast, select, update
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TEXT, insert

from cisterna.adapters.catalogue_connection import Statements, body_of, json_of
from cisterna.adapters.catalogue_tables import deliveries, erasures, events
from cisterna.domain.erasure import Erasure
from cisterna.domain.errors import AlreadyExists, Conflict, NotFound
from cisterna.services.lineage import bare_facts

_SUBJECTS = """
    subject = ANY(:subjects) OR split_part(subject, ':', 1) = ANY(:datasets)
"""
_EVENTS = f"""
    SELECT sequence FROM events
    WHERE name NOT LIKE 'erasure.%' AND (
        {_SUBJECTS} OR data ->> 'dataset_id' = ANY(:datasets)
        OR split_part(data ->> 'version_id', ':', 1) = ANY(:datasets)
    )
"""  # noqa: S608 - words of ours
_OF_VERSIONS = "version_id IN (SELECT version_id FROM versions WHERE dataset_id = ANY(:datasets))"
_OF_ACQUISITIONS = "acquisition_id IN (SELECT acquisition_id FROM datasets WHERE dataset_id = ANY(:datasets))"

_PURGE = (
    f"DELETE FROM deliveries WHERE sequence IN ({_EVENTS})",  # noqa: S608 - words of ours
    f"DELETE FROM events WHERE sequence IN ({_EVENTS})",  # noqa: S608 - words of ours
    f"DELETE FROM attempts WHERE work_id IN (SELECT work_id FROM works WHERE {_SUBJECTS})",  # noqa: S608 - ours
    f"DELETE FROM works WHERE {_SUBJECTS}",  # noqa: S608 - words of ours
    *(
        f"DELETE FROM {table} WHERE {_OF_VERSIONS}"  # noqa: S608 - names of ours
        for table in ("data_deliveries", "releases", "findings", "receipts", "decisions", "publications")
    ),
    *(f"DELETE FROM {table} WHERE {_OF_ACQUISITIONS}" for table in ("ahead_batches", "aheads")),  # noqa: S608 - ours
    "DELETE FROM alerts WHERE acquisition_id = ANY(:subjects)",
    "DELETE FROM baselines WHERE acquisition_id = ANY(:subjects)",
    "DELETE FROM sightings WHERE acquisition_id = ANY(:subjects)",
    "DELETE FROM copies WHERE dataset_id = ANY(:datasets)",
    "DELETE FROM protections WHERE dataset_id = ANY(:datasets)",
    "DELETE FROM metric_samples WHERE dataset_id = ANY(:datasets)",
    "DELETE FROM versions WHERE dataset_id = ANY(:datasets)",
    "DELETE FROM recoveries WHERE object_root = ANY(:roots)",
)
"""Who refers goes before what is referred to."""

_UNTOLD = f"""
    SELECT events.*, array_agg(deliveries.sink) AS sinks
    FROM events JOIN deliveries ON deliveries.sequence = events.sequence
    WHERE events.name LIKE 'attempt.%' AND events.sequence IN ({_EVENTS})
    GROUP BY events.event_id
    ORDER BY events.sequence
"""  # noqa: S608 - words of ours

_HALT = sql_text(
    f"UPDATE works SET state = 'done', outcome = :outcome WHERE state = 'ready' AND ({_SUBJECTS})"  # noqa: S608 - ours
).bindparams(bindparam("subjects", type_=ARRAY(TEXT)), bindparam("datasets", type_=ARRAY(TEXT)))
_LEASED = sql_text(
    f"SELECT kind || ' ' || subject FROM works WHERE state = 'leased' AND ({_SUBJECTS}) ORDER BY 1"  # noqa: S608 - ours
).bindparams(bindparam("subjects", type_=ARRAY(TEXT)), bindparam("datasets", type_=ARRAY(TEXT)))


class SqlErasures:
    """Implements `ports.catalogue.Erasures`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, erasure: Erasure) -> None:
        """Add it, unless one of its datasets has one."""
        for dataset_id in erasure.dataset_ids:
            if self.of(dataset_id) is not None:
                raise AlreadyExists(f"{dataset_id} was erased, or is being erased, already", dataset_id=dataset_id)
        if not self._sql.run(insert(erasures).values(_row(erasure)).on_conflict_do_nothing()).rowcount:
            raise AlreadyExists(f"the erasure {erasure.erasure_id} is there already", erasure_id=erasure.erasure_id)

    def save(self, erasure: Erasure) -> Erasure:
        """Replace it, if it is still what was read."""
        saved = erasure.model_copy(update={"record": erasure.record + 1})
        change = update(erasures).where(
            erasures.c.erasure_id == erasure.erasure_id, erasures.c.record == erasure.record
        )
        if not self._sql.run(change.values(_row(saved))).rowcount:
            found = self.get(erasure.erasure_id)
            msg = f"somebody else carries the erasure {erasure.erasure_id} out ({found.state.value}); look again"
            raise Conflict(msg, erasure_id=erasure.erasure_id)
        return saved

    def get(self, erasure_id: str) -> Erasure:
        """Read one."""
        body = self._sql.run(select(erasures.c.body).where(erasures.c.erasure_id == erasure_id)).scalar()
        if body is None:
            raise NotFound(f"no erasure '{erasure_id[:200]}'", erasure_id=erasure_id[:200])
        return Erasure.model_validate_json(body)

    def of(self, dataset_id: str) -> Erasure | None:
        """Find the one that names the dataset."""
        return erasure_of(self._sql, dataset_id)

    def list(self) -> Sequence[Erasure]:
        """Oldest first."""
        wanted = select(erasures.c.body).order_by(erasures.c.announced_at, erasures.c.erasure_id)
        return [Erasure.model_validate_json(body) for body in self._sql.run(wanted).scalars()]

    def halt_work(self, subjects: Sequence[str], *, datasets: Sequence[str], outcome: str) -> Sequence[str]:
        """End what is ready; a row that somebody is taking is waited for, and then told as taken."""
        named = {"subjects": list(subjects), "datasets": list(datasets)}
        self._sql.run(_HALT, {**named, "outcome": outcome})
        return list(self._sql.run(_LEASED, named).scalars())

    def purge(self, erasure: Erasure) -> int:
        """Remove rows, referring ones first; the database lets none go that is not of these datasets.

        A sink may have been told that an attempt began and not yet that it ended. What it still waits for is told in
        the erasure's name, with no more in it than which run ended and how.
        """
        named = {
            "datasets": list(erasure.dataset_ids),
            "subjects": [*erasure.dataset_ids, *([erasure.acquisition_id] if erasure.acquisition_id else [])],
            "roots": [one.object_root for one in erasure.objects],
        }
        self._sql.run(
            sql_text("SELECT set_config('cisterna.erasure', :erasure, true)"), {"erasure": erasure.erasure_id}
        )
        untold = self._run(_UNTOLD, named).mappings().all()
        gone = sum(self._run(statement, named).rowcount for statement in _PURGE)
        for row in untold:
            self._tell_bare(row, erasure.erasure_id)
        self._sql.run(sql_text("SELECT set_config('cisterna.erasure', '', true)"))
        return gone

    def _run(self, statement: str, named: Mapping[str, Sequence[str]]) -> CursorResult[Any]:
        asked = {name: value for name, value in named.items() if f":{name}" in statement}
        typed = sql_text(statement).bindparams(*(bindparam(name, type_=ARRAY(TEXT)) for name in asked))
        return self._sql.run(typed, asked)

    def _tell_bare(self, row: RowMapping, subject: str) -> None:
        """Append an event that was removed once more, bare, for the sinks that wait for it."""
        kept = {name: row[name] for name in ("event_id", "name", "occurred_at", "restricted")}
        data = json_of(bare_facts(json.loads(row["data"]), subject=subject))
        added = self._sql.run(
            insert(events).values(**kept, subject=subject, data=data).returning(events.c.sequence)
        ).scalar_one()
        for sink in row["sinks"]:
            self._sql.run(insert(deliveries).values(sink=sink, sequence=added, subject=subject))


def erasure_of(statements: Statements, dataset_id: str) -> Erasure | None:
    """Find the erasure that names a dataset."""
    named = erasures.c.dataset_ids.contains(cast(json.dumps([dataset_id]), JSONB))
    wanted = select(erasures.c.body).where(named).order_by(erasures.c.announced_at.desc()).limit(1)
    body = statements.run(wanted).scalar()
    return None if body is None else Erasure.model_validate_json(body)


def _row(erasure: Erasure) -> dict[str, object]:
    return {
        "erasure_id": erasure.erasure_id,
        "state": erasure.state.value,
        "dataset_ids": json.dumps(list(erasure.dataset_ids)),
        "announced_at": erasure.announced_at,
        "record": erasure.record,
        "body": body_of(erasure),
    }
