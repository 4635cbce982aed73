"""What lies in shares that are taken in, in PostgreSQL: the folders of runs, never their files."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_adoption_tables import adoption_finds
from cisterna.adapters.catalogue_connection import Statements
from cisterna.domain.adoption import (
    WAITS,
    Archiving,
    Find,
    FindKind,
    Order,
    Registering,
    Standing,
    Sureness,
    is_pattern,
    rank_of,
)
from cisterna.ports.adoption import FindsWanted, FoundRow, Sum, WalkedThrough

_OWN = ("kind", "round", "folder", "file_count", "total_bytes", "newest_ns", "acquisition_id", "held", "look_at")
"""Fields of a find that are columns; the rest is its body."""
_COUNTED = ("round", "folder", "file_count", "total_bytes", "newest_ns")
"""Columns that only the inventory writes."""
_SURE = {rank_of(one): one for one in Sureness}
_SAFE = "'verified', 'in-review', 'accepted', 'rejected', 'published', 'withdrawn'"
_ROUND = """
    (SELECT CASE WHEN w.body ->> 'ended_at' IS NULL THEN 0 ELSE CAST(w.body ->> 'round' AS integer) END
     FROM adoption_walks w WHERE w.adoption = f.adoption)
"""
"""Of the last inventory that came to its end, if no other was begun since."""
_STANDING = f"""
    CASE
        WHEN f.acquisition_id IS NULL THEN
            CASE WHEN f.round < {_ROUND} THEN 'gone' WHEN f.held IS NOT NULL THEN 'held' ELSE 'found' END
        WHEN v.stage IN ({_SAFE}) THEN 'verified'
        WHEN v.stage = 'archived' THEN 'archived'
        WHEN a.held AND a.body ->> 'held' = :waits THEN 'registered'
        WHEN a.held THEN 'held'
        WHEN a.state = 'writing' THEN 'registered'
        ELSE 'archiving'
    END
"""
_FROM = """
    FROM adoption_finds f
    LEFT JOIN acquisitions a ON a.acquisition_id = f.acquisition_id
    LEFT JOIN LATERAL (
        SELECT n.stage FROM versions n WHERE n.dataset_id = a.dataset_id
        ORDER BY n.number DESC, n.revision DESC LIMIT 1
    ) v ON true
    WHERE f.adoption = :adoption
"""
_ROWS = f"SELECT f.*, {_STANDING} AS standing, coalesce(a.body ->> 'held', a.body ->> 'reason') AS told {_FROM}"
_SUMS = f"""
    SELECT standing, kind, sure, count(*) AS finds, sum(file_count) AS file_count, sum(total_bytes) AS total_bytes
    FROM (SELECT f.kind, f.sure, f.file_count, f.total_bytes, {_STANDING} AS standing {_FROM}) one GROUP BY 1, 2, 3
"""  # noqa: S608 - words of ours
_IS_WHOLE = (
    "NOT EXISTS (SELECT FROM adoption_folders p WHERE p.adoption = f.adoption AND p.run_key = f.key "
    "AND p.staged_by IS NULL)"
)
_TO_REGISTER = f"""
    SELECT f.* FROM adoption_finds f
    JOIN adoption_walks w ON w.adoption = f.adoption AND f.round = CAST(w.body ->> 'round' AS integer)
    WHERE f.adoption = :adoption AND f.kind = 'run' AND f.acquisition_id IS NULL
        AND (f.look_at IS NULL OR f.look_at <= :now) AND {_IS_WHOLE}
"""  # noqa: S608 - words of ours
_AGAIN = """
    SELECT f.* FROM adoption_finds f JOIN acquisitions a ON a.acquisition_id = f.acquisition_id
    WHERE f.adoption = :adoption AND f.look_at <= :now ORDER BY f.look_at LIMIT :most
"""
_TO_ARCHIVE = """
    SELECT f.* FROM adoption_finds f JOIN acquisitions a ON a.acquisition_id = f.acquisition_id
    WHERE f.adoption = :adoption AND a.instrument = ANY(CAST(:lanes AS text[])) AND a.state = 'complete'
        AND a.held AND a.body ->> 'held' = :waits
