"""A probe may be killed at any moment: what it leaves in a storage root is gone later, and nothing else is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cisterna.adapters.s3_access import Patience, S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.adapters.system_clock import SystemClock
from cisterna.domain.errors import CisternaError, StoreUnavailable
from cisterna.domain.probe_key import PROBE_GRACE, PROBE_PREFIX, probe_key
from cisterna.services.distinct_store import require_distinct
from cisterna.services.probe_left import collect_probes
from cisterna.services.recovery_round import OUTSIDE
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import Effect, FaultProxy, Rule
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility
from tests.archive.ocfl_judge import judge_all
from tests.archive.test_recovery_round import notes, survey
from tests.archive.torture import is_write

ONCE = Patience(answer_seconds=20.0, connect_seconds=1.0, attempts=1)
OURS = probe_key(SystemClock().new_id(), "distinct")
FOREIGN = f"{PROBE_PREFIX}of-somebody-else"


@pytest.fixture
def later() -> SettableClock:
    """Stand where every probe of now is over."""
    return SettableClock(datetime.now(UTC) + PROBE_GRACE + timedelta(minutes=1))


@pytest.fixture
def cut(object_store: S3Store, s3_endpoint: S3Access) -> Iterator[tuple[FaultProxy, S3Store]]:
    """Give the same bucket over a line that can be cut."""
    with FaultProxy(s3_endpoint.endpoint) as proxy:
        access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
        store = S3Store(access, bucket=object_store.bucket, patience=ONCE)
        yield proxy, store
        store.close()


def left(store: S3Store) -> list[str]:
    return [one.key for one in store.list(PROBE_PREFIX)] + list(store.unfinished_uploads(PROBE_PREFIX))


def test_what_a_probe_leaves_at_any_write_is_collected_when_it_is_old(
    object_store: S3Store, cut: tuple[FaultProxy, S3Store], later: SettableClock
) -> None:
    """The line is cut for good at the n-th write, as for a client that was killed there."""
    proxy, store = cut
    other, nth, spoiled = MemoryStore(), 0, 0
    for act in (store.probe, lambda: require_distinct(store, other, clock=SystemClock())):
        fired = True
        while fired:
            nth += 1
            rule = proxy.add(Rule(Effect.RESET, when=is_write, skip=nth - 1, times=1000))
            with contextlib.suppress(CisternaError):
                act()
            fired = rule.fired > 0
            proxy.heal()
            before = left(object_store)
            spoiled += bool(before)
            assert collect_probes(object_store, clock=SystemClock()) == ()
            assert left(object_store) == before, "a probe may still be at it"
            collect_probes(object_store, clock=later)
            assert left(object_store) == []
        nth = 0
    assert spoiled > 5


def test_a_storage_root_that_a_killed_probe_spoiled_is_valid_again(
    facility: Facility, object_store: S3Store, ocfl_validate: list[str], tmp_path: Path, later: SettableClock
) -> None:
    facility.store = object_store
    facility.write("run", {"0/one.tiff": b"pixels"})
    facility.ingest(facility.detect("run").version_id)
    object_store.put(OURS, b"killed before it was deleted")
    with pytest.raises(AssertionError):
        judge_all(facility, ocfl_validate, tmp_path / "spoiled")

    assert collect_probes(object_store, clock=later) == (OURS,)

    assert judge_all(facility, ocfl_validate, tmp_path / "root").count("is VALID") == 1


def test_a_key_of_somebody_else_stays_and_is_named(facility: Facility, later: SettableClock) -> None:
    facility.store.put(OURS, b"")
    facility.store.put(FOREIGN, b"")

    assert collect_probes(facility.store, clock=later) == (OURS,)

    survey(facility)
    assert [one.key for one in facility.store.list(PROBE_PREFIX)] == [FOREIGN]
    assert FOREIGN in notes(facility)[OUTSIDE].reason


def test_a_store_that_is_away_says_so(later: SettableClock) -> None:
    store = MemoryStore()
    store.fail_on("list", error=StoreUnavailable("away", store="archive"))

    with pytest.raises(StoreUnavailable):
        collect_probes(store, clock=later)
