"""Versions of datasets, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_erasure import erasure_of
from cisterna.adapters.catalogue_tables import decisions, publications, receipts, versions
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.erasure import erased_error
from cisterna.domain.errors import AlreadyExists, Conflict, NotFound

# Built once: building a statement anew costs three times as much as running it.
_ADD = insert(versions).on_conflict_do_nothing()
_SAVE = update(versions).where(
    versions.c.version_id == bindparam("the_id"), versions.c.record == bindparam("the_record")
)
_GET = select(versions.c.body).where(versions.c.version_id == bindparam("the_id"))

_OF_DATASET = (
    select(versions.c.body)
    .where(versions.c.dataset_id == bindparam("the_dataset"))
    .order_by(versions.c.number, versions.c.revision)
)


class SqlVersions:
    """The part of `ports.catalogue.Datasets` that keeps versions."""

    _sql: Statements

    def add_version(self, version: Version) -> Version:
        """Add it."""
        saved = version.model_copy(update={"record": version.record + 1})
        if not self._sql.run(_ADD, _row(saved)).rowcount:
            msg = f"{version.version_id} is there already; read the dataset's versions again"
            raise AlreadyExists(msg, version_id=version.version_id)
        return saved

    def save_version(self, version: Version) -> Version:
        """Update it, if it is still what was read."""
        saved = version.model_copy(update={"record": version.record + 1})
        which = {"the_id": version.version_id, "the_record": version.record}
        if not self._sql.run(_SAVE, {**which, **_row(saved)}).rowcount:
            raise self._changed(version)
        return saved

    def remove_version(self, version: Version) -> None:
        """Remove a version that never was archived, with its findings."""
        present = self.get_version(version.version_id)
        kept = select(
            *(exists().where(table.c.version_id == version.version_id) for table in (receipts, decisions, publications))
        )
        if present.ocfl_version is not None or any(self._sql.run(kept).one()):
            msg = f"{version.version_id} was archived or judged, so it stays; withdraw it instead"
            raise Conflict(msg, version_id=version.version_id)
        gone = delete(versions).where(versions.c.version_id == version.version_id, versions.c.record == version.record)
        if not self._sql.run(gone).rowcount:
            raise self._changed(version)

    def get_version(self, version_id: str) -> Version:
        """Read one. Raises `Erased` for one of a dataset that is gone for good."""
        body = self._sql.run(_GET, {"the_id": version_id}).scalar()
        if body is None:
            erased = erasure_of(self._sql, version_id.partition(":")[0])
            if erased is not None:
                raise erased_error(erased, version_id)
            raise NotFound(f"no version {version_id}; `cisterna show` lists those of a dataset", version_id=version_id)
        return Version.model_validate_json(body)

    def versions(self, dataset_id: str) -> Sequence[Version]:
        """By number and revision, oldest first."""
        found = self._sql.run(_OF_DATASET, {"the_dataset": dataset_id}).scalars()
        return [Version.model_validate_json(body) for body in found]

    def list_versions(self, *, stage: Stage | None = None, limit: int | None = None) -> Sequence[Version]:
        """Newest change first."""
        wanted = select(versions.c.body).order_by(versions.c.stage_at.desc(), versions.c.version_id.desc()).limit(limit)
        if stage is not None:
            wanted = wanted.where(versions.c.stage == stage.value)
        return [Version.model_validate_json(body) for body in self._sql.run(wanted).scalars()]

    def _changed(self, version: Version) -> Conflict:
        found = self.get_version(version.version_id)
        msg = f"{version.version_id} was changed by somebody else since it was read; read it again"
        return Conflict(msg, version_id=version.version_id, expected=version.record, found=found.record)


def _row(version: Version) -> dict[str, Any]:
    return {
        "version_id": version.version_id,
        "dataset_id": version.dataset_id,
        "number": version.number,
        "revision": version.revision,
        "stage": version.stage.value,
        "stage_at": version.stage_at,
        "record": version.record,
        "body": body_of(version),
    }
