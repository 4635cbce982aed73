"""Takes hints: finds out which instruments they concern, and wakes whoever sweeps those."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cisterna.domain.base import Value
from cisterna.domain.hint import Hint
from cisterna.ports.catalogue import Catalogue
from cisterna.services.sender import Signed, take_once


class Taken(Value):
    """What became of hints.

    Attributes:
        instruments: Whose landing zones are looked at now.
        unknown: How many hints concern none.
    """

    instruments: tuple[str, ...] = ()
    unknown: int = 0


def take_hints(hints: Sequence[Hint], *, signed: Signed | None, catalogue: Catalogue, now: datetime) -> Taken:
    """Wake the sweeps of the instruments that hints concern; nothing that a hint says is written anywhere.

    Args:
        hints: What a message told.
        signed: How the message was signed, when it was; the nonce is taken in the same transaction, so that a message
            that could not be taken may be sent again.
        catalogue: Holds the instruments.
        now: By our clock.

    Raises:
        MessageRefused: The message came before; nothing is woken.
    """
    with catalogue.begin() as tx:
        if signed is not None:
            take_once(tx, signed, now=now)
        instruments = tx.instruments.list()
        found = [[one.name for one in instruments if hint.concerns(one)] for hint in hints]
        concerned = tuple(sorted({name for names in found for name in names}))
        tx.hints.ring(concerned)
    return Taken(instruments=concerned, unknown=sum(not names for names in found))
