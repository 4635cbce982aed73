"""Removes what killed probes left in a store: an OCFL storage root holds objects and nothing else."""

from __future__ import annotations

from cisterna.domain.probe_key import PROBE_GRACE, PROBE_PREFIX, is_left_over
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore


def collect_probes(store: ObjectStore, *, clock: Clock) -> tuple[str, ...]:
    """Delete keys and abort uploads of probes that are over; two list requests when there is none.

    What else lies below their prefix is not ours and stays; the survey names it.

    Returns:
        The keys that were deleted.

    Raises:
        StoreUnavailable: The next call finds the rest.
    """
    now = clock.now()
    left = [one.key for one in store.list(PROBE_PREFIX) if is_left_over(one.key, now=now)]
    store.delete(left)
    for key in store.unfinished_uploads(PROBE_PREFIX, begun_before=now - PROBE_GRACE):
        if is_left_over(key, now=now):
            store.abort_unfinished(key)
    return tuple(left)
