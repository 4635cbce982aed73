"""What happens after a commit lies in the object itself, once, whole, and never changed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.sink_archive_log import ArchiveLogSink, CopyLogSink
from cisterna.domain.dataset import Version
from cisterna.domain.errors import NotReady, StoreUnavailable
from cisterna.domain.event import Event
from cisterna.domain.publication import Publication
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.review import Act, Decision
from cisterna.services.object_log import log_key
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from tests.services.world import add_acquisition, add_version, found_facility


class Bench:
    """An archived version with a receipt, a decision and a publication."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock) -> None:
        self.catalogue, self.clock, self.store = catalogue, clock, MemoryStore()
        found_facility(catalogue, clock)
        version = add_version(catalogue, clock, self.store, acquisition=add_acquisition(catalogue, clock))
        self.sink = ArchiveLogSink(store=self.store, catalogue=catalogue)
        now, self.version_id = clock.now(), version.version_id
        with catalogue.begin() as tx:
            self.dataset = tx.datasets.get(version.dataset_id)
            self.receipt = CopyReceipt(
                receipt_id="receipt-1",
                version_id=self.version_id,
                store="archive",
                object_root=self.dataset.object_root,
                ocfl_version=1,
                inventory_sha512="ab" * 64,
                manifest_digest="cd" * 64,
                files_read=4,
                bytes_read=99,
                verified_at=now,
            )
            self.decision = Decision(
                decision_id="decision-1",
                version_id=self.version_id,
                act=Act.ACCEPT,
                person="rosa",
                reason="looks right",
                evidence_digest="ef" * 64,
                decided_at=now,
            )
            self.publication = Publication(
                publication_id="publication-1",
                version_id=self.version_id,
                target="portal",
                pid=self.dataset.pid,
                url="https://f.example/x",
                consent="rosa",
                published_at=now,
            )
            tx.datasets.add_receipt(self.receipt)
            tx.datasets.add_decision(self.decision)
            tx.datasets.put_publication(self.publication)

    def commit(self) -> Version:
        with self.catalogue.begin() as tx:
            version = tx.datasets.get_version(self.version_id)
            return tx.datasets.save_version(version.model_copy(update={"ocfl_version": 1}))

    def event(self, name: str, **data: Any) -> Event:
        self.clock.advance(1)
        return Event(
            event_id=self.clock.new_id(), name=name, subject=self.version_id, occurred_at=self.clock.now(), data=data
        )

    def logged(self) -> list[dict[str, Any]]:
        keys = [one.key for one in self.store.list(f"{self.dataset.object_root}/logs/")]
        return [json.loads(self.store.get(key)[0]) for key in keys]


@pytest.fixture
def bench(catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    return Bench(catalogue, clock)


def test_receipts_decisions_publications_and_the_commit_lie_in_the_object(bench: Bench) -> None:
    bench.commit()
    for event in (
        bench.event("version.stage", stage="archived"),
        bench.event("receipt.issued", receipt={"receipt_id": "receipt-1"}),
        bench.event("decision.made", decision_id="decision-1"),
        bench.event("publication.made", publication_id="publication-1"),
        bench.event("publication.withdrawn"),
    ):
        bench.sink.send(event)

    commit, receipt, decision, publication, withdrawal = bench.logged()
    assert commit["event"]["data"]["stage"] == "archived"
    assert commit["version"]["version_id"] == bench.version_id
    assert commit["dataset"]["pid"] == bench.dataset.pid
    assert CopyReceipt.model_validate(receipt["receipts"][0]) == bench.receipt
    assert Decision.model_validate(decision["decisions"][0]) == bench.decision
    assert Publication.model_validate(publication["publications"][0]) == bench.publication
    assert withdrawal["publications"] == publication["publications"]


def test_the_same_event_again_changes_nothing(bench: Bench) -> None:
    bench.commit()
    event = bench.event("decision.made", decision_id="decision-1")
    bench.sink.send(event)
    before = bench.store.get(log_key(bench.dataset, event))
    with bench.catalogue.begin() as tx:
        tx.datasets.save(bench.dataset.model_copy(update={"title": "Another title"}))

    bench.sink.send(event)

    assert bench.store.get(log_key(bench.dataset, event)) == before


def test_an_event_whose_answer_was_lost_is_logged_once(bench: Bench) -> None:
    bench.commit()
    event = bench.event("decision.made", decision_id="decision-1")
    bench.store.fail_on("put", after=True)

    with pytest.raises(StoreUnavailable):
        bench.sink.send(event)
    bench.sink.send(event)

    assert len(bench.logged()) == 1


def test_nothing_is_written_before_the_object_is_there(bench: Bench) -> None:
    with pytest.raises(NotReady) as waiting:
        bench.sink.send(bench.event("decision.made", decision_id="decision-1"))

    assert waiting.value.retryable
    assert bench.logged() == []


@pytest.mark.parametrize(
    ("name", "data"), [("version.stage", {"stage": "gated"}), ("attempt.started", {}), ("acquisition.seen", {})]
)
def test_what_is_no_record_of_the_object_passes_by(bench: Bench, name: str, data: dict[str, Any]) -> None:
    bench.commit()

    bench.sink.send(bench.event(name, **data))

    assert bench.logged() == []


def test_an_event_about_a_version_that_was_removed_passes_by(bench: Bench) -> None:
    gone = bench.event("receipt.issued").model_copy(update={"subject": f"{bench.dataset.dataset_id}:v9"})

    bench.sink.send(gone)

    assert bench.logged() == []


def test_the_version_is_found_when_the_subject_is_another_thing(bench: Bench) -> None:
    bench.commit()
    event = bench.event("receipt.issued", receipt=bench.receipt.model_dump(mode="json"))

    bench.sink.send(event.model_copy(update={"subject": "receipt-1"}))

    assert bench.logged()[0]["version"]["version_id"] == bench.version_id


@pytest.fixture
def mirror(bench: Bench) -> MemoryStore:
    """A store that has a copy of the object."""
    store = MemoryStore(name="mirror")
    store.put(f"{bench.dataset.object_root}/0=ocfl_object_1.1", b"ocfl_object_1.1\n")
    bench.commit()
    return store


def test_a_record_comes_to_the_copy_with_the_very_bytes_and_once(bench: Bench, mirror: MemoryStore) -> None:
    sink, event = CopyLogSink(bench.sink, copy=mirror), bench.event("decision.made", decision_id="decision-1")
    bench.sink.send(event)
    with bench.catalogue.begin() as tx:
        tx.datasets.save(bench.dataset.model_copy(update={"title": "Another title"}))

    sink.send(event)
    sink.send(event)

    key = log_key(bench.dataset, event)
    assert sink.name == "archive-log-mirror"
    assert mirror.get(key)[0] == bench.store.get(key)[0]


def test_a_record_waits_for_the_archive_and_for_the_copy(bench: Bench, mirror: MemoryStore) -> None:
    event = bench.event("decision.made", decision_id="decision-1")

    with pytest.raises(NotReady, match="the archive has no"):
        CopyLogSink(bench.sink, copy=mirror).send(event)
    with pytest.raises(NotReady, match="not copied to tape yet"):
        CopyLogSink(bench.sink, copy=MemoryStore(name="tape")).send(event)


def test_what_is_no_record_is_not_copied(bench: Bench, mirror: MemoryStore) -> None:
    CopyLogSink(bench.sink, copy=mirror).send(bench.event("attempt.started"))

    assert list(mirror.list(f"{bench.dataset.object_root}/logs/")) == []
