"""Tells a file that a store cannot give any more from a store that cannot answer now.

Some stores notice flipped bytes themselves: SeaweedFS tries a GET of them for 13 seconds and answers 500 while HEAD and
every other file are fine. Seen once that is no proof, since a server that restarts says the same. It is damage when the
file fails in each of several looks over a time, when another file of the store was read in the same moment each time,
and when only few files of the object are affected: many at once speak for a part of the store that is away, and count
only when that has lasted. A wrong verdict costs little: what replaces such a file has the digest on record.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.errors import NotReadableNow, ObjectNotFound, StoreUnavailable
from cisterna.ports.object_store import ObjectStore
from cisterna.services.reread import Reread, read_back

_FIRST_PAUSE_SECONDS = 0.5


class Suspicion(Value):
    """How much it takes to call an unreadable file damaged.

    Attributes:
        over_seconds: It is looked at again, with growing pauses, until it has failed for so long; at least once.
        few: So many files of an object may be unreadable at once and still be looked at one by one ...
        share: ... or this share of its files.
        is_lasting: The object could not be read for long: then many files count as well.
    """

    over_seconds: float = Field(10.0, ge=0)
    few: int = Field(3, ge=1)
    share: float = Field(0.1, ge=0, le=1)
    is_lasting: bool = False

    def is_about_files(self, unreadable: int, *, of: int) -> bool:
        """Tell whether so few of an object's files are unreadable that it speaks of them and not of the store."""
        return self.is_lasting or unreadable <= max(self.few, self.share * of)


def look_again(
    unreadable: Iterable[str],
    *,
    object_root: str,
    witnesses: Iterable[str],
    store: ObjectStore,
    suspicion: Suspicion,
) -> Mapping[str, Reread] | None:
    """Read files again that could not be read, for as long as the suspicion asks.

    Args:
        unreadable: Paths relative to the object's root.
        object_root: Of the object.
        witnesses: Keys of other files; one of them must be read after each look.
        store: Which it is about.
        suspicion: How long to look.

    Returns:
        What came of each file in the end, or None when the store itself did not answer.
    """
    found = {path: Reread(path, problem="not read") for path in unreadable}
    others, began, pause = list(witnesses), time.monotonic(), min(_FIRST_PAUSE_SECONDS, suspicion.over_seconds)
    while True:
        time.sleep(pause)
        for path in [path for path, got in found.items() if got.problem is not None]:
            try:
                found[path] = read_back(path, object_root=object_root, store=store, taken=None)
            except StoreUnavailable as failure:
                found[path] = Reread(path, problem=str(failure), is_frozen=isinstance(failure, NotReadableNow))
        if not _answers(others, store=store):
            return None
        is_settled = all(got.problem is None for got in found.values())
        if is_settled or time.monotonic() - began >= suspicion.over_seconds:
            return found
        pause *= 2


def _answers(keys: Iterable[str], *, store: ObjectStore) -> bool:
    for key in keys:
        with suppress(StoreUnavailable, ObjectNotFound):
            for _ in store.stream(key):
                pass
            return True
    return False
