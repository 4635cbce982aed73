"""Counts over the whole catalogue, in PostgreSQL, which counts without handing rows out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_connection import Statements
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.dataset import ORDER, Stage
from cisterna.domain.fixity import Fixity
from cisterna.domain.recovery import ObjectState
from cisterna.domain.work import WorkState
from cisterna.ports.roster import Census, StoreCensus

_STATES = "SELECT state, count(*), count(*) FILTER (WHERE held) FROM acquisitions GROUP BY state"
_WORK = "SELECT state, count(*) FROM works WHERE state <> 'done' GROUP BY state"
_SEEN = """
    FROM versions v JOIN datasets d ON d.dataset_id = v.dataset_id AND NOT d.relations @> '[{"kind": "IsPartOf"}]'
"""
_STAGES = f"SELECT v.stage, count(*) {_SEEN} GROUP BY v.stage"
_JUDGED = f"""
    SELECT coalesce(told.verdict, 'none'), count(*),
        sum(told.total_bytes) FILTER (WHERE told.ocfl_version IS NOT NULL AND v.revision = 0)
    {_SEEN} CROSS JOIN LATERAL json_to_record(v.body) AS told (verdict text, ocfl_version integer, total_bytes bigint)
    GROUP BY 1
"""
_ARCHIVED = ", ".join(f"'{stage.value}'" for stage in ORDER[ORDER.index(Stage.ARCHIVED) :])
_STORES = f"""
    SELECT s.name,
        (
            SELECT count(*) FROM versions v
            WHERE v.stage IN ({_ARCHIVED})
                AND NOT EXISTS (SELECT FROM receipts r WHERE r.version_id = v.version_id AND r.store = s.name)
        ),
        (SELECT count(*) FROM copies c WHERE c.store = s.name AND c.body ->> 'repaired_at' IS NOT NULL)
    FROM stores s WHERE s.registered ORDER BY s.position
"""  # noqa: S608 - words of ours
_FIXITY = "SELECT store, fixity, count(*) FROM copies WHERE fixity IS NOT NULL GROUP BY store, fixity"
_OBJECTS = "SELECT state, count(*), sum(CAST(body ->> 'recoveries' AS bigint)) FROM recoveries GROUP BY state"


def take_census(statements: Statements) -> Census:
    """Count what there is."""

    def rows(statement: str) -> Sequence[Sequence[Any]]:
        return [tuple(row) for row in statements.run(sql_text(statement))]

    states, judged, objects = rows(_STATES), rows(_JUDGED), rows(_OBJECTS)
    found: dict[str, dict[Fixity, int]] = defaultdict(dict)
    for store, fixity, count in rows(_FIXITY):
        found[store][Fixity(fixity)] = count
    return Census(
        acquisitions={AcquisitionState(state): count for state, count, _ in states},
        held=sum(held for _, _, held in states),
        stages={Stage(stage): count for stage, count in rows(_STAGES)},
        verdicts={verdict: count for verdict, count, _ in judged},
        archived_bytes=sum(int(size or 0) for _, _, size in judged),
        work={WorkState(state): count for state, count in rows(_WORK)},
        stores={
            name: StoreCensus(found=found[name], missing=missing, repaired=repaired)
            for name, missing, repaired in rows(_STORES)
        },
        objects={ObjectState(state): count for state, count, _ in objects},
        recoveries=sum(int(recoveries or 0) for _, _, recoveries in objects),
    )
