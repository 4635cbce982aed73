"""Lists of acquisitions and datasets, in PostgreSQL: the rows of a page are found first, and only they are read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import TextClause, bindparam
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from cisterna.adapters.catalogue_census import take_census
from cisterna.adapters.catalogue_connection import Statements
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.adoption import WAITS
from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.erasure import Erasure
from cisterna.domain.finding import GRAVEST_FIRST
from cisterna.domain.publication import Publication
from cisterna.domain.stored_copy import StoredCopy
from cisterna.ports.roster import Census, Entry, Group, Key, Tally, Wanted

_COLUMNS = """
    d.acquisition_id AS acquisition_id, d.dataset_id AS dataset_id,
    coalesce(d.body ->> 'instrument', a.instrument) AS instrument
"""
_STANDS_ALONE = """NOT d.relations @> '[{"kind": "IsPartOf"}]'"""
_NEWEST = """
    NOT EXISTS (
        SELECT FROM versions n
        WHERE n.dataset_id = v.dataset_id AND (n.number, n.revision) > (v.number, v.revision)
    )
"""
_VERSIONED = f"""
    SELECT {_COLUMNS}, v.stage_at AS changed_at, v.body ->> 'verdict' AS verdict
    FROM versions v JOIN datasets d ON d.dataset_id = v.dataset_id
    LEFT JOIN acquisitions a ON a.acquisition_id = d.acquisition_id
    WHERE {_NEWEST} AND {_STANDS_ALONE}
"""  # noqa: S608 - words of ours
# What was erased has a dataset and no version.
_EMPTIED = f"""
    SELECT {_COLUMNS}, d.created_at AS changed_at, NULL AS verdict
    FROM datasets d LEFT JOIN acquisitions a ON a.acquisition_id = d.acquisition_id
    WHERE NOT EXISTS (SELECT FROM versions v WHERE v.dataset_id = d.dataset_id) AND {_STANDS_ALONE}
"""  # noqa: S608 - words of ours
_BARE = """
    SELECT a.acquisition_id AS acquisition_id, NULL AS dataset_id, a.instrument AS instrument,
        CAST(a.body ->> 'last_seen' AS timestamptz) AS changed_at, NULL AS verdict
    FROM acquisitions a
    WHERE a.dataset_id IS NULL
"""
_BAD = "'damaged', 'could-not-check'"
_AHEAD = "'detected', 'measured', 'gated', 'described', 'archived', 'verified'"
_ENDED_BADLY = "a.state IN ('aborted', 'partial', 'stalled', 'unavailable')"
# Runs of a share wait for their turn, for weeks and by thousands: they stand on the share's own page.
_IS_MEANT = f"a.body ->> 'held' IS DISTINCT FROM '{WAITS}'"
_FOUND = """
    dataset_id IN (
        SELECT coalesce(whole ->> 'dataset_id', c.dataset_id)
        FROM copies c JOIN stores s ON s.name = c.store AND s.registered
        JOIN datasets o ON o.dataset_id = c.dataset_id
        LEFT JOIN LATERAL jsonb_array_elements(o.relations) whole ON whole ->> 'kind' = 'IsPartOf'
        WHERE c.fixity <> 'ok' AND c.fixity IN ({})
    )
"""
"""Something of this kind was found of its object or of one of its parts'."""
_BRANCHES: Mapping[Group | None, Sequence[str]] = {
    None: (_VERSIONED, _EMPTIED, _BARE),
    Group.UNSOUND: (f"{_VERSIONED} AND d.{_FOUND.format(_BAD).strip()}",),
    Group.REVIEW: (f"{_VERSIONED} AND v.stage = 'in-review'",),
    Group.ACTIVE: (
        f"{_VERSIONED} AND NOT coalesce(a.held, false) AND v.stage IN ({_AHEAD})",
        f"{_BARE} AND NOT a.held AND a.state IN ('writing', 'complete')",
    ),
    Group.HELD: (
        f"{_VERSIONED} AND a.held",
        f"{_EMPTIED} AND (a.held OR {_ENDED_BADLY})",
        f"{_BARE} AND (a.held OR {_ENDED_BADLY}) AND {_IS_MEANT}",
    ),
    Group.SETTLED: (f"{_VERSIONED} AND v.stage IN ('accepted', 'rejected', 'published', 'withdrawn')",),
}
_VERDICTS = ", ".join(f"'{one.value}'" for one in GRAVEST_FIRST)
_LATEST = "changed_at DESC, coalesce(dataset_id, acquisition_id)"
_DAMAGED = _FOUND.format("'damaged'")
_ORDERS = {
    Group.REVIEW: f"array_position(ARRAY[{_VERDICTS}], coalesce(verdict, 'not-assessed')), changed_at, dataset_id",
    Group.UNSOUND: f"CASE WHEN {_DAMAGED} THEN 0 ELSE 1 END, {_LATEST}",
}


