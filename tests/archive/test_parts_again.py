"""A run in parts is read from its source again when a researcher asks: each part gets a revision, and once."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import SourceChanged
from cisterna.services.reprocess import request_reprocess
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import LEASE, Facility
from tests.archive.test_kill import Killed, KillingCatalogue
from tests.archive.test_parts import MOST, RUN, ingest, parts_of, require_all, restore
from tests.archive.test_parts_kept import people
from tests.archive.whole import require_no_strangers

__all__ = ["people"]


@pytest.fixture
def again(people: Facility) -> Facility:
    people.most_files = MOST
    return people


def opened(facility: Facility, version: Version) -> Version:
    """Ask for the source to be read again; the facility's own lease takes the place of the work's."""
    asked = request_reprocess(
        version.version_id,
        from_stage=Stage.MEASURED,
        person="ada",
        reason="the network was odd that day",
        catalogue=facility.catalogue,
        clock=facility.clock,
    )
    with facility.catalogue.begin() as tx:
        claim = tx.inbox.claim(
            owner="test",
            run_id=facility.clock.new_id(),
            now=facility.clock.now(),
            lease=LEASE,
            work_id=asked.work.work_id,
        )
        assert claim is not None
        tx.inbox.finish(claim.attempt, outcome="done under another lease")
    return asked.version


def test_every_part_is_read_again_and_has_a_revision_with_its_own_receipt(again: Facility, tmp_path: Path) -> None:
    first = ingest(again)
    before = [again.keys(part.version_id) for part in first.parts]

    revision = opened(again, first)
    again.ingest(revision.version_id)

    found = again.version(revision.version_id)
    assert (found.label, found.stage, found.manifest_digest) == ("v1.1", Stage.VERIFIED, first.manifest_digest)
    assert [part.version_id.partition(":")[2] for part in found.parts] == ["v1.1"] * 3
    assert [part.ocfl_version for part in found.parts] == [2, 2, 2]
    assert restore(again, found, tmp_path / "again") == RUN
    assert restore(again, first, tmp_path / "first") == RUN
    for part, held in zip(first.parts, before, strict=True):
        now = again.keys(part.version_id)
        kept = {path: body for path, body in held.items() if path.startswith("v1/")}
        assert {path: now[path] for path in kept} == kept
    with again.catalogue.begin() as tx:
        assert all(tx.datasets.receipts(part.version_id) for part in found.parts)
    require_all(again, found)


def test_a_second_reading_after_it_is_one_more(again: Facility) -> None:
    first = ingest(again)
    second = opened(again, first)
    again.ingest(second.version_id)

    third = opened(again, again.version(second.version_id))
    again.ingest(third.version_id)

    assert [part.version_id.partition(":")[2] for part in again.version(third.version_id).parts] == ["v1.2"] * 3
    require_no_strangers(again)


def test_what_changed_at_the_source_unseen_is_in_the_revision_and_the_first_version_stays(
    again: Facility, tmp_path: Path
) -> None:
    """Same name, size and time, other bytes: the listing cannot tell, reading can."""
    first = ingest(again)
    file = again.landing / "run" / "zz" / "last.txt"
    stamp = file.stat()
    with file.open("r+b") as held:
        held.write(b"THE END")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    revision = opened(again, first)
    again.ingest(revision.version_id)

    found = again.version(revision.version_id)
    assert restore(again, found, tmp_path / "again") == {**RUN, "zz/last.txt": b"THE END"}
    assert restore(again, first, tmp_path / "first") == RUN
    assert [new.manifest_digest == old.manifest_digest for new, old in zip(found.parts, first.parts, strict=True)] == [
        True,
        True,
        False,
    ]


def test_a_source_that_is_another_by_now_is_refused_and_nothing_is_opened_in_a_part(again: Facility) -> None:
    first = ingest(again)
    revision = opened(again, first)
    again.write("run", {"zz/last.txt": b"another end"})

    with pytest.raises(SourceChanged):
        again.ingest(revision.version_id)

    assert [part.stage for part in parts_of(again, first)] == [Stage.VERIFIED] * 3
    with again.catalogue.begin() as tx:
        assert [len(tx.datasets.versions(part.dataset_id)) for part in first.parts] == [1, 1, 1]


def test_a_run_that_is_acquired_anew_after_a_reading_was_cut_short_reads_what_was_left(
    again: Facility, tmp_path: Path
) -> None:
    """A part that a reading left opened and unread is not kept for it: it is the next version's."""
    first = ingest(again)
    revision = opened(again, first)
    store = again.store
    assert isinstance(store, MemoryStore)
    store.fail_on("put", nth=1, error=Killed())
    with pytest.raises(Killed):
        again.ingest(revision.version_id)
    store.heal()
    changed = {**RUN, "zz/last.txt": b"another end"}
    again.write("run", changed)

    second = again.detect("run", number=2)
    again.ingest(second.version_id)

    found = again.version(second.version_id)
    assert restore(again, found, tmp_path / "out") == changed
    assert restore(again, first, tmp_path / "first") == RUN


@pytest.mark.timeout(300)
@pytest.mark.torture
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_second_worker_finishes_a_reading_that_any_write_to_the_store_interrupted(
    again: Facility, tmp_path: Path, *, after: bool
) -> None:
    step, was_killed = 0, True
    while was_killed:
        step += 1 if step < 6 else 9
        again.store = store = MemoryStore(part_bytes=4096)
        first = ingest(again, f"run-{step}")
        revision = opened(again, first)
        fault = store.fail_on(WRITES, nth=step, after=after, error=Killed())
        with suppress(Killed):
            again.ingest(revision.version_id)
        was_killed = fault.fired > 0
        store.heal()
        again.ingest(revision.version_id)

        found = again.version(revision.version_id)
        assert [part.ocfl_version for part in found.parts] == [2, 2, 2], f"step {step}"
        assert restore(again, found, tmp_path / str(step)) == RUN
        require_all(again, found)
    assert step > 40


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_a_second_worker_finishes_a_reading_that_any_transaction_interrupted(again: Facility, tmp_path: Path) -> None:
    killing, whole = KillingCatalogue(again.catalogue), again.catalogue
    step, was_killed = 0, True
    while was_killed:
        step += 1 if step < 6 else 3
        again.store = MemoryStore(part_bytes=4096)
        first = ingest(again, f"run-{step}")
        revision = opened(again, first)
        again.catalogue = killing  # type: ignore[assignment]
        killing.begun, killing.kill_at, killing.after = 0, step, True
        was_killed = False
        try:
            again.ingest(revision.version_id)
        except Killed:
            was_killed = True
        again.catalogue = whole
        again.ingest(revision.version_id)

        found = again.version(revision.version_id)
        assert [part.ocfl_version for part in found.parts] == [2, 2, 2], f"step {step}"
        assert restore(again, found, tmp_path / str(step)) == RUN
        require_all(again, found)
    assert step > 30
