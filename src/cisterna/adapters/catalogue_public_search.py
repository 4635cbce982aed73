"""Searches the index of what is public: full text first, and for words that nothing has those that come near."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

from cisterna.adapters.catalogue_connection import Statements
from cisterna.adapters.catalogue_public_text import PREFIX_LEAST, query_of
from cisterna.domain.public_entry import Facet, PublicContent, label_of
from cisterna.domain.search_text import query_words
from cisterna.ports.public_index import COUNTED, COUNTED_EXACTLY, Count, Counts, Found, FoundDataset, Sort, Wanted

_RANKED = 1_000
"""How many are weighed against each other, those with the words in title or subjects first, then the newest."""
_RANKED_OF_VERY_MANY = 200
"""The newest of more than `COUNTED_EXACTLY`: such words say little, and to look for the best would take long."""
_HOLDING_MOST = 20
_ALIKE_MOST = 6
_ALIKE_WITHIN = 0.15
"""How much less alike than the best a word may be that stands in as well."""

# The words of a row lie apart from it: to read all rows costs many times what PostgreSQL believes.
_PLANNED = sql_text("SELECT set_config('enable_seqscan', 'off', true), set_config('work_mem', '32MB', true)")
_UNFIT = re.compile("[\x00\ud800-\udfff]")
"""Signs that no text in the database has."""
_PRESENT = sql_text(
    f"""
    SELECT asked FROM unnest(:words) AS asked WHERE EXISTS (
        SELECT FROM public_words AS held
        WHERE held.word = asked
            OR length(asked) >= {PREFIX_LEAST} AND held.word >= asked AND held.word < asked || chr(1114111)
    )
    """  # noqa: S608 - a number of ours
).bindparams(bindparam("words", type_=ARRAY(TEXT)))
_HOLDING = sql_text(
    "SELECT word FROM public_words WHERE word LIKE '%' || :word || '%' ORDER BY uses DESC, word LIMIT :most"
)
_ALIKE = sql_text(
    """
    SELECT word, similarity(word, :word) AS alike FROM public_words WHERE word % :word
    ORDER BY 2 DESC, uses DESC, word LIMIT :most
    """
)
_VALUE_IDS = sql_text(
    """
    SELECT value_id FROM public_values JOIN unnest(:facets, :named) AS asked (facet, value) USING (facet, value)
    """
).bindparams(bindparam("facets", type_=ARRAY(TEXT)), bindparam("named", type_=ARRAY(TEXT)))
_ORDERS = {
    Sort.RELEVANCE: "published_at DESC, pid",
    Sort.NEWEST: "published_at DESC, pid",
    Sort.OLDEST: "published_at, pid",
    Sort.TITLE: "title_key, pid",
    Sort.LARGEST: "total_bytes DESC, pid",
}
_ROWS = sql_text(
    """
    SELECT v.pid, v.number, v.revision, v.published_at, v.data_type, CAST(v.body AS text) AS body
    FROM public_datasets AS d
    JOIN public_versions AS v ON v.pid = d.pid AND v.number = d.number AND v.revision = d.revision
    WHERE d.pid = ANY(:pids)
    """
).bindparams(bindparam("pids", type_=ARRAY(TEXT)))
_MOST_OF_ALL = sql_text(
    """
    SELECT asked AS facet, held.value, held.datasets
    FROM unnest(:facets) AS asked, LATERAL (
        SELECT value, datasets FROM public_values WHERE facet = asked ORDER BY datasets DESC, value LIMIT :most
    ) AS held
    """
).bindparams(bindparam("facets", type_=ARRAY(TEXT)))


class _Terms(NamedTuple):
    """What is searched in place of what was typed.

    Attributes:
        query: None when any words do.
        meant: Words that stand in for others.
    """

    query: str | None
    meant: Mapping[str, Sequence[str]]


class PublicSearch:
    """Finds and counts, in one transaction: what words stand for is looked up once for both."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements
        self._is_planned = False
        self._known: dict[str, _Terms] = {}

    def find(self, wanted: Wanted, *, sort: Sort, limit: int, offset: int) -> Found:
        """Give a page."""
        self._plan()
        terms, ids = self._terms(wanted.words), self._value_ids(wanted)
        if ids is None:
            return Found(0, (), meant=terms.meant)
        asked = _asked(terms, ids)
        if not asked:
            total = self._sql.run(_TOTAL).scalar_one()
            pids = self._sql.run(_ordered(asked, sort), {"limit": limit, "offset": offset}).scalars().all()
            return Found(total, self._rows(pids), meant=terms.meant)
        total = self._sql.run(_total(asked), {**asked, "most": COUNTED_EXACTLY + 1}).scalar_one()
        is_broad = total > COUNTED_EXACTLY
        values = {**asked, "limit": limit, "offset": offset}
        if sort is Sort.RELEVANCE and terms.query is not None:
            ranked = _RANKED_OF_VERY_MANY if is_broad else _RANKED
            values |= {"ranked": ranked, "near": max(ranked, limit + offset)}
            statement = _weighed(asked, by_date=is_broad)
        elif is_broad and sort in {Sort.RELEVANCE, Sort.NEWEST}:
            statement = _newest(asked)
        else:
            statement = _ordered(asked, sort)
        pids = self._sql.run(statement, values).scalars().all()
        return Found(min(total, COUNTED_EXACTLY), self._rows(pids), is_more=is_broad, meant=terms.meant)

    def count_values(self, wanted: Wanted, *, most: int) -> Counts:
        """Count the values of what is found."""
        self._plan()
        terms, ids = self._terms(wanted.words), self._value_ids(wanted)
        if ids is None:
            return Counts(0, {})
        asked = _asked(terms, ids)
        if not asked:
            return self._count_all(most)
        found = self._sql.run(_counted(asked), {**asked, "counted": COUNTED, "most": most}).all()
        of = found[0].counted if found else 0
        return Counts(of, _by_facet((row.facet, row.value, row.datasets) for row in found))

    def _plan(self) -> None:
        if not self._is_planned:
            self._sql.run(_PLANNED)
            self._is_planned = True

    def _count_all(self, most: int) -> Counts:
        found = self._sql.run(_MOST_OF_ALL, {"facets": [one.value for one in Facet], "most": most}).all()
        total = self._sql.run(_TOTAL).scalar_one()
        return Counts(total, _by_facet((row.facet, row.value, row.datasets) for row in found))

    def _terms(self, text: str) -> _Terms:
        """Look for each word as it is, then as the beginning of others, then within others, then spelt otherwise."""
        if text not in self._known:
            self._known[text] = self._looked_up(query_words(text))
        return self._known[text]

    def _looked_up(self, words: Sequence[str]) -> _Terms:
        if not words:
            return _Terms(None, {})
        present = set(self._sql.run(_PRESENT, {"words": list(words)}).scalars())
        meant = {word: found for word in words if word not in present and (found := self._near(word))}
        return _Terms(query_of([meant.get(word, (word,)) for word in words]), meant)

    def _near(self, word: str) -> Sequence[str]:
        if len(word) < PREFIX_LEAST:
            return ()
        holding = self._sql.run(_HOLDING, {"word": word, "most": _HOLDING_MOST}).scalars().all()
        if holding:
            return tuple(holding)
        alike = self._sql.run(_ALIKE, {"word": word, "most": _ALIKE_MOST}).all()
        return tuple(row.word for row in alike if row.alike >= alike[0].alike - _ALIKE_WITHIN)

    def _value_ids(self, wanted: Wanted) -> list[int] | None:
        """Give the numbers of the values chosen; None when nothing has one of them."""
        chosen = {(facet.value, value) for facet, values in wanted.chosen.items() for value in values}
        if not chosen:
            return []
        if any(_UNFIT.search(value) for _, value in chosen):
            return None
        told = {"facets": [facet for facet, _ in chosen], "named": [value for _, value in chosen]}
        ids = sorted(self._sql.run(_VALUE_IDS, told).scalars())
        return ids if len(ids) == len(chosen) else None

    def _rows(self, pids: Sequence[str]) -> Sequence[FoundDataset]:
        found = {row.pid: row for row in self._sql.run(_ROWS, {"pids": list(pids)})}
        return tuple(_found(found[pid]) for pid in pids)


