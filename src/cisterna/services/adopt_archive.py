"""Lets registered runs of a share go into the archive: within the hours, a few at a time, behind live instruments.

Nothing here moves a byte. A run whose turn comes loses the hold that it waits under, and the ordinary ingest does the
rest. At the end of the hours no other begins: what nobody has begun is put off until they come again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from cisterna.domain.adoption import WAITS, Adoption, AdoptionState
from cisterna.domain.base import Value
from cisterna.domain.errors import Conflict
from cisterna.domain.hours import are_open
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.services.acquisition_record import record_acquisition

_PUT_OFF = timedelta(minutes=10)
"""How long what was paused is put off; it is put off again as long as it is."""
_FOR_GOOD = timedelta(days=36_500)
"""What was ended waits until somebody begins it again."""
_LOOK_AGAIN = timedelta(days=1)


class Turn(Value):
    """What one turn did.

    Attributes:
        begun: How many runs' turn came.
        put_off: How many that nobody had begun wait for the next hours.
    """

    begun: int = 0
    put_off: int = 0


def archive_turn(name: str, *, catalogue: Catalogue, clock: Clock) -> Turn:
    """Let as many runs of a share go on as may be under way now; a second turn finds them so and adds none.

    Args:
        name: Of the adoption.
        catalogue: Where all of it is written.
        clock: Tells the hour.
    """
    now = clock.now()
    with catalogue.begin() as tx:
        adoption = tx.adoptions.get(name)
        lanes = lanes_of(tx, name)
        if adoption.archiving is None or not lanes:
            return Turn()
        until = closed_until(adoption, now)
        if until is not None:
            return Turn(put_off=tx.adoptions.put_off(lanes, until=until))
        room = adoption.archiving.at_once - tx.adoptions.under_way(lanes)
        if room <= 0 or tx.adoptions.waiting_beside(lanes, now=now):
            return Turn()
        finds = tx.adoptions.to_archive(name, adoption.archiving, lanes=lanes, limit=room)
    begun = 0
    for find in finds:
        try:
            with catalogue.begin() as tx:
                before = tx.acquisitions.lock(find.acquisition_id or "")
                if before is None or before.held != WAITS:
                    continue
                record_acquisition(tx, before, before.model_copy(update={"held": None}), clock=clock)
                tx.adoptions.save_find(find.model_copy(update={"look_at": now + _LOOK_AGAIN}))
        except Conflict:
            continue  # somebody else wrote it; the next turn looks anew
        begun += 1
    return Turn(begun=begun)


def lanes_of(tx: Transaction, name: str) -> list[str]:
    """Name what stands for the devices of a share: its runs take turns as theirs."""
    return [one.name for one in tx.instruments.list() if one.adopted == name]


def closed_until(adoption: Adoption, now: datetime) -> datetime | None:
    """Tell until when no run of a share begins; None when some may begin now."""
    if adoption.state is not AdoptionState.ACTIVE:
        return now + (_FOR_GOOD if adoption.state is AdoptionState.ENDED else _PUT_OFF)
    hours = adoption.archiving.hours if adoption.archiving else None
    local = now.astimezone()
    return None if hours is None or are_open(hours, local) else hours.next_beginning(local)
