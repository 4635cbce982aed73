"""Datasets, in PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Executable, bindparam, cast, select, update
from sqlalchemy.dialects.postgresql import JSONB, insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_evidence import SqlEvidence
from cisterna.adapters.catalogue_tables import datasets
from cisterna.adapters.catalogue_version import SqlVersions
from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import AlreadyExists, NotFound

# Built once: they are asked for often.
_GET = select(datasets.c.body).where(datasets.c.dataset_id == bindparam("the_id"))
_LOCK = _GET.with_for_update(key_share=True)


class SqlDatasets(SqlVersions, SqlEvidence):
    """Implements `ports.catalogue.Datasets`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, dataset: Dataset) -> Dataset:
        """Add it, or return the one that is there for its origin."""
        if self._sql.run(insert(datasets).values(_row(dataset)).on_conflict_do_nothing()).rowcount:
            return dataset
        body = self._sql.run(select(datasets.c.body).where(datasets.c.origin == dataset.origin)).scalar()
        if body is None:
            msg = f"{dataset.dataset_id}, {dataset.pid} or {dataset.object_root} belongs to a dataset of another origin"
            raise AlreadyExists(msg, dataset_id=dataset.dataset_id, origin=dataset.origin)
        return Dataset.model_validate_json(body)

    def save(self, dataset: Dataset) -> Dataset:
        """Replace what may change; the origin, the PID and the object's root of a dataset never do."""
        change = update(datasets).where(
            datasets.c.dataset_id == dataset.dataset_id,
            datasets.c.origin == dataset.origin,
            datasets.c.pid == dataset.pid,
            datasets.c.object_root == dataset.object_root,
        )
        if not self._sql.run(change.values(_row(dataset))).rowcount:
            msg = f"no dataset {dataset.dataset_id} with that origin, PID and object root"
            raise NotFound(msg, dataset_id=dataset.dataset_id)
        return dataset

    def get(self, dataset_id: str) -> Dataset:
        """Read one."""
        return self._one(_GET, dataset_id)

    def _one(self, statement: Executable, dataset_id: str) -> Dataset:
        body = self._sql.run(statement, {"the_id": dataset_id}).scalar()
        if body is None:
            raise NotFound(f"no dataset {dataset_id}; `cisterna list` shows all", dataset_id=dataset_id)
        return Dataset.model_validate_json(body)

    def lock(self, dataset_id: str) -> Dataset:
        """Read one and hold its row; references to it may still be added meanwhile."""
        return self._one(_LOCK, dataset_id)

    def by_pid(self, pid: str) -> Dataset | None:
        """Find the dataset with that ARK."""
        body = self._sql.run(select(datasets.c.body).where(datasets.c.pid == pid)).scalar()
        return None if body is None else Dataset.model_validate_json(body)

    def list(
        self, *, project: str | None = None, acquisition_id: str | None = None, limit: int | None = None
    ) -> Sequence[Dataset]:
        """Newest first."""
        newest_first = (datasets.c.created_at.desc(), datasets.c.dataset_id.desc())
        wanted = select(datasets.c.body).order_by(*newest_first).limit(limit)
        if project is not None:
            wanted = wanted.where(datasets.c.project == project)
        if acquisition_id is not None:
            wanted = wanted.where(datasets.c.acquisition_id == acquisition_id)
        return [Dataset.model_validate_json(body) for body in self._sql.run(wanted).scalars()]

    def derived_from(self, dataset_id: str) -> Sequence[Dataset]:
        """Find what was made from it, oldest first."""
        return self._related("IsDerivedFrom", dataset_id, datasets.c.created_at, datasets.c.dataset_id)

    def parts_of(self, dataset_id: str) -> Sequence[Dataset]:
        """Find its parts, by their numbers."""
        return self._related("IsPartOf", dataset_id, datasets.c.pid)

    def _related(self, kind: str, dataset_id: str, *order: ColumnElement[Any]) -> Sequence[Dataset]:
        relation = json.dumps([{"kind": kind, "dataset_id": dataset_id}])
        wanted = select(datasets.c.body).where(datasets.c.relations.contains(cast(relation, JSONB))).order_by(*order)
        return [Dataset.model_validate_json(body) for body in self._sql.run(wanted).scalars()]


def _row(dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset_id": dataset.dataset_id,
        "origin": dataset.origin,
        "pid": dataset.pid,
        "object_root": dataset.object_root,
        "project": dataset.project,
        "acquisition_id": dataset.acquisition_id,
        "relations": json.dumps([relation.model_dump() for relation in dataset.relations]),
        "created_at": dataset.created_at,
        "body": body_of(dataset),
    }
