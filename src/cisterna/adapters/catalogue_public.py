"""The index of what is public, in PostgreSQL: written in turns, and derived dataset by dataset from its versions.

A dataset is searched by its newest version that stands. How many datasets have a word or a value is kept as it changes,
so that neither statistics nor a search for a misspelt word reads them all; what nothing has any more goes from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, RowMapping, bindparam, case, func, null, select
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, INTEGER, TEXT, insert

from cisterna.adapters.catalogue_connection import Statements
from cisterna.adapters.catalogue_public_search import PublicSearch
from cisterna.adapters.catalogue_public_tables import public_datasets, public_values, public_versions
from cisterna.adapters.catalogue_public_text import vector_of
from cisterna.domain.public_entry import Facet, HarvestForm, PublicContent, PublicEntry, label_of, place_of
from cisterna.ports.clock import Clock
from cisterna.ports.public_index import (
    SUMMED,
    Counts,
    Found,
    Harvested,
    HarvestWanted,
    Known,
    Listed,
    Sort,
    Sum,
    Sums,
    Wanted,
)

_TURN = sql_text("SELECT pg_advisory_xact_lock(hashtextextended('cisterna.public-index', 0))")
_AFTER_WRITERS = sql_text("SELECT pg_advisory_xact_lock_shared(hashtextextended('cisterna.public-index', 0))")
_SUMMED = (Facet.DATA_TYPE, Facet.INSTRUMENT, Facet.YEAR, Facet.LICENCE, Facet.AFFILIATION)

_KNOWN = sql_text(
    """
    SELECT pid, number, revision, published_at, data_type, mark, CAST(body AS text) AS body, oai_dc, oai_datacite
    FROM public_versions WHERE pid = ANY(:pids)
    """
).bindparams(bindparam("pids", type_=ARRAY(TEXT)))
_LAST = sql_text("SELECT place, changed_at FROM public_versions ORDER BY place DESC LIMIT 1")
_MARK = sql_text(
    "UPDATE public_versions SET mark = :mark WHERE pid = :pid AND number = :number AND revision = :revision"
)
_EMPTY = sql_text(
    """
    UPDATE public_versions SET body = NULL, oai_dc = NULL, oai_datacite = NULL, mark = NULL, place = :place,
        changed_at = :changed_at
    WHERE pid = :pid AND number = :number AND revision = :revision
    """
)
_STANDING = sql_text(
    """
    SELECT DISTINCT ON (pid) pid, number, revision, published_at, data_type, CAST(body AS text) AS body
    FROM public_versions WHERE pid = ANY(:pids) AND body IS NOT NULL
    ORDER BY pid, number DESC, revision DESC
    """
).bindparams(bindparam("pids", type_=ARRAY(TEXT)))
_TAKE_OUT = sql_text(
    """
    DELETE FROM public_datasets WHERE pid = ANY(:pids)
    RETURNING facets, file_count, total_bytes, tsvector_to_array(words) AS words
    """
).bindparams(bindparam("pids", type_=ARRAY(TEXT)))
_COUNT_WORDS = sql_text(
    """
    INSERT INTO public_words AS held (word, uses)
    SELECT word, uses FROM unnest(:words, :uses) AS told (word, uses)
    ON CONFLICT (word) DO UPDATE SET uses = held.uses + excluded.uses
    """
).bindparams(bindparam("words", type_=ARRAY(TEXT)), bindparam("uses", type_=ARRAY(BigInteger)))
_UNUSED_WORDS = sql_text("DELETE FROM public_words WHERE word = ANY(:words) AND uses <= 0").bindparams(
    bindparam("words", type_=ARRAY(TEXT))
)
_NAME_VALUES = sql_text(
    """
    INSERT INTO public_values AS held (facet, value, datasets, file_count, total_bytes)
    SELECT facet, value, 0, 0, 0 FROM unnest(:facets, :named) AS told (facet, value)
    ON CONFLICT (facet, value) DO UPDATE SET datasets = held.datasets
    RETURNING value_id, facet, value
    """
).bindparams(bindparam("facets", type_=ARRAY(TEXT)), bindparam("named", type_=ARRAY(TEXT)))
_COUNT_VALUES = sql_text(
    """
    UPDATE public_values AS held SET datasets = held.datasets + told.datasets,
        file_count = held.file_count + told.file_count, total_bytes = held.total_bytes + told.total_bytes
    FROM unnest(:ids, :datasets, :file_counts, :totals) AS told (value_id, datasets, file_count, total_bytes)
    WHERE held.value_id = told.value_id
    """
).bindparams(
    bindparam("ids", type_=ARRAY(INTEGER)),
    *(bindparam(name, type_=ARRAY(BigInteger)) for name in ("datasets", "file_counts", "totals")),
)
_UNUSED_VALUES = sql_text("DELETE FROM public_values WHERE value_id = ANY(:ids) AND datasets <= 0").bindparams(
    bindparam("ids", type_=ARRAY(INTEGER))
)
_BETWEEN = sql_text(
    """
    SELECT pid, number, revision, mark, body IS NOT NULL AS stands FROM public_versions
    WHERE (CAST(:after AS text) IS NULL OR pid > :after) AND (CAST(:upto AS text) IS NULL OR pid <= :upto)
    """
)
_ASKED = """
    (CAST(:since AS timestamptz) IS NULL OR changed_at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR changed_at <= :until)
    AND (CAST(:data_type AS text) IS NULL OR data_type = :data_type OR body IS NULL AND data_type IS NULL)
