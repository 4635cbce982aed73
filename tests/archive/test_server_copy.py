"""Where a run lies in the archive's own store, what is read is copied there, with the promises of what is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cisterna.domain.errors import ChecksumMismatch
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ServerCopier
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import WRITES, MemoryStore
from cisterna.testing.memory_zone import MemoryZone
from tests.archive.facility import RUN, Facility
from tests.archive.test_kill import SECOND, Killed, reference, require_all, run_until_killed
from tests.archive.whole import logical_state

PART = 4096


@dataclass
class ReachingFacility(Facility):
    """A facility whose instrument writes to a bucket of the archive's store."""

    source: MemoryZone = field(default_factory=lambda: MemoryZone(bucket="runs"))
    is_proven: bool = True
    least_bytes: int = 1

    @property
    def zone(self) -> MemoryZone:  # type: ignore[override]
        return self.source

    @property
    def memory(self) -> MemoryStore:
        assert isinstance(self.store, MemoryStore)
        return self.store

    def write(self, run: str, files: Mapping[str, bytes]) -> None:
        for path, body in files.items():
            self.source.write(f"{run}/{path}", body)

    def copier(self) -> ServerCopier | None:
        if not self.is_proven:
            return None
        self.memory.reaches = {"runs": self.source}
        witness = self.source.witness()
        assert witness is not None
        copier = self.memory.copier(witness)
        copier.least_bytes = self.least_bytes
        return copier


@pytest.fixture
def reaching(catalogue: Catalogue, clock: SettableClock, tmp_path: Path) -> ReachingFacility:
    return ReachingFacility(catalogue, clock, tmp_path / "landing")


def contents(facility: Facility, version: str) -> set[bytes]:
    return {body for path, body in facility.keys(version).items() if "/content/" in path}


