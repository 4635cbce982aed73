"""What decides how much may be public, and what is to be looked at for it; in PostgreSQL.

Triggers leave the marks, so that no statement of ours, and none typed by hand, can forget to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, BOOLEAN, TEXT, TIMESTAMP

from cisterna.adapters.catalogue_access_tables import access_looks
from cisterna.adapters.catalogue_connection import Statements
from cisterna.domain.access import SaidOfDataset, SaidOfVersion
from cisterna.domain.dataset import Relation, Stage
from cisterna.domain.project import Project, read_project
from cisterna.ports.access import AccessLook

_SPREAD_AT_ONCE = 2_000
_PUT_OFF_MOST = timedelta(minutes=5)
"""What has to go is put off for less: where it is due later, the clock went back since."""
_TIMES = ARRAY(TIMESTAMP(timezone=True))

# One statement however many there are, and only what access hangs on: a description is long, and read for each event.
_SAID = sql_text(
    """
    WITH RECURSIVE reached (asked, dataset_id) AS (
        SELECT asked, asked FROM unnest(:asked) AS asked
        UNION
        SELECT reached.asked, relation ->> 'dataset_id'
        FROM reached JOIN datasets USING (dataset_id), jsonb_array_elements(datasets.relations) AS relation
    )
    SELECT reached.asked, reached.dataset_id, CAST(datasets.relations AS text) AS relations,
        CAST(projects.body AS text) AS project, (
            SELECT CAST(json_agg(json_build_array(
                version_id, number, revision, stage, CASE WHEN json_typeof(described) = 'object' THEN json_build_object(
                    'access', described -> 'access', 'human_data', described -> 'human_data',
                    'embargo_until', described -> 'embargo_until', 'dates', described -> 'dates'
                ) END
            ) ORDER BY number, revision) AS text)
            FROM (
                SELECT version_id, number, revision, stage, body -> 'metadata' AS described
                FROM versions WHERE versions.dataset_id = reached.dataset_id
            ) AS known
        ) AS versions
    FROM reached LEFT JOIN datasets USING (dataset_id) LEFT JOIN projects ON projects.slug = datasets.project
    ORDER BY reached.asked, reached.dataset_id <> reached.asked, reached.dataset_id
    """
).bindparams(bindparam("asked", type_=ARRAY(TEXT)))

# How many are reached nobody can foresee; OFFSET keeps the planner from reading whole tables for a few of them. Looks
# are taken hold of by name: two who did so in two orders would wait for each other.
_SPREAD = sql_text(
    """
    WITH RECURSIVE taken AS (
        DELETE FROM access_marks
        WHERE position IN (SELECT position FROM access_marks ORDER BY position LIMIT :limit FOR UPDATE SKIP LOCKED)
        RETURNING project, dataset_id
    ), reached (dataset_id) AS (
        SELECT dataset_id FROM (
            SELECT dataset_id FROM taken WHERE dataset_id IS NOT NULL
            UNION
            SELECT dataset_id FROM datasets WHERE project = ANY(ARRAY(SELECT DISTINCT project FROM taken))
        ) AS changed
        UNION
        SELECT made.dataset_id FROM reached JOIN datasets AS made
            ON made.relations @> jsonb_build_array(jsonb_build_object('dataset_id', reached.dataset_id))
    ), asked AS (
        INSERT INTO access_looks (version_id, due_at, waits)
        SELECT DISTINCT public.version_id, CAST(:now AS timestamptz), false
        FROM reached CROSS JOIN LATERAL (
            SELECT version_id FROM versions JOIN publications USING (version_id)
            WHERE versions.dataset_id = reached.dataset_id AND publications.body ->> 'withdrawn_at' IS NULL
            OFFSET 0
        ) AS public
        ORDER BY public.version_id
        ON CONFLICT (version_id) DO UPDATE SET due_at = excluded.due_at, waits = false
    )
    SELECT count(*) FROM taken
    """
)

_HOLD = sql_text(
    "SELECT version_id FROM access_looks WHERE version_id = ANY(:version_ids) ORDER BY version_id FOR UPDATE"
).bindparams(bindparam("version_ids", type_=ARRAY(TEXT)))
_SETTLE = sql_text(
    """
    WITH done AS (
        SELECT * FROM unnest(:version_ids, :before, :after, :waits) AS done (version_id, before, after, waits)
    ), gone AS (
        DELETE FROM access_looks USING done WHERE access_looks.version_id = done.version_id
            AND access_looks.due_at = done.before AND done.after IS NULL
    )
    UPDATE access_looks SET due_at = done.after, waits = done.waits FROM done
    WHERE access_looks.version_id = done.version_id AND access_looks.due_at = done.before AND done.after IS NOT NULL
    """
).bindparams(
    bindparam("version_ids", type_=ARRAY(TEXT)),
    bindparam("before", type_=_TIMES),
    bindparam("after", type_=_TIMES),
    bindparam("waits", type_=ARRAY(BOOLEAN)),
)


class SqlAccessBook:
    """Implements `ports.access.AccessBook`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def said(self, dataset_ids: Sequence[str]) -> Mapping[str, Sequence[SaidOfDataset]]:
        """Follow every relation, each dataset once."""
        found: dict[str, list[SaidOfDataset]] = {}
        projects: dict[str | None, Project | None] = {None: None}
        for row in self._sql.run(_SAID, {"asked": sorted(set(dataset_ids))}):
            if row.project not in projects:
                projects[row.project] = read_project(row.project)
            said = SaidOfDataset(
                row.dataset_id,
                row.relations is not None,
                projects[row.project],
                tuple(Relation.model_validate(one) for one in json.loads(row.relations or "[]")),
                tuple(
                    SaidOfVersion(version_id, number, revision, stage == Stage.REJECTED, said)
                    for version_id, number, revision, stage, said in json.loads(row.versions or "[]")
                ),
            )
            found.setdefault(row.asked, []).append(said)
        return found

    def spread(self, *, now: datetime) -> int:
        """Take the oldest; what is marked meanwhile has another place and stays."""
        taken: int = self._sql.run(_SPREAD, {"now": now, "limit": _SPREAD_AT_ONCE}).scalar_one()
        return taken

    def due(self, *, now: datetime, limit: int) -> Sequence[AccessLook]:
        """The latest first: of one dataset the word is carried out before that of a whole project is."""
        look = access_looks.c
        is_ahead = and_(~look.waits, look.due_at > now + _PUT_OFF_MOST)
        wanted = select(look.version_id, look.due_at, look.waits).where(or_(look.due_at <= now, is_ahead))
        wanted = wanted.order_by(look.waits, look.due_at.desc(), look.version_id).limit(limit)
        return [AccessLook(row.version_id, row.due_at, waits=row.waits) for row in self._sql.run(wanted)]

    def settle(self, done: Sequence[tuple[AccessLook, AccessLook | None]]) -> None:
        """Write all by one statement, once they are held in the order in which everybody takes hold of them."""
        if done:
            version_ids = [before.version_id for before, _ in done]
            self._sql.run(_HOLD, {"version_ids": version_ids})
            self._sql.run(
                _SETTLE,
                {
                    "version_ids": version_ids,
                    "before": [before.due_at for before, _ in done],
                    "after": [after.due_at if after else None for _, after in done],
                    "waits": [after.waits if after else False for _, after in done],
                },
            )
