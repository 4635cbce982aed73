"""The catalogue made anew from what the archive tells, in PostgreSQL: gathered in temporary tables, then written.

What is gathered lies in the database and not in this process, so that memory does not grow with the archive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_connection import Statements
from cisterna.adapters.catalogue_record import kept_tables, key_of
from cisterna.adapters.catalogue_row import gathered_row
from cisterna.adapters.catalogue_tables import segments
from cisterna.domain.erasure import ERASED_TITLE
from cisterna.domain.errors import CisternaError
from cisterna.domain.rebuild import FoundObject, Gathered, RebuildFault, Source, TableDifference
from cisterna.domain.record import KINDS

_BEGIN = (
    # A rebuild takes as long as the archive is large; everybody else's transactions are short.
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    "SET CONSTRAINTS ALL DEFERRED",
    """
    CREATE TEMPORARY TABLE gathered (
        source smallint, kind text, key text, sequence bigint, content text, origin text,
        is_final boolean, is_counted boolean, flaw text,
        PRIMARY KEY (kind, key, source)
    ) ON COMMIT DROP
    """,
    """
    CREATE TEMPORARY TABLE found (object_root text PRIMARY KEY, pid text, head integer) ON COMMIT DROP
    """,
)

_GATHER = sql_text(
    """
    INSERT INTO gathered AS held (source, kind, key, sequence, content, origin, is_final, is_counted)
    VALUES (:source, :kind, :key, :sequence, :content, :origin, :is_final, :is_counted)
    ON CONFLICT (kind, key, source) DO UPDATE SET
        flaw = CASE
            WHEN held.content <> excluded.content
                AND (excluded.is_final OR excluded.is_counted AND excluded.sequence = held.sequence)
            THEN 'it says something else than ' || held.origin
            ELSE held.flaw
        END,
        origin = CASE WHEN excluded.sequence >= held.sequence THEN excluded.origin ELSE held.origin END,
        content = CASE WHEN excluded.sequence >= held.sequence THEN excluded.content ELSE held.content END,
        sequence = greatest(excluded.sequence, held.sequence)
    """
)

_CONTRADICTED = sql_text(
    """
    UPDATE gathered AS record SET flaw = 'it says something else than ' || logs.origin
    FROM gathered AS logs
    WHERE record.source = 1 AND logs.source = 0 AND logs.kind = record.kind AND logs.key = record.key
        AND record.is_final AND record.content <> logs.content
    """
)
_SUPERSEDED = sql_text(
    """
    DELETE FROM gathered AS logs USING gathered AS record
    WHERE record.source = 1 AND logs.source = 0 AND logs.kind = record.kind AND logs.key = record.key
    """
)
_FLAWED = sql_text("DELETE FROM gathered WHERE flaw IS NOT NULL RETURNING kind, key, origin, flaw")
_COUNTS = sql_text("SELECT kind, count(content) AS rows FROM gathered GROUP BY kind")

_GONE = """
    SELECT jsonb_array_elements_text(content::jsonb -> 'dataset_ids') FROM gathered
    WHERE kind = 'erasures' AND content::json ->> 'state' <> 'announced'
"""
_GONE_RUNS = """
    SELECT content::json #>> '{body,acquisition_id}' FROM gathered
    WHERE kind = 'erasures' AND content::json ->> 'state' <> 'announced'
