"""Data that come late, come again, or never come whole: what becomes of the run, its versions and its work."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.acquisition import INCOMPLETE, Acquisition, AcquisitionState, SourceState
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.work import Claim
from cisterna.profiles.squid import Squid
from cisterna.services.acquisition_record import is_due
from cisterna.services.complete import open_version
from cisterna.services.detect import SweepMemory
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_acquisition
from cisterna.testing.virtual_squid import Fault
from tests.services.test_complete import LEASE
from tests.services.test_detect import Bench

W, C, A, P, S, U = AcquisitionState
DAY = 86_400.0
NOT_WHOLE = {Fault.ABORT: A, Fault.MISSING: P, Fault.CRASH: S}


@pytest.fixture
def bench(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    return Bench(tmp_path, catalogue, clock)


def keep_what_is_not_whole(bench: Bench) -> None:
    with bench.catalogue.begin() as tx:
        project = tx.projects.get("cells")
        policy = project.policy.model_copy(update={"archive_incomplete": True})
        tx.projects.save(project.model_copy(update={"policy": policy}))


def claim(bench: Bench) -> Claim:
    with bench.catalogue.begin() as tx:
        found = tx.inbox.claim(owner="worker", run_id=bench.clock.new_id(), now=bench.clock.now(), lease=LEASE)
    assert found is not None
    return found


def archive(bench: Bench) -> Version:
    """Do the next piece of work as far as the catalogue sees it: its version is opened and verified."""
    work = claim(bench)
    opened = open_version(
        work.work.subject,
        lease=work.attempt,
        zone=LandingFolder(bench.zone),
        profile=Squid(),
        catalogue=bench.catalogue,
        clock=bench.clock,
    )
    with bench.catalogue.begin() as tx:
        saved = tx.datasets.save_version(opened.model_copy(update={"stage": Stage.VERIFIED}))
        run = tx.acquisitions.get(work.work.subject)
        tx.acquisitions.save(run.model_copy(update={"ingested_fingerprint": opened.source_fingerprint}))
        tx.inbox.finish(work.attempt, outcome="verified")
    return saved


def test_a_late_file_reopens_an_archived_run_visibly_and_makes_another_version(bench: Bench) -> None:
    folder = bench.write()
    bench.sweep()
    first = archive(bench)
    (folder / "late.csv").write_text("it came a day later")

    bench.sweep(after=DAY)
    reopened = bench.only()
    bench.sweep(after=30)
    second = archive(bench)
    bench.sweep()

    assert (reopened.state, reopened.source_state) == (W, SourceState.CHANGED)
    assert (first.number, second.number) == (1, 2)
    assert second.dataset_id == first.dataset_id
    assert (bench.only().state, bench.only().source_state) == (C, SourceState.PRESENT)


def test_the_same_listing_again_asks_for_nothing_however_often_it_is_looked_at(bench: Bench) -> None:
    bench.write()
    bench.sweep()
    archive(bench)
    record = bench.only().record

    for _ in range(5):
        bench.sweep(after=DAY)

    assert bench.only().record == record
    assert len(bench.work()) == 1


def test_a_file_that_is_put_back_as_it_was_asks_for_nothing_new(bench: Bench) -> None:
    folder = bench.write()
    bench.sweep()
    archive(bench)
    (folder / "late.csv").write_text("x")
    bench.sweep(after=60)
    (folder / "late.csv").unlink()

    bench.sweep(after=1)
    bench.sweep(after=60)

    assert (bench.only().state, bench.only().source_state) == (C, SourceState.PRESENT)
    assert len(bench.work()) == 1


@pytest.mark.parametrize(("fault", "state"), NOT_WHOLE.items(), ids=NOT_WHOLE.values())
def test_a_run_that_is_not_whole_is_archived_as_such_where_the_policy_says_so(
    bench: Bench, fault: Fault, state: AcquisitionState
) -> None:
    keep_what_is_not_whole(bench)
    bench.write(fault=fault)
    bench.sweep()
    bench.sweep(after=3600)

    version = archive(bench)
    bench.sweep(after=60)
    bench.sweep(after=3600)

    assert (bench.only().state, bench.only().held) == (state, None)
    assert version.incomplete is state
    assert len(bench.work()) == 1


@pytest.mark.parametrize(("fault", "state"), NOT_WHOLE.items(), ids=NOT_WHOLE.values())
def test_a_policy_that_is_set_later_frees_what_was_held_before(
    bench: Bench, fault: Fault, state: AcquisitionState
) -> None:
    bench.memory = SweepMemory()
    bench.write(fault=fault)
    bench.sweep()
    bench.sweep(after=3600)
    held = bench.only()
    keep_what_is_not_whole(bench)

    bench.sweep(after=3600)

    assert (held.state, held.held) == (state, held.reason)
    assert (bench.only().state, bench.only().held) == (state, None)
    assert len(bench.work()) == 1


def test_a_stalled_run_that_goes_on_and_ends_well_gets_a_version_without_the_label(bench: Bench) -> None:
    keep_what_is_not_whole(bench)
    steps = bench.squid().steps(bench.zone)
    for touched in steps:
        if touched.name.endswith(".tiff"):
            break
    bench.sweep()
    bench.sweep(after=3600)
    stalled = archive(bench)
    for _ in steps:
        pass

    bench.sweep(after=60)
    bench.sweep(after=60)
    whole = archive(bench)

    assert (stalled.incomplete, whole.incomplete) == (S, None)
    assert (stalled.number, whole.number) == (1, 2)


@pytest.mark.parametrize("spoil", ["a link", "an odd name", "no profile", "no project", "a stray"])
def test_no_policy_archives_what_cannot_be_kept_or_is_no_run(bench: Bench, spoil: str) -> None:
    keep_what_is_not_whole(bench)
    if spoil == "a stray":
        (bench.zone / "note.txt").write_text("x")
    elif spoil == "no profile":
        (bench.zone / "holiday").mkdir()
        (bench.zone / "holiday" / "beach.jpg").write_bytes(b"x")
    else:
        folder = bench.write(fault=Fault.MISSING)
        if spoil == "a link":
            (folder / "link").symlink_to("/etc/passwd")
        if spoil == "an odd name":
            (folder / "NUL").write_text("x")
        if spoil == "no project":
            bench.project = None

    bench.sweep()
    bench.sweep(after=3600)

    assert bench.only().held is not None
    assert bench.work() == []


def test_a_failed_ingest_of_a_run_that_is_not_whole_stays_held_with_its_reason(bench: Bench) -> None:
    bench.memory = SweepMemory()
    keep_what_is_not_whole(bench)
    bench.write(fault=Fault.ABORT)
    bench.sweep()
    bench.change(bench.only(), held="the ingest failed: no room")

    for _ in range(3):
        bench.sweep(after=3600)

    assert bench.only().held == "the ingest failed: no room"


@pytest.mark.parametrize("state", AcquisitionState)
def test_only_a_whole_run_or_one_that_is_kept_as_it_is_can_be_due(state: AcquisitionState) -> None:
    run: Acquisition = make_acquisition(state=state, project="cells", fingerprint="f")

    assert is_due(run) == (state is C or state in INCOMPLETE)
    assert not is_due(run.model_copy(update={"held": "a reason"}))
    assert not is_due(run.model_copy(update={"project": None}))
    assert not is_due(run.model_copy(update={"ingested_fingerprint": "f"}))
