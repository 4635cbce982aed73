"""Whether the archive's store copies what is read from a landing zone, or is sent it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from cisterna.domain.errors import SourceUnavailable, StoreForbids, StoreLacks, StoreUnavailable
from cisterna.ports.object_store import ServerCopier

if TYPE_CHECKING:
    from cisterna.ports.object_store import ObjectStore
    from cisterna.ports.source import LandingZone

_log = structlog.get_logger("cisterna.archive")


def copier_of(zone: LandingZone, store: ObjectStore) -> ServerCopier | None:
    """Give what lets the store copy from a zone; None where it did not show that it can, which is logged and no fault.

    Nothing hangs on it: what is not copied is sent, as from a folder.
    """
    try:
        witness = zone.witness()
        return None if witness is None else store.copier(witness)
    except SourceUnavailable:
        return None  # whoever reads it says so
    except (StoreForbids, StoreLacks, StoreUnavailable) as error:
        _log.warning("server-copy.unproven", store=store.name, reason=str(error))
        return None
