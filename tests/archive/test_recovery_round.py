"""Nobody asks for recovery: what a killed worker left is found by the clock, and what is not ours is only named."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest

from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.dataset import Relation, Stage
from cisterna.domain.errors import StoreUnavailable
from cisterna.domain.ocfl import object_root
from cisterna.domain.recovery import ObjectNote, ObjectState
from cisterna.domain.work import WorkKind
from cisterna.ports.object_store import Upload
from cisterna.services.health import Condition, look_at_recoveries
from cisterna.services.record import record_all
from cisterna.services.recovery_round import (
    OUTSIDE,
    RoundMemory,
    Survey,
    collect_copy_uploads,
    recover_interrupted,
    survey_archive,
)
from cisterna.services.staging import stage_files
from cisterna.services.transition import advance
from cisterna.testing.factory import make_dataset, make_version, make_work
from cisterna.testing.memory_store import WRITES, MemoryStore
from cisterna.testing.object_store_contract import LARGE_BYTES
from tests.archive.facility import LEASE, RUN, Facility

GRACE = timedelta(hours=24)
TOKEN = "0123456789abcdef" * 2


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture
def memory() -> RoundMemory:
    return RoundMemory()


def store_of(facility: Facility) -> MemoryStore:
    assert isinstance(facility.store, MemoryStore)
    return facility.store


def look(facility: Facility, memory: RoundMemory) -> list[ObjectNote]:
    return list(
        recover_interrupted(catalogue=facility.catalogue, store=facility.store, clock=facility.clock, memory=memory)
    )


def survey(facility: Facility) -> Survey:
    return survey_archive(catalogue=facility.catalogue, store=facility.store, clock=facility.clock, upload_grace=GRACE)


def notes(facility: Facility) -> dict[str, ObjectNote]:
    with facility.catalogue.begin() as tx:
        return {one.object_root: one for one in tx.recoveries.list()}


def leave(facility: Facility, version: str) -> None:
    """The attempt at a version is over and nobody has taken it up again."""
    with facility.catalogue.begin() as tx:
        tx.inbox.put_back(facility.leases.pop(version), not_before=facility.clock.now(), outcome="its worker is gone")


def cut_short(facility: Facility, run: str = "run", *, key_ends: str = "0=ocfl_object_1.1") -> str:
    """Kill a worker in the middle of a commit, and return the version."""
    facility.write(run, RUN)
    version = facility.detect(run).version_id
    fault = store_of(facility).fail_on("put", key_ends=key_ends, error=Killed())
    with pytest.raises(Killed):
        facility.ingest(version)
    assert fault.fired == 1
    store_of(facility).heal()
    return version


def test_a_commit_that_was_cut_short_is_rolled_forward_though_nobody_comes_back_to_it(
    facility: Facility, memory: RoundMemory
) -> None:
    version = cut_short(facility)
    leave(facility, version)

    found = look(facility, memory)

    assert [(one.state, one.reason, one.recoveries) for one in found] == [
        (ObjectState.RECOVERED, "declared the object", 1)
    ]
    assert "0=ocfl_object_1.1" in facility.keys(version)
    assert notes(facility) == {facility.root_of(version): found[0]}


def test_an_object_that_an_attempt_works_on_is_left_to_it(facility: Facility, memory: RoundMemory) -> None:
    version = cut_short(facility)

    assert look(facility, memory) == []
    assert "0=ocfl_object_1.1" not in facility.keys(version)


def test_what_is_at_rest_costs_nothing_until_another_attempt_has_died(facility: Facility, memory: RoundMemory) -> None:
    version = cut_short(facility)
    leave(facility, version)
    look(facility, memory)
    before = store_of(facility).calls.copy()

    assert look(facility, memory) == []
    assert store_of(facility).calls == before

    store_of(facility).fail_on("put", key_ends="inventory.json.sha512", error=Killed())
    facility.store.delete([f"{facility.root_of(version)}/0=ocfl_object_1.1"])
    facility.lease(version)
    leave(facility, version)
    store_of(facility).heal()
    assert [one.recoveries for one in look(facility, memory)] == [2]


def test_nothing_on_its_way_asks_the_store_nothing(facility: Facility, memory: RoundMemory) -> None:
    facility.write("run", RUN)
    facility.ingest(facility.detect("run").version_id)
    before = store_of(facility).calls.copy()

    assert look(facility, memory) == []
    assert store_of(facility).calls == before


def test_a_round_that_is_killed_at_any_write_is_finished_by_the_next(facility: Facility) -> None:
    step, struck = 0, True
    while struck:
        step += 1
        facility.store = MemoryStore()
        version = cut_short(facility, f"run-{step}", key_ends="0=ocfl_object_1.1")
        root = facility.root_of(version)
        for path in ("inventory.json.sha512", "v2/content/dead/abc", "v2/inventory.json"):
            facility.store.put(f"{root}/{path}", b"torn")
        leave(facility, version)
        fault = store_of(facility).fail_on(WRITES, nth=step, error=Killed())
        with contextlib.suppress(Killed):
            look(facility, RoundMemory())
        struck = fault.fired > 0
        store_of(facility).heal()

        look(facility, RoundMemory())

        keys = facility.keys(version)
        assert keys["inventory.json.sha512"] == keys["v1/inventory.json.sha512"]
        assert "0=ocfl_object_1.1" in keys
        assert not [path for path in keys if path.startswith("v2/")]
    assert step > 4


def test_a_damaged_object_is_noted_until_it_is_whole_and_does_not_stop_the_others(facility: Facility) -> None:
    facility.write("bad", RUN)
    bad = facility.detect("bad").version_id
    facility.ingest(bad)
    other = cut_short(facility, "other")
    leave(facility, other)
    root, body = facility.root_of(bad), facility.keys(bad)["inventory.json"]
    facility.store.put(f"{root}/inventory.json", b"{")

    found = survey(facility)

    assert found.objects == 2
    assert {one.object_root: one.state for one in found.notes} == {
        root: ObjectState.REFUSED,
        facility.root_of(other): ObjectState.RECOVERED,
    }
    assert facility.store.get(f"{root}/inventory.json")[0] == b"{"

    facility.store.put(f"{root}/inventory.json", body)
    assert survey(facility).notes == ()
    assert [one.state for one in notes(facility).values()] == [ObjectState.RECOVERED]


def test_an_object_that_the_store_does_not_give_is_neither_at_rest_nor_in_the_way_of_others(
    facility: Facility, memory: RoundMemory
) -> None:
    first, second = cut_short(facility, "one"), cut_short(facility, "two")
    for version in (first, second):
        leave(facility, version)
    store_of(facility).make_unreadable(f"{facility.root_of(second)}/inventory.json")

    found = {one.object_root: one.state for one in look(facility, memory)}

    assert found == {
        facility.root_of(first): ObjectState.RECOVERED,
        facility.root_of(second): ObjectState.UNCHECKED,
    }
    store_of(facility).heal()
    assert [one.state for one in look(facility, memory)] == [ObjectState.RECOVERED]


def test_a_store_that_is_away_ends_the_round_and_is_not_asked_for_every_object(
    facility: Facility, memory: RoundMemory
) -> None:
    for number in range(6):
        leave(facility, cut_short(facility, f"run-{number}"))
    fault = store_of(facility).fail_on("list", times=100)

    with pytest.raises(StoreUnavailable):
        look(facility, memory)

    assert fault.fired == 3
    store_of(facility).heal()
    assert len(look(facility, memory)) == 6


def test_keys_of_no_dataset_are_named_and_never_removed(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.ingest(version)
    unknown = "0ab/1cd/2ef/ark%3a%2f99999%2funknown"
    strange = (f"{unknown}/v1/content/{TOKEN}/s1", f"{unknown}/inventory.json", "notes.txt", "abc/def/x")
    for key in (*strange, f"{facility.root_of(version)}/holiday.jpg"):
        facility.store.put(key, b"x")
    upload = facility.store.begin_upload(f"{unknown}/v1/content/{TOKEN}/s2")
    upload.write(b"half")
    facility.clock.set(datetime.now(UTC) + 2 * GRACE)

    found = survey(facility)

    assert {one.object_root for one in found.notes} == {unknown, OUTSIDE, facility.root_of(version)}
    assert {one.state for one in found.notes} == {ObjectState.STRANGE}
    assert notes(facility)[unknown].dataset_id is None
    assert "3 keys" in notes(facility)[unknown].reason
    assert "holiday.jpg" in notes(facility)[facility.root_of(version)].reason
    assert all(facility.store.head(key) for key in strange)
    assert list(facility.store.unfinished_uploads(unknown))

    upload.abort()
    facility.store.delete([*strange, f"{facility.root_of(version)}/holiday.jpg"])
    assert survey(facility).notes == ()
    assert notes(facility) == {}


def begun(store: MemoryStore, key: str) -> None:
    store.begin_upload(key).write(b"half")


def test_what_a_killed_copy_or_repair_left_in_a_store_of_copies_is_collected_when_it_is_old(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.ingest(version)
    with facility.catalogue.begin() as tx:
        tx.inbox.finish(facility.leases.pop(version), outcome="archived")
    mirror, root = MemoryStore(name="mirror"), facility.root_of(version)
    foreign = "0ab/1cd/2ef/ark%3a%2f99999%2funknown/v1/content/x"
    begun(mirror, f"{root}/v1/content/{TOKEN}/s1")
    begun(mirror, foreign)

    def collect() -> list[str]:
        return list(
            collect_copy_uploads(store=mirror, catalogue=facility.catalogue, clock=facility.clock, upload_grace=GRACE)
        )

    facility.clock.set(datetime.now(UTC) + GRACE / 2)
    assert collect() == [], "somebody may go on with it"

    facility.clock.set(datetime.now(UTC) + 2 * GRACE)
    with facility.catalogue.begin() as tx:
        tx.inbox.request(make_work("copy", kind=WorkKind.COPY, subject=version, not_before=facility.clock.now()))
        claim = tx.inbox.claim(
            owner="me",
            run_id=facility.clock.new_id(),
            now=facility.clock.now(),
            lease=LEASE,
            kinds=[WorkKind.COPY],
        )
    assert claim is not None
    assert collect() == [], "somebody works on the object"

    with facility.catalogue.begin() as tx:
        tx.inbox.put_back(claim.attempt, not_before=facility.clock.now(), outcome="its worker is gone")
    assert collect() == [root]
    assert list(mirror.unfinished_uploads("")) == [foreign]


def test_a_dataset_that_is_added_while_the_keys_are_listed_is_not_strange(facility: Facility) -> None:
    store = store_of(facility)
    plain_list = store.list

    def busy(prefix: str) -> object:
        if prefix == "" and not added:
            facility.write("late", RUN)
            added.append(facility.detect("late").version_id)
            facility.ingest(added[0])
        return plain_list(prefix)

    added: list[str] = []
    store.list = busy  # type: ignore[method-assign, assignment]

    assert survey(facility).notes == ()
    assert added


def test_doctor_names_what_recovery_could_not_mend(facility: Facility, memory: RoundMemory) -> None:
    version = cut_short(facility)
    leave(facility, version)
    look(facility, memory)
    at_rest = look_at_recoveries(facility.catalogue)
    facility.store.put("notes.txt", b"x")
    facility.store.put(f"{facility.root_of(version)}/inventory.json", b"{")
    survey(facility)

    found = look_at_recoveries(facility.catalogue)

    assert (at_rest.condition, at_rest.message[:2]) == (Condition.OK, "1 ")
    assert found.condition is Condition.WARNING
    assert found.message.startswith(f"1 refused, 1 strange; {facility.root_of(version)}: ")
    assert "cisterna check" in found.fix


def test_the_record_of_the_catalogue_is_not_strange(facility: Facility) -> None:
    facility.write("run", RUN)
    facility.ingest(facility.detect("run").version_id)
    record_all(catalogue=facility.catalogue, store=facility.store, clock=facility.clock)

    assert survey(facility).notes == ()


class Reading:
    """A version that is read, with an upload that was begun in its staging folder."""

    def __init__(self, facility: Facility, *, folder: str = f"v1/content/{TOKEN}") -> None:
        facility.write("run", RUN)
        version = facility.detect("run", staging=folder)
        self.version_id, self.facility = version.version_id, facility
        self.key = f"{facility.root_of(version.version_id)}/{folder}/s1"
        self.upload: Upload = facility.store.begin_upload(self.key)
        self.upload.write(b"x" * LARGE_BYTES)
        facility.clock.set(datetime.now(UTC) + GRACE + timedelta(minutes=1))

    def is_there(self) -> bool:
        return self.key in list(self.facility.store.unfinished_uploads(""))


def test_an_abandoned_upload_is_collected_after_the_grace(facility: Facility) -> None:
    reading = Reading(facility)
    facility.clock.advance(-timedelta(minutes=2))
    assert survey(facility).uploads_collected == ()
    assert reading.is_there()

    facility.clock.advance(timedelta(minutes=2))

    assert len(survey(facility).uploads_collected) == 1
    assert not reading.is_there()


def test_an_upload_of_a_living_attempt_is_never_collected(facility: Facility) -> None:
    reading = Reading(facility)
    facility.lease(reading.version_id)

    assert survey(facility).uploads_collected == ()
    assert reading.is_there()


def test_an_upload_of_a_model_that_runs_is_never_collected(facility: Facility) -> None:
    facility.write("run", RUN)
    source = facility.detect("run").version_id
    facility.ingest(source)
    with facility.catalogue.begin() as tx:
        whole = tx.datasets.get(facility.version(source).dataset_id)
        relation = Relation(kind="IsDerivedFrom", dataset_id=whole.dataset_id, version="v1")
        made = make_dataset("labels", relations=(relation,))
        derived = tx.datasets.add(made.model_copy(update={"object_root": object_root(made.pid)}))
        tx.datasets.add_version(make_version(derived, staging=f"v1/content/{TOKEN}"))
    upload = facility.store.begin_upload(f"{derived.object_root}/v1/content/{TOKEN}/s1")
    facility.clock.set(datetime.now(UTC) + 2 * GRACE)
    facility.lease(source)

    assert survey(facility).uploads_collected == ()

    leave(facility, source)
    assert len(survey(facility).uploads_collected) == 1
    upload.abort()


def test_an_upload_that_waits_for_its_commit_is_never_collected(facility: Facility) -> None:
    reading = Reading(facility)
    with facility.catalogue.begin() as tx:
        version = tx.datasets.get_version(reading.version_id)
        staged = stage_files(version, {"a": b"a"}, dataset=tx.datasets.get(version.dataset_id), store=facility.store)
        advance(tx, staged, Stage.MEASURED, clock=facility.clock)

    assert survey(facility).uploads_collected == ()
    assert reading.is_there()


def test_an_upload_that_is_not_named_as_ours_are_is_never_collected(facility: Facility) -> None:
    reading = Reading(facility, folder="v1/content/by-hand")

    assert survey(facility).uploads_collected == ()
    assert reading.is_there()


def test_a_young_upload_keeps_the_old_ones_beside_it(facility: Facility) -> None:
    reading = Reading(facility)
    store_of(facility)._uploads[1].begun_at = datetime.now(UTC) - 3 * GRACE
    facility.clock.set(datetime.now(UTC) + timedelta(hours=1))
    young = facility.store.begin_upload(reading.key.replace("/s1", "/s2"))

    assert survey(facility).uploads_collected == ()
    young.abort()
    assert len(survey(facility).uploads_collected) == 1


@pytest.mark.timeout(120)
def test_on_a_real_store_uploads_are_collected_and_the_rest_is_named(facility: Facility, object_store: S3Store) -> None:
    facility.store = object_store
    reading = Reading(facility)
    object_store.put("notes.txt", b"a technician's")
    facility.clock.set(datetime.now(UTC) + timedelta(hours=1))
    assert survey(facility).uploads_collected == ()
    assert reading.is_there()

    facility.clock.set(datetime.now(UTC) + GRACE + timedelta(hours=1))

    found = survey(facility)
    assert found.uploads_collected == (f"{facility.root_of(reading.version_id)}/v1/content/{TOKEN}/",)
    assert [one.object_root for one in found.notes] == [OUTSIDE]
    assert not reading.is_there()


def test_the_work_of_others_does_not_hold_an_object(facility: Facility, memory: RoundMemory) -> None:
    version = cut_short(facility)
    leave(facility, version)
    with facility.catalogue.begin() as tx:
        tx.inbox.request(make_work("other", subject="another"))
        assert tx.inbox.claim(owner="w", run_id=facility.clock.new_id(), now=facility.clock.now(), lease=LEASE)

    assert len(look(facility, memory)) == 1