def _asked(terms: _Terms, ids: Sequence[int]) -> dict[str, Any]:
    asked: dict[str, Any] = {}
    if terms.query is not None:
        asked["query"] = terms.query
    if ids:
        asked["ids"] = list(ids)
    return asked


def _conditions(asked: Mapping[str, Any]) -> str:
    conditions = []
    if "query" in asked:
        conditions.append("words @@ CAST(:query AS tsquery)")
    if "ids" in asked:
        conditions.append("facets @> CAST(:ids AS integer[])")
    return " AND ".join(conditions)


def _hits(asked: Mapping[str, Any], *columns: str) -> str:
    """Say in SQL what of the datasets asked for is needed: all of them are looked up first, by the indexes."""
    return (
        f"WITH hits AS MATERIALIZED (SELECT {', '.join(columns)} FROM public_datasets "  # noqa: S608 - words of ours
        f"WHERE {_conditions(asked)})"
    )


def _by_date(asked: Mapping[str, Any]) -> str:
    """Say in SQL to go back in time until enough is found; where every tenth is a hit, that is soon."""
    return (
        "SELECT pid FROM (SELECT pid, words, facets FROM public_datasets ORDER BY published_at DESC, pid OFFSET 0) "  # noqa: S608 - ours
        f"AS newest WHERE {_conditions(asked)}"
    )


