"""A release whose ground moves while it is looked at, or is not there at all: nothing goes, and it is said why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from cisterna.adapters.landing_folder import LandingFolder, OpenFile
from cisterna.domain.errors import (
    CisternaError,
    Conflict,
    HostileInput,
    LeaseLost,
    ReleaseRefused,
)
from cisterna.domain.hold import HoldQuestion
from cisterna.domain.instrument import BucketIdentity, Identity, Instrument
from cisterna.domain.listing import Listing
from cisterna.domain.release import ProvenFile, ReleaseState, Step
from cisterna.domain.work import WorkKind
from cisterna.ports.source import LandingZone
from cisterna.services.hold import place_hold
from cisterna.services.release_facts import gather
from cisterna.testing.factory import make_acquisition, make_dataset, make_work
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import RUN
from tests.release.spoils import ask_for_work
from tests.release.world import LEASE, ReleaseWorld


def test_what_changes_while_the_source_is_read_is_not_judged(quick_world: ReleaseWorld) -> None:
    world = quick_world

    class Changing(LandingFolder):
        def listing(self, folder: str) -> Listing:
            world.change_acquisition(reason="looked at by the sweep")
            return super().listing(folder)

    world.zone_of = lambda one: Changing(one.path, declared=one.identity)  # type: ignore[method-assign]

    with pytest.raises(Conflict, match="changed while it was looked at"):
        gather(world.acquisition_id, step=Step.ANNOUNCE, site=world.site)


def test_nothing_is_found_out_about_what_was_never_archived(quick_world: ReleaseWorld) -> None:
    with quick_world.facility.desk.begin() as tx:
        unknown = tx.acquisitions.save(make_acquisition("run-9", project="cells"))

    with pytest.raises(ReleaseRefused, match="was archived, so nothing of it is released"):
        gather(unknown.acquisition_id, step=Step.ANNOUNCE, site=quick_world.site)


def test_nothing_is_found_out_about_what_has_no_version_any_more(quick_world: ReleaseWorld) -> None:
    with quick_world.facility.desk.begin() as tx:
        dataset = tx.datasets.add(make_dataset("of a run whose only version was a duplicate"))
        made = tx.acquisitions.save(make_acquisition("run-9", project="cells", dataset_id=dataset.dataset_id))

    with pytest.raises(ReleaseRefused, match="was archived, so nothing of it is released"):
        gather(made.acquisition_id, step=Step.ANNOUNCE, site=quick_world.site)


def test_a_version_that_changes_while_the_source_is_read_is_not_judged(quick_world: ReleaseWorld) -> None:
    world = quick_world

    class Changing(LandingFolder):
        def listing(self, folder: str) -> Listing:
            with world.facility.desk.begin() as tx:
                version = tx.datasets.get_version(world.version_id)
                tx.datasets.save_version(version.model_copy(update={"reason": "judged anew"}))
            return super().listing(folder)

    world.zone_of = lambda one: Changing(one.path, declared=one.identity)  # type: ignore[method-assign]

    with pytest.raises(Conflict, match="changed while it was looked at"):
        gather(world.acquisition_id, step=Step.ANNOUNCE, site=world.site)


def test_work_counts_until_its_end_and_only_on_this_run_and_only_what_would_change_it(
    quick_world: ReleaseWorld,
) -> None:
    world, desk, clock = quick_world, quick_world.facility.desk, quick_world.facility.clock

    def open_work(own: str | None = None) -> tuple[str, ...]:
        return gather(world.acquisition_id, step=Step.ANNOUNCE, site=world.site, own_work=own).facts.open_work

    with desk.begin() as tx:
        tx.inbox.request(make_work("another", subject="acq-another"))
        tx.inbox.request(make_work("check", subject=world.version_id, kind=WorkKind.CHECK))
    assert open_work() == ()

    ask_for_work(world, world.version_id)
    assert open_work() == ("ingest",)
    work_id = make_work("again").work_id
    assert open_work(own=work_id) == ()
    with desk.begin() as tx:
        claim = tx.inbox.claim(owner="worker", run_id=clock.new_id(), now=clock.now(), lease=LEASE, work_id=work_id)
        assert claim is not None
    assert open_work() == ("ingest",)
    with desk.begin() as tx:
        tx.inbox.finish(claim.attempt, outcome="done")
    assert open_work() == ()


def test_other_systems_are_told_what_they_need_to_know_the_run_by(quick_world: ReleaseWorld) -> None:
    asked: list[HoldQuestion] = []

    class Asked:
        name = "omero"

        def ask(self, question: HoldQuestion) -> str | None:
            asked.append(question)
            return None

    quick_world.systems.append(Asked())
    gather(quick_world.acquisition_id, step=Step.ANNOUNCE, site=quick_world.site)

    dataset_id = quick_world.version_id.partition(":")[0]
    assert asked == [
        HoldQuestion(
            acquisition_id=quick_world.acquisition_id,
            instrument="squid-1",
            path=str(quick_world.folder),
            folder=quick_world.run,
            dataset_id=dataset_id,
            project="cells",
        )
    ]


@pytest.mark.parametrize("gone", ["inventory.json", "inventory.json.sha512"])
def test_an_object_without_its_inventory_holds_nothing(quick_world: ReleaseWorld, gone: str) -> None:
    quick_world.facility.store.delete([f"{quick_world.root}/{gone}"])

    archive = gather(quick_world.acquisition_id, step=Step.ANNOUNCE, site=quick_world.site).facts.archive

    assert (archive.problem, archive.inventory_sha512, archive.holds_manifest) == (None, None, False)


def test_what_the_archive_loses_while_the_source_is_read_lets_nothing_go(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()

    class Read(LandingFolder):
        @contextmanager
        def open(self, folder: str, path: str) -> Iterator[OpenFile]:
            world.facility.store.delete([f"{world.root}/inventory.json"])
            with super().open(folder, path) as file:
                yield file

    world.zone_of = lambda one: Read(one.path, declared=one.identity)  # type: ignore[method-assign]

    assert world.execute(release, lease).state is ReleaseState.REFUSED
    assert world.files() == RUN


def test_an_archive_that_was_away_before_the_source_was_looked_at_is_not_asked_once_more(
    quick_world: ReleaseWorld,
) -> None:
    """What the source was compared with is what the archive said before; it said nothing."""
    store = quick_world.facility.store
    assert isinstance(store, MemoryStore)
    away = store.fail_on("get", key_ends=f"{quick_world.root}/inventory.json")

    archive = gather(quick_world.acquisition_id, step=Step.DELETE, site=quick_world.site).facts.archive

    assert away.fired
    assert archive.problem is not None
    assert not archive.holds_manifest


def test_files_of_a_zone_that_is_no_folder_are_of_no_device(quick_world: ReleaseWorld) -> None:
    """No zone in a bucket is ever released; what is read of one could not even be taken for a file of a folder."""
    world, bucket = quick_world, BucketIdentity(bucket="landing", sentinel="squid-1")

    class InBucket(LandingFolder):
        def require_identity(self, declared: Identity | None) -> None:
            assert declared == bucket

        def identity(self) -> Identity:  # type: ignore[override]
            return bucket

    world.zone_of = lambda one: InBucket(one.path, declared=None)  # type: ignore[method-assign]
    with world.facility.desk.begin() as tx:
        tx.instruments.save(tx.instruments.get("squid-1").model_copy(update={"identity": bucket}))

    files = gather(world.acquisition_id, step=Step.DELETE, site=world.site).files

    assert {file.path for file in files} == RUN.keys()
    assert {file.device for file in files} == {-1}


def test_a_worker_without_its_lease_looks_at_nothing(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    world.put_back(lease)

    def looked(_one: Instrument) -> LandingZone:
        raise AssertionError("it looked at the source")

    world.zone_of = looked  # type: ignore[method-assign]

    with pytest.raises(LeaseLost):
        world.execute(release, lease)


def test_without_its_lease_not_even_the_end_of_a_release_is_told(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    world.execute(release, lease)
    world.put_back(lease)

    with pytest.raises(LeaseLost):
        world.execute(release, lease)


@pytest.mark.parametrize("what", ["link", "hold"])
def test_whatever_stops_a_deletion_midway_is_said_on_the_acquisition(quick_world: ReleaseWorld, what: str) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    desk, clock = world.facility.desk, world.facility.clock

    def happen() -> None:
        if what == "hold":
            place_hold("cells", person="vera", reason="stop", catalogue=desk, clock=clock)
            return
        (world.folder / "acquisition.yaml").unlink()
        (world.folder / "acquisition.yaml").symlink_to("/etc/passwd")

    class Acting(LandingFolder):
        def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
            happen()
            return super().delete(folder, files, keep_on=keep_on)

    world.zone_of = lambda one: Acting(one.path, declared=one.identity)  # type: ignore[method-assign]

    with pytest.raises(HostileInput if what == "link" else ReleaseRefused):
        world.execute(release, lease)

    assert (world.acquisition().held or "").startswith("its release was stopped: ")
    assert world.release(release).state is ReleaseState.BEGUN
    assert world.release(release).reason is not None
    assert world.events()[-1] == "release.stopped"


@pytest.mark.parametrize(
    ("what", "error"), [("hold", Conflict), ("change", Conflict), ("lease", LeaseLost)], ids=["hold", "change", "lease"]
)
def test_what_happens_between_proof_and_beginning_lets_nothing_go(
    quick_world: ReleaseWorld, what: str, error: type[CisternaError]
) -> None:
    world, desk, clock = quick_world, quick_world.facility.desk, quick_world.facility.clock
    release, lease = world.announce_and_wait(), world.lease()
    acts: dict[str, Callable[[], object]] = {
        "hold": lambda: place_hold("cells", person="vera", reason="stop", catalogue=desk, clock=clock),
        "change": lambda: world.change_acquisition(reason="looked at by the sweep"),
        "lease": lambda: world.put_back(lease),
    }

    class Acting:
        """The catalogue, in which somebody else writes once the record is in the archive."""

        def begin(self) -> object:
            if any("release.begun" in key for key in world.logs()):
                acts.pop(what, lambda: None)()
            return desk.begin()

    world.facility.catalogue = Acting()  # type: ignore[assignment]

    with pytest.raises(error):
        world.execute(release, lease)

    assert world.files() == RUN
    assert world.release(release).state is ReleaseState.ANNOUNCED


def test_whatever_the_listing_shows_to_be_otherwise_is_named_in_its_order(quick_world: ReleaseWorld) -> None:
    world = quick_world
    for path in RUN:
        (world.folder / path).write_bytes(b"longer than it was" * 1000)

    grown = gather(world.acquisition_id, step=Step.ANNOUNCE, site=world.site).facts.source

    late = [f"late-{number:02}.tiff" for number in range(12)]
    for path in RUN:
        (world.folder / path).unlink()
    for name in late:
        (world.folder / name).touch()
    replaced = gather(world.acquisition_id, step=Step.ANNOUNCE, site=world.site).facts.source

    assert (grown.different, grown.missing, grown.unknown) == (tuple(sorted(RUN)), (), ())
    assert (replaced.different, replaced.missing, replaced.unknown) == ((), tuple(sorted(RUN)), tuple(late))


def test_what_comes_while_the_source_is_read_is_seen_after_the_last_byte(quick_world: ReleaseWorld) -> None:
    world, looks = quick_world, 0

    class Growing(LandingFolder):
        def listing(self, folder: str) -> Listing:
            nonlocal looks
            looks += 1
            if looks == 2:
                (world.folder / "late.tiff").touch()
            return super().listing(folder)

    world.zone_of = lambda one: Growing(one.path, declared=one.identity)  # type: ignore[method-assign]

    facts = gather(world.acquisition_id, step=Step.DELETE, site=world.site).facts

    assert (looks, facts.source.are_digested, facts.source.different) == (2, True, ())
    assert facts.source.fingerprint == LandingFolder(world.folder.parent).listing(world.folder.name).fingerprint
    assert facts.source.fingerprint != facts.acquisition.ingested_fingerprint
