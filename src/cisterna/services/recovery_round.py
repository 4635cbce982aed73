"""Recovery by the clock: finds objects that were left in the middle, and looks at everything once in a while.

Nothing tells of a worker that was killed, so nothing is waited for: the catalogue says which versions are on their way
and whether an attempt lives, and the store says which keys there are. Each round may be killed, run twice or run beside
another, since all it does to an object is `recover_object`, and what it notes is what it saw.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice

from cisterna.domain.dataset import Dataset, Stage, Version
from cisterna.domain.errors import Conflict, ObjectInvalid, StoreUnavailable
from cisterna.domain.ocfl import CONTENT, storage_root_files
from cisterna.domain.probe_key import probed_at
from cisterna.domain.record_segment import RECORD_ROOT
from cisterna.domain.recovery import ObjectNote, ObjectState
from cisterna.domain.work import Work, WorkState
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.services.recover import recover_object

_ON_THE_WAY = (Stage.DETECTED, Stage.MEASURED, Stage.GATED, Stage.DESCRIBED)
_ROOT = re.compile(r"((?:[0-9a-f]{3}/){3}[^/]+)/.")
_STAGED = re.compile(rf"(v[1-9][0-9]*/{CONTENT}/[0-9a-f]{{32}})/[^/]+")
"""What only an attempt of ours names: the staging folder with its token."""
OUTSIDE = "(outside of any object)"
"""Stands for the object root of keys that have none."""
_FAILURES_IN_A_ROW = 3
_MOST_NAMED = 1000
"""Keys that are remembered of one strange object root."""


@dataclass
class RoundMemory:
    """What one process has brought to rest already; without it each object is looked at once more."""

    at_rest: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a look at everything came to.

    Attributes:
        objects: How many objects the catalogue knows.
        notes: Of the objects that were not whole when it began.
        uploads_collected: Folders whose abandoned uploads were aborted.
    """

    objects: int
    notes: tuple[ObjectNote, ...]
    uploads_collected: tuple[str, ...]


def recover_interrupted(
    *, catalogue: Catalogue, store: ObjectStore, clock: Clock, memory: RoundMemory
) -> Sequence[ObjectNote]:
    """Bring to rest each object with a version on its way that no living attempt works on; cheap when there is none.

    Args:
        catalogue: Says which those are, and keeps what was found.
        store: The archive.
        clock: Dates it.
        memory: An object in it is looked at again when something happened to it since.

    Raises:
        StoreUnavailable, CatalogueUnavailable: The next round begins anew.
    """
    with catalogue.begin() as tx:
        waiting = [one for stage in _ON_THE_WAY for one in tx.datasets.list_versions(stage=stage) if one.staging]
    notes: list[ObjectNote] = []
    look = _Look(catalogue, store, clock)
    for dataset_id in dict.fromkeys(one.dataset_id for one in waiting):
        with catalogue.begin() as tx:
            known = _Known.of(tx, dataset_id)
        if known.is_worked_on or memory.at_rest.get(dataset_id) == known.mark:
            continue
        note = look.attend(known.dataset)
        if note is None or note.state is not ObjectState.UNCHECKED:
            memory.at_rest[dataset_id] = known.mark
        notes += [note] if note else []
    return notes


def survey_archive(*, catalogue: Catalogue, store: ObjectStore, clock: Clock, upload_grace: timedelta) -> Survey:
    """Look at every object that the catalogue knows, at every key that it does not, and at every unfinished upload.

    Keys are never removed for being unknown: they are named, as `strange`.

    Args:
        catalogue: Says what there is, and keeps what was found.
        store: The archive; all its keys are listed, twice.
        clock: Dates it, and tells how old an upload is.
        upload_grace: How long parts of an upload may wait for an attempt that goes on with them.

    Raises:
        StoreUnavailable, CatalogueUnavailable: The survey ends there; the next one begins anew.
    """
    collected = _collect_uploads(catalogue=catalogue, store=store, clock=clock, grace=upload_grace)
    with catalogue.begin() as tx:
        datasets = tx.datasets.list()
    look = _Look(catalogue, store, clock)
    found = [look.attend(dataset) for dataset in datasets]
    found += _note_strangers(catalogue=catalogue, store=store, clock=clock)
    return Survey(len(datasets), tuple(one for one in found if one is not None), tuple(collected))


