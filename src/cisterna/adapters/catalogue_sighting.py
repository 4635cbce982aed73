"""What shadow mode saw, in PostgreSQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.postgresql import insert

from cisterna.adapters.catalogue_connection import Statements, body_of
from cisterna.adapters.catalogue_tables import sightings
from cisterna.domain.shadow_report import Verified
from cisterna.domain.sighting import Sighting

_VERIFIED = sql_text(
    """
    SELECT d.acquisition_id, v.body ->> 'source_fingerprint' AS fingerprint, min(r.verified_at) AS verified_at
    FROM acquisitions a
    JOIN datasets d ON d.acquisition_id = a.acquisition_id
    JOIN versions v ON v.dataset_id = d.dataset_id
    JOIN receipts r ON r.version_id = v.version_id
    WHERE a.instrument = :instrument AND v.body ->> 'source_fingerprint' IS NOT NULL
        AND v.stage NOT IN ('detected', 'measured', 'gated', 'described', 'archived')
    GROUP BY 1, 2 ORDER BY 3
    """
)


class SqlSightings:
    """Implements `ports.sighting.Sightings`."""

    def __init__(self, statements: Statements) -> None:
        self._sql = statements

    def add(self, sighting: Sighting) -> bool:
        """Add it, unless its number is taken."""
        row = {
            "acquisition_id": sighting.acquisition_id,
            "number": sighting.number,
            "shadow_id": sighting.shadow_id,
            "body": body_of(sighting),
        }
        return bool(self._sql.run(insert(sightings).values(row).on_conflict_do_nothing()).rowcount)

    def of(self, acquisition_id: str) -> Sequence[Sighting]:
        """Read those of one run."""
        wanted = select(sightings.c.body).where(sightings.c.acquisition_id == acquisition_id)
        found = self._sql.run(wanted.order_by(sightings.c.number)).scalars()
        return [Sighting.model_validate_json(body) for body in found]

    def list(self, shadow_id: str) -> Sequence[Sighting]:
        """Read those of one time."""
        wanted = select(sightings.c.body).where(sightings.c.shadow_id == shadow_id)
        found = self._sql.run(wanted.order_by(sightings.c.acquisition_id, sightings.c.number)).scalars()
        return [Sighting.model_validate_json(body) for body in found]

    def verified(self, instrument: str) -> Mapping[str, Sequence[Verified]]:
        """Find the first receipt of each version, the first one first."""
        found: dict[str, list[Verified]] = defaultdict(list)
        for row in self._sql.run(_VERIFIED, {"instrument": instrument}):
            found[row.acquisition_id].append(Verified(fingerprint=row.fingerprint, verified_at=row.verified_at))
        return found
