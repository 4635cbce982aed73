"""Sets holds and locks on every version of every key of one object, and marks its data for a tier; reads all back."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import ObjectNotFound
from cisterna.domain.ocfl import Inventory
from cisterna.domain.protection import Aspect, Standing, Wanted
from cisterna.domain.retention import LockMode
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.protection import Enforcement, Kept, KeptObject, ObjectKeeper
from cisterna.services.crew import work_through
from cisterna.services.held_object import read_held

_AT_ONCE = 8
_DATA = "data/"


@dataclass
class Look:
    """What was found on the way.

    Attributes:
        can_keep: Whether the bucket has object lock.
        objects: Versions of keys.
        unheld, unlocked: Keys of which the store took the setting and did not say it when it was asked.
        locked_until: The latest date that was read back.
        enforcement: What trying to delete a held object of ours showed.
    """

    can_keep: bool = True
    objects: int = 0
    unheld: list[str] = field(default_factory=list)
    unlocked: list[str] = field(default_factory=list)
    locked_until: datetime | None = None
    enforcement: Enforcement = Enforcement.UNTRIED
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def note(self, one: KeptObject, kept: Kept, wanted: Wanted, *, sets_hold: bool) -> None:
        """Take what a store says of an object after it was asked."""
        with self._mutex:
            self.objects += 1
            if sets_hold and kept.legal_hold != wanted.legal_hold:
                self.unheld.append(one.key)
            if not _is_locked(kept, wanted):
                self.unlocked.append(one.key)
            if kept.lock_until is not None:
                self.locked_until = max(self.locked_until or kept.lock_until, kept.lock_until)

    def hold_aspect(self, keeper: ObjectKeeper, wanted: Wanted) -> Aspect:
        """Say how the legal hold stands."""
        if not wanted.legal_hold:
            if self.unheld:
                return _aspect(Standing.WAITING, f"{keeper.store} still says a hold on {_named(self.unheld)}")
            return _aspect(Standing.DONE, f"lifted from all {self.objects} objects, read back")
        return self._kept_aspect(keeper, "a legal hold", self.unheld, otherwise="our own hold stands")

    def lock_aspect(self, keeper: ObjectKeeper, wanted: Wanted) -> Aspect:
        """Say how the lock stands."""
        until = f"{wanted.lock_until:%Y-%m-%d %H:%M} UTC" if wanted.lock_until else ""
        what = f"a lock ({wanted.lock}) until {until}"
        return self._kept_aspect(keeper, what, self.unlocked, otherwise="our own rule stands")

    def _kept_aspect(self, keeper: ObjectKeeper, what: str, missing: list[str], *, otherwise: str) -> Aspect:
        if not self.can_keep:
            words = (
                f"{keeper.store} does not enforce it: its bucket has no object lock; {otherwise}. `cisterna store "
                "provision` turns object lock on where the store can"
            )
            return _aspect(Standing.NOT_ENFORCED, words)
        if missing:
            words = (
                f"{keeper.store} does not enforce it: it took {what} and does not say it of {_named(missing)} when it "
                f"is asked, as of objects that were written before the bucket kept versions; {otherwise}"
            )
            return _aspect(Standing.NOT_ENFORCED, words)
        if not self.objects:
            return _aspect(Standing.WAITING, f"{keeper.store} lists no object of it; see `cisterna check`")
        match self.enforcement:
            case Enforcement.REFUSED:
                tried = "and the store refused to delete one of ours that was held"
            case Enforcement.UNTRIED:
                tried = "but these keys may delete no version, so whether the store acts on it could not be tried"
            case Enforcement.NONE:
                words = f"{keeper.store} does not enforce it: it deleted an object of ours that was held; {otherwise}"
                return _aspect(Standing.NOT_ENFORCED, words)
        return _aspect(Standing.DONE, f"{what} is on all {self.objects} objects, read back, {tried}")


def keep_objects(prefix: str, keeper: ObjectKeeper, wanted: Wanted, *, look: Look, sets_hold: bool) -> None:
    """Set what is wanted on every version of every key below a prefix, several at a time, and read it back.

    What is set already is left alone, so a second run goes on where the first was cut short. A lock is only ever made
    longer or stricter.

    Raises:
        StoreLacks, StoreForbids, StoreUnavailable: As the port says.
    """
    look.can_keep = keeper.can_keep()
    if not look.can_keep:
        return

    def settle(one: KeptObject) -> None:
        try:
            kept = keeper.kept(one)
            is_changed = _set_what_differs(one, kept, keeper, wanted, sets_hold=sets_hold)
            look.note(one, keeper.kept(one) if is_changed else kept, wanted, sets_hold=sets_hold)
        except ObjectNotFound:
            return  # replaced or removed since it was listed

    work_through(keeper.objects(prefix), lambda: settle, workers=_AT_ONCE, stop=threading.Event())
    if look.objects and (wanted.legal_hold or wanted.lock is not None):
        look.enforcement = keeper.enforcement()


def mark_data(
    dataset: Dataset, storage_class: str, *, keeper: ObjectKeeper, store: ObjectStore, takes_back: bool
) -> Aspect:
    """Mark the acquired data of an object for a storage class; what describes and proves it stays where it is.

    Args:
        dataset: Whose object it is.
        storage_class: That it belongs in.
        keeper: Marks it.
        store: For reading its inventory.
        takes_back: Whether it may be marked for another class, which must not stay where this one cannot be had.

    Raises:
        StoreLacks, StoreForbids, StoreUnavailable, ObjectInvalid: As the ports say.
    """
    if not keeper.moves_to(storage_class):
        words = (
            f"{keeper.store} has no lifecycle rule of ours for {storage_class}: `cisterna store provision` makes it, "
            "or says that the store has none; the data stay where they are"
        )
        before = unmark_data(dataset, keeper=keeper, store=store) if takes_back else None
        if before is not None and before.standing is not Standing.DONE:
            return before
        return _aspect(Standing.NOT_ENFORCED, f"{words}; {before.words}" if before else words)
    paths = _paths(dataset, store)
    unmarked: list[str] = []

    def mark(path: str) -> None:
        key = f"{dataset.object_root}/{path}"
        if keeper.marked_for(key) == storage_class:
            return
        keeper.mark_for(key, storage_class)
        if keeper.marked_for(key) != storage_class:
            unmarked.append(path)

    work_through(paths, lambda: mark, workers=_AT_ONCE, stop=threading.Event())
    if unmarked:
        words = f"{keeper.store} took the mark for {storage_class} and does not say it of {_named(unmarked)}"
        return _aspect(Standing.NOT_ENFORCED, words)
    words = f"{len(paths)} data files are marked for {storage_class}; the store moves them by its lifecycle rule"
    return _aspect(Standing.DONE, words)


def unmark_data(dataset: Dataset, *, keeper: ObjectKeeper, store: ObjectStore) -> Aspect:
    """Take our mark off the data of an object, whatever class it names, and read that back; again changes nothing.

    Raises:
        StoreLacks, StoreForbids, StoreUnavailable, ObjectInvalid: As the ports say.
    """
    paths = _paths(dataset, store)
    marked: list[str] = []

    def unmark(path: str) -> None:
        key = f"{dataset.object_root}/{path}"
        if keeper.marked_for(key) is None:
            return
        keeper.unmark(key)
        if keeper.marked_for(key) is not None:
            marked.append(path)

    work_through(paths, lambda: unmark, workers=_AT_ONCE, stop=threading.Event())
    if marked:
        return _aspect(Standing.WAITING, f"{keeper.store} still says a mark for a tier on {_named(marked)}")
    words = (
        f"no mark for a tier is on any of {len(paths)} data files, read back; what the store has moved already stays "
        "there until somebody moves it"
    )
    return _aspect(Standing.DONE, words)


def _paths(dataset: Dataset, store: ObjectStore) -> list[str]:
    held = read_held(dataset.object_root, pid=dataset.pid, store=store)
    return sorted(data_paths(held.inventory)) if held is not None else []


def data_paths(inventory: Inventory) -> frozenset[str]:
    """Give the content paths that hold acquired data and nothing of ours: what we must always read stays near."""
    data: set[str] = set()
    ours: set[str] = set()
    for version in inventory.versions:
        for digest, logical in version.state.items():
            path = inventory.content_path(digest)
            (data if all(one.startswith(_DATA) for one in logical) else ours).add(path)
    return frozenset(data - ours)


def _set_what_differs(one: KeptObject, kept: Kept, keeper: ObjectKeeper, wanted: Wanted, *, sets_hold: bool) -> bool:
    is_changed = False
    if sets_hold and kept.legal_hold != wanted.legal_hold:
        keeper.set_legal_hold(one, on=wanted.legal_hold)
        is_changed = True
    if wanted.lock is not None and wanted.lock_until is not None and not _is_locked(kept, wanted):
        mode = LockMode.COMPLIANCE if LockMode.COMPLIANCE in {kept.lock, wanted.lock} else wanted.lock
        until = max(wanted.lock_until, kept.lock_until or wanted.lock_until)
        keeper.lock(one, mode=mode, until=until)
        is_changed = True
    return is_changed


def _is_locked(kept: Kept, wanted: Wanted) -> bool:
    """Tell whether a store keeps it at least as long and as strictly as is wanted."""
    if wanted.lock is None or wanted.lock_until is None:
        return True
    is_strict = kept.lock is LockMode.COMPLIANCE or kept.lock is wanted.lock
    return is_strict and kept.lock_until is not None and kept.lock_until >= wanted.lock_until


def _aspect(standing: Standing, words: str) -> Aspect:
    return Aspect(standing=standing, words=words)


def _named(keys: list[str]) -> str:
    return f"{len(keys)} objects, such as {min(keys)}"