@dataclass(frozen=True, slots=True)
class _Known:
    """What the catalogue knows of a dataset, its versions, and the work that concerns them."""

    dataset: Dataset
    versions: Sequence[Version]
    works: Sequence[Work]

    @classmethod
    def of(cls, tx: Transaction, dataset_id: str) -> _Known:
        dataset = tx.datasets.get(dataset_id)
        versions = tx.datasets.versions(dataset_id)
        subjects = [version.version_id for version in versions]
        # A part is brought by the work on its whole's acquisition.
        whole = tx.datasets.get(dataset.part_of) if dataset.part_of else dataset
        subjects += [whole.acquisition_id] if whole.acquisition_id else []
        # A model's work is on the version that it runs on, and what it stages is the derived dataset's.
        subjects += [f"{source.dataset_id}:{source.version}" for source in dataset.relations]
        works = [work for subject in subjects for work in tx.inbox.list(subject=subject)]
        return cls(dataset, versions, works)

    @property
    def is_worked_on(self) -> bool:
        return any(work.state is WorkState.LEASED for work in self.works)

    @property
    def mark(self) -> str:
        """Another one whenever a version changed or an attempt was begun."""
        versions = [(one.version_id, one.record) for one in self.versions]
        works = [(one.work_id, one.attempts, one.not_before) for one in self.works]  # not every attempt is counted
        return repr((versions, sorted(works)))


class _Look:
    """A look at object after object; one that the store does not give is noted, three in a row mean that it is away."""

    def __init__(self, catalogue: Catalogue, store: ObjectStore, clock: Clock) -> None:
        self._catalogue = catalogue
        self._store = store
        self._clock = clock
        self._failures = 0

    def attend(self, dataset: Dataset) -> ObjectNote | None:
        """Bring one object to rest and note what that took; None when it was whole. Raises `StoreUnavailable`."""
        try:
            found = recover_object(dataset.dataset_id, lease=None, catalogue=self._catalogue, store=self._store)
        except ObjectInvalid as refusal:
            self._failures = 0
            return self._note(dataset, ObjectState.REFUSED, str(refusal))
        except Conflict as race:
            return self._note(dataset, ObjectState.UNCHECKED, str(race))
        except StoreUnavailable as failure:
            self._failures += 1
            if self._failures == _FAILURES_IN_A_ROW:
                raise
            return self._note(dataset, ObjectState.UNCHECKED, str(failure))
        self._failures = 0
        if found.strangers:
            reason = f"{_counted(found.strangers)}, are not Cisterna's and were left alone; move them out of the object"
            return self._note(dataset, ObjectState.STRANGE, reason, done=1 if found.actions else 0)
        if found.actions:
            return self._note(dataset, ObjectState.RECOVERED, "; ".join(found.actions), done=1)
        with self._catalogue.begin() as tx:
            _settle(tx, tx.recoveries.find(dataset.object_root))
        return None

    def _note(self, dataset: Dataset, state: ObjectState, reason: str, *, done: int = 0) -> ObjectNote:
        with self._catalogue.begin() as tx:
            known = tx.recoveries.find(dataset.object_root)
            note = ObjectNote(
                object_root=dataset.object_root,
                dataset_id=dataset.dataset_id,
                state=state,
                reason=reason,
                recoveries=(known.recoveries if known else 0) + done,
                noted_at=self._clock.now(),
            )
            tx.recoveries.put(note)
        return note


def _settle(tx: Transaction, known: ObjectNote | None) -> None:
    """Take back what was noted of an object that is whole now, but not how often it was recovered."""
    if known is None or known.state is ObjectState.RECOVERED:
        return
    if known.recoveries:
        tx.recoveries.put(known.model_copy(update={"state": ObjectState.RECOVERED, "reason": "it is whole again"}))
    else:
        tx.recoveries.forget(known.object_root)


