"""The source goes only on proof, all of it is on record before the first file goes, and a kill anywhere is harmless."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from cisterna.adapters import landing_deletion
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.s3_access import S3Access
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.acquisition import SourceState
from cisterna.domain.dataset import Stage
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import (
    ChecksumMismatch,
    CouldNotCheck,
    Forbidden,
    LeaseLost,
    NotFound,
    ReleaseRefused,
    SourceChanged,
    SourceUnavailable,
    StoreUnavailable,
)
from cisterna.domain.hold import HoldQuestion
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import Policy, ReleasePolicy
from cisterna.domain.release import ProvenFile, Release, ReleaseState
from cisterna.domain.work import Attempt
from cisterna.ports.source import LandingZone
from cisterna.services.detect import sweep_instrument
from cisterna.services.hold import lift_hold, place_hold
from cisterna.services.release_plan import announce_release, cancel_release, list_candidates, plan_releases
from cisterna.services.release_record import DeletionRecord
from cisterna.testing.fault_proxy import Effect, FaultProxy, Request, Rule
from tests.archive.facility import RUN
from tests.release.spoils import SPOILS, damage_manifest
from tests.release.world import ReleaseWorld
from tests.store_fixtures import SHORT


class Omero:
    """A system whose answer a test sets."""

    name = "omero"

    def __init__(self) -> None:
        self.answer: str | Exception | None = None

    def ask(self, _question: HoldQuestion) -> str | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_the_source_is_never_deleted_before_proof_announcement_and_undo_window(world: ReleaseWorld) -> None:
    release = world.announce()
    assert world.files() == RUN
    assert world.acquisition().source_state is SourceState.RELEASABLE

    world.facility.clock.advance(timedelta(hours=71))
    with pytest.raises(AssertionError, match="no release is due"):
        world.lease()
    world.facility.clock.advance(timedelta(hours=2))
    done = world.execute(release)

    assert done.state is ReleaseState.DONE
    assert not world.folder.exists()
    assert world.facility.landing.exists()
    acquisition = world.acquisition()
    assert (acquisition.source_state, acquisition.release, acquisition.held) == (SourceState.RELEASED, None, None)
    assert world.events() == ["release.announced", "release.begun", "release.done"]


def test_the_deletion_record_carries_the_proof_and_is_there_before_the_first_file_goes(world: ReleaseWorld) -> None:
    release = world.announce_and_wait()
    seen: list[dict[str, bytes]] = []

    class Watching(LandingFolder):
        def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
            assert world.files() == RUN
            seen.append(world.logs())
            assert world.release(release).state is ReleaseState.BEGUN
            return super().delete(folder, files, keep_on=keep_on)

    world.zone_of = lambda one: Watching(one.path, declared=one.identity)  # type: ignore[method-assign]
    done = world.execute(release)

    ((key, body),) = ((key, body) for key, body in seen[0].items() if "release.begun" in key)
    record = DeletionRecord.model_validate_json(body)
    assert {file.path: file.sha512 for file in record.files} == {path: sha512_of(body) for path, body in RUN.items()}
    assert record.release.manifest_digest == world.facility.version(world.version_id).manifest_digest
    assert {one["store"] for one in record.receipts if isinstance(one, dict)} == set(world.stores)
    assert record.release.person == "sten"
    assert record.event.name == "release.begun"
    assert done.proof is not None
    assert done.proof.record_key.endswith(key)
    assert {one.store for one in done.proof.receipts} == set(world.stores)
    assert any("release.done" in name for name in world.logs())


def test_a_second_run_of_everything_changes_nothing(world: ReleaseWorld) -> None:
    first = world.announce()
    assert world.announce() == first
    world.facility.clock.advance(timedelta(hours=73))
    lease = world.lease()
    done = world.execute(first, lease)

    assert world.execute(first, lease) == done
    assert world.events() == ["release.announced", "release.begun", "release.done"]
    with pytest.raises(ReleaseRefused, match="the source is released"):
        world.announce()


@pytest.mark.parametrize("how", SPOILS)
def test_nothing_is_announced_when_one_thing_is_missing(quick_world: ReleaseWorld, how: str) -> None:
    spoil, words = SPOILS[how]
    spoil(quick_world)

    with pytest.raises((ReleaseRefused, CouldNotCheck), match=words):
        quick_world.announce()

    assert quick_world.events() == []


@pytest.mark.parametrize("how", SPOILS)
def test_nothing_is_deleted_when_one_thing_is_missing_at_the_moment_of_deletion(
    quick_world: ReleaseWorld, how: str
) -> None:
    world, (spoil, words) = quick_world, SPOILS[how]
    release = world.announce_and_wait()
    lease = world.lease()
    spoil(world)
    before = world.files()

    if how == "zone":
        with pytest.raises(CouldNotCheck, match=words):
            world.execute(release, lease)
        assert world.release(release).state is ReleaseState.ANNOUNCED
    else:
        ended = world.execute(release, lease)
        assert ended.state is ReleaseState.REFUSED
        assert words in (ended.reason or "")
        assert world.acquisition().source_state is SourceState.PRESENT

    assert world.files() == before
    assert not any("release.begun" in key for key in world.logs())


def test_a_byte_changed_behind_size_and_time_stops_the_release(world: ReleaseWorld) -> None:
    release = world.announce_and_wait()
    target = next(world.folder.rglob("*.tiff"))
    status = target.stat()
    with target.open("r+b") as file:
        file.write(b"\x00")
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))

    ended = world.execute(release)

    assert ended.state is ReleaseState.REFUSED
    assert "not as archived" in (ended.reason or "")
    assert len(world.files()) == len(RUN)


@pytest.mark.parametrize("answer", ["in-place import 7", ConnectionError("refused")])
def test_what_another_system_needs_or_may_need_stays(world: ReleaseWorld, answer: str | Exception) -> None:
    omero = Omero()
    world.systems = [omero]
    release = world.announce_and_wait()
    omero.answer = answer
    lease = world.lease()

    if isinstance(answer, str):
        assert world.execute(release, lease).state is ReleaseState.REFUSED
    else:
        with pytest.raises(CouldNotCheck, match="could not be asked, which counts as held"):
            world.execute(release, lease)

    assert world.files() == RUN


def test_one_copy_suffices_only_by_a_policy_that_names_its_store(world: ReleaseWorld) -> None:
    world.stores = (world.facility.store.name,)
    with pytest.raises(ReleaseRefused, match="copies at 2 stores"):
        world.announce()
    with world.facility.desk.begin() as tx:
        project = tx.projects.get("cells")
        project = tx.projects.save(project.model_copy(update={"policy": Policy(release_copy="elsewhere")}))
    with pytest.raises(ReleaseRefused, match="the copy at elsewhere"):
        world.announce()
    with world.facility.desk.begin() as tx:
        tx.projects.save(project.model_copy(update={"policy": Policy(release_copy=world.facility.store.name)}))

    assert world.execute(world.announce_and_wait()).state is ReleaseState.DONE


def test_a_cancelled_release_deletes_nothing_and_is_not_planned_again(world: ReleaseWorld) -> None:
    desk, clock = world.facility.desk, world.facility.clock
    with desk.begin() as tx:
        project = tx.projects.get("cells")
        tx.projects.save(project.model_copy(update={"policy": Policy(release=ReleasePolicy.AUTOMATIC)}))
    (release,) = plan_releases(site=world.site)
    assert plan_releases(site=world.site) == []
    assert release.person == "policy:cells"

    with pytest.raises(Forbidden):
        cancel_release(world.acquisition_id, person="vera", reason="mine", catalogue=desk, clock=clock)
    cancelled = cancel_release(world.acquisition_id, person="sten", reason="not yet", catalogue=desk, clock=clock)
    clock.advance(timedelta(hours=73))

    assert world.execute(release).state is ReleaseState.CANCELLED
    assert cancelled.ended_by == "sten"
    assert world.files() == RUN
    assert world.acquisition().source_state is SourceState.PRESENT
    assert plan_releases(site=world.site) == []


def test_nothing_is_planned_without_a_policy(world: ReleaseWorld) -> None:
    assert plan_releases(site=world.site) == []
    with pytest.raises(Forbidden):
        announce_release(world.acquisition_id, person="policy:cells", site=world.site)


def test_only_a_steward_of_the_project_announces(world: ReleaseWorld) -> None:
    with pytest.raises(Forbidden, match="vera may not release"):
        world.announce("vera")
    with pytest.raises(Forbidden, match="no active account"):
        world.announce("nobody")
    with pytest.raises(NotFound):
        announce_release("acq-nothing", person="sten", site=world.site)


def test_the_list_of_candidates_changes_nothing_and_names_proof_or_reasons(world: ReleaseWorld) -> None:
    (may_go,) = list_candidates(person="vera", site=world.site)
    assert may_go.judgement is not None
    assert may_go.judgement.allows
    assert {one.store for one in may_go.judgement.receipts} == set(world.stores)

    (world.folder / "late").write_bytes(b"late")
    place_hold(
        world.acquisition_id, person="vera", reason="talk", catalogue=world.facility.desk, clock=world.facility.clock
    )
    (stays,) = list_candidates(person="vera", site=world.site, acquisition_id=world.acquisition_id)

    assert stays.judgement is not None
    assert {one.condition for one in stays.judgement.objections} == {"hold", "unchanged", "same-files"}
    assert world.events() == []


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("after", range(len(RUN) + 1))
def test_a_kill_after_any_file_is_ended_by_the_next_run(world: ReleaseWorld, after: int) -> None:
    release = world.announce_and_wait()
    steps = iter(range(after + 1))

    class Dying(LandingFolder):
        def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
            def dying() -> None:
                if next(steps, None) is None:
                    raise Killed
                keep_on()

            return super().delete(folder, files, keep_on=dying)

    alive = world.zone_of
    world.zone_of = lambda one: Dying(one.path, declared=one.identity)  # type: ignore[method-assign]
    lease = world.lease()
    if after < len(RUN):
        with pytest.raises(Killed):
            world.execute(release, lease)
        assert len(world.files()) == len(RUN) - after - 1
        assert world.acquisition().source_state is SourceState.RELEASABLE
    else:
        world.execute(release, lease)
        return
    world.put_back(lease)
    sweep(world)
    assert world.acquisition().release == release.release_id

    world.zone_of = alive  # type: ignore[method-assign]
    done = world.execute(release)

    assert done.state is ReleaseState.DONE
    assert not world.folder.exists()
    assert sum("release.begun" in key for key in world.logs()) == 1


def test_a_kill_between_record_and_catalogue_deletes_nothing_and_is_begun_anew(world: ReleaseWorld) -> None:
    release = world.announce_and_wait()
    lease = world.lease()

    class Dies:
        """The catalogue, which goes away once the record is written."""

        def begin(self) -> object:
            if any("release.begun" in key for key in world.logs()):
                raise Killed
            return world.facility.desk.begin()

    world.facility.catalogue = Dies()  # type: ignore[assignment]
    with pytest.raises(Killed):
        world.execute(release, lease)
    assert world.files() == RUN
    world.facility.catalogue = world.facility.desk
    world.put_back(lease)

    assert world.execute(release).state is ReleaseState.DONE
    assert sum("release.begun" in key for key in world.logs()) == 2


def stopping_after(world: ReleaseWorld, count: int, act: Callable[[], object]) -> Callable[[Instrument], LandingZone]:
    """Give a zone in which something happens after some files went."""
    steps = iter(range(count))

    class Acting(LandingFolder):
        def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
            def acting() -> None:
                if next(steps, None) is None:
                    nonlocal act
                    act()
                    act = lambda: None  # noqa: E731 - it happens once
                keep_on()

            return super().delete(folder, files, keep_on=acting)

    return lambda one: Acting(one.path, declared=one.identity)


@pytest.mark.parametrize("late", ["0/late.tiff", "late", "new/late.tiff"])
def test_a_late_file_stops_the_rest_is_held_and_the_release_goes_on_when_it_is_moved(
    world: ReleaseWorld, late: str
) -> None:
    release = world.announce_and_wait()
    alive = world.zone_of
    arrives = world.folder / late

    def arrive() -> None:
        arrives.parent.mkdir(parents=True, exist_ok=True)
        arrives.write_bytes(b"late")

    world.zone_of = stopping_after(world, 3, arrive)  # type: ignore[method-assign]
    lease = world.lease()
    with pytest.raises(SourceChanged, match="not archived"):
        world.execute(release, lease)

    assert arrives.read_bytes() == b"late"
    assert "its release was stopped" in (world.acquisition().held or "")
    assert world.release(release).state is ReleaseState.BEGUN
    assert "release.stopped" in world.events()
    with world.facility.desk.begin() as tx:
        tx.inbox.give_up(lease, outcome="stopped")
    sweep(world)
    assert world.facility.version(world.version_id).stage is Stage.ACCEPTED

    world.zone_of = alive  # type: ignore[method-assign]
    arrives.rename(world.facility.landing / "rescued")
    assert world.announce().release_id == release.release_id
    assert world.execute(release).state is ReleaseState.DONE
    assert not world.folder.exists()
    assert (world.facility.landing / "rescued").read_bytes() == b"late"


def test_a_hold_placed_during_the_deletion_stops_the_rest(world: ReleaseWorld) -> None:
    desk, clock = world.facility.desk, world.facility.clock
    release = world.announce_and_wait()
    alive = world.zone_of
    holds = []
    world.zone_of = stopping_after(  # type: ignore[method-assign]
        world,
        3,
        lambda: holds.append(place_hold("cells", person="vera", reason="stop", catalogue=desk, clock=clock)),
    )
    lease = world.lease()

    with pytest.raises(ReleaseRefused, match="vera placed a hold"):
        world.execute(release, lease)

    assert len(world.files()) == len(RUN) - 3
    with desk.begin() as tx:
        tx.inbox.give_up(lease, outcome="stopped")
    world.zone_of = alive  # type: ignore[method-assign]
    world.announce()
    with pytest.raises(ReleaseRefused, match="vera holds"):
        world.execute(release, lease := world.lease())
    assert len(world.files()) == len(RUN) - 3
    with desk.begin() as tx:
        tx.inbox.give_up(lease, outcome="stopped")
    lift_hold(holds[0].hold_id, person="vera", reason="over", catalogue=desk, clock=clock)
    world.announce()
    assert world.execute(release).state is ReleaseState.DONE


def test_a_worker_that_lost_its_lease_deletes_nothing_more(world: ReleaseWorld) -> None:
    release = world.announce_and_wait()
    lease = world.lease()
    world.zone_of = stopping_after(world, 2, lambda: world.put_back(lease))  # type: ignore[method-assign]

    with pytest.raises(LeaseLost):
        world.execute(release, lease)

    assert len(world.files()) == len(RUN) - 2


def killed_midway(world: ReleaseWorld) -> Release:
    """Begin a release and die after two files; its work is to be done again."""
    release = world.announce_and_wait()
    alive = world.zone_of

    def die() -> None:
        raise Killed

    world.zone_of = stopping_after(world, 2, die)  # type: ignore[method-assign]
    lease = world.lease()
    with pytest.raises(Killed):
        world.execute(release, lease)
    world.put_back(lease)
    world.zone_of = alive  # type: ignore[method-assign]
    return release


def test_a_share_that_goes_away_midway_is_resumed_when_it_is_back(world: ReleaseWorld) -> None:
    release = world.announce_and_wait()
    alive, away = world.zone_of, world.facility.landing.with_name("away")

    def unmount() -> None:
        world.facility.landing.rename(away)
        world.facility.landing.mkdir()

    world.zone_of = stopping_after(world, 2, unmount)  # type: ignore[method-assign]
    lease = world.lease()
    with pytest.raises(SourceUnavailable, match="not the folder that was declared"):
        world.execute(release, lease)
    world.put_back(lease)
    world.zone_of = alive  # type: ignore[method-assign]
    lease = world.lease()
    with pytest.raises(CouldNotCheck):  # a missing share is never an empty folder
        world.execute(release, lease)
    assert world.acquisition().source_state is SourceState.RELEASABLE

    world.facility.landing.rmdir()
    away.rename(world.facility.landing)
    world.put_back(lease)
    assert world.execute(release).state is ReleaseState.DONE


def test_an_archive_that_is_away_at_any_look_ends_no_release(world: ReleaseWorld, s3_endpoint: S3Access) -> None:
    """It is not known to be wrong: nothing goes, nobody has to decide again, and the next attempt goes on."""
    release, looks = world.announce_and_wait(), 0
    direct = world.facility.store
    with FaultProxy(s3_endpoint.endpoint) as proxy:
        access = s3_endpoint.model_copy(update={"endpoint": proxy.url})
        with closing(S3Store(access, bucket=direct.bucket, name=direct.name, patience=SHORT)) as store:
            world.facility.store = store
            while world.release(release).state.is_open:
                lease = world.lease()
                rule = proxy.add(Rule(Effect.RESET, when=is_read, skip=looks, times=1000))
                if is_put_off(world, release, lease):
                    world.put_back(lease)
                proxy.heal()
                looks += rule.fired > 0
    assert looks > 5
    assert world.release(release).state is ReleaseState.DONE
    assert world.acquisition().held is None
    assert not world.folder.exists()


def is_read(request: Request) -> bool:
    return request.method in {"GET", "HEAD"}


def is_put_off(world: ReleaseWorld, release: Release, lease: Attempt) -> bool:
    """Tell whether an attempt could not go on because the store is away."""
    try:
        world.execute(release, lease)
    except (CouldNotCheck, StoreUnavailable):
        assert world.acquisition().held is None
        return True
    return False


def test_damage_in_the_archive_after_the_beginning_stops_the_rest(world: ReleaseWorld) -> None:
    release = killed_midway(world)
    damage_manifest(world)

    with pytest.raises(ReleaseRefused, match="does not hold this version whole"):
        world.execute(release)
    assert len(world.files()) == len(RUN) - 2


def test_a_record_that_was_tampered_with_lets_nothing_more_go(world: ReleaseWorld) -> None:
    release = killed_midway(world)
    proof = world.release(release).proof
    assert proof is not None
    store = world.facility.store
    body = store.get(proof.record_key)[0]
    store.put(proof.record_key, body.replace(b'"path": "0/', b'"path": "1/'))

    with pytest.raises(ChecksumMismatch, match="not what was written"):
        world.execute(release)
    assert len(world.files()) == len(RUN) - 2


def sweep(world: ReleaseWorld) -> None:
    with world.facility.desk.begin() as tx:
        instrument = tx.instruments.get("squid-1")
    sweep_instrument(
        instrument,
        zone=LandingFolder(instrument.path, declared=instrument.identity),
        profiles={"squid": world.facility.profile},
        catalogue=world.facility.desk,
        clock=world.facility.clock,
        resolve_project=lambda *_: "cells",
    )


def test_the_sweep_does_not_take_a_released_folder_for_a_vanished_one(world: ReleaseWorld) -> None:
    world.execute(world.announce_and_wait())

    sweep(world)
    assert world.acquisition().source_state is SourceState.RELEASED

    world.facility.write(world.run, {"again.tiff": b"new bytes under the old name"})
    sweep(world)
    assert world.acquisition().source_state is SourceState.CHANGED


def test_the_window_that_is_left_is_one_system_call(world: ReleaseWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last look at a name and its removal no other call is made on it."""
    called: list[str] = []
    for name in ("stat", "unlink"):
        real = getattr(os, name)
        monkeypatch.setattr(
            landing_deletion.os,
            name,
            lambda *given, _name=name, _real=real, **more: (called.append(_name), _real(*given, **more))[1],
        )

    world.execute(world.announce_and_wait())

    places = [place for place, name in enumerate(called) if name == "unlink"]
    assert len(places) == len(RUN)
    assert all(called[place - 1] == "stat" for place in places)


def test_paths_of_the_landing_zone_itself_stay(world: ReleaseWorld) -> None:
    beside = world.facility.landing / "run-2"
    beside.mkdir()
    (beside / "other.tiff").write_bytes(b"another run")
    (world.facility.landing / "run.json").write_text("what the instrument still needs")

    world.execute(world.announce_and_wait())

    assert sorted(one.name for one in Path(world.facility.landing).iterdir()) == ["run-2", "run.json"]
