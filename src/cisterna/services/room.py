"""Asks whether there is room for what will be written, before any of it is."""

from __future__ import annotations

from cisterna.domain.errors import NoRoom
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.room import Room

_MIB = 1024 * 1024


def require_room(room: Room | None, *, wanted_bytes: int) -> None:
    """Refuse to begin what would leave less free than the reserve; room that is unknown refuses nothing.

    Nothing is set aside: two that ask at once may both be told that there is room for one of them.

    Raises:
        NoRoom: It does not fit now.
    """
    free = room.free_bytes() if room else None
    if room is None or free is None or free - wanted_bytes >= room.reserve_bytes:
        return
    msg = (
        f"{wanted_bytes / _MIB:,.0f} MiB wait for room: {free / _MIB:,.0f} MiB are free on the archive's disk, and "
        f"{room.reserve_bytes / _MIB:,.0f} MiB have to stay free (store.reserve_mib); make room, it goes on by itself"
    )
    raise NoRoom(msg, wanted_bytes=wanted_bytes, free_bytes=free, reserve_bytes=room.reserve_bytes)


def require_room_to_derive(source_id: str, room: Room | None, *, catalogue: Catalogue) -> None:
    """Refuse to begin to derive from a version while its data would not fit once more: as much as a view can take.

    Raises:
        NoRoom: As `require_room` says.
        NotFound: There is no such version.
    """
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(source_id)
    require_room(room, wanted_bytes=version.total_bytes)
