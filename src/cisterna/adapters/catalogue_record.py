"""Rows that changed and are not in the archive's record yet, in PostgreSQL.

Triggers note every change of every kept table, so that no statement of ours, and none typed by hand, can forget to.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, Table, bindparam, delete, func, insert, select
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from cisterna.adapters.catalogue_connection import Statements
from cisterna.adapters.catalogue_delivery_tables import metadata  # with every kept table, those of deliveries included
from cisterna.adapters.catalogue_tables import changes, segments
from cisterna.domain.record import KINDS, Record, Waiting

_NEXT = select(changes.c.kind, changes.c.key).order_by(changes.c.sequence).limit(bindparam("most"))
_END = select(segments.c.number, segments.c.digest).order_by(segments.c.number.desc()).limit(1)
_TURN = sql_text("SELECT pg_advisory_xact_lock(hashtextextended('cisterna.record', 0))")
_FORGET = delete(changes).where(changes.c.sequence == func.any(bindparam("sequences", type_=ARRAY(BigInteger))))


def watch_changes(connection: Connection) -> None:
    """Set the trigger of every kept table; rows that a table has already are noted when its trigger is new."""
    for name in KINDS:
        table = metadata.tables[name]
        known = sql_text("SELECT true FROM pg_trigger WHERE tgname = :name AND tgrelid = to_regclass(:table)")
        is_watched = connection.scalar(known, {"name": f"record_{name}", "table": name})
        connection.exec_driver_sql(_trigger(table))
        if not is_watched:
            connection.exec_driver_sql(
                f"INSERT INTO changes (kind, key) SELECT '{name}', {key_of(table, 't')} FROM {name} AS t"  # noqa: S608 - names of ours
            )


def key_of(table: Table, row: str) -> str:
    """Write, in SQL, the key by which a row is recorded: its primary key as a JSON array."""
    return f"json_build_array({', '.join(f'{row}.{column.name}' for column in table.primary_key)})::text"


def _trigger(table: Table) -> str:
    name = f"record_{table.name}"
    old, new = (
        f"INSERT INTO changes (kind, key) VALUES ('{table.name}', {key_of(table, row)});"  # noqa: S608 - names of ours
        for row in ("OLD", "NEW")
    )
    return f"""
    CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN {old} ELSE {new} END IF;
        RETURN NULL;
    END $$;
    CREATE OR REPLACE TRIGGER {name} AFTER INSERT OR UPDATE OR DELETE ON {table.name}
        FOR EACH ROW EXECUTE FUNCTION {name}();
    """


class SqlRecords:
    """Implements `ports.catalogue.Records`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def take_turn(self) -> None:
        """Wait for whoever else holds the lock; it goes with the transaction, or with a connection that is lost."""
        self._sql.run(_TURN)

    def waiting(self, *, limit: int) -> Waiting:
        """Give rows that changed.

        A row and all its changes are read by one statement, and so from one snapshot: whatever has a sequence is the
        same wherever it was written down.
        """
        keys: dict[str, list[str]] = {}
        for row in self._sql.run(_NEXT, {"most": limit}):
            keys.setdefault(row.kind, []).append(row.key)
        records: list[Record] = []
        sequences: list[int] = []
        for kind, wanted in keys.items():
            for row in self._sql.run(_rows(metadata.tables[kind]), {"keys": sorted(set(wanted))}):
                sequences += row.covered
                content = None if row.content is None else _content(kind, json.loads(row.content))
                records.append(
                    Record(
                        kind=kind,
                        key=row.key,
                        sequence=max(row.covered),
                        changed_at=row.changed_at,
                        content=content,
                    )
                )
        records.sort(key=lambda record: record.sequence)
        end = self._sql.run(_END).one_or_none()
        return Waiting(
            records=tuple(records),
            sequences=tuple(sequences),
            number=end.number + 1 if end else 1,
            previous=end.digest if end else None,
        )

    def recorded(self, waiting: Waiting, *, digest: str, written_at: datetime) -> None:
        """Forget the changes that are recorded."""
        self._sql.run(_FORGET, {"sequences": list(waiting.sequences)})
        self._sql.run(delete(segments))
        self._sql.run(insert(segments).values(number=waiting.number, digest=digest, written_at=written_at))

    def unrecorded(self) -> int:
        """Count the changes that wait."""
        found: int = self._sql.run(select(func.count()).select_from(changes)).scalar_one()
        return found

    def unrecorded_since(self) -> datetime | None:
        """Tell when the oldest of them was made."""
        oldest = select(changes.c.changed_at).order_by(changes.c.sequence).limit(1)
        found: datetime | None = self._sql.run(oldest).scalar()
        return found


def _rows(table: Table) -> Any:
    """Read rows by their recorded keys, with their changes; what a key says goes to the primary key's index."""
    matches = " AND ".join(
        f"t.{column.name} = CAST(c.key::json ->> {at} AS {_type(column)})"
        for at, column in enumerate(table.primary_key)
    )
    return sql_text(
        f"""
        SELECT c.key, c.covered, c.changed_at, row_to_json(t)::text AS content
        FROM (
            SELECT key, array_agg(sequence) AS covered, max(changed_at) AS changed_at
            FROM changes WHERE kind = '{table.name}' AND key = ANY(:keys) GROUP BY key
        ) AS c
        LEFT JOIN {table.name} AS t ON {matches}
        """  # noqa: S608 - names of ours
    ).bindparams(bindparam("keys", type_=ARRAY(TEXT)))


def _type(column: Column[Any]) -> str:
    return str(column.type.compile())


def _content(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    fields = KINDS[kind].model.model_fields
    if "body" in row and "body" not in fields:
        body: dict[str, Any] = row["body"]
        return body
    return {name: row[name] for name in fields}


def kept_tables() -> Sequence[Table]:
    """Give every kept table, what is referred to before what refers to it."""
    return [table for table in metadata.sorted_tables if table.name in KINDS]
