"""Asks a store to bring back what lies in a storage class that gives nothing at once, and says when it can be read.

Whether a file is far is found by reading a byte of it, never by what the store calls its class: with many stores
classes are labels. Asking twice is harmless: what is coming or there is not asked for again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from cisterna.domain.thaw import Reach, Thawing, ThawSpeed, require_days
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.protection import ObjectKeeper
from cisterna.ports.quality import TableFile
from cisterna.services.crew import work_through
from cisterna.services.restore import ocfl_number
from cisterna.services.shelf import Shelf, Shelves, choose, open_object


def thaw_version(
    version_id: str,
    *,
    days: int,
    speed: ThawSpeed,
    catalogue: Catalogue,
    store: ObjectStore,
    keeper: ObjectKeeper,
    tables: TableFile,
    files: Sequence[str] = (),
    asks: bool = True,
    readers: int = 4,
) -> Thawing:
    """Ask a store for the files of a version that cannot be read now; what is kept near is not asked for.

    Args:
        version_id: Of a version that is archived.
        days: How long the copy that is brought back stays readable.
        speed: How fast.
        catalogue: Says where the object lies.
        store: The archive, or a store that keeps a copy of it.
        keeper: Of the same store.
        tables: Reads which parts there are.
        files: Only these, as `restore_version` takes them.
        asks: Whether to ask, and not only to look.
        readers: Threads.

    Raises:
        InvalidInput: No store keeps a copy for so many days.
        NotFound: There is no such version, it is not archived, or a path names none of its files.
        StoreForbids: The store's keys may not ask.
        StoreLacks: The store brings nothing back; the message says what to do.
        StoreUnavailable: It does not answer; ask again.
    """
    require_days(days)
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
    number = ocfl_number(version, dataset)
    own, _ = open_object(dataset.object_root, pid=dataset.pid, number=number, store=store)
    keys = sorted(_keys(own, files, store=store, tables=tables))
    seen = _Seen()

    def thaw_one(key: str) -> None:
        reach = keeper.reach(key)
        is_asked = asks and not reach.is_readable and not reach.is_coming
        if is_asked:
            keeper.thaw(key, days=days, speed=speed)
        seen.count(reach, is_asked=is_asked)

    work_through(keys, lambda: thaw_one, workers=readers, stop=threading.Event())
    return Thawing(
        store=store.name,
        days=days,
        speed=speed,
        readable=seen.readable,
        asked=seen.asked,
        coming=seen.coming,
        far=seen.far,
        storage_classes=tuple(sorted(seen.classes)),
    )


def _keys(own: Shelf, files: Sequence[str], *, store: ObjectStore, tables: TableFile) -> Iterator[str]:
    """Name the keys of the files that are asked for, in the object itself and in its parts.

    What names parts and their files lies near whatever the rule for the data says.
    """
    shelves = Shelves(own, store=store, tables=tables)
    wanted = choose(own, shelves.parts, files, opened=shelves.open) if files else None
    for place, shelf in shelves.needed(wanted):
        digests = set((shelf.files if wanted is None else wanted[place]).values())
        yield from (f"{shelf.object_root}/{shelf.inventory.content_path(digest)}" for digest in digests)


def await_thaw(
    look: Callable[[], Thawing], *, wait: Callable[[float], object], pause_seconds: float, tell: Callable[[str], object]
) -> Thawing:
    """Look until everything can be read, telling once each time that something changed.

    Args:
        look: Asks, as `thaw_version` does: what a store forgot meanwhile is asked for again.
        wait: Sleeps so many seconds.
        pause_seconds: Between two looks.
        tell: Takes words for whoever waits.
    """
    told = ""
    while not (found := look()).is_ready:
        if found.words != told:
            tell(told := found.words)
        wait(pause_seconds)
    return found


class _Seen:
    """Counts, from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.readable = self.asked = self.coming = self.far = 0
        self.classes: set[str] = set()

    def count(self, reach: Reach, *, is_asked: bool) -> None:
        with self._lock:
            self.readable += reach.is_readable
            self.asked += is_asked
            self.coming += reach.is_coming and not reach.is_readable
            self.far += not (reach.is_readable or reach.is_coming or is_asked)
            if not reach.is_readable and reach.storage_class is not None:
                self.classes.add(reach.storage_class)
