"""Tells that files changed after they had counted as settled, and were read again."""

from __future__ import annotations

from collections.abc import Sequence

from cisterna.domain.acquisition import Acquisition
from cisterna.ports.catalogue import Transaction
from cisterna.ports.clock import Clock
from cisterna.services.transition import announce

_MOST_NAMED = 20


def tell_settled_early(
    tx: Transaction, acquisition: Acquisition, paths: Sequence[str], *, clock: Clock, how: str = "they changed"
) -> None:
    """Write the event, in the transaction that puts on record what is read instead.

    Args:
        tx: Where it is written.
        acquisition: Whose files they are.
        paths: Of the files; 20 are named.
        clock: Dates it.
        how: What was seen of them.
    """
    named = ", ".join(paths[:3])
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    announce(
        tx,
        "acquisition.settled-early",
        acquisition.acquisition_id,
        project=acquisition.project,
        clock=clock,
        data={
            "acquisition_id": acquisition.acquisition_id,
            "instrument": acquisition.instrument,
            "project": acquisition.project,
            "files": len(paths),
            "paths": list(paths[:_MOST_NAMED]),
            "reason": (
                f"{named}{more} had counted as settled, and {how} after they were read ahead; they are read again, and "
                "what is archived is what they are at the end"
            ),
        },
    )
