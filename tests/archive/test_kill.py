"""Promise 4: kill it at any moment, and after a restart the archive is what it would have been."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cisterna.domain.dataset import Stage
from cisterna.domain.errors import CisternaError, LeaseLost, StoreUnavailable
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import RUN, Facility
from tests.archive.whole import logical_state, require_no_strangers, require_whole

SECOND = {**RUN, "0/A1_0_BF.tiff": b"new pixels" * 30, "0/A1_9_BF.tiff": b"one more", "0/late.avi": b"F" * 9_000}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


class KillingCatalogue:
    """The real catalogue, whose nth transaction from now ends with the process: before it commits, or right after."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self.kill_at: int | None = None
        self.after = False
        self.begun = 0

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        self.begun += 1
        is_last = self.begun == self.kill_at
        with self._catalogue.begin() as tx:
            yield tx
            if is_last and not self.after:
                raise Killed
        if is_last:
            raise Killed


def require_all(facility: Facility, version: str) -> None:
    require_whole(facility, version)
    require_no_strangers(facility)


def prepare(facility: Facility, run: str, *, earlier: bool) -> str:
    """Make a run that is complete; with `earlier`, as the second version of one that is archived."""
    facility.store = MemoryStore()
    facility.write(run, RUN)
    first = facility.detect(run)
    if not earlier:
        return first.version_id
    facility.ingest(first.version_id)
    facility.write(run, SECOND)
    return facility.detect(run, number=2).version_id


def reference(facility: Facility, *, earlier: bool) -> dict[str, dict[str, str]]:
    version = prepare(facility, "reference", earlier=earlier)
    facility.ingest(version)
    require_all(facility, version)
    return logical_state(facility, version)


def run_until_killed(facility: Facility, version: str) -> bool:
    try:
        facility.ingest(version)
    except (Killed, CisternaError):
        return True
    return False


@pytest.mark.timeout(300)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("death", [Killed, StoreUnavailable], ids=["kill", "store fails"])
@pytest.mark.parametrize("earlier", [False, True], ids=["v1", "v2"])
def test_a_second_worker_finishes_what_any_write_to_the_store_interrupted(
    facility: Facility, *, earlier: bool, death: type[BaseException], after: bool
) -> None:
    expected = reference(facility, earlier=earlier)

    step, was_killed = 0, True
    while was_killed:
        step += 1
        version = prepare(facility, f"run-{step}", earlier=earlier)
        before = facility.keys(version) if earlier else {}
        store = facility.store
        assert isinstance(store, MemoryStore)
        fault = store.fail_on(WRITES, nth=step, after=after, error=death("at this step"))
        was_killed = run_until_killed(facility, version) or fault.fired > 0
        store.heal()
        facility.ingest(version)

        require_all(facility, version)
        assert logical_state(facility, version) == expected, f"step {step}"
        now = facility.keys(version)
        kept = {path: body for path, body in before.items() if path.startswith("v1/")}
        assert {path: now[path] for path in kept} == kept, f"step {step} touched v1"
    assert step > 20  # every write was reached: content, tables, inventories, sidecars, declaration


@pytest.mark.timeout(300)
@pytest.mark.parametrize("after", [False, True], ids=["before commit", "after commit"])
def test_a_second_worker_finishes_what_any_transaction_interrupted(facility: Facility, *, after: bool) -> None:
    expected = reference(facility, earlier=True)
    killing = KillingCatalogue(facility.catalogue)
    whole = facility.catalogue

    step, was_killed = 0, True
    while was_killed:
        step += 1
        version = prepare(facility, f"run-{step}", earlier=True)
        facility.catalogue = killing  # type: ignore[assignment]
        killing.begun, killing.kill_at, killing.after = 0, step, after
        was_killed = run_until_killed(facility, version)
        facility.catalogue = whole
        facility.ingest(version)

        require_all(facility, version)
        assert logical_state(facility, version) == expected, f"step {step}"
    assert step > 12


@pytest.mark.parametrize(("method", "again"), [("put", 2), ("write", 1), ("complete", 1)])
def test_killed_twice_at_the_same_place_it_still_ends_well(facility: Facility, method: str, again: int) -> None:
    version = prepare(facility, "run", earlier=False)
    store = facility.store
    assert isinstance(store, MemoryStore)

    for nth in (2, again):  # the first file that was completed is not sent a second time
        store.fail_on(method, nth=nth, error=Killed())
        assert run_until_killed(facility, version)
        store.heal()
    facility.ingest(version)

    require_all(facility, version)


@pytest.mark.parametrize("key_ends", ["inventory.json", "inventory.json.sha512", "0=ocfl_object_1.1"])
def test_a_write_whose_answer_was_lost_and_that_was_sent_again_is_not_taken_for_another_writer(
    facility: Facility, key_ends: str
) -> None:
    version = prepare(facility, "run", earlier=False)
    lease = facility.lease(version)
    facility.measure(version, lease)
    facility.describe(version, lease)
    store = facility.store
    assert isinstance(store, MemoryStore)
    plain_put = store.put

    def put_twice(key: str, body: bytes, **options: object) -> object:
        first = plain_put(key, body, **options)  # type: ignore[arg-type]
        return plain_put(key, body, **options) if key.endswith(key_ends) else first  # type: ignore[arg-type]

    store.put = put_twice  # type: ignore[method-assign, assignment]
    archived = facility.archive(version, lease)

    assert archived.stage is Stage.ARCHIVED
    facility.verify(version, lease)
    require_all(facility, version)


def test_the_same_version_committed_by_two_workers_is_committed_once(facility: Facility) -> None:
    version = prepare(facility, "run", earlier=False)
    lease = facility.lease(version)
    facility.measure(version, lease)
    facility.describe(version, lease)
    store = facility.store
    assert isinstance(store, MemoryStore)
    others: list[Callable[[], object]] = [lambda: facility.archive(version, facility.lease(version))]
    plain_put = store.put

    def overtaken(key: str, body: bytes, **options: object) -> object:
        if key.endswith("v1/inventory.json.sha512") and others:
            others.pop()()  # the first worker stands still here while another takes the work over and finishes it
        return plain_put(key, body, **options)  # type: ignore[arg-type]

    store.put = overtaken  # type: ignore[method-assign, assignment]
    with pytest.raises(LeaseLost):
        facility.archive(version, lease)

    facility.verify(version, facility.lease(version))
    require_all(facility, version)
    assert json.loads(facility.keys(version)["inventory.json"])["head"] == "v1"
