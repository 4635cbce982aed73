"""Where a thing came from and what came of it can be told from the catalogue alone."""

from __future__ import annotations

import json

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.sink_openlineage import openlineage_lines
from cisterna.domain.errors import NotFound
from cisterna.domain.work import Work, WorkKind
from cisterna.services.ancestry import events_about, lineage_tree
from cisterna.services.attempt import complete_attempt
from cisterna.services.lineage import LineageDataset, RunFacts, job_name
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from tests.adapters.openlineage_schema import faults
from tests.services.world import PLACE, add_acquisition, add_version, add_work, begin, found_facility


class Bench:
    """An acquisition that was taken in and a dataset derived from it, by two runs."""

    def __init__(self, catalogue: SqlCatalogue, clock: SettableClock, zone: str = "/landing/squid-1") -> None:
        self.catalogue, store = catalogue, MemoryStore()
        found_facility(catalogue, clock)
        with catalogue.begin() as tx:
            tx.instruments.save(tx.instruments.get("squid-1").model_copy(update={"path": zone}))
        self.acquisition = add_acquisition(catalogue, clock, "run: 50% #1")
        add_work(catalogue, clock, self.acquisition.acquisition_id)
        self.raw = add_version(catalogue, clock, store, acquisition=self.acquisition)
        complete_attempt(
            begin(catalogue, clock),
            outcome="archived",
            catalogue=catalogue,
            clock=clock,
            place=PLACE,
            outputs=[self.raw.version_id],
        )
        with catalogue.begin() as tx:
            acquisition = tx.acquisitions.get(self.acquisition.acquisition_id)
            tx.acquisitions.save(acquisition.model_copy(update={"dataset_id": self.raw.dataset_id}))
        self.derived = add_version(catalogue, clock, store, acquisition=None, source=self.raw)
        clock.advance(1)
        add_work(catalogue, clock, self.raw.version_id, WorkKind.INFER, parameters={"model": "nuclei"})
        complete_attempt(
            begin(catalogue, clock),
            outcome="counted",
            catalogue=catalogue,
            clock=clock,
            place=PLACE,
            outputs=[self.derived.version_id],
        )


@pytest.fixture
def bench(catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    return Bench(catalogue, clock)


def test_the_whole_story_is_valid_openlineage_and_hangs_together(bench: Bench) -> None:
    with bench.catalogue.begin() as tx:
        lines = list(openlineage_lines(events_about(tx, bench.raw.dataset_id), namespace="cisterna"))

    events = [json.loads(line) for line in lines]
    assert [faults(event) for event in events] == [[], [], [], []]
    assert [event["eventType"] for event in events] == ["START", "COMPLETE", "START", "COMPLETE"]
    ingest, infer = events[1], events[3]
    assert ingest["inputs"][0]["name"] == "/landing/squid-1/run%3A 50%25 %231"
    assert ingest["outputs"][0]["name"] == infer["inputs"][0]["name"]
    assert infer["run"]["facets"]["parent"]["run"]["runId"] == ingest["run"]["runId"]
    assert infer["outputs"][0]["facets"]["version"]["datasetVersion"] == "v1"


def test_a_run_in_a_bucket_is_named_by_bucket_and_key(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    bench = Bench(catalogue, clock, zone="s3://runs/squid-1")
    with catalogue.begin() as tx:
        lines = list(openlineage_lines(events_about(tx, bench.raw.dataset_id), namespace="cisterna"))

    events = [json.loads(line) for line in lines]
    (source,) = events[1]["inputs"]
    assert (source["namespace"], source["name"]) == ("s3://runs", "squid-1/run%3A 50%25 %231")
    assert [faults(event) for event in events] == [[], [], [], []]


@pytest.mark.parametrize("start", ["acquisition", "dataset", "version"])
def test_the_story_is_the_same_from_wherever_one_asks(bench: Bench, start: str) -> None:
    identifier = {
        "acquisition": bench.acquisition.acquisition_id,
        "dataset": bench.raw.dataset_id,
        "version": bench.raw.version_id,
    }[start]

    with bench.catalogue.begin() as tx:
        told = events_about(tx, identifier)
        tree = lineage_tree(tx, identifier)

    assert [event.name for event in told] == ["attempt.started", "attempt.completed"] * 2
    assert tree.identifier == bench.acquisition.acquisition_id
    (dataset,) = tree.branches
    assert [branch.title for branch in dataset.branches] == ["v1 gated, review: acquired", "Counted nuclei"]
    assert dataset.branches[1].made_by == ("nuclei@1.0",)


def test_a_derived_dataset_is_shown_below_its_source(bench: Bench) -> None:
    with bench.catalogue.begin() as tx:
        tree = lineage_tree(tx, bench.derived.dataset_id)
        source = tx.datasets.get(bench.raw.dataset_id)

    assert tree.identifier == source.pid
    assert tree.branches[0].title == "Counted nuclei"


def test_an_acquisition_that_was_not_taken_in_yet_has_a_story_too(bench: Bench, clock: SettableClock) -> None:
    fresh = add_acquisition(bench.catalogue, clock, "fresh")
    add_work(bench.catalogue, clock, fresh.acquisition_id)
    begin(bench.catalogue, clock)

    with bench.catalogue.begin() as tx:
        assert [event.name for event in events_about(tx, fresh.acquisition_id)] == ["attempt.started"]
        assert lineage_tree(tx, fresh.acquisition_id).title == "fresh (complete)"


@pytest.mark.parametrize(
    "identifier", ["acq-00000000000000000000000000", "ds-00000000000000000000000000", "x'; --", ""]
)
def test_what_is_not_there_is_not_found(bench: Bench, identifier: str) -> None:
    with bench.catalogue.begin() as tx, pytest.raises(NotFound):
        events_about(tx, identifier)


def test_facts_survive_their_own_json(bench: Bench) -> None:
    with bench.catalogue.begin() as tx:
        told = events_about(tx, bench.raw.dataset_id)

    facts = [RunFacts.model_validate(event.data) for event in told]
    assert [one.model_dump(mode="json") for one in facts] == [event.data for event in told]
    assert all(isinstance(one, LineageDataset) for fact in facts for one in fact.inputs)


def test_job_names_hold_nothing_that_splits_them(clock: SettableClock) -> None:
    work = Work(
        work_id="w",
        key="k",
        kind=WorkKind.INFER,
        subject="s",
        parameters={"model": "a:b#c"},
        not_before=clock.now(),
        created_at=clock.now(),
    )

    assert job_name(work) == "infer.a%3Ab%23c"
    assert job_name(work.model_copy(update={"parameters": {}})) == "infer"
