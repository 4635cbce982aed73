"""The source of a run that lies in parts goes only when the whole and every part are proven, in every store."""

from __future__ import annotations

from pathlib import Path

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.account import Account, Grant, Role
from cisterna.domain.errors import CisternaError, Conflict, CouldNotCheck, ReleaseRefused
from cisterna.domain.fixity import Fixity
from cisterna.domain.listing import Listing
from cisterna.domain.receipt import CopyReceipt
from cisterna.domain.release import Release, ReleaseState, Step
from cisterna.domain.stored_copy import StoredCopy
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.services.data_manifest import MANIFEST_PATH
from cisterna.services.part_table import PARTS_PATH
from cisterna.services.release_facts import gather
from cisterna.services.release_plan import list_candidates
from cisterna.services.release_record import DeletionRecord
from cisterna.services.verify_copy import ArchivedDigests
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_sha512
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility
from tests.archive.test_parts import MOST, RUN
from tests.release.spoils import ask_for_work
from tests.release.world import ReleaseWorld


def make_world(catalogue: Catalogue, clock: SettableClock, folder: Path, store: ObjectStore) -> ReleaseWorld:
    """A run in three parts that may be released: every object has a receipt of two stores."""
    landing = folder / "landing"
    landing.mkdir()
    store.name = "archive"
    made = ReleaseWorld(Facility(catalogue, clock, landing, store=store, most_files=MOST))
    made.prepare(RUN)
    for part in made.facility.parts(made.version_id):
        add_copy(made, part.version_id)
    return made


def add_copy(world: ReleaseWorld, version_id: str, **fields: object) -> CopyReceipt:
    with world.facility.catalogue.begin() as tx:
        first = next(one for one in tx.datasets.receipts(version_id) if one.store == "archive")
        made = {"receipt_id": world.facility.clock.new_id(), "store": "second", **fields}
        second = first.model_copy(update=made)
        tx.datasets.add_receipt(second)
    return second


@pytest.fixture
def world(catalogue: Catalogue, clock: SettableClock, tmp_path: Path) -> ReleaseWorld:
    return make_world(catalogue, clock, tmp_path, MemoryStore())


def refused(world: ReleaseWorld) -> str:
    with pytest.raises(ReleaseRefused) as told:
        world.announce()
    assert world.files() == RUN
    return str(told.value)


@pytest.mark.timeout(300)
def test_on_a_real_store_the_whole_source_goes_and_the_record_carries_the_proof_of_every_part(
    catalogue: Catalogue, clock: SettableClock, object_store: S3Store, tmp_path: Path
) -> None:
    world = make_world(catalogue, clock, tmp_path, object_store)

    done = world.execute(world.announce_and_wait())

    assert done.state is ReleaseState.DONE
    assert not world.folder.exists()
    assert done.proof is not None
    record = DeletionRecord.model_validate_json(object_store.get(done.proof.record_key)[0])
    assert {file.path for file in record.files} == RUN.keys()
    versions = {world.version_id, *(part.version_id for part in world.facility.parts(world.version_id))}
    proven = {(one["version_id"], one["store"]) for one in record.receipts if isinstance(one, dict)}
    assert proven == {(version, store) for version in versions for store in world.stores}
    assert {(one.version_id, one.store) for one in done.proof.receipts} == proven


@pytest.mark.parametrize("place", [0, 1, 2, 3], ids=["the whole", "part 1", "part 2", "part 3"])
@pytest.mark.parametrize("step", ["announce", "delete", "resume"])
def test_it_never_goes_while_one_object_lacks_one_receipt(world: ReleaseWorld, place: int, step: str) -> None:
    """At each step, for each object: the receipt is of bytes that the archive no longer has."""
    version_id = [world.version_id, *(part.version_id for part in world.facility.parts(world.version_id))][place]

    if step == "announce":
        spoil_inventory(world, version_id)
        assert "copies at 2 stores" in refused(world)
        return
    release = world.announce_and_wait()
    lease = world.lease()
    if step == "resume":
        kill_in_the_middle(world, release, lease)
    before = world.files()
    spoil_inventory(world, version_id)
    if step == "delete":
        ended = world.execute(release, lease)
        assert (ended.state, world.files()) == (ReleaseState.REFUSED, RUN)
    else:
        with pytest.raises(CisternaError):
            world.execute(release, lease)
        assert world.files() == before
        assert before


