"""An ingest that does not fit on the archive's disk waits for room: it reads nothing, and goes on by itself."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cisterna.adapters.disk_room import DiskRoom
from cisterna.bootstrap import Parts
from cisterna.cli.doctor import _disk
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import NoRoom, NotFound, StoreUnavailable
from cisterna.domain.work import Claim, WorkState
from cisterna.services.attempt import LONGEST_DELAY, fail_attempt, start_attempt
from cisterna.services.health import Condition, look_at_work
from cisterna.services.overview import overview_of
from cisterna.services.recovery_round import _Known
from cisterna.services.room import require_room, require_room_to_derive
from cisterna.settings import Settings, Store
from cisterna.testing.factory import make_work
from cisterna.testing.memory_store import MemoryStore
from flows.derive import derive
from flows.pool import Pools
from tests.archive.facility import LEASE, RUN, Facility, SetRoom
from tests.archive.small_disk import MIB, small_disk
from tests.services.world import PLACE

TOTAL_BYTES = sum(map(len, RUN.values()))
ATTEMPTS = 2


def test_a_run_that_would_leave_less_than_the_reserve_is_not_read_and_one_that_just_fits_is(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    assert isinstance(facility.store, MemoryStore)
    facility.room = room = SetRoom(free=TOTAL_BYTES + 999)

    with pytest.raises(NoRoom, match=r"wait for room.*store\.reserve_mib.*make room") as refusal:
        facility.measure(version, facility.lease(version))
    assert refusal.value.facts == {
        "wanted_bytes": TOTAL_BYTES,
        "free_bytes": TOTAL_BYTES + 999,
        "reserve_bytes": 1000,
    }
    assert facility.version(version).stage is Stage.DETECTED
    assert not list(facility.store.list(""))

    room.free = TOTAL_BYTES + 1000
    assert facility.ingest(version) is not None


def test_what_is_derived_waits_while_its_source_would_not_fit_once_more(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.ingest(version)

    with pytest.raises(NoRoom, match=r"make room, it goes on by itself"):
        require_room_to_derive(version, SetRoom(free=TOTAL_BYTES + 999), catalogue=facility.catalogue)
    require_room_to_derive(version, SetRoom(free=TOTAL_BYTES + 1000), catalogue=facility.catalogue)
    require_room_to_derive(version, None, catalogue=facility.catalogue)
    with pytest.raises(NotFound):
        require_room_to_derive("ds-none:v1", SetRoom(free=1 << 60), catalogue=facility.catalogue)


def test_a_model_and_a_conversion_are_begun_only_where_there_is_room(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.ingest(version)
    begun: list[str] = []
    room = SetRoom(free=0)
    monkeypatch.setattr("flows.parts._opened", SimpleNamespace(**_parts_of(facility, room)))
    monkeypatch.setattr("flows.held._held", SimpleNamespace(work=make_work(), lease=facility.lease(version)))

    def make(source_id: str, **given: Any) -> Version:
        assert given["store"] is facility.store
        begun.append(source_id)
        return facility.version(source_id)

    with pytest.raises(NoRoom):
        derive(make, version)
    assert begun == []
    room.free = 1 << 60
    assert derive(make, version).version_id == version
    assert begun == [version]


def _parts_of(facility: Facility, room: SetRoom) -> dict[str, Any]:
    return {
        "settings": Settings(),
        "catalogue": facility.catalogue,
        "archive_store": facility.store,
        "tables": None,
        "clock": facility.clock,
        "room": room,
    }


def test_doctor_says_that_runs_wait_where_less_than_the_reserve_is_free(tmp_path: Path) -> None:
    reserved = Settings(home=tmp_path, store=Store(reserve_mib=1 << 40))
    elsewhere = Settings(home=tmp_path, store=Store(reserve_mib=1 << 40, endpoint="https://s3.example.org"))

    assert "new runs wait" in _disk(reserved).message
    assert _disk(reserved).condition is Condition.WARNING
    assert "new runs wait" not in _disk(elsewhere).message


def test_only_the_embedded_store_has_a_room_that_can_be_told(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ours = Parts(Settings(home=tmp_path, store=Store(reserve_mib=2)), stack)
        theirs = Parts(Settings(home=tmp_path, store=Store(endpoint="https://s3.example.org")), stack)
        (tmp_path / "store").mkdir()

        assert ours.room is not None
        assert ours.room.reserve_bytes == 2 * MIB
        assert ours.room.free_bytes()
        assert theirs.room is None


def test_room_that_nobody_can_tell_refuses_nothing(tmp_path: Path) -> None:
    require_room(None, wanted_bytes=1 << 60)
    require_room(DiskRoom(tmp_path / "not-there", reserve_bytes=0), wanted_bytes=1 << 60)


def test_waiting_for_room_uses_up_no_attempt_and_every_page_tells_why(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run")
    with facility.catalogue.begin() as tx:
        subject = tx.datasets.get(version.dataset_id).acquisition_id
    assert subject is not None
    lease = facility.lease(subject)
    pools = Pools({}, api_url="", catalogue=facility.catalogue, clock=facility.clock)
    marks: set[str] = set()
    words = "5 MiB wait for room; make room, and it goes on by itself"

    for _ in range(ATTEMPTS + 3):
        with facility.catalogue.begin() as tx:
            (claim,) = tx.inbox.claims_of(lease.owner)
        assert claim.work.attempts == 1
        assert _fail(facility, claim, NoRoom(words)) is WorkState.READY
        marks.add(_mark(facility, version))

        row = overview_of(subject, catalogue=facility.catalogue, bucket="b")
        assert (row.reason, row.held) == (words, None)
        told = look_at_work(facility.catalogue)
        assert told.condition is Condition.WARNING
        assert words in told.message

        assert _begin(facility) is None
        assert not pools._still_waits(claim.work.model_copy(update={"attempts": 0}))  # so it is asked for no further
        facility.clock.advance(LONGEST_DELAY)
        assert _begin(facility) is not None

    assert len(marks) == ATTEMPTS + 3  # the recovery looks again after each, though none was counted
    assert overview_of(subject, catalogue=facility.catalogue, bucket="b").reason != words
    with facility.catalogue.begin() as tx:
        (claim,) = tx.inbox.claims_of(lease.owner)
    assert _fail(facility, claim, StoreUnavailable("away")) is WorkState.READY
    facility.clock.advance(LONGEST_DELAY)
    last = _begin(facility)
    assert last is not None
    assert _fail(facility, last, StoreUnavailable("away")) is WorkState.FAILED


def _mark(facility: Facility, version: Version) -> str:
    with facility.catalogue.begin() as tx:
        return _Known.of(tx, version.dataset_id).mark


def _begin(facility: Facility) -> Claim | None:
    return start_attempt(
        catalogue=facility.catalogue,
        clock=facility.clock,
        owner="worker",
        lease=LEASE,
        place=PLACE,
        attempts_max=ATTEMPTS,
    )


def _fail(facility: Facility, claim: Claim, error: Exception) -> WorkState | None:
    return fail_attempt(
        claim, error, attempts_max=ATTEMPTS, catalogue=facility.catalogue, clock=facility.clock, place=PLACE
    )


def test_the_room_of_a_real_disk_is_what_is_free_on_it_now(facility: Facility, tmp_path: Path) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    with small_disk(tmp_path / "full", size_bytes=48 * MIB) as disk:
        facility.room = DiskRoom(disk.folder, reserve_bytes=8 * MIB)
        disk.fill(but_bytes=4 * MIB)
        with pytest.raises(NoRoom):
            facility.measure(version, facility.lease(version))

        disk.make_room()
        assert facility.ingest(version) is not None
