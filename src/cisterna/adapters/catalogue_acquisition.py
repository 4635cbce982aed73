"""Acquisitions, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import any_, bindparam, select, update
from sqlalchemy.dialects.postgresql import ARRAY, TEXT, insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import acquisitions
from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.errors import Conflict, NotFound

# Built once: building a statement anew costs three times as much as running it.
_ADD = insert(acquisitions).on_conflict_do_nothing()
_SAVE = update(acquisitions).where(
    acquisitions.c.acquisition_id == bindparam("the_id"), acquisitions.c.record == bindparam("the_record")
)
_GET = select(acquisitions.c.body).where(acquisitions.c.acquisition_id == bindparam("the_id"))
_LOCK = _GET.with_for_update()
_RECORDS = select(acquisitions.c.acquisition_id, acquisitions.c.record).where(
    acquisitions.c.instrument == bindparam("the_instrument")
)
_SEVERAL = select(acquisitions.c.body).where(
    acquisitions.c.acquisition_id == any_(bindparam("the_ids", type_=ARRAY(TEXT)))
)


class SqlAcquisitions:
    """Implements `ports.catalogue.Acquisitions`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def get(self, acquisition_id: str) -> Acquisition:
        """Read one."""
        found = self.find(acquisition_id)
        if found is None:
            msg = f"no acquisition {acquisition_id}; `cisterna list` shows all"
            raise NotFound(msg, acquisition_id=acquisition_id)
        return found

    def find(self, acquisition_id: str) -> Acquisition | None:
        """Read one, if it is there."""
        body = self._sql.run(_GET, {"the_id": acquisition_id}).scalar()
        return None if body is None else Acquisition.model_validate_json(body)

    def refresh(self, known: Mapping[str, Acquisition], *, instrument: str) -> dict[str, Acquisition]:
        """Read what changed: a landing zone keeps thousands of runs, and it is looked at again and again."""
        found = self._sql.run(_RECORDS, {"the_instrument": instrument}).mappings()
        records = {row["acquisition_id"]: row["record"] for row in found}
        kept = {one: known[one] for one, record in records.items() if one in known and known[one].record == record}
        changed = [one for one in records if one not in kept]
        bodies = self._sql.run(_SEVERAL, {"the_ids": changed}).scalars() if changed else ()
        read = (Acquisition.model_validate_json(body) for body in bodies)
        return kept | {one.acquisition_id: one for one in read}

    def lock(self, acquisition_id: str) -> Acquisition | None:
        """Read one and hold its row."""
        body = self._sql.run(_LOCK, {"the_id": acquisition_id}).scalar()
        return None if body is None else Acquisition.model_validate_json(body)

    def save(self, acquisition: Acquisition) -> Acquisition:
        """Insert or update."""
        saved = acquisition.model_copy(update={"record": acquisition.record + 1})
        if acquisition.record == 0:
            written = self._sql.run(_ADD, _row(saved)).rowcount
        else:
            which = {"the_id": acquisition.acquisition_id, "the_record": acquisition.record}
            written = self._sql.run(_SAVE, {**which, **_row(saved)}).rowcount
        if not written:
            msg = f"{acquisition.acquisition_id} was changed by somebody else since it was read; read it again"
            raise Conflict(msg, acquisition_id=acquisition.acquisition_id, expected=acquisition.record)
        return saved

    def list(
        self,
        *,
        instrument: str | None = None,
        state: AcquisitionState | None = None,
        held: bool | None = None,
        limit: int | None = None,
    ) -> Sequence[Acquisition]:
        """Newest first."""
        newest_first = (acquisitions.c.first_seen.desc(), acquisitions.c.acquisition_id.desc())
        wanted = select(acquisitions.c.body).order_by(*newest_first).limit(limit)
        if instrument is not None:
            wanted = wanted.where(acquisitions.c.instrument == instrument)
        if state is not None:
            wanted = wanted.where(acquisitions.c.state == state.value)
        if held is not None:
            wanted = wanted.where(acquisitions.c.held == held)
        return [Acquisition.model_validate_json(body) for body in self._sql.run(wanted).scalars()]


def _row(acquisition: Acquisition) -> dict[str, Any]:
    return {
        "acquisition_id": acquisition.acquisition_id,
        "instrument": acquisition.instrument,
        "folder": acquisition.folder,
        "project": acquisition.project,
        "state": acquisition.state.value,
        "held": acquisition.held is not None,
        "first_seen": acquisition.first_seen,
        "dataset_id": acquisition.dataset_id,
        "record": acquisition.record,
        "body": body_of(acquisition),
    }