"""
_ORDERS = {
    Order.NEWEST: "f.newest_ns DESC, f.key",
    Order.OLDEST: "f.newest_ns, f.key",
    Order.SMALLEST: "f.total_bytes, f.key",
}
_TWIN = """
    SELECT f.path FROM adoption_finds f JOIN adoption_finds mine
        ON mine.adoption = f.adoption AND mine.key = :key AND mine.round = f.round
    WHERE f.adoption = :adoption AND f.folder = :folder AND f.key <> :key AND f.acquisition_id IS NOT NULL
    ORDER BY f.key LIMIT 1
"""
_ADD = sql_text(
    """
    UPDATE adoption_finds SET file_count = file_count + :file_count, total_bytes = total_bytes + :total_bytes,
        newest_ns = greatest(newest_ns, :newest_ns)
    WHERE adoption = :adoption AND key = :key
    """
)
_SAVE = sql_text(
    """
    UPDATE adoption_finds SET kind = :kind, sure = :sure, acquisition_id = :acquisition_id, held = :held,
        look_at = :look_at, body = :body
    WHERE adoption = :adoption AND key = :key
    """
)


def key_of_path(path: str) -> str:
    """Give what a path is known by in a table."""
    return hashlib.sha256(path.encode()).hexdigest()[:40]


class SqlFinds:
    """Implements the part of `ports.adoption.Adoptions` that is about finds."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def put_finds(self, finds: Sequence[Find]) -> None:
        """Write what an inventory found; what became of it before stays."""
        if not finds:
            return
        fresh = insert(adoption_finds)
        told = {name: fresh.excluded[name] for name in ("kind", "sure", "body", *_COUNTED)}
        self._sql.run(
            fresh.on_conflict_do_update(index_elements=["adoption", "key"], set_=told), [_row(one) for one in finds]
        )

    def add_to_runs(self, name: str, walked: Sequence[WalkedThrough]) -> None:
        """Add what lies in folders of runs to those."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for one in walked:
            if one.folder.run is not None:
                of_run = sums[key_of_path(one.folder.run)]
                of_run[0] += one.file_count
                of_run[1] += one.total_bytes
                of_run[2] = max(of_run[2], one.newest_ns)
        for key, (files, size, newest) in sorted(sums.items()):
            values = {"adoption": name, "key": key, "file_count": files, "total_bytes": size, "newest_ns": newest}
            self._sql.run(_ADD, values)

    def twin(self, find: Find) -> str | None:
        """Look for the same folder."""
        values = {"adoption": find.adoption, "key": key_of_path(find.path), "folder": find.folder}
        found: str | None = self._sql.run(sql_text(_TWIN), values).scalar()
        return found

    def save_find(self, find: Find) -> None:
        """Write what is not counted."""
        row = _row(find)
        self._sql.run(_SAVE, {name: value for name, value in row.items() if name not in {*_COUNTED, "path"}})

    def finds(self, name: str, wanted: FindsWanted, *, limit: int | None = None, offset: int = 0) -> Sequence[FoundRow]:
        """Read them."""
        statement, values = _asked(_ROWS, name, wanted)
        values |= {"most": limit, "offset": offset}
        rows = self._sql.run(sql_text(f"{statement} ORDER BY path LIMIT :most OFFSET :offset"), values).mappings()
        return [_found(row) for row in rows]

    def count(self, name: str, wanted: FindsWanted) -> int:
        """Count them."""
        statement, values = _asked(_ROWS, name, wanted)
        return int(self._sql.run(sql_text(f"SELECT count(*) FROM ({statement}) all_of_them"), values).scalar_one())  # noqa: S608

    def sums(self, name: str) -> Sequence[Sum]:
        """Count by how they stand."""
        found = self._sql.run(sql_text(_SUMS), {"adoption": name, "waits": WAITS})
        return [
            Sum(
                standing=Standing(row.standing),
                kind=FindKind(row.kind),
                sure=_SURE[row.sure],
                finds=row.finds,
                file_count=int(row.file_count),
                total_bytes=int(row.total_bytes),
            )
            for row in found
        ]

    def to_register(self, name: str, asked: Sequence[Registering], *, now: datetime, limit: int) -> Sequence[Find]:
        """Read those that any of the wishes is about."""
        values: dict[str, Any] = {"adoption": name, "now": now, "most": limit}
        wishes = []
        for number, one in enumerate(asked):
            place, more = _within(one.under, f"under_{number}")
            wishes.append(f"(f.sure >= :sure_{number} AND {place})")
            values |= {f"sure_{number}": rank_of(one.sure), **more}
        if not wishes:
            return []
        statement = f"{_TO_REGISTER} AND ({' OR '.join(wishes)}) ORDER BY f.path LIMIT :most"
        return [_find(row) for row in self._sql.run(sql_text(statement), values).mappings()]

    def to_look_again(self, name: str, *, now: datetime, limit: int) -> Sequence[Find]:
        """Read those whose time has come."""
        values = {"adoption": name, "now": now, "most": limit}
        return [_find(row) for row in self._sql.run(sql_text(_AGAIN), values).mappings()]

    def to_archive(self, name: str, wanted: Archiving, *, lanes: Sequence[str], limit: int) -> Sequence[Find]:
        """Read those that wait."""
        place, more = _within(wanted.under, "under")
        values = {"adoption": name, "lanes": list(lanes), "waits": WAITS, "most": limit, **more}
        statement = f"{_TO_ARCHIVE} AND {place} ORDER BY {_ORDERS[wanted.order]} LIMIT :most"
        return [_find(row) for row in self._sql.run(sql_text(statement), values).mappings()]


def _asked(rows: str, name: str, wanted: FindsWanted) -> tuple[str, dict[str, Any]]:
    place, values = _within(wanted.under, "under")
    values |= {"adoption": name, "waits": WAITS}
    conditions = [f"SELECT * FROM ({rows} AND {place}) one WHERE true"]  # noqa: S608 - words of ours
    for column, value in (
        ("sure", None if wanted.sure is None else rank_of(wanted.sure)),
        ("kind", wanted.kind),
        ("standing", wanted.standing),
    ):
        if value is not None:
            conditions.append(f"{column} = :{column}")
            values[column] = value if isinstance(value, int) else str(value)
    return " AND ".join(conditions), values


def _within(under: str, name: str) -> tuple[str, dict[str, Any]]:
    """Write `domain.adoption.is_under` in SQL."""
    if not under:
        return "true", {}
    if is_pattern(under):
        kept = under.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return f"f.path LIKE :{name}", {name: kept.replace("*", "%").replace("?", "_")}
    return f"(f.path = :{name} OR starts_with(f.path, :{name}_below))", {name: under, f"{name}_below": f"{under}/"}


def _row(find: Find) -> dict[str, Any]:
    body = find.model_dump(mode="json", exclude={*_OWN, "adoption", "path"})
    return {
        "adoption": find.adoption,
        "key": key_of_path(find.path),
        "path": find.path,
        "sure": rank_of(find.sure),
        **{name: getattr(find, name) for name in _OWN},
        "kind": find.kind.value,
        "body": json.dumps(body, ensure_ascii=False),
    }


def _find(row: RowMapping) -> Find:
    own = {name: row[name] for name in _OWN}
    return Find.model_validate({**json.loads(row["body"]), "adoption": row["adoption"], "path": row["path"], **own})


def _found(row: RowMapping) -> FoundRow:
    find = _find(row)
    standing = Standing(row["standing"])
    is_told = standing in {Standing.HELD, Standing.REGISTERED, Standing.ARCHIVING}
    reason = find.held if find.acquisition_id is None else row["told"] if is_told else None
    return FoundRow(find=find, standing=standing, reason=reason)
