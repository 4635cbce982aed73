"""A decision that data go is put on record by whoever may decide, and carried out by who holds a lease and the keys."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest

from cisterna.adapters.s3_survey import S3Survey
from cisterna.domain.account import Role
from cisterna.domain.erasure import Erasure, ErasureState
from cisterna.domain.errors import Conflict, Erased, ErasureRefused, Forbidden, InvalidInput, LeaseLost, NotFound
from cisterna.domain.hold import HoldScope
from cisterna.domain.record_segment import TOMBSTONES
from cisterna.domain.work import Claim, WorkKind, WorkState
from cisterna.ports.erasure import Content, Eraser, Removed
from cisterna.services.attempt import abort_expired, complete_attempt, fail_attempt, start_attempt
from cisterna.services.erase import execute_erasure
from cisterna.services.erase_decision import (
    ErasureStanding,
    ask_again,
    list_standings,
    request_erasure,
    standing_of,
)
from cisterna.services.erase_plan import SurveySite, plan_erasure
from cisterna.services.hold import lift_hold, place_hold
from cisterna.testing.factory import make_account
from tests.erasure.yard import ORDER, Away, Killed, Yard
from tests.services.world import PLACE

LEASE = timedelta(minutes=1)


def survey(yard: Yard) -> SurveySite:
    """Give what the web process has: the same places, and nothing that deletes."""
    named = {one.name: getattr(yard.site, one.name) for one in fields(SurveySite)}
    onlookers = {
        store.name: S3Survey(yard.access, bucket=store.bucket, store=store.name, clock=yard.facility.clock)
        for store in (yard.archive, yard.copy)
    }
    return SurveySite(**{**named, "copies": ("second",), "onlooker_of": lambda name: onlookers[name]})


def decide(yard: Yard, identifier: str, *, person: str = "anna") -> ErasureStanding:
    plan = plan_erasure(identifier, person=person, site=survey(yard))
    return request_erasure(identifier, person=person, order=ORDER, site=survey(yard), seen=plan.scope)


def take(yard: Yard) -> Claim:
    """Take the erasure as a worker does."""
    begun = start_attempt(
        catalogue=yard.catalogue,
        clock=yard.facility.clock,
        owner="worker",
        lease=LEASE,
        place=PLACE,
        attempts_max=8,
        kinds=[WorkKind.ERASE],
    )
    assert begun is not None
    return begun


def work(yard: Yard) -> Erasure:
    """Do what is ready, as a worker does, and tell its end."""
    claim = take(yard)
    done = carry_out(yard, claim)
    complete_attempt(claim, outcome=done.words, catalogue=yard.catalogue, clock=yard.facility.clock, place=PLACE)
    return done


def carry_out(yard: Yard, claim: Claim) -> Erasure:
    person = str(claim.work.parameters["person"])
    return execute_erasure(claim.work.subject, person=person, lease=claim.attempt, site=yard.site)


def works(yard: Yard, standing: ErasureStanding) -> list[WorkState]:
    with yard.catalogue.begin() as tx:
        return [one.state for one in tx.inbox.list(subject=standing.erasure.erasure_id)]


def test_deciding_deletes_nothing_and_a_worker_carries_it_out_in_every_store(yard: Yard) -> None:
    doomed = yard.archived(published=True)
    derived = yard.derive(doomed)
    roots = [yard.root(one.dataset_id) for one in (doomed, derived)]
    before = [yard.everything(store) for store in (yard.archive, yard.copy, yard.public)]

    decided = decide(yard, doomed.dataset_id)

    assert (decided.erasure.state, decided.is_under_way) == (ErasureState.ANNOUNCED, True)
    assert before == [yard.everything(store) for store in (yard.archive, yard.copy, yard.public)]
    done = work(yard)
    assert done.state is ErasureState.DONE, done.remains
    assert not any(yard.below(store, root) for store in (yard.archive, yard.copy) for root in roots)
    assert f"{TOMBSTONES}{done.erasure_id}.json" in yard.everything(yard.copy)
    account = make_account("anna", role=Role.ADMIN)
    shown = standing_of(done.erasure_id, account=account, catalogue=yard.catalogue)
    assert (shown.erasure, shown.is_under_way, shown.may_go_on) == (done, False, False)
    with yard.catalogue.begin() as tx:
        told = [one.name for one in tx.outbox.history([doomed.dataset_id])]
    assert told == ["erasure.announced", "erasure.begun", "erasure.done"]


def test_the_same_decision_again_asks_for_one_attempt_and_of_what_is_done_for_none(yard: Yard) -> None:
    doomed = yard.archived()
    first = decide(yard, doomed.dataset_id)

    for _ in range(2):
        again = request_erasure(doomed.dataset_id, person="anna", order=ORDER, site=survey(yard), seen="whatever")
        assert again == first
    assert works(yard, first) == [WorkState.READY]
    work(yard)
    after = ask_again(first.erasure.erasure_id, person="anna", catalogue=yard.catalogue, clock=yard.facility.clock)

    assert after.erasure.state is ErasureState.DONE
    assert works(yard, first) == [WorkState.DONE]


def test_nobody_decides_on_more_than_they_were_shown(yard: Yard) -> None:
    doomed = yard.archived()
    seen = plan_erasure(doomed.dataset_id, person="anna", site=survey(yard)).scope
    yard.derive(doomed)

    with pytest.raises(Conflict, match="other data would go"):
        request_erasure(doomed.dataset_id, person="anna", order=ORDER, site=survey(yard), seen=seen)

    with yard.catalogue.begin() as tx:
        assert tx.erasures.list() == []
        assert [one for one in tx.inbox.list() if one.kind is WorkKind.ERASE] == []
    assert decide(yard, doomed.dataset_id).is_under_way


@pytest.mark.parametrize("scope", HoldScope)
def test_a_hold_that_came_after_the_decision_stops_it_before_anything_goes(yard: Yard, scope: HoldScope) -> None:
    doomed = yard.archived()
    decided = decide(yard, doomed.dataset_id)
    held = {
        HoldScope.PROJECT: "cells",
        HoldScope.DATASET: doomed.dataset_id,
        HoldScope.ACQUISITION: decided.erasure.acquisition_id or "",
    }
    hold = place_hold(
        held[scope], person="anna", reason="a court asked", catalogue=yard.catalogue, clock=yard.facility.clock
    )
    assert hold.scope is scope
    before = yard.everything(yard.archive)
    claim = take(yard)

    with pytest.raises(ErasureRefused, match="a court asked") as refusal:
        carry_out(yard, claim)

    assert before == yard.everything(yard.archive)
    state = fail_attempt(
        claim,
        refusal.value,
        attempts_max=8,
        catalogue=yard.catalogue,
        clock=yard.facility.clock,
        place=PLACE,
    )
    assert state is WorkState.FAILED
    (shown,) = list_standings(account=make_account("anna", role=Role.ADMIN), catalogue=yard.catalogue)
    assert "a court asked" in (shown.problem or "")
    assert (shown.is_under_way, shown.may_go_on) == (False, True)
    lift_hold(hold.hold_id, person="anna", reason="settled", catalogue=yard.catalogue, clock=yard.facility.clock)
    ask_again(decided.erasure.erasure_id, person="anna", catalogue=yard.catalogue, clock=yard.facility.clock)
    assert work(yard).state is ErasureState.DONE
    with pytest.raises(Erased):
        place_hold(doomed.dataset_id, person="anna", reason="x", catalogue=yard.catalogue, clock=yard.facility.clock)


def test_what_a_store_that_was_away_keeps_goes_when_it_is_asked_for_again(yard: Yard) -> None:
    doomed = yard.archived()
    root, back = yard.root(doomed.dataset_id), yard.erasers["second"]
    decided = decide(yard, doomed.dataset_id)
    yard.erasers["second"] = Away("second")

    first = work(yard)

    assert [one.where for one in first.remains if one.is_open] == ["second"]
    yard.erasers["second"] = back
    again = ask_again(decided.erasure.erasure_id, person="anna", catalogue=yard.catalogue, clock=yard.facility.clock)
    assert again.is_under_way
    assert work(yard).state is ErasureState.DONE
    assert not yard.below(yard.copy, root)


def test_a_worker_that_is_killed_midway_is_followed_by_one_that_ends_it(yard: Yard) -> None:
    doomed = yard.archived()
    real = yard.erasers["second"]

    class Deadly:
        store = "second"

        def look(self, object_root: str, *, pid: str) -> Content:
            return real.look(object_root, pid=pid)

        def remove(self, object_root: str, *, pid: str) -> Removed:
            del object_root, pid
            raise Killed

        def remove_segment(self, key: str) -> Removed:
            return real.remove_segment(key)

        def remove_replaced(self, pid: str) -> Removed:
            return real.remove_replaced(pid)

    deadly: Eraser = Deadly()
    yard.erasers["second"] = deadly
    decide(yard, doomed.dataset_id)
    with pytest.raises(Killed):
        carry_out(yard, take(yard))
    yard.facility.clock.advance(timedelta(hours=1))
    abort_expired(catalogue=yard.catalogue, clock=yard.facility.clock, place=PLACE)
    yard.erasers["second"] = real

    done = work(yard)

    assert done.state is ErasureState.DONE, done.remains
    assert not yard.below(yard.copy, yard.root(doomed.dataset_id))


def test_without_the_lease_nothing_goes(yard: Yard) -> None:
    doomed = yard.archived()
    decide(yard, doomed.dataset_id)
    lost = take(yard)
    yard.facility.clock.advance(timedelta(hours=1))
    abort_expired(catalogue=yard.catalogue, clock=yard.facility.clock, place=PLACE)
    before = yard.everything(yard.archive)

    with pytest.raises(LeaseLost):
        carry_out(yard, lost)

    assert before == yard.everything(yard.archive)


def test_who_may_not_see_the_data_is_told_what_a_made_up_id_is_told(yard: Yard) -> None:
    doomed = yard.archived()
    decided = decide(yard, doomed.dataset_id)
    names = ("viewer", "researcher", "steward", "operator")
    for name in names:
        with yard.catalogue.begin() as tx:
            tx.accounts.add(make_account(name, role=Role(name)))
        with pytest.raises(Forbidden):
            ask_again(decided.erasure.erasure_id, person=name, catalogue=yard.catalogue, clock=yard.facility.clock)
        with pytest.raises(Forbidden):
            request_erasure(doomed.dataset_id, person=name, order=ORDER, site=survey(yard), seen=None)
    stranger = make_account("stranger").model_copy(update={"grants": ()})
    for made_up in (decided.erasure.erasure_id, "no-such-erasure"):
        with pytest.raises(NotFound, match=f"^no erasure '{made_up}'$"):
            standing_of(made_up, account=stranger, catalogue=yard.catalogue)
    assert list_standings(account=stranger, catalogue=yard.catalogue) == []
    assert works(yard, decided) == [WorkState.READY]


def test_another_decision_does_not_go_on_with_it(yard: Yard) -> None:
    doomed = yard.archived()
    decide(yard, doomed.dataset_id)
    other = ORDER.model_copy(update={"decision": "13/2026"})

    with pytest.raises(InvalidInput, match="another decision"):
        request_erasure(doomed.dataset_id, person="anna", order=other, site=survey(yard), seen=None)


def test_what_looks_has_nothing_that_deletes(yard: Yard) -> None:
    site = survey(yard)

    assert not any(name.startswith(("remove", "delete", "erase", "_delete", "_remov")) for name in dir(S3Survey))
    assert not hasattr(site, "eraser_of")
    assert not isinstance(site.copies, dict)
