"""What the archive is asked before a source may go: anything besides the version's own bytes vouches for nothing."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cisterna.domain.release import Step
from cisterna.ports.catalogue import Catalogue
from cisterna.services.data_manifest import MANIFEST_PATH
from cisterna.services.part_table import PARTS_PATH
from cisterna.services.release_facts import ArchiveFacts, gather
from cisterna.testing.clock import SettableClock
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