def _collect_uploads(*, catalogue: Catalogue, store: ObjectStore, clock: Clock, grace: timedelta) -> Iterable[str]:
    """Abort what was begun in a staging folder that is on record, and has been left alone for the grace.

    An upload in any other folder of ours belongs to a dead attempt and is aborted with the object's recovery. One that
    a version waits with for its commit is kept, whatever its age; so is each whose work an attempt holds.
    """
    old = _by_root(store.unfinished_uploads("", begun_before=clock.now() - grace))
    with catalogue.begin() as tx:
        ours = {one.object_root: one.dataset_id for one in tx.datasets.list()} if old else {}
    for root in sorted(old.keys() & ours.keys()):
        with catalogue.begin() as tx:
            known = _Known.of(tx, ours[root])
        if known.is_worked_on:
            continue
        reading = {one.staging for one in known.versions if one.staging and one.stage is Stage.DETECTED}
        marked = (_STAGED.fullmatch(key.removeprefix(f"{root}/")) for key in old[root])
        for staging in sorted({one[1] for one in marked if one is not None} & reading):
            folder = f"{root}/{staging}/"
            if set(store.unfinished_uploads(folder)) <= set(old[root]):
                store.abort_unfinished(folder)
                yield folder


def collect_copy_uploads(
    *, store: ObjectStore, catalogue: Catalogue, clock: Clock, upload_grace: timedelta
) -> Sequence[str]:
    """Abort what copies or repairs of our objects began in a store of copies and left alone for the grace.

    One that is taken up again goes on with what arrived; an object that somebody works on is left to them.

    Returns:
        The object roots that were cleaned.

    Raises:
        StoreUnavailable, CatalogueUnavailable: The next survey finds the rest.
    """
    old = _by_root(store.unfinished_uploads("", begun_before=clock.now() - upload_grace))
    with catalogue.begin() as tx:
        ours = {one.object_root: one.dataset_id for one in tx.datasets.list()} if old else {}
    collected = []
    for root in sorted(old.keys() & ours.keys()):
        with catalogue.begin() as tx:
            known = _Known.of(tx, ours[root])
        folder = f"{root}/"
        if not known.is_worked_on and set(store.unfinished_uploads(folder)) <= set(old[root]):
            store.abort_unfinished(folder)
            collected.append(root)
    return collected


def _note_strangers(*, catalogue: Catalogue, store: ObjectStore, clock: Clock) -> Iterator[ObjectNote]:
    """Note each object root that no dataset has, and the keys that lie below none."""
    with catalogue.begin() as tx:
        known = {RECORD_ROOT} | _roots(tx)
        noted = {one.object_root for one in tx.recoveries.list() if one.dataset_id is None}
    strange = _by_root(_keys_and_uploads(store), but=known, most=_MOST_NAMED)
    with catalogue.begin() as tx:  # anew: datasets were added while the keys were listed
        for root in _roots(tx) & strange.keys():
            del strange[root]
        for root in noted - strange.keys():
            tx.recoveries.forget(root)
    for root, found in sorted(strange.items()):
        reason = (
            f"{_counted(found)}, belong to no dataset and were left alone; see whether another program writes there, "
            "or whether the catalogue is older than the archive"
        )
        note = ObjectNote(
            object_root=root,
            dataset_id=None,
            state=ObjectState.STRANGE,
            reason=reason,
            recoveries=0,
            noted_at=clock.now(),
        )
        with catalogue.begin() as tx:
            tx.recoveries.put(note)
        yield note


def _roots(tx: Transaction) -> set[str]:
    """Give the object roots of all datasets, and of those that will be: what was read ahead lies there already."""
    return {one.object_root for one in tx.datasets.list()} | {one.object_root for one in tx.aheads.list()}


def _keys_and_uploads(store: ObjectStore) -> Iterator[str]:
    ours = storage_root_files().keys()
    for one in store.list(""):
        if one.key not in ours and probed_at(one.key) is None:
            yield one.key
    yield from (key for key in store.unfinished_uploads("") if probed_at(key) is None)


def _by_root(
    keys: Iterable[str], *, but: AbstractSet[str] = frozenset(), most: int | None = None
) -> dict[str, list[str]]:
    """Group keys by object root; of each root in `but` nothing is kept, of others the first `most`."""
    grouped: dict[str, list[str]] = {}
    for key in keys:
        found = _ROOT.match(key)
        root = found[1] if found else OUTSIDE
        if root not in but:
            kept = grouped.setdefault(root, [])
            if most is None or len(kept) < most:
                kept.append(key)
    return grouped


def _counted(keys: Sequence[str]) -> str:
    shown = ", ".join(islice(keys, 3))
    return f"{len(keys)}{' or more' if len(keys) == _MOST_NAMED else ''} keys, such as {shown}"
