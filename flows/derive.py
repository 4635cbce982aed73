"""What the flows share that make a dataset from an archived version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cisterna.domain.dataset import Version
from cisterna.services.room import require_room_to_derive
from flows import held
from flows.parts import parts


def derive(make: Callable[..., Version], source_id: str, *which: str, **further: Any) -> Version:
    """Call a service that derives a version, for whoever asked for the work that this process holds, once it fits.

    Args:
        make: `services.infer.infer_version` or `services.convert.convert_version`.
        source_id: The archived version.
        which: What else the service is told by position.
        further: The parts that this service alone needs.
    """
    core, mine = parts(), held.current()
    require_room_to_derive(source_id, core.room, catalogue=core.catalogue)
    person, reason = (mine.work.parameters.get(name) for name in ("person", "reason"))
    return make(
        source_id,
        *which,
        lease=mine.lease,
        catalogue=core.catalogue,
        store=core.archive_store,
        tables=core.tables,
        clock=core.clock,
        submitter=str(person) if person else None,
        cause=str(reason) if reason else None,
        arks=core.settings.identity.arks,
        digest=core.settings.archive.digest,
        **further,
    )
