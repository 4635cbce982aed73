"""What the archive is asked before a source may go: anything besides the version's own bytes vouches for nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cisterna.adapters.landing_folder import LandingFolder, OpenFile
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import HostileInput, SourceUnavailable
from cisterna.domain.instrument import Identity, Instrument
from cisterna.domain.listing import Listing
from cisterna.domain.release import ArchiveFacts, ProvenFile, SourceFacts, Step
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.source import LandingZone
from cisterna.services.data_manifest import MANIFEST_PATH
from cisterna.services.part_table import PARTS_PATH
from cisterna.services.release_facts import gather
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_sha512
from cisterna.testing.memory_store import MemoryStore
from tests.release.test_parts import make_world
from tests.release.world import ReleaseWorld


@pytest.fixture
def parted(catalogue: Catalogue, clock: SettableClock, tmp_path: Path) -> ReleaseWorld:
    return make_world(catalogue, clock, tmp_path, MemoryStore())


def key_of(world: ReleaseWorld, version_id: str, path: str) -> str:
    staged = world.facility.version(version_id).staged[path]
    return f"{world.facility.root_of(version_id)}/{staged.content_path}"


def forget_ocfl_version(world: ReleaseWorld, version_id: str) -> None:
    with world.facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(version_id)
        tx.datasets.save_version(found.model_copy(update={"ocfl_version": None}))


def ask_whole(world: ReleaseWorld) -> ArchiveFacts:
    return gather(world.acquisition_id, step=Step.ANNOUNCE, site=world.site).facts.archive


def ask_first_part(world: ReleaseWorld) -> ArchiveFacts:
    return gather(world.acquisition_id, step=Step.ANNOUNCE, site=world.site).facts.parts[0].archive


def test_a_manifest_with_the_same_rows_in_other_bytes_is_not_the_one_that_was_archived(
    quick_world: ReleaseWorld,
) -> None:
    """The receipts are of the object's bytes: whoever rewrote this file may have rewritten others."""
    world, store = quick_world, quick_world.facility.store
    key = key_of(world, world.version_id, MANIFEST_PATH)
    rewritten = BytesIO()
    pq.write_table(pq.read_table(BytesIO(store.get(key)[0])), rewritten, compression="none", use_dictionary=False)
    assert rewritten.getvalue() != store.get(key)[0]
    assert ask_whole(world).holds_manifest
    store.put(key, rewritten.getvalue())

    archive = ask_whole(world)

    assert (archive.problem, archive.holds_manifest) == (None, False)
    assert archive.inventory_sha512 is not None, "the inventory was read and agrees with its sidecar: it is told"


def test_a_version_whose_place_in_the_object_is_not_known_is_held_by_nothing(quick_world: ReleaseWorld) -> None:
    forget_ocfl_version(quick_world, quick_world.version_id)

    archive = ask_whole(quick_world)

    assert (archive.problem, archive.holds_manifest) == (None, False)


def test_a_whole_whose_place_in_its_object_is_not_known_names_no_parts(parted: ReleaseWorld) -> None:
    forget_ocfl_version(parted, parted.version_id)

    archive = ask_whole(parted)

    assert (archive.problem, archive.holds_manifest) == (None, False)


def test_a_part_whose_place_in_its_object_is_not_known_holds_nothing(parted: ReleaseWorld) -> None:
    forget_ocfl_version(parted, parted.facility.parts(parted.version_id)[0].version_id)

    archive = ask_first_part(parted)

    assert (archive.problem, archive.holds_manifest) == (None, False)


def test_a_table_of_parts_that_is_not_there_names_no_parts(parted: ReleaseWorld) -> None:
    parted.facility.store.delete([key_of(parted, parted.version_id, PARTS_PATH)])

    assert ask_whole(parted) == ArchiveFacts()


def test_a_manifest_that_is_not_there_vouches_for_nothing(quick_world: ReleaseWorld) -> None:
    quick_world.facility.store.delete([key_of(quick_world, quick_world.version_id, MANIFEST_PATH)])

    assert ask_whole(quick_world) == ArchiveFacts()


@pytest.mark.parametrize("which", ["the whole", "a part"])
def test_a_version_that_its_object_does_not_have_is_held_by_nothing(parted: ReleaseWorld, which: str) -> None:
    whole, part = parted.version_id, parted.facility.parts(parted.version_id)[0].version_id
    with parted.facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(whole if which == "the whole" else part)
        tx.datasets.save_version(found.model_copy(update={"ocfl_version": 7}))

    archive = ask_whole(parted) if which == "the whole" else ask_first_part(parted)

    assert archive == ArchiveFacts()


def test_bytes_that_were_staged_as_a_manifest_and_are_no_table_vouch_for_nothing(quick_world: ReleaseWorld) -> None:
    """They are what the catalogue says, so that only reading them finds it out."""
    world, garbage = quick_world, b"PAR1 no table PAR1"
    world.facility.store.put(key_of(world, world.version_id, MANIFEST_PATH), garbage)
    with world.facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(world.version_id)
        staged = found.staged[MANIFEST_PATH].model_copy(update={"sha512": sha512_of(garbage)})
        tx.datasets.save_version(found.model_copy(update={"staged": {**found.staged, MANIFEST_PATH: staged}}))

    assert ask_whole(world) == ArchiveFacts()