@pytest.mark.parametrize("place", [0, 1, 2, 3], ids=["the whole", "part 1", "part 2", "part 3"])
def test_an_object_that_could_not_be_asked_puts_the_release_off_though_the_store_is_back_before_its_end(
    world: ReleaseWorld, place: int
) -> None:
    """What the source is compared with was not known: it must not be told as known to be wrong."""
    version_id = [world.version_id, *(part.version_id for part in world.facility.parts(world.version_id))][place]
    release, lease, store = world.announce_and_wait(), world.lease(), world.facility.store
    assert isinstance(store, MemoryStore)
    away = store.fail_on("get", key_ends=f"{world.facility.root_of(version_id)}/inventory.json")

    with pytest.raises(CouldNotCheck):
        world.execute(release, lease)

    assert away.fired
    assert world.files() == RUN
    assert world.release(release).state is ReleaseState.ANNOUNCED


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_part_that_changes_while_the_source_is_looked_at_is_not_judged(world: ReleaseWorld, place: int) -> None:
    part = world.facility.parts(world.version_id)[place]

    class Changing(LandingFolder):
        def listing(self, folder: str) -> Listing:
            with world.facility.desk.begin() as tx:
                version = tx.datasets.get_version(part.version_id)
                tx.datasets.save_version(version.model_copy(update={"reason": "judged anew"}))
            return super().listing(folder)

    world.zone_of = lambda one: Changing(one.path, declared=one.identity)  # type: ignore[method-assign]

    with pytest.raises(Conflict, match="changed while it was looked at"):
        world.announce()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_work_on_one_part_keeps_all_of_it(world: ReleaseWorld, place: int) -> None:
    ask_for_work(world, world.facility.parts(world.version_id)[place].version_id)

    assert "has not come to an end" in refused(world)


def kill_in_the_middle(world: ReleaseWorld, release: Release, lease: object) -> None:
    """Let the deletion die after some files."""
    removed = 0
    zone_of = world.zone_of

    class Dying(type(zone_of(_instrument(world)))):  # type: ignore[misc]
        def delete(self, folder: str, files: object, *, keep_on: object) -> int:
            def look() -> None:
                nonlocal removed
                removed += 1
                if removed == 5:
                    raise KeyboardInterrupt
                keep_on()  # type: ignore[operator]

            return int(super().delete(folder, files, keep_on=look))

    world.zone_of = lambda instrument: Dying(instrument.path, declared=instrument.identity)  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        world.execute(release, lease)  # type: ignore[arg-type]
    world.zone_of = zone_of  # type: ignore[method-assign]
    assert 0 < len(world.files()) < len(RUN)


def _instrument(world: ReleaseWorld) -> object:
    with world.facility.catalogue.begin() as tx:
        return tx.instruments.get("squid-1")


def spoil_inventory(world: ReleaseWorld, version_id: str) -> None:
    """Let an object have another inventory than the one that its receipts are of, with the sidecar that it needs."""
    from cisterna.domain.digest import sha512_of

    root = world.facility.root_of(version_id)
    changed = world.facility.store.get(f"{root}/inventory.json")[0] + b" "
    world.facility.store.put(f"{root}/inventory.json", changed)
    world.facility.store.put(f"{root}/inventory.json.sha512", f"{sha512_of(changed)} inventory.json\n".encode())


