"""What the summaries of gated versions said, in PostgreSQL: one row a version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements
from cisterna.adapters.catalogue_reading import CREATED_AT, DATA_TYPE
from cisterna.adapters.catalogue_tables import metric_samples
from cisterna.domain.finding import Verdict
from cisterna.domain.trend import JudgedValues, MetricSample, judged_values
from cisterna.ports.trend import End

_NEWEST_OF_ITS_DATASET = """
    NOT EXISTS (
        SELECT FROM metric_samples AS later
        WHERE later.dataset_id = t.dataset_id AND (later.number, later.revision) > (t.number, t.revision)
            AND (CAST(:before AS timestamptz) IS NULL OR later.at < :before)
    )
"""

_GIVEN_UP = """
    EXISTS (
        SELECT FROM versions AS same JOIN decisions ON decisions.version_id = same.version_id
        WHERE same.dataset_id = {0}.dataset_id AND same.number = {0}.number
            AND CAST(decisions.body AS text) ~ '"act": ?"discard"'
    )
"""

_COLUMNS = (
    "t.version_id, t.dataset_id, t.number, t.revision, t.instrument, t.data_type, t.verdict, t.at, "
    "CAST(t.channels AS text) AS channels"
)
_JUDGED = sql_text(f"SELECT {_COLUMNS} FROM metric_samples AS t WHERE t.version_id = :version_id")  # noqa: S608 - ours

_OF = sql_text(
    f"""
    SELECT t.version_id, t.dataset_id, t.verdict, t.at, CAST(one -> 'metrics' ->> :metric AS float) AS value
    FROM (
        SELECT * FROM metric_samples
        WHERE instrument = :instrument AND data_type = :data_type
            AND (CAST(:before AS timestamptz) IS NULL OR at < :before)
        ORDER BY at DESC LIMIT :searched
    ) AS t, json_array_elements(t.channels) AS one
    WHERE one ->> 'channel' IS NOT DISTINCT FROM CAST(:channel AS text) AND one -> 'metrics' ->> :metric IS NOT NULL
        AND {_NEWEST_OF_ITS_DATASET}
    ORDER BY t.at DESC, t.version_id DESC
    LIMIT :limit
    """  # noqa: S608 - words of ours
)

_METRICS = sql_text(
    """
    SELECT DISTINCT t.data_type, metric, one ->> 'channel' AS channel
    FROM (
        SELECT data_type, channels FROM metric_samples WHERE instrument = :instrument ORDER BY at DESC LIMIT :searched
    ) AS t, json_array_elements(t.channels) AS one, json_object_keys(one -> 'metrics') AS metric
    ORDER BY 1, 2, 3 NULLS FIRST
    """
)

_ARCHIVED = sql_text(
    f"""
    SELECT v.version_id
    FROM versions AS v JOIN datasets ON datasets.dataset_id = v.dataset_id
    WHERE {DATA_TYPE} = :data_type AND v.verdict IS NOT NULL
        AND (CAST(:projects AS text[]) IS NULL OR datasets.project = ANY(CAST(:projects AS text[])))
        AND v.stage NOT IN ('detected', 'measured', 'gated', 'described')
        AND NOT (:accepted AND (
            v.stage IN ('rejected', 'withdrawn')
            OR v.verdict <> 'passed' AND v.stage NOT IN ('accepted', 'published')
        ))
        AND NOT EXISTS (
            SELECT FROM versions AS later
            WHERE later.dataset_id = v.dataset_id AND (later.number, later.revision) > (v.number, v.revision)
                AND later.stage NOT IN ('detected', 'measured', 'gated', 'described')
        )
        AND NOT {_GIVEN_UP.format("v")}
    ORDER BY (
        SELECT {CREATED_AT} FROM versions AS same
        WHERE same.dataset_id = v.dataset_id AND same.number = v.number ORDER BY same.revision LIMIT 1
    ) DESC, v.version_id DESC
    LIMIT :limit
    """  # noqa: S608 - words of ours
)

_USUAL = {
    end: sql_text(
        f"""
        SELECT {_COLUMNS}
        FROM metric_samples AS t JOIN versions ON versions.version_id = t.version_id
        WHERE t.instrument = :instrument AND t.data_type = :data_type AND t.dataset_id <> :other_than
            AND t.at >= :since AND t.at < :before
            AND versions.stage NOT IN ('rejected', 'withdrawn')
            AND (t.verdict = 'passed' OR versions.stage IN ('accepted', 'published'))
            AND {_NEWEST_OF_ITS_DATASET}
            AND NOT {_GIVEN_UP.format("t")}
        ORDER BY t.at {order}, t.version_id {order}
        LIMIT :limit
        """  # noqa: S608 - words of ours
    )
    for end, order in (("newest", "DESC"), ("oldest", "ASC"))
}


class SqlTrendBook:
    """Implements `ports.trend.TrendBook`."""

    searched = 1000
    """Samples are looked for among so many versions: those of a channel that is seldom used would else be looked for in
    all that an instrument ever made."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, samples: Sequence[MetricSample]) -> None:
        """Insert or replace, a row a version."""
        for judged in judged_values(samples):
            told = judged.model_dump(mode="json")
            row = {**told, "at": judged.at, "channels": json.dumps(told["channels"], ensure_ascii=False)}
            put = insert(metric_samples).values(row)
            self._sql.run(put.on_conflict_do_update(index_elements=["version_id"], set_=row))

    def judged(self, version_id: str) -> JudgedValues | None:
        """Read one row."""
        found = self._sql.run(_JUDGED, {"version_id": version_id}).mappings().one_or_none()
        return None if found is None else _judged(found)

    def of(
        self,
        *,
        instrument: str,
        data_type: str,
        metric: str,
        channel: str | None,
        limit: int = 200,
        before: datetime | None = None,
    ) -> Sequence[MetricSample]:
        """Newest first, one a dataset."""
        wanted = {"instrument": instrument, "data_type": data_type, "metric": metric, "channel": channel}
        found = self._sql.run(_OF, {**wanted, "limit": limit, "before": before, "searched": self.searched})
        return [
            MetricSample(
                **wanted,
                version_id=row.version_id,
                dataset_id=row.dataset_id,
                value=row.value,
                verdict=Verdict(row.verdict),
                at=row.at,
            )
            for row in found
        ]

    def metrics(self, *, instrument: str) -> Sequence[tuple[str, str, str | None]]:
        """By data type, metric and channel."""
        found = self._sql.run(_METRICS, {"instrument": instrument, "searched": self.searched})
        return [(row.data_type, row.metric, row.channel) for row in found]

    def archived(
        self, *, data_type: str, accepted: bool, limit: int, projects: frozenset[str] | None = None
    ) -> Sequence[str]:
        """Newest data first."""
        own = None if projects is None else sorted(projects)
        wanted = {"data_type": data_type, "accepted": accepted, "limit": limit, "projects": own}
        return list(self._sql.run(_ARCHIVED, wanted).scalars())

    def usual(
        self,
        *,
        instrument: str,
        data_type: str,
        since: datetime,
        before: datetime,
        other_than: str,
        end: End = "newest",
        limit: int = 200,
    ) -> Sequence[JudgedValues]:
        """One a dataset, from one end of the time."""
        wanted = {"instrument": instrument, "data_type": data_type, "since": since, "before": before}
        found = self._sql.run(_USUAL[end], {**wanted, "other_than": other_than, "limit": limit})
        return [_judged(row) for row in found.mappings()]


def _judged(row: RowMapping) -> JudgedValues:
    return JudgedValues.model_validate({**row, "channels": json.loads(row["channels"])})
