"""An archive with a second store, and everything that keeps copies there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from cisterna.domain.fixity import ObjectCheck
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.stored_copy import StoredCopy
from cisterna.domain.work import Attempt, Work, WorkKind, WorkState
from cisterna.ports.object_store import ObjectStore
from cisterna.services.check import check_object
from cisterna.services.copy_object import copy_object
from cisterna.services.keep_object import Kept, keep_object
from cisterna.services.suspicion import Suspicion
from cisterna.services.upkeep import request_upkeep
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import LEASE, Facility

CYCLE = timedelta(days=90)
AT_ONCE = Suspicion(over_seconds=0)


@dataclass
class Vault:
    """A facility's archive and one further store."""

    facility: Facility
    first: ObjectStore
    second: ObjectStore
    open_attempts: list[Attempt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.facility.store = self.first
        with self.facility.catalogue.begin() as tx:
            tx.copies.register([self.first.name, self.second.name])

    def archive(self, run: str, **files: bytes) -> str:
        """Ingest a small run and return its dataset's id."""
        self.facility.write(run, {f"{name}.txt": body for name, body in files.items()})
        version = self.facility.detect(run)
        self.facility.ingest(version.version_id)
        return version.dataset_id

    def lease(self, dataset_id: str) -> Attempt:
        return self.facility.lease(f"{dataset_id}:v1")

    def copy(self, dataset_id: str, lease: Attempt | None = None) -> Kept:
        return copy_object(
            dataset_id,
            source=self.first,
            target=self.second,
            lease=lease or self.lease(dataset_id),
            catalogue=self.facility.catalogue,
            clock=self.facility.clock,
            readers=2,
        )

    def keep(self, dataset_id: str, store: ObjectStore, *, repair: bool = True) -> Kept:
        return keep_object(
            dataset_id,
            store=store,
            others=[one for one in (self.first, self.second) if one is not store],
            is_copy=store is self.second,
            repair=repair,
            lease=None,
            catalogue=self.facility.catalogue,
            clock=self.facility.clock,
            suspicion=AT_ONCE,
            readers=2,
        )

    def look(self, dataset_id: str, store: ObjectStore) -> ObjectCheck:
        return check_object(
            dataset_id,
            catalogue=self.facility.catalogue,
            store=store,
            is_copy=store is self.second,
            suspicion=AT_ONCE,
        )

    def ask(self, store: ObjectStore, **more: int) -> list[Work]:
        """Ask for what is to be done in a store and return all that waits for it."""
        request_upkeep(
            store,
            first=self.first.name,
            cycle=CYCLE,
            catalogue=self.facility.catalogue,
            clock=self.facility.clock,
            **more,
        )
        with self.facility.catalogue.begin() as tx:
            return [one for one in tx.inbox.list(state=WorkState.READY) if one.parameters.get("store") == store.name]

    def do(self, work: Work) -> None:
        """Carry one piece of work out, as its flow would."""
        catalogue, clock = self.facility.catalogue, self.facility.clock
        with catalogue.begin() as tx:
            claim = tx.inbox.claim(
                owner="keeper", run_id=clock.new_id(), now=clock.now(), lease=LEASE, work_id=work.work_id
            )
        assert claim is not None
        dataset_id = work.subject.partition(":")[0]
        if work.kind is WorkKind.COPY:
            self.copy(dataset_id, claim.attempt)
        else:
            self.keep(dataset_id, self.first if work.parameters["store"] == self.first.name else self.second)
        with catalogue.begin() as tx:
            tx.inbox.finish(claim.attempt, outcome="done")

    def known(self, dataset_id: str, store: ObjectStore) -> StoredCopy | None:
        with self.facility.catalogue.begin() as tx:
            return tx.copies.get(dataset_id, store.name)

    def receipts(self, dataset_id: str, store: ObjectStore, version: str = "v1") -> list[CopyReceipt]:
        with self.facility.catalogue.begin() as tx:
            return [one for one in tx.datasets.receipts(f"{dataset_id}:{version}") if one.store == store.name]

    def events(self, dataset_id: str, name: str) -> list[dict[str, object]]:
        with self.facility.catalogue.begin() as tx:
            return [one.data for one in tx.outbox.history([f"{dataset_id}:v1"]) if one.name == name]

    def root(self, dataset_id: str) -> str:
        with self.facility.catalogue.begin() as tx:
            return tx.datasets.get(dataset_id).object_root

    def content(self, dataset_id: str, store: ObjectStore) -> dict[str, bytes]:
        """Give all that a store has of an object, by path."""
        root = self.root(dataset_id)
        return {one.key.removeprefix(f"{root}/"): store.get(one.key)[0] for one in store.list(f"{root}/")}

    def key_of(self, dataset_id: str, body: bytes) -> str:
        """Find the key of content by its bytes."""
        root = self.root(dataset_id)
        found = self.content(dataset_id, self.first)
        return next(f"{root}/{path}" for path, held in found.items() if held == body)


def memory(store: ObjectStore) -> MemoryStore:
    """See a store as the one in memory."""
    assert isinstance(store, MemoryStore)
    return store
