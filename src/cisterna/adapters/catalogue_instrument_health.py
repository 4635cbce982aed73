"""Counts of what came from an instrument, in PostgreSQL: found by the instrument's index on the beginnings of runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_connection import Statements
from cisterna.adapters.catalogue_reading import CHECK, DATA_TYPE
from cisterna.domain.finding import Outcome, Verdict
from cisterna.domain.instrument_health import CheckCount, DayCount, RunBegin
from cisterna.ports.instrument_health import Within

_MAY = """
    (CAST(:projects AS text[]) IS NULL OR coalesce(d.project, a.project) = ANY(CAST(:projects AS text[]))
        OR (:unclaimed AND coalesce(d.project, a.project) IS NULL))
"""
_RUNS = "a.instrument = :instrument AND a.first_seen > :since"
# DISTINCT ON reads two narrow indexes from end to end; a look-up for each run costs three times as much.
_DAYS = f"""
    SELECT CAST(floor(extract(epoch FROM (:now - first_seen)) / 86400) AS integer) AS days_ago, verdict,
        count(*) AS count
    FROM (
        SELECT DISTINCT ON (v.dataset_id) v.dataset_id, a.project, a.first_seen, v.verdict
        FROM acquisitions a JOIN versions v ON v.dataset_id = a.dataset_id
        WHERE {_RUNS}
        ORDER BY v.dataset_id, v.number DESC, v.revision DESC
    ) a {{of_projects}}
    GROUP BY 1, 2
"""  # noqa: S608 - words of ours
_OF_PROJECTS = f"JOIN datasets d ON d.dataset_id = a.dataset_id AND {_MAY}"
_FAILING = f"""
    WITH runs AS MATERIALIZED (
        SELECT a.dataset_id, a.first_seen, a.project FROM acquisitions a
        WHERE {_RUNS} AND a.dataset_id IS NOT NULL ORDER BY a.first_seen DESC LIMIT :of
    ), failed AS (
        SELECT DISTINCT {CHECK} AS name, f.outcome, d.dataset_id, d.body ->> 'title' AS title, a.first_seen
        FROM runs a
        JOIN datasets d ON d.dataset_id = a.dataset_id
        JOIN LATERAL (
            SELECT n.version_id FROM versions n
            WHERE n.dataset_id = a.dataset_id ORDER BY n.number DESC, n.revision DESC LIMIT 1
        ) v ON true
        JOIN findings f ON f.version_id = v.version_id AND f.outcome NOT IN ('passed', 'left-out')
        WHERE {_MAY}
    )
    SELECT name, outcome, count(*) AS count,
        (array_agg(dataset_id ORDER BY first_seen DESC, dataset_id))[1] AS latest,
        (array_agg(title ORDER BY first_seen DESC, dataset_id))[1] AS latest_title
    FROM failed GROUP BY name, outcome ORDER BY 3 DESC, 1, 2 LIMIT :limit
"""  # noqa: S608 - words of ours
_DATA_TYPES = f"""
    SELECT DISTINCT {DATA_TYPE} AS data_type
    FROM (SELECT a.dataset_id FROM acquisitions a WHERE {_RUNS} ORDER BY a.first_seen DESC LIMIT :of) a
    JOIN datasets ON datasets.dataset_id = a.dataset_id ORDER BY 1
"""  # noqa: S608 - words of ours
_BEGUN = f"""
    SELECT a.first_seen, a.body ->> 'settled_since' AS settled_since, a.body ->> 'started_at' AS started_at
    FROM acquisitions a LEFT JOIN datasets d ON d.dataset_id = a.dataset_id
    WHERE a.instrument = :instrument AND {_MAY} ORDER BY a.first_seen DESC LIMIT :limit
"""  # noqa: S608 - words of ours
_WRITING = f"""
    SELECT EXISTS (
        SELECT FROM acquisitions a LEFT JOIN datasets d ON d.dataset_id = a.dataset_id
        WHERE a.instrument = :instrument AND a.dataset_id IS NULL AND a.state = 'writing' AND {_MAY}
    )
"""  # noqa: S608 - words of ours


class SqlInstrumentHealthBook:
    """Implements `ports.instrument_health.InstrumentHealthBook`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def days(self, within: Within, *, since: datetime, now: datetime) -> Sequence[DayCount]:
        """Count by day and verdict."""
        of_projects = "" if within.projects is None else _OF_PROJECTS
        found = self._run(_DAYS.format(of_projects=of_projects), within, since=since, now=now)
        return [
            DayCount(
                days_ago=max(0, row.days_ago), verdict=Verdict(row.verdict) if row.verdict else None, count=row.count
            )
            for row in found
        ]

    def failing(self, within: Within, *, since: datetime, of: int, limit: int) -> Sequence[CheckCount]:
        """Count by check and outcome."""
        found = self._run(_FAILING, within, since=since, of=of, limit=limit)
        return [
            CheckCount(
                check=row.name,
                outcome=Outcome(row.outcome),
                count=row.count,
                latest=row.latest,
                latest_title=row.latest_title,
            )
            for row in found
        ]

    def data_types(self, instrument: str, *, since: datetime, of: int) -> Sequence[str]:
        """By name."""
        found = self._sql.run(sql_text(_DATA_TYPES), {"instrument": instrument, "since": since, "of": of})
        return [row.data_type for row in found]

    def begun(self, within: Within, *, limit: int) -> Sequence[RunBegin]:
        """Newest first; a settled time before the first look is that of a run that was taken in as it lay."""
        rows = list(self._run(_BEGUN, within, limit=limit + 1))
        cut = rows[-1].first_seen if len(rows) > limit else None
        whole = [row for row in rows if row.first_seen != cut] or rows[:limit]
        return [
            RunBegin(
                seen=row.first_seen,
                came=max(row.first_seen, datetime.fromisoformat(row.settled_since)),
                started=datetime.fromisoformat(row.started_at) if row.started_at else None,
            )
            for row in whole
        ]

    def is_writing(self, within: Within) -> bool:
        """Look for one."""
        return any(row[0] for row in self._run(_WRITING, within))

    def _run(self, statement: str, within: Within, **values: Any) -> Any:
        projects = None if within.projects is None else sorted(within.projects)
        asked = {"instrument": within.instrument, "projects": projects, "unclaimed": within.unclaimed}
        return self._sql.run(sql_text(statement), {**asked, **values})