"""


def _harvest(form: HarvestForm) -> Any:
    return sql_text(
        f"""
        SELECT pid, number, revision, place, changed_at, data_type, {form.value} AS document FROM public_versions
        WHERE place > :after AND (body IS NULL OR {form.value} IS NOT NULL) AND {_ASKED}
        ORDER BY place LIMIT :limit
        """  # noqa: S608 - words of ours
    )


def _harvestable(form: HarvestForm) -> Any:
    return sql_text(
        f"""
        SELECT count(*) FROM public_versions
        WHERE place > :after AND (body IS NULL OR {form.value} IS NOT NULL) AND {_ASKED}
        """  # noqa: S608 - words of ours
    )


_HARVEST = {form: _harvest(form) for form in HarvestForm}
_HARVESTABLE = {form: _harvestable(form) for form in HarvestForm}
_SUMS = sql_text(
    """
    SELECT asked AS facet, held.* FROM unnest(:facets) AS asked, LATERAL (
        SELECT value, datasets, file_count, total_bytes FROM public_values WHERE facet = asked
        ORDER BY datasets DESC, value LIMIT CASE WHEN asked = :whole THEN NULL ELSE :most END
    ) AS held
    """
).bindparams(bindparam("facets", type_=ARRAY(TEXT)))
_VALUES = sql_text(
    "SELECT facet, count(*) AS held FROM public_values WHERE facet = ANY(:facets) GROUP BY facet"
).bindparams(bindparam("facets", type_=ARRAY(TEXT)))
_LISTED = sql_text(
    """
    SELECT d.pid, v.changed_at
    FROM (SELECT pid, number, revision FROM public_datasets ORDER BY pid LIMIT :limit OFFSET :offset) AS d
    JOIN public_versions AS v ON v.pid = d.pid AND v.number = d.number AND v.revision = d.revision
    ORDER BY d.pid
    """
)


class _Weight(NamedTuple):
    datasets: int = 0
    file_count: int = 0
    total_bytes: int = 0

    def with_one(self, *, file_count: int, total_bytes: int, sign: int = 1) -> _Weight:
        return _Weight(self.datasets + sign, self.file_count + sign * file_count, self.total_bytes + sign * total_bytes)


class SqlPublicIndex:
    """Implements `ports.public_index.PublicIndex`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements
        self._search = PublicSearch(statements)

    def put(self, entries: Sequence[PublicEntry], *, clock: Clock) -> int:
        """Write what is other than it was."""
        if not entries:
            return 0
        self.take_turn()
        found = self._sql.run(_KNOWN, {"pids": sorted({one.pid for one in entries})}).mappings()
        known = {(row["pid"], row["number"], row["revision"]): row for row in found}
        changed = []
        for entry in entries:
            row, before = _row(entry), known.get((entry.pid, *entry.place))
            if before is None or not _says_the_same(row, before):
                changed.append(row)
            elif before["mark"] != entry.mark:
                self._sql.run(_MARK, {name: row[name] for name in ("mark", "pid", "number", "revision")})
        self._write(changed, clock=clock)
        return len(changed)

    def withdraw(self, pid: str, version: str | None = None, *, clock: Clock) -> int:
        """Empty the rows that hold something."""
        self.take_turn()
        wanted = None if version is None else place_of(version)
        rows = [
            {"pid": pid, "number": row["number"], "revision": row["revision"]}
            for row in self._sql.run(_KNOWN, {"pids": [pid]}).mappings()
            if row["body"] is not None and wanted in {None, (row["number"], row["revision"])}
        ]
        if rows:
            self._sql.run(_EMPTY, self._placed(rows, clock=clock))
            self._derive([pid])
        return len(rows)

    def take_turn(self) -> None:
        """Hold a lock that goes with the transaction."""
        self._sql.run(_TURN)

    def known(self, *, after: str | None, upto: str | None) -> Mapping[tuple[str, str], Known]:
        """By the order of the PIDs' bytes."""
        found = self._sql.run(_BETWEEN, {"after": after, "upto": upto})
        return {(row.pid, label_of(row.number, row.revision)): Known(row.mark, row.stands) for row in found}

    def places(self, pids: Sequence[str]) -> Mapping[tuple[str, str], int]:
        """By the key."""
        key = public_versions.c
        found = self._sql.run(select(key.pid, key.number, key.revision, key.place).where(key.pid.in_(pids)))
        return {(row.pid, label_of(row.number, row.revision)): row.place for row in found}

    def search(self, wanted: Wanted, *, sort: Sort = Sort.RELEVANCE, limit: int, offset: int = 0) -> Found:
        """By full text and values."""
        return self._search.find(wanted, sort=sort, limit=limit, offset=offset)

    def facets(self, wanted: Wanted, *, most: int = 10) -> Counts:
        """By full text and values."""
        return self._search.count_values(wanted, most=most)

    def statistics(self, *, most: int = SUMMED) -> Sums:
        """From what is kept as it changes."""
        facets = [one.value for one in _SUMMED]
        found = self._sql.run(_SUMS, {"facets": facets, "most": most, "whole": Facet.YEAR.value})
        told = [Sum(Facet(row.facet), row.value, row.datasets, row.file_count, int(row.total_bytes)) for row in found]
        shown = Counter(one.facet for one in told)
        held = {Facet(row.facet): row.held for row in self._sql.run(_VALUES, {"facets": facets})}
        return Sums(told, {facet: count - shown[facet] for facet, count in held.items() if count > shown[facet]})

    def harvest(self, wanted: HarvestWanted, *, limit: int) -> Sequence[Harvested]:
        """In the order of the places."""
        self._sql.run(_AFTER_WRITERS)
        found = self._sql.run(_HARVEST[wanted.form], {**_asked(wanted), "limit": limit})
        return [_harvested(row) for row in found]

    def harvestable(self, wanted: HarvestWanted) -> int:
        """Count them."""
        count: int = self._sql.run(_HARVESTABLE[wanted.form], _asked(wanted)).scalar_one()
        return count

    def versions(self, pid: str, version: str) -> Mapping[HarvestForm, Harvested]:
        """By the key."""
        number, revision = place_of(version)
        key = public_versions.c
        row = self._sql.run(
            select(public_versions).where(key.pid == pid, key.number == number, key.revision == revision)
        ).one_or_none()
        if row is None:
            return {}
        is_gone = row.body is None
        told = {form: getattr(row, form.value) for form in HarvestForm}
        return {
            form: Harvested(pid, version, row.place, row.changed_at, row.data_type, document)
            for form, document in told.items()
            if is_gone or document is not None
        }

    def data_types(self) -> Sequence[str]:
        """Of every version."""
        found = self._sql.run(
            select(public_versions.c.data_type).where(public_versions.c.data_type.is_not(None)).distinct()
        )
        return sorted(found.scalars())

    def earliest(self) -> datetime | None:
        """By the first place."""
        found: datetime | None = self._sql.run(
            select(public_versions.c.changed_at).order_by(public_versions.c.place).limit(1)
        ).scalar()
        return found

    def listed(self, *, limit: int, offset: int) -> Sequence[Listed]:
        """By PID."""
        found = self._sql.run(_LISTED, {"limit": limit, "offset": offset})
        return [Listed(row.pid, row.changed_at) for row in found]

    def count(self) -> int:
        """Every dataset has one year."""
        wanted = select(func.coalesce(func.sum(public_values.c.datasets), 0)).where(
            public_values.c.facet == Facet.YEAR.value
        )
        return int(self._sql.run(wanted).scalar_one())

    def _placed(self, rows: Sequence[Mapping[str, Any]], *, clock: Clock) -> list[dict[str, Any]]:
        """Give rows the next places, and a time that is not before that of the last.

        Places begin with the time, so that an index that was made anew has none that harvesters believe to have passed.
        """
        now, last = clock.now(), self._sql.run(_LAST).one_or_none()
        changed_at = now.replace(microsecond=0)
        place = int(now.timestamp() * 1000)
        if last is not None:
            changed_at, place = max(changed_at, last.changed_at), max(place, last.place + 1)
        return [{**row, "place": place + at, "changed_at": changed_at} for at, row in enumerate(rows)]

    def _write(self, rows: Sequence[Mapping[str, Any]], *, clock: Clock) -> None:
        if not rows:
            return
        fresh = insert(public_versions)
        told: dict[str, Any] = {one.name: fresh.excluded[one.name] for one in public_versions.c if not one.primary_key}
        # Who harvests by type has to hear of a withdrawal, also when the tombstone does not tell the type.
        known = func.coalesce(fresh.excluded.data_type, public_versions.c.data_type)
        told["data_type"] = case((fresh.excluded.body.is_(null()), known), else_=fresh.excluded.data_type)
        put = fresh.on_conflict_do_update(index_elements=["pid", "number", "revision"], set_=told)
        self._sql.run(put, self._placed(rows, clock=clock))
        self._derive(sorted({row["pid"] for row in rows}))

    def _derive(self, pids: Sequence[str]) -> None:
        """Make the datasets anew from their versions, with the counts of words and values."""
        words: Counter[str] = Counter()
        values: dict[int, _Weight] = {}
        for row in self._sql.run(_TAKE_OUT, {"pids": list(pids)}):
            words.subtract(row.words)
            for value_id in row.facets:
                weight = values.get(value_id, _Weight())
                values[value_id] = weight.with_one(file_count=row.file_count, total_bytes=row.total_bytes, sign=-1)
        standing = [
            PublicEntry(
                pid=row.pid,
                version=label_of(row.number, row.revision),
                published_at=row.published_at,
                data_type=row.data_type,
                content=PublicContent.model_validate_json(row.body),
            )
            for row in self._sql.run(_STANDING, {"pids": list(pids)})
        ]
        names = self._name_values({value for one in standing for value in one.values()})
        rows = []
        for one in standing:
            made, present = _dataset(one, names)
            rows.append(made)
            words.update(present)
            for value_id in made["facets"]:
                weight = values.get(value_id, _Weight())
                values[value_id] = weight.with_one(file_count=made["file_count"], total_bytes=made["total_bytes"])
        if rows:
            self._sql.run(insert(public_datasets), rows)
        self._count(words, values)

    def _name_values(self, values: Iterable[tuple[Facet, str]]) -> dict[tuple[str, str], int]:
        ordered = sorted((facet.value, value) for facet, value in values)
        if not ordered:
            return {}
        told = {"facets": [facet for facet, _ in ordered], "named": [value for _, value in ordered]}
        return {(row.facet, row.value): row.value_id for row in self._sql.run(_NAME_VALUES, told)}

    def _count(self, words: Counter[str], values: Mapping[int, _Weight]) -> None:
        moved = sorted((word, uses) for word, uses in words.items() if uses)
        if moved:
            self._sql.run(_COUNT_WORDS, {"words": [word for word, _ in moved], "uses": [uses for _, uses in moved]})
            self._sql.run(_UNUSED_WORDS, {"words": [word for word, uses in moved if uses < 0]})
        if values:
            ids = sorted(values)
            weights = [values[one] for one in ids]
            told = {
                "ids": ids,
                "datasets": [one.datasets for one in weights],
                "file_counts": [one.file_count for one in weights],
                "totals": [one.total_bytes for one in weights],
            }
            self._sql.run(_COUNT_VALUES, told)
            self._sql.run(_UNUSED_VALUES, {"ids": ids})


