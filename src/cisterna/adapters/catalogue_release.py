"""Releases of source copies, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import releases
from cisterna.domain.errors import AlreadyExists, Conflict, NotFound
from cisterna.domain.release import Release, ReleaseState

_OPEN = [state.value for state in ReleaseState if state.is_open]


class SqlReleases:
    """Implements `ports.catalogue.Releases`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, release: Release) -> None:
        """Add it, unless another one of its acquisition is open."""
        if not self._sql.run(insert(releases).values(_row(release)).on_conflict_do_nothing()).rowcount:
            msg = f"a release of {release.acquisition_id} is announced or under way already; cancel that one first"
            raise AlreadyExists(msg, acquisition_id=release.acquisition_id)

    def save(self, release: Release) -> Release:
        """Replace it, if it is still what was read."""
        saved = release.model_copy(update={"record": release.record + 1})
        change = update(releases).where(
            releases.c.release_id == release.release_id, releases.c.record == release.record
        )
        if not self._sql.run(change.values(_row(saved))).rowcount:
            found = self.get(release.release_id)
            msg = f"the release {release.release_id} was changed by somebody else ({found.state.value}); read it again"
            raise Conflict(msg, release_id=release.release_id)
        return saved

    def get(self, release_id: str) -> Release:
        """Read one."""
        body = self._sql.run(select(releases.c.body).where(releases.c.release_id == release_id)).scalar()
        if body is None:
            raise NotFound(f"no release '{release_id[:200]}'", release_id=release_id[:200])
        return Release.model_validate_json(body)

    def of(self, acquisition_id: str) -> Sequence[Release]:
        """Oldest first."""
        wanted = select(releases.c.body).where(releases.c.acquisition_id == acquisition_id)
        found = self._sql.run(wanted.order_by(releases.c.announced_at, releases.c.release_id)).scalars()
        return [Release.model_validate_json(body) for body in found]

    def open_ones(self) -> Sequence[Release]:
        """By the time they are due."""
        wanted = select(releases.c.body).where(releases.c.state.in_(_OPEN))
        found = self._sql.run(wanted.order_by(releases.c.due_at, releases.c.release_id)).scalars()
        return [Release.model_validate_json(body) for body in found]


def _row(release: Release) -> dict[str, object]:
    return {
        "release_id": release.release_id,
        "acquisition_id": release.acquisition_id,
        "version_id": release.version_id,
        "state": release.state.value,
        "announced_at": release.announced_at,
        "due_at": release.due_at,
        "record": release.record,
        "body": body_of(release),
    }