def _named(statement: str, **arrays: Iterable[str]) -> tuple[TextClause, dict[str, Any]]:
    values = {name: list(ids) for name, ids in arrays.items()}
    return sql_text(statement).bindparams(*(bindparam(name, type_=ARRAY(TEXT)) for name in values)), values


class SqlRoster:
    """Implements `ports.roster.Roster`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def keys(self, wanted: Wanted, *, limit: int | None = None, offset: int = 0) -> Sequence[Key]:
        """Find them; each branch gives no more than the page can need, so that its index ends the search."""
        order = _LATEST if wanted.group is None else _ORDERS.get(wanted.group, _LATEST)
        branches, values = _asked(wanted)
        upto = f"ORDER BY {order} LIMIT :upto" if limit is not None else ""
        within = " UNION ALL ".join(f"(SELECT * FROM ({branch}) one {upto})" for branch in branches)  # noqa: S608
        statement = f"SELECT acquisition_id, dataset_id FROM ({within}) entries ORDER BY {order}"  # noqa: S608 - ours
        if limit is not None:
            statement += " LIMIT :limit OFFSET :offset"
            values |= {"limit": limit, "offset": offset, "upto": limit + offset}
        found = self._sql.run(sql_text(statement), values)
        return [Key.model_construct(acquisition_id=row.acquisition_id, dataset_id=row.dataset_id) for row in found]

    def count(self, wanted: Wanted) -> int:
        """Count them."""
        branches, values = _asked(wanted)
        statement = f"SELECT count(*) FROM ({' UNION ALL '.join(branches)}) entries"  # noqa: S608 - words of ours
        return int(self._sql.run(sql_text(statement), values).scalar_one())

    def tallies(self, wanted: Wanted) -> Mapping[str, Tally]:
        """Count by instrument."""
        branches, values = _asked(wanted)
        statement = f"""
            SELECT instrument, count(*) AS acquisitions, max(changed_at) AS changed_at
            FROM ({" UNION ALL ".join(branches)}) entries
            WHERE acquisition_id IS NOT NULL GROUP BY instrument
        """  # noqa: S608 - words of ours
        found = self._sql.run(sql_text(statement), values)
        return {row.instrument: Tally(acquisitions=row.acquisitions, changed_at=row.changed_at) for row in found}

    def entries(self, keys: Sequence[Key]) -> Sequence[Entry]:
        """Read them."""
        datasets = [key.dataset_id for key in keys if key.dataset_id]
        acquisitions = self._acquisitions([key.acquisition_id for key in keys if key.acquisition_id])
        versions = self._versions(datasets)
        parts = {one.dataset_id for of_it in versions.values() for version in of_it for one in version.parts}
        copies, proven = self._copies([*datasets, *parts]), self._proven([*datasets, *parts])
        read, derived = self._datasets(datasets), self._derived(datasets)
        public = self._publications(
            [one.version_id for of_it in versions.values() for one in of_it if one.stage is Stage.PUBLISHED]
        )
        erasures = self._erasures([one for one in datasets if one not in versions])
        found = []
        for key in keys:
            dataset = key.dataset_id or ""
            of_it = versions.get(dataset, [])
            objects = [dataset, *dict.fromkeys(one.dataset_id for version in of_it for one in version.parts)]
            found.append(
                Entry.model_construct(
                    acquisition=acquisitions.get(key.acquisition_id or ""),
                    dataset=read.get(dataset),
                    versions=tuple(of_it),
                    derived=tuple(derived.get(dataset, ())),
                    publications=tuple(one for version in of_it for one in public.get(version.version_id, ())),
                    erasure=erasures.get(dataset),
                    copies=tuple(one for name in objects for one in copies.get(name, ())),
                    proven={version: stores for name in objects for version, stores in proven.get(name, {}).items()},
                )
            )
        return found

    def census(self) -> Census:
        """Count everything."""
        return take_census(self._sql)

    def _acquisitions(self, ids: Sequence[str]) -> dict[str, Acquisition]:
        statement = "SELECT body FROM acquisitions WHERE acquisition_id = ANY(:ids)"
        read = (Acquisition.model_validate_json(body) for body in self._bodies(statement, ids))
        return {one.acquisition_id: one for one in read}

    def _datasets(self, ids: Sequence[str]) -> dict[str, Dataset]:
        statement = "SELECT body FROM datasets WHERE dataset_id = ANY(:ids)"
        return {one.dataset_id: one for one in map(Dataset.model_validate_json, self._bodies(statement, ids))}

    def _versions(self, ids: Sequence[str]) -> dict[str, list[Version]]:
        statement = "SELECT body FROM versions WHERE dataset_id = ANY(:ids) ORDER BY dataset_id, number, revision"
        found: dict[str, list[Version]] = defaultdict(list)
        for version in map(Version.model_validate_json, self._bodies(statement, ids)):
            found[version.dataset_id].append(version)
        return found

    def _derived(self, ids: Sequence[str]) -> dict[str, list[str]]:
        wanted = [json.dumps([{"kind": "IsDerivedFrom", "dataset_id": one}]) for one in ids]
        statement = """
            SELECT relations, dataset_id FROM datasets
            WHERE relations @> ANY(CAST(:wanted AS jsonb[])) ORDER BY created_at, dataset_id
        """
        found: dict[str, list[str]] = defaultdict(list)
        for row in self._sql.run(*_named(statement, wanted=wanted)) if wanted else ():
            for relation in row.relations if isinstance(row.relations, list) else json.loads(row.relations):
                if relation["kind"] == "IsDerivedFrom":
                    found[relation["dataset_id"]].append(row.dataset_id)
        return found

    def _publications(self, ids: Sequence[str]) -> dict[str, list[Publication]]:
        statement = "SELECT body FROM publications WHERE version_id = ANY(:ids) ORDER BY published_at, publication_id"
        found: dict[str, list[Publication]] = defaultdict(list)
        for one in map(Publication.model_validate_json, self._bodies(statement, ids)):
            found[one.version_id].append(one)
        return found

    def _erasures(self, ids: Sequence[str]) -> dict[str, Erasure]:
        statement = "SELECT body FROM erasures WHERE dataset_ids ?| :ids ORDER BY announced_at"
        read = [Erasure.model_validate_json(body) for body in self._bodies(statement, ids)]
        return {dataset: one for one in read for dataset in one.dataset_ids}

    def _copies(self, ids: Sequence[str]) -> dict[str, list[StoredCopy]]:
        statement = """
            SELECT copies.body FROM copies JOIN stores ON stores.name = copies.store AND stores.registered
            WHERE dataset_id = ANY(:ids) ORDER BY dataset_id, stores.position
        """
        found: dict[str, list[StoredCopy]] = defaultdict(list)
        for one in map(StoredCopy.model_validate_json, self._bodies(statement, ids)):
            found[one.dataset_id].append(one)
        return found

    def _proven(self, ids: Sequence[str]) -> dict[str, dict[str, frozenset[str]]]:
        statement = """
            SELECT versions.dataset_id, receipts.version_id, array_agg(DISTINCT receipts.store) AS stores
            FROM versions JOIN receipts ON receipts.version_id = versions.version_id
            JOIN stores ON stores.name = receipts.store AND stores.registered
            WHERE versions.dataset_id = ANY(:ids) GROUP BY 1, 2
        """
        found: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        for row in self._sql.run(*_named(statement, ids=ids)) if ids else ():
            found[row.dataset_id][row.version_id] = frozenset(row.stores)
        return found

    def _bodies(self, statement: str, ids: Sequence[str]) -> Iterable[str]:
        return self._sql.run(*_named(statement, ids=ids)).scalars() if ids else ()


def _asked(wanted: Wanted) -> tuple[list[str], dict[str, Any]]:
    """Write the branches with the conditions that all of them share, and their values."""
    values: dict[str, Any] = {}
    branches = []
    for branch in _BRANCHES[wanted.group]:
        conditions = [branch]
        is_bare = branch.startswith(_BARE)
        if wanted.projects is not None:
            project = "a.project" if is_bare else "coalesce(d.project, a.project)"
            unclaimed = f" OR {project} IS NULL" if wanted.unclaimed else ""
            conditions.append(f"({project} = ANY(CAST(:projects AS text[])){unclaimed})")
            values["projects"] = sorted(wanted.projects)
        if wanted.instrument is not None:
            instrument = "a.instrument" if is_bare else "coalesce(d.body ->> 'instrument', a.instrument)"
            conditions.append(f"{instrument} = :instrument")
            values["instrument"] = wanted.instrument
        if wanted.words:
            told = "a.body ->> 'name'" if is_bare else "concat_ws(' ', d.body ->> 'title', a.body ->> 'name', d.pid)"
            conditions.append(f"position(lower(:words) IN lower({told})) > 0")
            values["words"] = wanted.words
        branches.append(" AND ".join(conditions))
    return branches, values
