"""The flow itself, with every service real, on a run of a virtual microscope: it rests, it resumes, it skips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.image_meter import TiffMeter
from cisterna.adapters.landing_folder import LandingFolder, read_outside
from cisterna.adapters.sheet_file import SheetFiles
from cisterna.adapters.system_clock import SystemClock
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.bootstrap.sheets import Sheets
from cisterna.domain.credit import Subject
from cisterna.domain.dataset import ORDER, Stage, Version
from cisterna.domain.finding import Verdict
from cisterna.domain.instrument import Instrument
from cisterna.domain.work import Work, WorkKind, WorkState
from cisterna.ports.profile import Profile
from cisterna.ports.quality import MeterChoice
from cisterna.ports.vocabulary import Vocabulary
from cisterna.profiles.squid import Squid
from cisterna.services.detect import SweepMemory, sweep_instrument
from cisterna.services.held_object import read_held
from cisterna.services.instrument import declare_instrument
from cisterna.services.measure import measure_version
from cisterna.services.project import ensure_test_project
from cisterna.services.read_ahead import Measured, tell_nobody
from cisterna.settings import Archive, Dispatch, Settings
from cisterna.testing.limit_gate import LimitGate
from cisterna.testing.memory_store import MemoryStore
from cisterna.testing.memory_vocabulary import small_vocabulary
from cisterna.testing.virtual_squid import VirtualSquid
from flows import engine, steps
from flows.ahead import ahead
from flows.ingest import ingest
from flows.parts import use_parts
from flows.worker import Worker

if TYPE_CHECKING:
    from .conftest import PrefectServer

pytestmark = pytest.mark.timeout(240)


@dataclass
class Facility:
    """What `bootstrap.Parts` gives, on a store in memory and a gate that a test commands."""

    settings: Settings
    catalogue: SqlCatalogue
    clock: SystemClock
    zone: Path
    run_json: Path
    base_url: str = "http://testserver"
    archive_store: MemoryStore = field(default_factory=MemoryStore)
    room: None = None  # a store in memory lies on no disk
    gate: LimitGate = field(default_factory=lambda: LimitGate({"microscopy": {"images_unreadable": 0.0}}))
    tables: ParquetTables = field(default_factory=ParquetTables)
    sheets: Sheets = field(default_factory=lambda: Sheets(SheetFiles(), None))
    meters: MeterChoice = field(default_factory=lambda: MeterChoice(TiffMeter()))
    profiles: dict[str, Profile] = field(default_factory=lambda: {"squid": Squid()})
    alarm: Measured = tell_nobody
    vocabulary: Vocabulary = field(default_factory=small_vocabulary)

    def profile(self, name: str) -> Profile:
        return self.profiles[name]

    def zone_of(self, instrument: Instrument) -> LandingFolder:
        return LandingFolder(instrument.path)

    def receive(self, *, wells: tuple[str, ...] = ("A1",)) -> Work:
        """Write a run, and sweep until its ingest is requested."""
        VirtualSquid(wells=wells, fovs=1, run_json=self.run_json).write(self.zone)
        self.sweep()
        with self.catalogue.begin() as tx:
            return tx.inbox.list(state=WorkState.READY)[-1]

    def sweep(self, memory: SweepMemory | None = None) -> None:
        with self.catalogue.begin() as tx:
            instrument = tx.instruments.get("squid-1")
        sweep_instrument(
            instrument,
            zone=self.zone_of(instrument),
            profiles=self.profiles,
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: "test",
            outside=read_outside,
            memory=memory,
        )

    def version(self) -> Version:
        with self.catalogue.begin() as tx:
            return tx.datasets.list_versions()[0]

    def work(self, work: Work) -> Work:
        with self.catalogue.begin() as tx:
            return tx.inbox.get(work.work_id)


@pytest.fixture
def facility(tmp_path: Path, catalogue: SqlCatalogue) -> Facility:
    """A project, an instrument and an empty landing zone."""
    zone, run_json = tmp_path / "zone", tmp_path / "run.json"
    zone.mkdir()
    made = Facility(Settings(dispatch=Dispatch(attempts=2)), catalogue, SystemClock(), zone, run_json)
    ensure_test_project(owner="rosa", catalogue=catalogue, clock=made.clock)
    declare_instrument(
        "squid-1",
        profile=made.profile("squid"),
        path=str(zone),
        settings={"run_json": str(run_json)},
        zone=LandingFolder(str(zone)),
        catalogue=catalogue,
        clock=made.clock,
    )
    use_parts(made)  # type: ignore[arg-type]
    return made


@pytest.fixture
def worker(facility: Facility, prefect: PrefectServer) -> Iterator[Worker]:
    """A worker in this process."""
    from prefect.events.worker import EventsWorker

    with engine.opened(prefect.url) as connection:
        yield Worker(facility, flows={WorkKind.INGEST: ingest, WorkKind.AHEAD: ahead}, engine=connection, owner="test")
    EventsWorker.drain_all(timeout=10)


def steps_of(prefect: PrefectServer, work: Work) -> list[list[str]]:
    """Names of the tasks of each flow run of a work, in their order."""
    found = []
    for run in prefect.flow_runs(work.work_id):
        wanted: dict[str, Any] = {
            "flow_runs": {"id": {"any_": [run["id"]]}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        found.append([task["name"].rpartition("-")[0] for task in prefect.ask("/task_runs/filter", wanted)])
    return found


ALL_STEPS = ["complete", "measure", "gate", "describe", "archive", "verify", "settle"]


def test_a_run_of_more_files_than_one_object_takes_rests_as_one_dataset_in_the_same_steps(
    facility: Facility, worker: Worker, prefect: PrefectServer, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "measure_version", partial(measure_version, most_files=4))
    work = facility.receive(wells=("A1", "B2"))

    worker.take_all()

    with facility.catalogue.begin() as tx:
        (whole,) = [one for one in tx.datasets.list() if one.part_of is None]
        (version,) = tx.datasets.versions(whole.dataset_id)
        acquisition = tx.acquisitions.get(work.subject)
    assert facility.work(work).state is WorkState.DONE
    assert (version.stage, version.verdict) == (Stage.ACCEPTED, Verdict.PASSED)
    assert len(version.parts) > 2
    assert version.file_count == acquisition.file_count
    assert acquisition.ingested_fingerprint == acquisition.fingerprint
    assert version.metadata is not None
    imaging: Any = version.metadata["imaging"]
    assert imaging["regions"] == 2, "the profile has seen the files of all parts"
    assert imaging["pixel_size_um"] is not None, "and has read what describes the run"
    bench.wait_for(lambda: steps_of(prefect, work) == [ALL_STEPS], what="seven task runs")


def test_a_finished_run_is_carried_to_where_it_rests_in_seven_steps(
    facility: Facility, worker: Worker, prefect: PrefectServer, bench: Any
) -> None:
    with facility.catalogue.begin() as tx:
        project = tx.projects.get("test")
        about = project.defaults.model_copy(update={"subjects": (Subject(label="human"),)})
        tx.projects.save(project.model_copy(update={"defaults": about}))
    work = facility.receive()

    worker.take_all()

    assert facility.work(work).state is WorkState.DONE, facility.work(work).outcome
    assert "say 'Homo sapiens; NCBITaxon:9606'" in str((facility.version().metadata or {})["notes"])
    assert ORDER.index(facility.version().stage) > ORDER.index(Stage.VERIFIED)
    assert facility.work(work).outcome == f"{facility.version().version_id} is {facility.version().stage.value}"
    bench.wait_for(lambda: steps_of(prefect, work) == [ALL_STEPS], what="seven task runs")


def test_a_worker_reads_ahead_of_a_run_that_is_written_and_its_ingest_takes_that_over(
    facility: Facility, worker: Worker, prefect: PrefectServer, bench: Any
) -> None:
    memory = SweepMemory()
    with facility.catalogue.begin() as tx:
        instrument = tx.instruments.get("squid-1")
        tx.instruments.save(instrument.model_copy(update={"settings": {**instrument.settings, "read_ahead": "0"}}))
    squid = VirtualSquid(wells=("A1",), fovs=1, time_points=2, run_json=facility.run_json)
    steps_left = squid.steps(facility.zone)
    next(touched for touched in steps_left if touched.name == ".done")
    facility.sweep(memory)

    worker.take_all()

    with facility.catalogue.begin() as tx:
        (round_,) = tx.inbox.list()
        (ahead_,) = tx.aheads.list()
    assert (round_.kind, round_.state) == (WorkKind.AHEAD, WorkState.DONE), round_.outcome
    assert ahead_.files == 4, "two images, the coordinates and the marker"
    bench.wait_for(lambda: steps_of(prefect, round_) == [["read-settled"]], what="one task run")
    list(steps_left)
    facility.sweep()
    worker.take_all()
    version = facility.version()
    assert version.is_archived
    assert version.staging == ahead_.staging
    with facility.catalogue.begin() as tx:
        assert tx.aheads.list() == []


def test_a_second_attempt_begins_where_the_first_one_ended(
    facility: Facility, worker: Worker, prefect: PrefectServer, bench: Any
) -> None:
    facility.gate.unavailable = 3  # a step's two retries included
    work = facility.receive()
    worker.take_all()
    assert facility.version().stage is Stage.MEASURED
    assert facility.work(work).state is WorkState.READY

    def taken() -> bool:
        worker.take_all()
        return facility.work(work).state is WorkState.DONE

    bench.wait_for(taken, what="the second attempt")

    expected = [["complete", "measure", "gate"], ["gate", "describe", "archive", "verify", "settle"]]
    bench.wait_for(lambda: steps_of(prefect, work) == expected, what="two flow runs that share no finished step")


def test_bytes_are_archived_although_nobody_could_judge_them(facility: Facility, worker: Worker, bench: Any) -> None:
    facility.gate.unavailable = 1000
    work = facility.receive()

    def taken() -> bool:
        worker.take_all()
        return facility.work(work).state is WorkState.DONE

    bench.wait_for(taken, what="the last attempt")

    assert facility.version().verdict is Verdict.NOT_ASSESSED
    assert facility.version().is_archived
    with facility.catalogue.begin() as tx:
        assert len(tx.datasets.receipts(facility.version().version_id)) == 1


def test_the_same_work_again_after_its_end_does_nothing(facility: Facility, worker: Worker) -> None:
    facility.receive()
    worker.take_all()
    rested = facility.version()
    with facility.catalogue.begin() as tx:
        again = facility.clock.now() - timedelta(seconds=1)
        subject = tx.inbox.list()[0].subject
        repeated = Work(
            work_id=facility.clock.new_id(),
            key="again",
            kind=WorkKind.INGEST,
            subject=subject,
            not_before=again,
            created_at=again - timedelta(hours=1),
        )
        tx.inbox.request(repeated)

    worker.take_all()

    assert facility.work(repeated).state is WorkState.DONE
    assert facility.version() == rested


def test_a_new_object_is_made_of_what_the_settings_say(facility: Facility, worker: Worker) -> None:
    facility.settings = facility.settings.model_copy(update={"archive": Archive(digest="sha256")})
    facility.receive()

    worker.take_all()

    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(facility.version().dataset_id)
    held = read_held(dataset.object_root, pid=dataset.pid, store=facility.archive_store)
    assert held is not None
    assert held.inventory.algorithm == "sha256"
