"""How a release ends, is stopped or is refused: dated and told once, and never by a worker that lost its lease."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.acquisition import SourceState
from cisterna.domain.errors import HostileInput, LeaseLost, SourceChanged
from cisterna.domain.instrument import Instrument
from cisterna.domain.release import ProvenFile, ReleaseState
from cisterna.ports.source import LandingZone
from cisterna.services.release_plan import cancel_release
from tests.archive.facility import RUN
from tests.release.world import ReleaseWorld


def act_at_each_look(world: ReleaseWorld, act: Callable[[], object]) -> None:
    """Do something whenever the zone is opened."""

    def opened(instrument: Instrument) -> LandingZone:
        act()
        return LandingFolder(instrument.path, declared=instrument.identity)

    world.zone_of = opened  # type: ignore[method-assign]


def act_after_the_last_file(world: ReleaseWorld, act: Callable[[], object]) -> None:
    """Do something once all is deleted, and before that is said anywhere."""

    class Acting(LandingFolder):
        def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
            gone = super().delete(folder, files, keep_on=keep_on)
            act()
            return gone

    world.zone_of = lambda one: Acting(one.path, declared=one.identity)  # type: ignore[method-assign]


def add_late_file(world: ReleaseWorld) -> None:
    (world.folder / "late.tiff").write_bytes(b"late")


def test_the_record_of_the_end_says_what_was_released_in_lines_that_people_can_read(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release = world.announce_and_wait()
    with world.facility.desk.begin() as tx:
        dataset = tx.datasets.save(tx.datasets.get(release.dataset_id).model_copy(update={"title": "Mäuse"}))

    done = world.execute(release)

    (body,) = [body for key, body in world.logs().items() if "release.done" in key]
    content = json.loads(body)
    (event,) = [one for one in world.told() if one.name == "release.done"]
    assert content.keys() == {"schema_version", "event", "dataset", "release"}
    assert content["schema_version"] == 1
    assert content["event"] == event.model_dump(mode="json")
    assert content["dataset"] == dataset.model_dump(mode="json")
    # The record is written first, and the row counts its writes.
    assert content["release"] | {"record": done.record} == done.model_dump(mode="json")
    assert body == json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
    assert "Mäuse".encode() in body
    assert done.ended_at == world.facility.clock.now()


def test_a_release_that_went_on_after_a_stop_ends_without_the_reason_of_the_stop(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    act_at_each_look(
        world, lambda: add_late_file(world) if world.release(release).state is ReleaseState.BEGUN else None
    )
    with pytest.raises(SourceChanged):
        world.execute(release, lease)
    assert world.release(release).reason is not None
    (world.folder / "late.tiff").unlink()
    world.change_acquisition(held=None)
    act_at_each_look(world, lambda: None)

    done = world.execute(release, lease)

    assert (done.state, done.reason) == (ReleaseState.DONE, None)


def test_nothing_holds_an_acquisition_whose_source_is_gone(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release = world.announce_and_wait()
    act_after_the_last_file(world, lambda: world.change_acquisition(held="no project"))

    world.execute(release)

    assert (world.acquisition().source_state, world.acquisition().held) == (SourceState.RELEASED, None)


def test_a_worker_that_lost_its_lease_with_the_last_file_tells_no_end(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    act_after_the_last_file(world, lambda: world.put_back(lease))

    with pytest.raises(LeaseLost):
        world.execute(release, lease)

    assert world.release(release).state is ReleaseState.BEGUN
    assert world.events()[-1] == "release.begun"


def test_a_worker_that_lost_its_lease_holds_nothing_for_what_it_found(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()

    def happen() -> None:
        if world.release(release).state is ReleaseState.BEGUN:
            add_late_file(world)
            world.put_back(lease)

    act_at_each_look(world, happen)

    with pytest.raises(LeaseLost):
        world.execute(release, lease)

    assert RUN.items() <= world.files().items()
    assert world.acquisition().held is None
    assert world.release(release).reason is None
    assert world.events()[-1] == "release.begun"


def test_a_worker_that_lost_its_lease_refuses_nothing(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    add_late_file(world)
    act_at_each_look(world, lambda: world.put_back(lease))

    with pytest.raises(LeaseLost):
        world.execute(release, lease)

    assert world.release(release).state is ReleaseState.ANNOUNCED
    assert world.events() == ["release.announced"]


def test_what_was_cancelled_while_it_was_judged_stays_cancelled(quick_world: ReleaseWorld) -> None:
    world, desk, clock = quick_world, quick_world.facility.desk, quick_world.facility.clock
    release, lease = world.announce_and_wait(), world.lease()
    add_late_file(world)
    world.change_acquisition(source_state=SourceState.PRESENT)  # so that cancelling changes the release alone
    act_at_each_look(
        world,
        lambda: cancel_release(world.acquisition_id, person="sten", reason="not yet", catalogue=desk, clock=clock),
    )

    ended = world.execute(release, lease)

    assert (ended.state, ended.reason, ended.ended_by) == (ReleaseState.CANCELLED, "not yet", "sten")
    assert ended == world.release(release)
    assert world.events() == ["release.announced", "release.cancelled"]


def test_a_refusal_is_dated_and_told(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release = world.announce_and_wait()
    add_late_file(world)

    ended = world.execute(release)

    assert (ended.state, ended.ended_at) == (ReleaseState.REFUSED, world.facility.clock.now())
    assert ended == world.release(release)
    assert world.events() == ["release.announced", "release.refused"]
    assert world.told()[-1].data["reason"] == ended.reason


def test_what_fails_before_the_beginning_stops_no_deletion(quick_world: ReleaseWorld) -> None:
    """Nothing was begun, so there is nothing to hold for a person to look at; the work itself has failed."""
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()

    def fail() -> None:
        raise HostileInput("the zone's name is none")

    act_at_each_look(world, fail)

    with pytest.raises(HostileInput):
        world.execute(release, lease)

    assert world.release(release) == release
    assert world.acquisition().held is None
    assert world.events() == ["release.announced"]
