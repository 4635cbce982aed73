"""Promise 4 while reading ahead: kill it at any write, and the archive is what it would have been."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cisterna.domain.errors import CisternaError, StoreUnavailable
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import Facility
from tests.archive.long_run import LongRun, time_point
from tests.archive.test_kill import Killed, KillingCatalogue
from tests.archive.whole import logical_state, require_no_strangers, require_whole


def first_part(run: LongRun) -> None:
    """Write and read ahead two time points, of which one file is written once more in between."""
    run.write(time_point(0, images=2))
    run.round()
    run.write({"0/A1_1_BF.tiff": b"written once more" * 30} | time_point(1, images=1))
    run.round()


def whole(run: LongRun) -> str:
    """Do all of it, from wherever somebody was killed."""
    first_part(run)
    version = run.complete().version_id
    run.facility.ingest(version)
    return version


def begin(facility: Facility, name: str) -> LongRun:
    facility.store = MemoryStore(part_bytes=4096)
    run = LongRun(facility, name=name)
    run.begin()
    return run


def is_killed_in(act: Callable[[], object]) -> bool:
    try:
        act()
    except (Killed, CisternaError):
        return True
    return False


def require_all(facility: Facility, version: str, expected: dict[str, dict[str, str]], *, step: int) -> None:
    require_whole(facility, version)
    require_no_strangers(facility)
    assert logical_state(facility, version) == expected, f"step {step}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("death", "after"),
    [(Killed, False), (Killed, True), (StoreUnavailable, True)],
    ids=["killed before", "killed after", "answer lost"],
)
def test_a_second_worker_goes_on_from_any_write_to_the_store_that_a_round_was_killed_at(
    facility: Facility, *, death: type[BaseException], after: bool
) -> None:
    expected = logical_state(facility, whole(begin(facility, "reference")))

    step, was_killed = 0, True
    while was_killed:
        step += 1
        run = begin(facility, f"run-{step}")
        store = facility.store
        assert isinstance(store, MemoryStore)
        fault = store.fail_on(WRITES, nth=step, after=after, error=death("at this step"))
        was_killed = is_killed_in(lambda run=run: first_part(run)) or fault.fired > 0  # type: ignore[misc]
        store.heal()

        require_all(facility, whole(run), expected, step=step)
    assert step > 12  # contents, tables and parts of two rounds


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "after", [pytest.param(False, marks=pytest.mark.torture, id="before commit"), pytest.param(True, id="after commit")]
)
def test_a_second_worker_goes_on_from_any_transaction_that_a_round_was_killed_at(
    facility: Facility, *, after: bool
) -> None:
    expected = logical_state(facility, whole(begin(facility, "reference")))
    desk = facility.catalogue
    killing = KillingCatalogue(desk)

    step, was_killed = 0, True
    while was_killed:
        step += 1
        run = begin(facility, f"run-{step}")
        facility.catalogue = killing  # type: ignore[assignment]
        killing.begun, killing.kill_at, killing.after = 0, step, after
        was_killed = is_killed_in(lambda run=run: first_part(run))  # type: ignore[misc]
        facility.catalogue = desk

        require_all(facility, whole(run), expected, step=step)
    assert step > 15


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "after", [pytest.param(False, marks=pytest.mark.torture, id="before"), pytest.param(True, id="after")]
)
def test_an_ingest_that_was_killed_while_it_took_over_is_finished_by_the_next_one(
    facility: Facility, *, after: bool
) -> None:
    reference = begin(facility, "reference")
    expected = logical_state(facility, whole(reference))

    step, was_killed = 0, True
    while was_killed:
        step += 1
        run = begin(facility, f"run-{step}")
        first_part(run)
        version = run.complete().version_id
        store = facility.store
        assert isinstance(store, MemoryStore)
        fault = store.fail_on(WRITES, nth=step, after=after, error=Killed())
        was_killed = is_killed_in(lambda version=version: facility.ingest(version)) or fault.fired > 0  # type: ignore[misc]
        store.heal()
        facility.ingest(version)

        require_all(facility, version, expected, step=step)
        assert run.ahead() is None
    assert step > 10


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "after", [pytest.param(False, marks=pytest.mark.torture, id="before commit"), pytest.param(True, id="after commit")]
)
def test_an_ingest_that_was_killed_at_any_transaction_is_finished_and_tells_of_early_files_once(
    facility: Facility, *, after: bool
) -> None:
    desk = facility.catalogue
    killing = KillingCatalogue(desk)

    step, was_killed = 0, True
    while was_killed:
        step += 1
        run = begin(facility, f"run-{step}")
        run.write(time_point(0, images=2))
        run.round()
        run.write({"0/A1_1_BF.tiff": b"written once more" * 30})
        version = run.complete().version_id
        facility.catalogue = killing  # type: ignore[assignment]
        killing.begun, killing.kill_at, killing.after = 0, step, after
        was_killed = is_killed_in(lambda version=version: facility.ingest(version))  # type: ignore[misc]
        facility.catalogue = desk
        facility.ingest(version)

        require_whole(facility, version)
        require_no_strangers(facility)
        assert len(run.early()) == 1
    assert step > 8