"""
_ERASED = tuple(
    sql_text(
        f"DELETE FROM gathered WHERE kind IN ({kinds}) AND content IS NOT NULL "  # noqa: S608 - words of ours
        f"AND split_part(coalesce({place}), ':', 1) IN ({_GONE})"
    )
    for kinds, place in (
        ("'versions', 'metric_samples', 'copies', 'protections'", "content::json ->> 'dataset_id'"),
        (
            "'findings', 'receipts', 'decisions', 'publications', 'releases'",
            "content::json ->> 'version_id'",
        ),
        ("'works'", "content::json ->> 'subject'"),
        (
            "'events'",
            (
                "CASE WHEN content::json ->> 'name' NOT LIKE 'erasure.%' THEN "
                "coalesce(content::json #>> '{data,dataset_id}', content::json ->> 'subject') END"
            ),
        ),
    )
)
"""What an older record, or the logs of an object that is not quite gone, still tells of what was erased."""
_ALERTS_ERASED = sql_text(
    f"""
    DELETE FROM gathered WHERE content IS NOT NULL AND (
        kind = 'alerts' AND content::json ->> 'acquisition_id' IN ({_GONE_RUNS})
        OR kind = 'events' AND content::json ->> 'name' LIKE 'alert.%' AND content::json ->> 'subject' IN ({_GONE_RUNS})
    )
    """  # noqa: S608 - words of ours
)
_UNSIGHTED = sql_text(
    """
    DELETE FROM gathered WHERE kind = 'sightings' AND content IS NOT NULL AND content::json ->> 'acquisition_id' IN (
        SELECT content::json #>> '{body,acquisition_id}' FROM gathered
        WHERE kind = 'erasures' AND content::json ->> 'state' <> 'announced'
    )
    """
)
_UNTITLED = sql_text(
    f"""
    UPDATE gathered SET content = jsonb_set(content::jsonb, '{{body,title}}', to_jsonb(CAST(:title AS text)))::text
    WHERE kind = 'datasets' AND content IS NOT NULL AND content::json ->> 'dataset_id' IN ({_GONE})
    """  # noqa: S608 - words of ours
).bindparams(title=ERASED_TITLE)

_FIND = sql_text("INSERT INTO found (object_root, pid, head) VALUES (:object_root, :pid, :head) ON CONFLICT DO NOTHING")
_STRANGERS = sql_text(
    """
    SELECT found.object_root AS where, 'no dataset of the record or of its own logs has this object; it stays as it is'
        AS reason
    FROM found
    WHERE NOT EXISTS (
        SELECT FROM gathered WHERE kind = 'datasets' AND content::json ->> 'object_root' = found.object_root
    )
    ORDER BY 1
    """
)
_LACKING = sql_text(
    """
    SELECT dataset.root AS where, CASE
            WHEN found.object_root IS NULL THEN 'the object is not in the archive, and the catalogue knows v'
            ELSE 'the object ends with v' || found.head || ', and the catalogue knows v'
        END || archived.head || '; take it from another copy' AS reason
    FROM (
        SELECT content::json ->> 'dataset_id' AS dataset_id, content::json ->> 'object_root' AS root
        FROM gathered WHERE kind = 'datasets' AND content IS NOT NULL
    ) AS dataset
    JOIN (
        SELECT content::json ->> 'dataset_id' AS dataset_id,
            max(CAST(content::json #>> '{body,ocfl_version}' AS numeric)) AS head
        FROM gathered WHERE kind = 'versions' AND content IS NOT NULL GROUP BY 1
    ) AS archived USING (dataset_id)
    LEFT JOIN found ON found.object_root = dataset.root
    WHERE archived.head IS NOT NULL AND (found.object_root IS NULL OR found.head < archived.head)
    ORDER BY 1
    """
)


class SqlRebuilding:
    """Implements `ports.catalogue.Rebuilding`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def begin(self) -> None:
        """Make the temporary tables."""
        for statement in _BEGIN:
            self._sql.run(sql_text(statement))

    def gather(self, rows: Sequence[Gathered]) -> Sequence[RebuildFault]:
        """Take rows. The database checks what only it can, so that one bad row does not spoil the others."""
        faults: list[RebuildFault] = []
        values = []
        for one in rows:
            try:
                values.append(gathered_row(one))
            except CisternaError as refusal:
                faults.append(RebuildFault(where=one.origin, reason=f"{one.kind} {one.key}: {refusal}"))
        if values:
            self._sql.run(_GATHER, values)
        return faults

    def find(self, objects: Sequence[FoundObject]) -> None:
        """Take objects."""
        if objects:
            rows = [{"object_root": one.object_root, "pid": one.pid, "head": one.head} for one in objects]
            self._sql.run(_FIND, rows)

    def settle(self) -> Sequence[RebuildFault]:
        """Hold rows against each other, then against what they refer to, then against the objects."""
        self._sql.run(sql_text("ANALYZE gathered"))
        for statement in (*_ERASED, _ALERTS_ERASED, _UNSIGHTED, _UNTITLED):
            self._sql.run(statement)
        self._sql.run(_CONTRADICTED)
        self._sql.run(_SUPERSEDED)
        faults = [
            RebuildFault(where=row.origin, reason=f"{row.kind} {row.key} is left out: {row.flaw}")
            for row in self._sql.run(_FLAWED)
        ]
        faults += self._leave_out_dangling()
        for query in (_STRANGERS, _LACKING):
            faults += [RebuildFault(where=row.where, reason=row.reason) for row in self._sql.run(query)]
        return faults

    def is_empty(self) -> bool:
        """Look for one row in any kept table."""
        looks = " OR ".join(f"EXISTS (SELECT FROM {table.name})" for table in kept_tables())
        return not self._sql.run(sql_text(f"SELECT {looks}")).scalar()

    def counts(self) -> dict[str, int]:
        """Count rows per table; a table of which the archive tells nothing has none."""
        found = {row.kind: row.rows for row in self._sql.run(_COUNTS)}
        return {table.name: found.get(table.name, 0) for table in kept_tables()}

    def differences(self) -> Sequence[TableDifference]:
        """Hold every table against what was gathered, as values and not as text."""
        found = []
        for table in kept_tables():
            row = self._sql.run(_differing(table)).one()
            if row.missing or row.unrecorded or row.other:
                found.append(
                    TableDifference(
                        table=table.name,
                        missing=row.missing,
                        unrecorded=row.unrecorded,
                        other=row.other,
                        example=row.example,
                    )
                )
        return found

    def insert(self, *, end: tuple[int, str] | None) -> Sequence[RebuildFault]:
        """Write the tables; what a constraint refuses is named and left out, with what refers to it."""
        self._continue_numbers()
        faults: list[RebuildFault] = []
        self._sql.run(sql_text("SAVEPOINT filling"))
        while refused := self._fill_until_refused():
            self._sql.run(sql_text("ROLLBACK TO SAVEPOINT filling"))
            faults += [self._leave_out(kind=kind, key=key) for kind, key in refused]
            faults += self._leave_out_dangling()
        self._settle_changes()
        if end is not None:
            self._sql.run(
                sql_text("INSERT INTO segments (number, digest, written_at) VALUES (:number, :digest, now())"),
                {"number": end[0], "digest": end[1]},
            )
        return faults

    def _leave_out_dangling(self) -> list[RebuildFault]:
        """Leave out what refers to what is not there, until nothing does."""
        faults: list[RebuildFault] = []
        statements = [(table, *reference) for table in kept_tables() for reference in _references(table)]
        while True:
            gone = []
            for table, column, referred in statements:
                found = self._sql.run(_DANGLING, {"kind": table.name, "column": column, "referred": referred})
                gone += [
                    RebuildFault(
                        where=row.origin,
                        reason=f"{table.name} {row.key} is left out: nothing tells of its {column}, "
                        f"{row.refers_to}, in {referred}",
                    )
                    for row in found
                ]
            if not gone:
                return faults
            faults += gone

    def _continue_numbers(self) -> None:
        """Let numbers that the database gives go on behind those that were given."""
        numbered = [("changes", "sequence", "SELECT max(sequence) FROM gathered WHERE source = 1")]
        for table in kept_tables():
            for column in table.columns:
                if column.identity is not None:
                    highest = f"max(CAST(content::json ->> '{column.name}' AS bigint))"
                    told = f"SELECT {highest} FROM gathered WHERE kind = '{table.name}'"  # noqa: S608 - names of ours
                    numbered.append((table.name, column.name, told))
        for name, number, last in numbered:
            self._sql.run(
                sql_text(
                    f"SELECT setval(pg_get_serial_sequence('{name}', '{number}'), last) "  # noqa: S608 - names of ours
                    f"FROM (SELECT ({last}) AS last) AS found WHERE last IS NOT NULL"
                )
            )

    def _fill_until_refused(self) -> list[tuple[str, str]]:
        """Write table after table, and stop at the first that refuses rows: what refers to them is left out first."""
        for table in kept_tables():
            refused = self._fill(table)
            if refused:
                return [(table.name, key) for key in refused]
        return []

    def _fill(self, table: Table) -> list[str]:
        """Write one table; when a row cannot be written, row by row, so that only that one stays out.

        Returns:
            The keys of the rows that are not in it.
        """
        if not self._write(table, key=None):
            keys = sql_text("SELECT key FROM gathered WHERE kind = :kind AND content IS NOT NULL ORDER BY key")
            for key in list(self._sql.run(keys, {"kind": table.name}).scalars()):
                self._write(table, key=key)
        refused = sql_text(
            f"SELECT key FROM gathered WHERE kind = '{table.name}' AND content IS NOT NULL AND NOT EXISTS ("  # noqa: S608 - names of ours
            f"SELECT FROM {table.name} AS t WHERE {key_of(table, 't')} = gathered.key)"
        )
        return list(self._sql.run(refused).scalars())

    def _leave_out(self, *, kind: str, key: str) -> RebuildFault:
        gone = sql_text("DELETE FROM gathered WHERE kind = :kind AND key = :key RETURNING origin")
        origin = self._sql.run(gone, {"kind": kind, "key": key}).scalar_one()
        reason = f"{kind} {key} is left out: the table refuses it, or another row has a name that only one may have"
        return RebuildFault(where=origin, reason=reason)

    def _write(self, table: Table, *, key: str | None) -> bool:
        """Write all rows of a table, or one; tell whether the database took them."""
        given = [column.name for column in table.columns if column.computed is None]
        columns, chosen = ", ".join(given), ", ".join(f"told.{name}" for name in given)
        write = sql_text(
            f"INSERT INTO {table.name} ({columns}) OVERRIDING SYSTEM VALUE SELECT {chosen} "  # noqa: S608 - names of ours
            f"FROM gathered, LATERAL json_populate_record(NULL::{table.name}, gathered.content::json) AS told "
            f"WHERE gathered.kind = '{table.name}' AND gathered.content IS NOT NULL "
            "AND (CAST(:key AS text) IS NULL OR gathered.key = :key) "
            "ORDER BY gathered.sequence ON CONFLICT DO NOTHING"  # who had a name first keeps it
        )
        self._sql.run(sql_text("SAVEPOINT writing"))
        try:
            self._sql.run(write, {"key": key})
        except CisternaError:
            self._sql.run(sql_text("ROLLBACK TO SAVEPOINT writing"))
            return False
        return True

    def _settle_changes(self) -> None:
        """Note as recorded what came from the record; what only logs told goes into the record next."""
        self._sql.run(
            sql_text(
                "DELETE FROM changes USING gathered WHERE gathered.source = :record "
                "AND gathered.kind = changes.kind AND gathered.key = changes.key"
            ),
            {"record": int(Source.RECORD)},
        )
        self._sql.run(
            sql_text(
                "DELETE FROM changes WHERE NOT EXISTS (SELECT FROM gathered WHERE gathered.kind = changes.kind "
                "AND gathered.key = changes.key)"
            )
        )
        self._sql.run(segments.delete())


_DANGLING = sql_text(
    """
    DELETE FROM gathered AS row
    WHERE kind = :kind AND content::json ->> :column IS NOT NULL AND NOT EXISTS (
        SELECT FROM gathered AS other
        WHERE other.kind = :referred AND other.content IS NOT NULL
            AND other.key = json_build_array(row.content::json ->> :column)::text
    )
    RETURNING key, origin, content::json ->> :column AS refers_to
    """
)


def _references(table: Table) -> list[tuple[str, str]]:
    """Name the columns that refer to other kept tables; each refers to a primary key that is one text."""
    return sorted(
        (key.parent.name, key.column.table.name) for key in table.foreign_keys if key.column.table.name in KINDS
    )


def _differing(table: Table) -> Any:
    return sql_text(
        f"""
        SELECT count(*) FILTER (WHERE present.content IS NULL) AS missing,
            count(*) FILTER (WHERE told.content IS NULL) AS unrecorded,
            count(*) FILTER (WHERE told.content <> present.content) AS other,
            min(coalesce(told.key, present.key)) FILTER (WHERE told.content IS DISTINCT FROM present.content) AS example
        FROM (
            SELECT key, to_jsonb(json_populate_record(NULL::{table.name}, content::json)) AS content
            FROM gathered WHERE kind = '{table.name}' AND content IS NOT NULL
        ) AS told
        FULL JOIN (
            SELECT {key_of(table, "t")} AS key, to_jsonb(t) AS content FROM {table.name} AS t
        ) AS present USING (key)
        """  # noqa: S608 - names of ours
    )
