"""The last look before a deletion, once it has been proven and said: what it finds stops everything by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import pytest

from cisterna.adapters.landing_folder import LandingFolder, OpenFile
from cisterna.domain.acquisition import SourceState
from cisterna.domain.errors import LeaseLost, SourceChanged, SourceUnavailable
from cisterna.domain.instrument import Identity, Instrument
from cisterna.domain.release import ProvenFile, Release, ReleaseState
from cisterna.ports.source import LandingZone
from tests.archive.facility import RUN
from tests.release.world import ReleaseWorld


class Watched(LandingFolder):
    """A zone of which nothing is to be deleted: its own guards must not be needed."""

    def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
        del folder, files, keep_on
        raise AssertionError("the deletion was begun")


def act_at_the_last_look(
    world: ReleaseWorld, release: Release, act: Callable[[], object], zone: type[LandingFolder] = Watched
) -> None:
    """Do something once the release has begun, right before its zone is opened to delete."""

    def opened(instrument: Instrument) -> LandingZone:
        if world.release(release).state is not ReleaseState.BEGUN:
            return LandingFolder(instrument.path, declared=instrument.identity)
        act()
        return zone(instrument.path, declared=instrument.identity)

    world.zone_of = opened  # type: ignore[method-assign]


@pytest.mark.parametrize("what", ["late file", "link"])
def test_what_was_never_archived_is_found_before_the_first_file_goes(quick_world: ReleaseWorld, what: str) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    late = world.folder / "late.tiff"

    def come() -> None:
        if not late.exists():
            late.write_bytes(b"late") if what == "late file" else late.symlink_to("/etc/hostname")

    act_at_the_last_look(world, release, come)

    with pytest.raises(SourceChanged, match="1 entries of run-1 were not archived") as stopped:
        world.execute(release, lease)

    assert "late.tiff" in str(stopped.value)
    assert RUN.items() <= world.files().items()
    assert (world.acquisition().held or "").startswith("its release was stopped: ")


def test_of_many_late_files_the_first_hundred_are_named_in_their_order(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    late = [f"late-{number:03}.tiff" for number in range(102)]
    act_at_the_last_look(world, release, lambda: [(world.folder / one).write_bytes(b"") for one in late])

    with pytest.raises(SourceChanged, match=r"such as late-000\.tiff") as stopped:
        world.execute(release, lease)

    assert stopped.value.facts["paths"] == late[:100]


def test_a_zone_that_is_not_the_declared_one_is_left_alone_whatever_it_lists(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()

    class Swapped(Watched):
        def require_identity(self, declared: Identity | None) -> None:
            raise SourceUnavailable(f"another folder stands in the place of {declared}")

    act_at_the_last_look(world, release, lambda: None, Swapped)

    with pytest.raises(SourceUnavailable, match="another folder"):
        world.execute(release, lease)

    assert world.files() == RUN


def test_of_a_folder_that_is_gone_already_no_file_is_told_as_deleted(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    act_at_the_last_look(world, release, lambda: shutil.rmtree(world.folder, ignore_errors=True))

    done = world.execute(release, lease)

    (event,) = [one for one in world.told() if one.name == "release.done"]
    assert done.state is ReleaseState.DONE
    assert event.data["files_deleted"] == 0


def test_a_worker_that_loses_its_lease_while_it_reads_the_source_reads_no_further(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    opened: list[str] = []

    class Lost(Watched):
        @contextmanager
        def open(self, folder: str, path: str) -> Iterator[OpenFile]:
            opened.append(path)
            if len(opened) == 1:
                world.put_back(lease)
            with super().open(folder, path) as file:
                yield file

    world.zone_of = lambda one: Lost(one.path, declared=one.identity)  # type: ignore[method-assign]

    with pytest.raises(LeaseLost):
        world.execute(release, lease)

    assert len(opened) == 1
    assert world.files() == RUN


def test_what_has_begun_is_dated_and_marked_until_it_has_ended(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    act_at_the_last_look(world, release, lambda: (world.folder / "late").write_bytes(b""))
    world.change_acquisition(source_state=SourceState.PRESENT)  # the mark of the announcement is lost

    with pytest.raises(SourceChanged):
        world.execute(release, lease)

    begun = world.release(release)
    assert begun.begun_at == world.facility.clock.now()
    assert begun.proof is not None
    assert begun.proof.inventory_sha512
    assert (world.acquisition().source_state, world.acquisition().release) == (
        SourceState.RELEASABLE,
        release.release_id,
    )