def _row(entry: PublicEntry) -> dict[str, Any]:
    number, revision = entry.place
    content = entry.content
    documents = content.documents if content else {}
    return {
        "pid": entry.pid,
        "number": number,
        "revision": revision,
        "published_at": entry.published_at,
        "data_type": entry.data_type,
        "mark": entry.mark,
        "body": content.model_dump_json(exclude={"documents"}) if content else None,
        **{form.value: documents.get(form) for form in HarvestForm},
    }


def _says_the_same(row: Mapping[str, Any], before: RowMapping) -> bool:
    if row["body"] is None:
        return before["body"] is None
    told = ("body", "published_at", "data_type", *HarvestForm)
    return all(row[name] == before[name] for name in told)


def _dataset(entry: PublicEntry, names: Mapping[tuple[str, str], int]) -> tuple[dict[str, Any], frozenset[str]]:
    """Make the row that is searched, and give the words in it."""
    content = entry.content
    if content is None:
        msg = "only what stands is searched"
        raise ValueError(msg)
    number, revision = entry.place
    vector = vector_of(entry)
    return {
        "pid": entry.pid,
        "number": number,
        "revision": revision,
        "published_at": entry.published_at,
        "title_key": content.title.casefold()[:200],
        "file_count": content.file_count,
        "total_bytes": content.total_bytes,
        "facets": sorted(names[facet.value, value] for facet, value in entry.values()),
        "heads": vector.heads,
        "words": vector.words,
    }, vector.present


def _asked(wanted: HarvestWanted) -> dict[str, Any]:
    return {name: getattr(wanted, name) for name in ("since", "until", "data_type", "after")}


def _harvested(row: Any) -> Harvested:
    version = label_of(row.number, row.revision)
    return Harvested(row.pid, version, row.place, row.changed_at, row.data_type, row.document)