def test_it_is_refused_until_every_part_has_a_copy(catalogue: Catalogue, clock: SettableClock, tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    world = ReleaseWorld(Facility(catalogue, clock, landing, store=MemoryStore(), most_files=MOST))
    world.prepare(RUN)
    world.stores = (world.facility.store.name, "second")

    for part in world.facility.parts(world.version_id):
        assert "copies at 2 stores" in refused(world)
        with catalogue.begin() as tx:
            first = tx.datasets.receipts(part.version_id)[0]
            tx.datasets.add_receipt(first.model_copy(update={"receipt_id": clock.new_id(), "store": "second"}))

    assert world.announce().state is ReleaseState.ANNOUNCED


@pytest.mark.parametrize("place", [0, 1, 2])
def test_damage_that_was_found_in_one_part_keeps_all_of_it(world: ReleaseWorld, place: int) -> None:
    part = world.facility.parts(world.version_id)[place]
    now = world.facility.clock.now()
    with world.facility.catalogue.begin() as tx:
        tx.copies.put(
            StoredCopy(
                dataset_id=part.dataset_id,
                store="second",
                fixity=Fixity.DAMAGED,
                reason="one file has other bytes",
                since=now,
                looked_at=now,
                next_at=now,
            )
        )

    assert "in second is damaged" in refused(world)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_manifest_of_a_part_that_has_other_bytes_vouches_for_nothing(world: ReleaseWorld, place: int) -> None:
    part = world.facility.parts(world.version_id)[place]
    spoil(world, part.version_id, MANIFEST_PATH)

    said = refused(world)
    assert part.version_id in said
    assert "does not hold this version" in said


def test_a_table_of_parts_that_has_other_bytes_vouches_for_nothing(world: ReleaseWorld) -> None:
    spoil(world, world.version_id, PARTS_PATH)

    assert "does not hold this version" in refused(world)


def test_an_object_that_names_parts_and_has_no_inventory_holds_nothing(world: ReleaseWorld) -> None:
    world.facility.store.delete([f"{world.root}/inventory.json"])

    archive = gather(world.acquisition_id, step=Step.ANNOUNCE, site=world.site).facts.archive

    assert (archive.problem, archive.inventory_sha512, archive.holds_manifest) == (None, None, False)


def test_parts_that_together_are_not_the_manifest_of_the_version_hold_nothing(world: ReleaseWorld) -> None:
    with world.facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(world.version_id)
        tx.datasets.save_version(found.model_copy(update={"manifest_digest": make_sha512("another manifest")}))

    facts = gather(world.acquisition_id, step=Step.ANNOUNCE, site=world.site).facts

    assert (facts.archive.problem, facts.archive.holds_manifest) == (None, False)
    assert facts.archive.inventory_sha512 is not None
    assert all(part.archive.holds_manifest for part in facts.parts)


def test_a_table_of_parts_that_cannot_be_read_now_is_not_known_to_be_wrong(world: ReleaseWorld) -> None:
    store = world.facility.store
    assert isinstance(store, MemoryStore)
    staged = world.facility.version(world.version_id).staged[PARTS_PATH]
    away = store.fail_on("get", times=1000, key_ends=staged.content_path)

    with pytest.raises(CouldNotCheck, match=r"the archive could not be asked: the fault set"):
        world.announce()

    assert away.fired
    assert world.files() == RUN


def spoil(world: ReleaseWorld, version_id: str, path: str) -> None:
    staged = world.facility.version(version_id).staged[path]
    key = f"{world.facility.root_of(version_id)}/{staged.content_path}"
    world.facility.store.put(key, world.facility.store.get(key)[0][:-1] + b"x")


def test_what_the_catalogue_forgot_of_a_part_keeps_the_source(world: ReleaseWorld) -> None:
    with world.facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(world.version_id)
        tx.datasets.save_version(found.model_copy(update={"parts": found.parts[:2]}))

    said = refused(world)
    assert "does not hold this version" in said


@pytest.mark.parametrize("path", [".done", "2/A1_20_BF.tiff", "zz/last.txt"])
def test_a_file_of_any_part_that_is_not_as_archived_keeps_the_source(world: ReleaseWorld, path: str) -> None:
    release = world.announce_and_wait()
    file = world.folder / path
    was = file.stat()
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    import os

    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
    if path == ".done":
        file.write_bytes(b"")  # an empty file has no other bytes: it is longer instead
        file.write_bytes(b"!")

    ended = world.execute(release)

    assert ended.state is ReleaseState.REFUSED
    assert world.files().keys() == RUN.keys()


def test_the_dry_run_names_one_candidate_for_all_of_it(world: ReleaseWorld) -> None:
    (found,) = list_candidates(person="sten", site=world.site)

    assert found.judgement is not None
    assert found.judgement.allows
    assert found.file_count == len(RUN)


def test_verify_copy_calls_a_file_safe_only_when_whole_and_part_are_proven(world: ReleaseWorld) -> None:
    from datetime import timedelta

    from cisterna.domain.digest import sha512_of

    account = Account(
        name="vera2", grants=(Grant(role=Role.VIEWER, project="cells"),), created_at=world.facility.clock.now()
    )

    def stores_of(body: bytes) -> tuple[str, ...]:
        archived = ArchivedDigests(
            catalogue=world.facility.catalogue,
            store=world.facility.store,
            stores=world.stores,
            tables=world.facility.tables,
            clock=world.facility.clock,
            longest_age=timedelta(days=30),
        )
        return archived.stores_of({sha512_of(body)}, account=account).get(sha512_of(body), ())

    assert {stores_of(body) for body in RUN.values()} == {("archive", "second")}
    with world.facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(world.version_id)
        tx.datasets.save_version(found.model_copy(update={"manifest_digest": "0" * 128}))

    assert {stores_of(body) for body in RUN.values()} == {()}, "no receipt of the whole counts any more"
