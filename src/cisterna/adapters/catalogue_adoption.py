"""Shares that are taken in and their inventories, in PostgreSQL. What was found is in `catalogue_find`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT, insert

from cisterna.adapters.catalogue_adoption_tables import adoption_folders, adoption_walks, adoptions
from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_find import SqlFinds, key_of_path
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.adoption import Adoption, Walk
from cisterna.domain.errors import AlreadyExists, Conflict, NotFound
from cisterna.ports.adoption import Archived, PendingFolder, WalkedThrough

_LANES = bindparam("lanes", type_=ARRAY(TEXT))
_UNDER_WAY = sql_text(
    "SELECT count(*) FROM works WHERE kind = 'ingest' AND state IN ('ready', 'leased') AND fairness = ANY(:lanes)"
).bindparams(_LANES)
_BESIDE = sql_text(
    "SELECT count(*) FROM works WHERE kind = 'ingest' AND state = 'ready' AND not_before <= :now "
    "AND fairness <> ALL(:lanes)"
).bindparams(_LANES)
_PUT_OFF = sql_text(
    "UPDATE works SET not_before = :until WHERE kind = 'ingest' AND state = 'ready' AND not_before < :until "
    "AND fairness = ANY(:lanes)"
).bindparams(_LANES)
_BRING_FORWARD = sql_text(
    "UPDATE works SET not_before = :now WHERE kind = 'ingest' AND state = 'ready' "
    "AND not_before > :now + interval '1 day' AND fairness = ANY(:lanes)"
).bindparams(_LANES)
_ARCHIVED = sql_text(
    """
    SELECT date_trunc('hour', proof.at) AS hour, count(*) AS runs,
        sum(CAST(a.body ->> 'total_bytes' AS bigint)) AS total_bytes
    FROM acquisitions a
    JOIN LATERAL (
        SELECT min(r.verified_at) AS at FROM receipts r JOIN versions v ON v.version_id = r.version_id
        WHERE v.dataset_id = a.dataset_id
    ) proof ON proof.at >= :since
    WHERE a.instrument = ANY(:lanes) GROUP BY 1 ORDER BY 1
    """
).bindparams(_LANES)
_ALIKE = sql_text(
    "SELECT body FROM acquisitions WHERE body ->> 'total_bytes' = :total_bytes AND body ->> 'file_count' = :file_count "
    "ORDER BY acquisition_id LIMIT :most"
)
_PUT = insert(adoption_folders).on_conflict_do_nothing()


class SqlAdoptions(SqlFinds):
    """Implements `ports.adoption.Adoptions`."""

    def __init__(self, statements: Statements) -> None:
        super().__init__(statements)
        self._sql = statements

    def add(self, adoption: Adoption) -> None:
        """Add it."""
        row = {"name": adoption.name, "record": adoption.record, "body": body_of(adoption)}
        if not self._sql.run(insert(adoptions).values(row).on_conflict_do_nothing()).rowcount:
            msg = f"a share is taken in under the name '{adoption.name}' already; choose another name"
            raise AlreadyExists(msg, adoption=adoption.name)

    def save(self, adoption: Adoption) -> Adoption:
        """Replace it, if it is still what was read."""
        saved = adoption.model_copy(update={"record": adoption.record + 1})
        change = update(adoptions).where(adoptions.c.name == adoption.name, adoptions.c.record == adoption.record)
        if not self._sql.run(change.values(record=saved.record, body=body_of(saved))).rowcount:
            found = self.get(adoption.name)
            msg = f"what is asked of the share '{adoption.name}' was changed by somebody else; read it again"
            raise Conflict(msg, adoption=adoption.name, expected=adoption.record, found=found.record)
        return saved

    def get(self, name: str) -> Adoption:
        """Read one."""
        found = self.find(name)
        if found is None:
            msg = f"no share is taken in under the name '{name[:80]}'; `cisterna adopt list` shows all"
            raise NotFound(msg, adoption=name[:80])
        return found

    def find(self, name: str) -> Adoption | None:
        """Read one, if it is there."""
        body = self._sql.run(select(adoptions.c.body).where(adoptions.c.name == name)).scalar()
        return None if body is None else Adoption.model_validate_json(body)

    def list(self) -> Sequence[Adoption]:
        """All of them, by name."""
        found = self._sql.run(select(adoptions.c.body).order_by(adoptions.c.name)).scalars()
        return [Adoption.model_validate_json(body) for body in found]

    def walk(self, name: str) -> Walk | None:
        """Read how far the inventory is."""
        body = self._sql.run(select(adoption_walks.c.body).where(adoption_walks.c.adoption == name)).scalar()
        return None if body is None else Walk.model_validate_json(body)

    def begin_walk(self, name: str, walk: Walk) -> Walk:
        """Begin with the share's own folder."""
        self._sql.run(delete(adoption_folders).where(adoption_folders.c.adoption == name))
        row = {"adoption": name, "record": walk.record, "body": body_of(walk)}
        fresh = insert(adoption_walks).values(row)
        replaced = fresh.on_conflict_do_update(
            index_elements=["adoption"], set_={"record": fresh.excluded.record, "body": fresh.excluded.body}
        )
        self._sql.run(replaced)
        self._sql.run(_PUT, [_folder(name, PendingFolder(""))])
        return walk

    def next_folders(self, name: str, *, limit: int) -> Sequence[PendingFolder]:
        """Read those that were found last."""
        wanted = (
            select(adoption_folders.c.path, adoption_folders.c.run)
            .where(adoption_folders.c.adoption == name, adoption_folders.c.staged_by.is_(None))
            .order_by(adoption_folders.c.position.desc())
            .limit(limit)
        )
        return [PendingFolder(row.path, row.run) for row in self._sql.run(wanted)]

    def pending(self, name: str) -> int:
        """Count."""
        where = (adoption_folders.c.adoption == name) & adoption_folders.c.staged_by.is_(None)
        return int(self._sql.run(select(func.count()).select_from(adoption_folders).where(where)).scalar_one())

    def stage(self, name: str, *, parent: PendingFolder, children: Sequence[str]) -> None:
        """Put rows aside that nobody is given."""
        by = key_of_path(parent.path)
        self._sql.run(_PUT, [{**_folder(name, PendingFolder(child)), "staged_by": by} for child in children])

    def unstage(self, name: str, *, parent: PendingFolder) -> None:
        """Remove them."""
        table = adoption_folders.c
        where = (table.adoption == name) & (table.staged_by == key_of_path(parent.path))
        self._sql.run(delete(adoption_folders).where(where))

    def save_walk(self, name: str, walk: Walk) -> Walk:
        """Replace it, if it is still what was read."""
        saved = walk.model_copy(update={"record": walk.record + 1})
        where = (adoption_walks.c.adoption == name) & (adoption_walks.c.record == walk.record)
        change = update(adoption_walks).where(where).values(record=saved.record, body=body_of(saved))
        if not self._sql.run(change).rowcount:
            msg = f"the inventory of '{name}' was begun anew, or somebody else makes it; look again"
            raise Conflict(msg, adoption=name)
        return saved

    def checkpoint(self, name: str, walk: Walk, walked: Sequence[WalkedThrough]) -> Walk:
        """Write all of it."""
        saved = self.save_walk(name, walk)  # first: whoever lost the race writes nothing
        keys = [key_of_path(one.folder.path) for one in walked]
        table = adoption_folders.c
        self._sql.run(delete(adoption_folders).where(table.adoption == name, table.key.in_(keys)))
        for one in walked:
            if one.is_staged:
                freed = update(adoption_folders).where(
                    table.adoption == name, table.staged_by == key_of_path(one.folder.path)
                )
                self._sql.run(freed.values(staged_by=None, run=one.run, run_key=one.run and key_of_path(one.run)))
        children = [_folder(name, child) for one in walked for child in one.children]
        if children:
            self._sql.run(_PUT, children)
        self.put_finds([one.find for one in walked if one.find is not None])
        self.add_to_runs(name, walked)
        return saved

    def under_way(self, lanes: Sequence[str]) -> int:
        """Count open work."""
        return int(self._sql.run(_UNDER_WAY, {"lanes": list(lanes)}).scalar_one())

    def waiting_beside(self, lanes: Sequence[str], *, now: datetime) -> int:
        """Count ready work of others."""
        return int(self._sql.run(_BESIDE, {"lanes": list(lanes), "now": now}).scalar_one())

    def put_off(self, lanes: Sequence[str], *, until: datetime) -> int:
        """Let ready work wait."""
        return self._sql.run(_PUT_OFF, {"lanes": list(lanes), "until": until}).rowcount

    def bring_forward(self, lanes: Sequence[str], *, now: datetime) -> int:
        """Let what was put off for good be ready."""
        self._sql.ring("inbox")
        return self._sql.run(_BRING_FORWARD, {"lanes": list(lanes), "now": now}).rowcount

    def alike(self, *, file_count: int, total_bytes: int, limit: int) -> Sequence[Acquisition]:
        """Find by size."""
        values = {"total_bytes": str(total_bytes), "file_count": str(file_count), "most": limit}
        return [Acquisition.model_validate_json(body) for body in self._sql.run(_ALIKE, values).scalars()]

    def archived_since(self, lanes: Sequence[str], *, since: datetime) -> Sequence[Archived]:
        """Add up by the hour."""
        found = self._sql.run(_ARCHIVED, {"lanes": list(lanes), "since": since})
        return [Archived(hour=row.hour, runs=row.runs, total_bytes=row.total_bytes or 0) for row in found]

    def kept_at(self, places: Mapping[str, str]) -> Acquisition | None:
        """Find the first that is there."""
        statement = sql_text("SELECT body FROM acquisitions WHERE instrument = :instrument AND folder = :folder")
        for instrument, folder in places.items():
            body: Any = self._sql.run(statement, {"instrument": instrument, "folder": folder}).scalar()
            if body is not None:
                return Acquisition.model_validate_json(body)
        return None


def _folder(adoption: str, folder: PendingFolder) -> dict[str, str | None]:
    return {
        "adoption": adoption,
        "key": key_of_path(folder.path),
        "path": folder.path,
        "run": folder.run,
        "run_key": None if folder.run is None else key_of_path(folder.run),
        "staged_by": None,
    }
