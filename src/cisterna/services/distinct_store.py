"""Makes sure that a store of copies is another one than the archive: a copy in the same bucket proves nothing."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations

from cisterna.domain.errors import StoreNotDistinct, StoreUnavailable
from cisterna.domain.probe_key import probe_key
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.services.held_object import read_optional


def require_all_distinct(stores: Sequence[ObjectStore], *, clock: Clock) -> None:
    """Compare each two stores of an installation; one that does not answer now is compared again with every copy.

    Raises:
        StoreNotDistinct: Two of them are one bucket.
    """
    for first, other in combinations(stores, 2):
        with suppress(StoreUnavailable):
            require_distinct(first, other, clock=clock)


def require_distinct(first: ObjectStore, other: ObjectStore, *, clock: Clock) -> None:
    """Write a key into one store and look for it in the other, whatever their addresses say.

    Two names of one host, a proxy, a gateway: only the store itself tells. Killed in between, a key of a few bytes is
    left below the probes' prefix, for `collect_probes`.

    Raises:
        StoreNotDistinct: The other one has the key.
        StoreUnavailable: One of them did not answer; nothing is known.
    """
    key, mark = probe_key(clock.new_id(), "distinct"), secrets.token_bytes(16)
    first.put(key, mark)
    try:
        found = read_optional(key, store=other)
    finally:
        first.delete([key])
    if found is not None:
        msg = (
            f"the store '{other.name}' is the bucket of '{first.name}' under another name; a copy there would prove "
            f"nothing: give '{other.name}' a bucket of its own, best on another machine"
        )
        raise StoreNotDistinct(msg, store=other.name, same_as=first.name)