def test_what_is_read_is_copied_and_only_our_own_files_are_sent(reaching: ReachingFacility) -> None:
    reaching.write("run", RUN)
    version = reaching.detect("run").version_id

    reaching.measure(version, reaching.lease(version))

    distinct = {body for body in RUN.values() if body}
    calls = reaching.memory.calls
    parts = sum(-(-len(body) // PART) for body in distinct if len(body) > PART)
    assert calls["copy"] == sum(len(body) <= PART for body in distinct) + parts
    assert calls["write"] == 0
    assert calls["put"] == 1 + 2 + 3  # the empty file, the marks of two large ones, and three files of ours
    assert set(RUN.values()) <= contents(reaching, version)


def test_a_copied_version_is_the_same_as_one_that_was_sent(reaching: ReachingFacility) -> None:
    states = []
    for run, is_proven in (("sent", False), ("copied", True)):
        reaching.is_proven = is_proven
        for number, files in enumerate((RUN, SECOND), start=1):
            reaching.write(run, files)
            version = reaching.detect(run, number=number).version_id
            reaching.ingest(version)
        require_all(reaching, version)
        states.append(logical_state(reaching, version))
        assert (reaching.memory.calls["copy"] > 0) is is_proven

    assert states[0] == states[1]


def test_what_the_object_holds_or_what_lies_in_it_twice_is_copied_once(reaching: ReachingFacility) -> None:
    twice = {"a.bin": b"x" * 100, "b.bin": b"x" * 100}
    reaching.write("run", twice)
    reaching.ingest(reaching.detect("run").version_id)
    assert reaching.memory.calls["copy"] == 1

    reaching.write("run", {**twice, "c.bin": b"new"})
    reaching.ingest(reaching.detect("run", number=2).version_id)

    assert reaching.memory.calls["copy"] == 2


@pytest.mark.timeout(300)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_second_worker_finishes_what_any_write_or_copy_interrupted(
    reaching: ReachingFacility, *, after: bool
) -> None:
    expected = reference(reaching, earlier=False)
    struck: set[str] = set()

    step, was_killed = 0, True
    while was_killed:
        step += 1
        reaching.store = MemoryStore(part_bytes=PART)
        reaching.write(f"run-{step}", RUN)
        version = reaching.detect(f"run-{step}").version_id
        before = dict(reaching.memory.calls)
        fault = reaching.memory.fail_on(WRITES, nth=step, after=after, error=Killed())
        was_killed = run_until_killed(reaching, version) or fault.fired > 0
        struck |= {name for name, count in reaching.memory.calls.items() if count > before.get(name, 0)}
        reaching.memory.heal()
        reaching.ingest(version)

        require_all(reaching, version)
        assert logical_state(reaching, version) == expected, f"step {step}"
    assert step > 20
    assert "copy" in struck


def test_what_was_copied_before_a_kill_is_not_copied_again(reaching: ReachingFacility) -> None:
    reaching.readers = 1
    reaching.store = MemoryStore(part_bytes=PART)
    files = {"a.bin": b"small", "b.bin": os.urandom(10 * PART + 5), "z.bin": b"last"}
    reaching.write("run", files)
    version = reaching.detect("run").version_id
    reaching.memory.fail_on("copy", nth=8, error=Killed())
    with pytest.raises(Killed):
        reaching.measure(version, reaching.lease(version))
    reaching.memory.heal()
    before = reaching.memory.calls["copy"]

    reaching.ingest(version)

    assert before == 1 + 7  # the small file, six parts of the large one, and the one that was struck
    assert reaching.memory.calls["copy"] - before == (11 - 6) + 1
    assert reaching.memory.calls["write"] == 0
    assert set(files.values()) <= contents(reaching, version)


@pytest.mark.parametrize("size_bytes", [100, 5 * PART], ids=["whole", "parts"])
def test_a_copy_that_is_not_what_was_read_is_never_committed(reaching: ReachingFacility, size_bytes: int) -> None:
    reaching.write("run", {"a.bin": b"x" * size_bytes})
    version = reaching.detect("run").version_id
    reaching.memory.spoils_copies = True

    with pytest.raises(ChecksumMismatch):
        reaching.measure(version, reaching.lease(version))

    assert reaching.keys(version) == {}
    assert list(reaching.store.unfinished_uploads("")) == []
    assert reaching.version(version).staging is None


def test_a_copy_that_nobody_could_compare_before_a_kill_is_compared_by_the_next(reaching: ReachingFacility) -> None:
    files = {"a.bin": b"x" * 100}
    reaching.write("run", files)
    version = reaching.detect("run").version_id
    reaching.memory.spoils_copies = True
    reaching.memory.fail_on("copy", after=True, error=Killed())
    with pytest.raises(Killed):
        reaching.measure(version, reaching.lease(version))
    reaching.memory.heal()
    reaching.memory.spoils_copies = False
    assert [len(body) for body in contents(reaching, version)] == [100]
    assert contents(reaching, version) != set(files.values())

    receipt = reaching.ingest(version)

    assert receipt is not None
    assert set(files.values()) <= contents(reaching, version)
    require_all(reaching, version)


@pytest.mark.parametrize("size_bytes", [100, 5 * PART], ids=["whole", "parts"])
def test_what_the_store_will_not_copy_any_more_is_sent(reaching: ReachingFacility, size_bytes: int) -> None:
    body = os.urandom(size_bytes)
    reaching.write("run", {"a.bin": body})
    version = reaching.detect("run").version_id
    reaching.memory.refuses_copies = True

    reaching.ingest(version)

    assert reaching.memory.calls["copy"] == 0
    assert body in contents(reaching, version)


def test_a_run_that_was_begun_by_sending_is_ended_by_copying(reaching: ReachingFacility) -> None:
    reaching.readers = 1
    reaching.store = MemoryStore(part_bytes=PART)
    body = os.urandom(10 * PART)
    reaching.write("run", {"a.bin": body})
    version = reaching.detect("run").version_id
    reaching.memory.refuses_copies = True
    reaching.memory.fail_on("write", nth=5, error=Killed())
    with pytest.raises(Killed):
        reaching.measure(version, reaching.lease(version))
    reaching.memory.heal()
    reaching.memory.refuses_copies = False

    reaching.ingest(version)

    assert (reaching.memory.calls["write"], reaching.memory.calls["copy"]) == (5, 6)
    assert body in contents(reaching, version)


def test_a_run_in_parts_is_copied_too(reaching: ReachingFacility) -> None:
    reaching.most_files = 2
    files = {f"{number}.bin": b"x" * (number + 1) for number in range(5)}
    reaching.write("run", files)
    version = reaching.detect("run").version_id

    reaching.ingest(version)

    assert len(reaching.parts(version)) == 3
    assert reaching.memory.calls["copy"] == len(files)


def test_what_is_too_small_to_be_worth_a_copy_is_sent(reaching: ReachingFacility) -> None:
    reaching.least_bytes = 100
    files = {"small.bin": b"x" * 99, "large.bin": b"y" * 100}
    reaching.write("run", files)
    version = reaching.detect("run").version_id

    reaching.measure(version, reaching.lease(version))

    assert reaching.memory.calls["copy"] == 1
    assert reaching.memory.calls["put"] == 1 + 3  # the small one, and three files of ours
    assert set(files.values()) <= contents(reaching, version)
