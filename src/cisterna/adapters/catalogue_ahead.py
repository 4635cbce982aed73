"""What is known of acquisitions that are still written, in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import acquisitions, ahead_batches, aheads, writings
from cisterna.domain.ahead import Ahead, AheadBatch
from cisterna.domain.errors import NotFound
from cisterna.domain.listing import SeenFile
from cisterna.domain.writing import Writing


class SqlAheads:
    """Implements `ports.ahead.Aheads`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, ahead: Ahead) -> Ahead:
        """Insert it unless the acquisition has one, and hold the row."""
        self._sql.run(upsert(aheads).values(_row(ahead)).on_conflict_do_nothing(index_elements=["acquisition_id"]))
        return self.lock(ahead.acquisition_id) or ahead

    def find(self, acquisition_id: str) -> Ahead | None:
        """Read one."""
        body = self._sql.run(select(aheads.c.body).where(aheads.c.acquisition_id == acquisition_id)).scalar()
        return None if body is None else Ahead.model_validate_json(body)

    def lock(self, acquisition_id: str) -> Ahead | None:
        """Read one and hold its row."""
        wanted = select(aheads.c.body).where(aheads.c.acquisition_id == acquisition_id).with_for_update()
        body = self._sql.run(wanted).scalar()
        return None if body is None else Ahead.model_validate_json(body)

    def save(self, ahead: Ahead) -> None:
        """Replace it; pages look again."""
        change = update(aheads).where(aheads.c.acquisition_id == ahead.acquisition_id).values(_row(ahead))
        if not self._sql.run(change).rowcount:
            msg = f"nothing was read ahead of {ahead.acquisition_id}, or it was dropped meanwhile"
            raise NotFound(msg, acquisition_id=ahead.acquisition_id)
        self._sql.ring("pages")

    def remove(self, acquisition_id: str) -> None:
        """Remove it and what refers to it."""
        self._sql.run(delete(ahead_batches).where(ahead_batches.c.acquisition_id == acquisition_id))
        self._sql.run(delete(aheads).where(aheads.c.acquisition_id == acquisition_id))

    def list(self) -> Sequence[Ahead]:
        """By object root."""
        found = self._sql.run(select(aheads.c.body).order_by(aheads.c.object_root)).scalars()
        return [Ahead.model_validate_json(body) for body in found]

    def of(self, acquisition_ids: Sequence[str]) -> Mapping[str, Ahead]:
        """Read several."""
        if not acquisition_ids:
            return {}
        found = self._sql.run(select(aheads.c.body).where(aheads.c.acquisition_id.in_(acquisition_ids))).scalars()
        return {one.acquisition_id: one for one in map(Ahead.model_validate_json, found)}

    def add_batch(self, batch: AheadBatch) -> None:
        """Insert it; of each file a short row of its own words, since there may be 100,000."""
        seen = [[one.path, one.size_bytes, one.mtime_ns, one.inode] for one in batch.seen]
        row = {**batch.model_dump(exclude={"seen"}), "seen": json.dumps(seen, ensure_ascii=False)}
        self._sql.run(insert(ahead_batches), row)

    def batches(self, acquisition_id: str) -> Sequence[AheadBatch]:
        """In order, without what they saw."""
        columns = [ahead_batches.c[name] for name in ("acquisition_id", "number", "content_path", "sha512")]
        wanted = select(*columns).where(ahead_batches.c.acquisition_id == acquisition_id)
        found = self._sql.run(wanted.order_by(ahead_batches.c.number))
        return [AheadBatch.model_validate(dict(row)) for row in found.mappings()]

    def seen(self, acquisition_id: str) -> Mapping[str, SeenFile]:
        """Read what each batch saw; the later one counts."""
        wanted = select(ahead_batches.c.seen).where(ahead_batches.c.acquisition_id == acquisition_id)
        found = self._sql.run(wanted.order_by(ahead_batches.c.number)).scalars()
        return {
            path: SeenFile.model_construct(path=path, size_bytes=size, mtime_ns=mtime, inode=inode)
            for body in found
            for path, size, mtime, inode in json.loads(body)
        }


class SqlWritings:
    """Implements `ports.ahead.Writings`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def find(self, acquisition_id: str) -> Writing | None:
        """Read one."""
        return self.of([acquisition_id]).get(acquisition_id)

    def of(self, acquisition_ids: Sequence[str]) -> Mapping[str, Writing]:
        """Read several."""
        if not acquisition_ids:
            return {}
        wanted = select(writings.c.body).where(writings.c.acquisition_id.in_(acquisition_ids))
        found = map(Writing.model_validate_json, self._sql.run(wanted).scalars())
        return {one.acquisition_id: one for one in found}

    def put(self, writing: Writing) -> None:
        """Insert or replace; pages look again."""
        added = upsert(writings).values({"acquisition_id": writing.acquisition_id, "body": body_of(writing)})
        self._sql.run(
            added.on_conflict_do_update(index_elements=["acquisition_id"], set_={"body": added.excluded["body"]})
        )
        self._sql.ring("pages")

    def remove(self, acquisition_ids: Sequence[str]) -> None:
        """Remove several."""
        if acquisition_ids:
            self._sql.run(delete(writings).where(writings.c.acquisition_id.in_(acquisition_ids)))

    def ids(self, *, instrument: str) -> Sequence[str]:
        """Read whose rows there are."""
        joined = writings.join(acquisitions, acquisitions.c.acquisition_id == writings.c.acquisition_id)
        wanted = select(writings.c.acquisition_id).select_from(joined).where(acquisitions.c.instrument == instrument)
        return list(self._sql.run(wanted).scalars())


def _row(ahead: Ahead) -> dict[str, object]:
    return {"acquisition_id": ahead.acquisition_id, "object_root": ahead.object_root, "body": body_of(ahead)}