def test_a_manifest_of_other_data_than_the_version_has_vouches_for_nothing(quick_world: ReleaseWorld) -> None:
    """Though it is the staged one, and the object holds all that it names."""
    with quick_world.facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(quick_world.version_id)
        tx.datasets.save_version(found.model_copy(update={"manifest_digest": make_sha512("other data")}))

    archive = ask_whole(quick_world)

    assert (archive.problem, archive.holds_manifest) == (None, False)


@pytest.mark.parametrize("path", [".done", "0/A1_3_BF.tiff"])
def test_an_inventory_that_lacks_one_file_of_the_manifest_does_not_hold_it(
    quick_world: ReleaseWorld, path: str
) -> None:
    world, store = quick_world, quick_world.facility.store
    assert ask_whole(world).holds_manifest
    inventory = json.loads(store.get(f"{world.root}/inventory.json")[0])
    state = inventory["versions"][inventory["head"]]["state"]
    for names in state.values():
        names[:] = ["data/somewhere else" if name == f"data/{path}" else name for name in names]
    body = json.dumps(inventory).encode()
    store.put(f"{world.root}/inventory.json", body)
    store.put(f"{world.root}/inventory.json.sha512", f"{sha512_of(body)} inventory.json\n".encode())

    archive = ask_whole(world)

    assert (archive.problem, archive.holds_manifest) == (None, False)
    assert archive.inventory_sha512 == sha512_of(body)


def test_a_deletion_that_goes_on_is_held_against_its_own_record_and_not_against_the_archive(
    quick_world: ReleaseWorld,
) -> None:
    """What the record does not name was not proven before the first file went, whatever the archive holds."""
    (seen,) = [one for one in quick_world.facility.zone.listing(quick_world.run).files if one.path == ".done"]
    recorded = [
        ProvenFile(path=".done", size_bytes=seen.size_bytes, sha512=sha512_of(b""), mtime_ns=1, inode=1, device=1),
        ProvenFile(path="gone.tiff", size_bytes=3, sha512=sha512_of(b"old"), mtime_ns=1, inode=2, device=1),
    ]

    case = gather(quick_world.acquisition_id, step=Step.RESUME, site=quick_world.site, proven=recorded)

    assert case.facts.source.missing == ("gone.tiff",)
    assert set(case.facts.source.unknown) == quick_world.files().keys() - {".done"}


def test_a_zone_that_is_not_the_declared_one_is_not_looked_at_whatever_it_lists(quick_world: ReleaseWorld) -> None:
    """A zone that lists without looking at its own identity has to be asked for it."""
    asked: list[Identity | None] = []

    class Swapped(LandingFolder):
        def require_identity(self, declared: Identity | None) -> None:
            asked.append(declared)
            raise SourceUnavailable("another folder stands in its place")

    look_through(quick_world, Swapped)

    source = ask_source(quick_world, Step.ANNOUNCE)

    assert source == SourceFacts(problem="another folder stands in its place")
    assert asked == [quick_world.facility.zone.identity()]


def look_through(world: ReleaseWorld, zone: type[LandingFolder]) -> None:
    def opened(instrument: Instrument) -> LandingZone:
        return zone(instrument.path, declared=instrument.identity)

    world.zone_of = opened  # type: ignore[method-assign]


def ask_source(world: ReleaseWorld, step: Step) -> SourceFacts:
    return gather(world.acquisition_id, step=step, site=world.site).facts.source


@pytest.mark.parametrize(
    ("step", "spoil"),
    [
        (Step.ANNOUNCE, Path.exists),
        (Step.RESUME, Path.exists),
        (Step.DELETE, lambda folder: (folder / "0" / "link").symlink_to("/etc/hostname")),
        (Step.DELETE, lambda folder: (folder / "acquisition.yaml").unlink()),
        (Step.DELETE, lambda folder: (folder / "acquisition.yaml").write_bytes(b"longer than it was archived\n")),
    ],
    ids=["announced", "gone on with", "a link in it", "one file gone", "another size"],
)
def test_a_source_is_read_for_its_deletion_alone_and_only_when_names_and_sizes_are_right(
    quick_world: ReleaseWorld, step: Step, spoil: Callable[[Path], object]
) -> None:
    """Reading it takes hours: what may not go already is not read to prove that it may."""
    opened: list[str] = []

    class Counting(LandingFolder):
        @contextmanager
        def open(self, folder: str, path: str) -> Iterator[OpenFile]:
            opened.append(path)
            with super().open(folder, path) as file:
                yield file

    look_through(quick_world, Counting)
    spoil(quick_world.folder)

    source = ask_source(quick_world, step)

    assert (opened, source.are_digested) == ([], False)


@pytest.mark.parametrize("step", [Step.ANNOUNCE, Step.DELETE])
def test_a_source_that_is_gone_before_any_deletion_is_not_told_as_files_that_are_missing(
    quick_world: ReleaseWorld, step: Step
) -> None:
    """Nobody of ours removed it: what became of it has to be found out first."""
    shutil.rmtree(quick_world.folder)

    source = ask_source(quick_world, step)

    assert source.problem is not None
    assert source.missing == ()


@pytest.mark.parametrize("step", [Step.ANNOUNCE, Step.RESUME])
def test_a_source_that_cannot_be_listed_without_harm_is_told_with_its_reason(
    quick_world: ReleaseWorld, step: Step
) -> None:
    class Hostile(LandingFolder):
        def listing(self, folder: str) -> Listing:
            raise HostileInput(f"{folder} is nested too deep")

    look_through(quick_world, Hostile)

    assert ask_source(quick_world, step) == SourceFacts(problem="run-1 is nested too deep")
