"""In shadow mode no source is ever deleted: not announced, not begun, not gone on with, and none between two files."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.account import Role
from cisterna.domain.acquisition import SourceState
from cisterna.domain.errors import Conflict, Forbidden, ReleaseRefused
from cisterna.domain.instrument import Instrument
from cisterna.domain.project import Policy, ReleasePolicy
from cisterna.domain.release import ProvenFile, Release, ReleaseState
from cisterna.domain.work import Attempt
from cisterna.services.release_plan import list_candidates, plan_releases
from cisterna.services.shadow import begin_shadow, end_shadow
from cisterna.testing.factory import make_account
from tests.archive.facility import RUN
from tests.release.world import ReleaseWorld

WORDS = "in shadow mode since .* \\(olga: a trial\\)"


def begin(world: ReleaseWorld) -> Instrument:
    with world.facility.desk.begin() as tx:
        if tx.accounts.find("olga") is None:
            tx.accounts.add(make_account("olga", Role.OPERATOR))
    return begin_shadow(
        "squid-1", person="olga", reason="a trial", catalogue=world.facility.desk, clock=world.facility.clock
    )


def end(world: ReleaseWorld) -> Instrument:
    return end_shadow(
        "squid-1", person="olga", reason="it did well", catalogue=world.facility.desk, clock=world.facility.clock
    )


def at_file(world: ReleaseWorld, number: int, act: Callable[[], object]) -> None:
    """Do something right before the file of that number goes."""

    class Acting(LandingFolder):
        def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
            asked = 0

            def asking() -> None:
                nonlocal asked
                if asked == number:
                    act()
                asked += 1
                keep_on()

            return super().delete(folder, files, keep_on=asking)

    world.zone_of = lambda one: Acting(one.path, declared=one.identity)  # type: ignore[method-assign]


def _put_there(world: ReleaseWorld) -> Instrument:
    """Put the instrument into shadow mode and leave the release as it is, as one that is being begun is."""
    with world.facility.desk.begin() as tx:
        before = tx.releases.open_ones()
    shadowed = begin(world)
    with world.facility.desk.begin() as tx:
        for one in before:
            kept = {**one.model_dump(), "record": tx.releases.get(one.release_id).record}
            tx.releases.save(Release.model_validate(kept))
    return shadowed


def _give_up(world: ReleaseWorld, lease: Attempt) -> None:
    with world.facility.desk.begin() as tx:
        tx.inbox.give_up(lease, outcome="stopped")


def test_nothing_is_announced_and_the_words_say_why(quick_world: ReleaseWorld) -> None:
    begin(quick_world)

    with pytest.raises(ReleaseRefused, match=WORDS) as refused:
        quick_world.announce()

    assert refused.value.facts["conditions"] == ["no-shadow"]
    (candidate,) = list_candidates(person="sten", site=quick_world.site)
    assert candidate.judgement is not None
    assert [one.condition for one in candidate.judgement.objections] == ["no-shadow"]
    assert quick_world.events() == []


def test_one_that_begins_after_an_announcement_was_judged_comes_before_it(quick_world: ReleaseWorld) -> None:
    world, clock = quick_world, quick_world.facility.clock
    new_id, begun = clock.new_id, []

    def begin_first() -> str:
        if not begun:
            begun.append(True)
            begin(world)
        return new_id()

    clock.new_id = begin_first  # type: ignore[method-assign]

    with pytest.raises(ReleaseRefused, match=WORDS):
        world.announce()

    assert begun
    assert world.events() == []
    assert world.acquisition().source_state is SourceState.PRESENT


def test_no_policy_announces_anything_either(quick_world: ReleaseWorld) -> None:
    world = quick_world
    with world.facility.desk.begin() as tx:
        project = tx.projects.get("cells")
        tx.projects.save(project.model_copy(update={"policy": Policy(release=ReleasePolicy.AUTOMATIC)}))
    begin(world)

    assert plan_releases(site=world.site) == []
    assert world.events() == []

    end(world)
    (planned,) = plan_releases(site=world.site)
    assert planned.acquisition_id == world.acquisition_id


def test_what_was_announced_before_is_cancelled_with_the_reason(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release = world.announce_and_wait()

    begin(world)

    cancelled = world.release(release)
    assert (cancelled.state, cancelled.ended_by) == (ReleaseState.CANCELLED, "olga")
    assert "put into shadow mode: a trial" in (cancelled.reason or "")
    assert world.acquisition().source_state is SourceState.PRESENT
    assert world.execute(release).state is ReleaseState.CANCELLED
    assert world.files() == RUN
    assert world.events() == ["release.announced", "release.cancelled"]


def test_one_that_is_due_is_refused_when_its_instrument_is_in_shadow_mode(quick_world: ReleaseWorld) -> None:
    """However it came to be announced still, such as by a catalogue that was made anew."""
    world = quick_world
    release = world.announce_and_wait()
    _put_there(world)

    refused = world.execute(release)

    assert refused.state is ReleaseState.REFUSED
    assert "in shadow mode" in (refused.reason or "")
    assert world.files() == RUN


def test_one_whose_instrument_is_put_there_after_the_proof_is_judged_again(quick_world: ReleaseWorld) -> None:
    world = quick_world
    release, lease = world.announce_and_wait(), world.lease()
    put, shadowed = world.facility.store.put, []

    def put_record(key: str, body: bytes, **more: object) -> object:
        if "release.begun" in key and not shadowed:
            shadowed.append(_put_there(world))
        return put(key, body, **more)  # type: ignore[arg-type]

    world.facility.store.put = put_record  # type: ignore[method-assign,assignment]

    with pytest.raises(Conflict, match="it is judged again"):
        world.execute(release, lease)

    assert shadowed
    assert world.release(release).state is ReleaseState.ANNOUNCED
    assert world.execute(release, lease).state is ReleaseState.REFUSED
    assert world.files() == RUN


def test_a_deletion_under_way_stops_at_its_next_file_and_goes_on_only_afterwards(quick_world: ReleaseWorld) -> None:
    world = quick_world
    alive = world.zone_of
    release = world.announce_and_wait()
    at_file(world, 2, lambda: begin(world))
    lease = world.lease()

    with pytest.raises(ReleaseRefused, match=WORDS):
        world.execute(release, lease)

    assert len(world.files()) == len(RUN) - 2
    assert "its release was stopped" in (world.acquisition().held or "")
    world.zone_of = alive  # type: ignore[method-assign]
    _give_up(world, lease)
    world.announce()
    lease = world.lease()
    with pytest.raises(ReleaseRefused, match=WORDS):
        world.execute(release, lease)
    assert len(world.files()) == len(RUN) - 2
    _give_up(world, lease)

    end(world)
    world.announce()
    assert world.execute(release).state is ReleaseState.DONE
    assert not world.folder.exists()


def test_what_was_made_in_shadow_mode_is_released_by_the_ordinary_rules_afterwards(quick_world: ReleaseWorld) -> None:
    begin(quick_world)
    end(quick_world)

    release = quick_world.announce_and_wait()

    assert quick_world.execute(release).state is ReleaseState.DONE


def test_only_an_operator_may_begin_or_end_it(quick_world: ReleaseWorld) -> None:
    desk, clock = quick_world.facility.desk, quick_world.facility.clock
    begin(quick_world)

    for act in (begin_shadow, end_shadow):
        with pytest.raises(Forbidden):
            act("squid-1", person="sten", reason="mine", catalogue=desk, clock=clock)

    with pytest.raises(ReleaseRefused):
        quick_world.announce()