_TOTAL = sql_text("SELECT CAST(coalesce(sum(datasets), 0) AS bigint) FROM public_values WHERE facet = 'year'")


def _total(asked: Mapping[str, Any]) -> Any:
    return sql_text(
        f"SELECT count(*) FROM (SELECT FROM public_datasets WHERE {_conditions(asked)} LIMIT :most) AS some_of_them"  # noqa: S608 - ours
    )


def _ordered(asked: Mapping[str, Any], sort: Sort) -> Any:
    begin, source = "", "public_datasets"
    if asked:
        begin, source = _hits(asked, "pid", "published_at", "title_key", "total_bytes"), "hits"
    return sql_text(f"{begin} SELECT pid FROM {source} ORDER BY {_ORDERS[sort]} LIMIT :limit OFFSET :offset")  # noqa: S608 - ours


def _newest(asked: Mapping[str, Any]) -> Any:
    return sql_text(f"{_by_date(asked)} LIMIT :limit OFFSET :offset")


def _weighed(asked: Mapping[str, Any], *, by_date: bool) -> Any:
    begin, source = "WITH", f"{_by_date(asked)} LIMIT :near"
    if not by_date:
        begin = f"{_hits(asked, 'pid', 'published_at', 'heads @@ CAST(:query AS tsquery) AS at_head')},"
        source = "SELECT pid FROM hits ORDER BY at_head DESC, published_at DESC, pid LIMIT :near"
    return sql_text(
        f"""
        {begin} near AS (SELECT pid, row_number() OVER () AS turn FROM ({source}) AS foremost)
        SELECT near.pid FROM near JOIN public_datasets AS d ON d.pid = near.pid
        ORDER BY CASE WHEN turn <= :ranked THEN ts_rank(d.words, CAST(:query AS tsquery)) END DESC NULLS LAST, turn
        LIMIT :limit OFFSET :offset
        """  # noqa: S608 - words of ours
    )


def _counted(asked: Mapping[str, Any]) -> Any:
    return sql_text(
        f"""
        {_hits(asked, "facets", "published_at")},
        latest AS MATERIALIZED (SELECT facets FROM hits ORDER BY published_at DESC LIMIT :counted),
        held AS (SELECT value_id, count(*) AS datasets FROM latest, unnest(facets) AS value_id GROUP BY value_id),
        placed AS (
            SELECT facet, value, held.datasets,
                row_number() OVER (PARTITION BY facet ORDER BY held.datasets DESC, value) AS turn
            FROM held JOIN public_values USING (value_id)
        )
        SELECT facet, value, datasets, (SELECT count(*) FROM latest) AS counted FROM placed WHERE turn <= :most
        ORDER BY facet, turn
        """  # noqa: S608 - words of ours
    )


def _by_facet(rows: Any) -> Mapping[Facet, Sequence[Count]]:
    counts: dict[Facet, list[Count]] = {}
    for facet, value, datasets in rows:
        counts.setdefault(Facet(facet), []).append(Count(value, datasets))
    return counts


def _found(row: Any) -> FoundDataset:
    return FoundDataset(
        pid=row.pid,
        version=label_of(row.number, row.revision),
        published_at=row.published_at,
        data_type=row.data_type,
        content=PublicContent.model_validate_json(row.body),
    )
