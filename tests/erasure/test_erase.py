"""What is erased is gone from stores, rows and public pages; what is not is named; nothing brings it back."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.deposit import DepositState
from cisterna.domain.erasure import ERASED_TITLE, Erasure, ErasureState, Order, RemovalKind
from cisterna.domain.errors import (
    AlreadyExists,
    Erased,
    ErasureRefused,
    Forbidden,
    InvalidInput,
    NotFound,
    StoreUnavailable,
)
from cisterna.domain.hold import HoldScope
from cisterna.domain.record_segment import SEGMENTS, TOMBSTONES
from cisterna.domain.work import WorkKind, WorkState
from cisterna.ports.erasure import Content, Eraser, Removed
from cisterna.services.acquisition_record import record_acquisition
from cisterna.services.attempt import start_attempt
from cisterna.services.check import archived_datasets, check_object
from cisterna.services.deposit_wish import new_wish
from cisterna.services.detail import detail_of
from cisterna.services.erase import erase_dataset
from cisterna.services.erase_plan import plan_erasure
from cisterna.services.hold import place_hold
from cisterna.services.keep_object import keep_object
from cisterna.services.rebuild import rebuild_catalogue
from cisterna.services.recovery_round import survey_archive
from cisterna.services.restore import restore_version
from cisterna.testing.clock import START
from cisterna.testing.factory import make_work
from tests.archive.told import dump
from tests.erasure.yard import ORDER, SECRET, Away, Killed, Yard
from tests.services.world import PLACE


def erase(yard: Yard, identifier: str, *, order: Order | None = ORDER, person: str = "anna") -> Erasure:
    return erase_dataset(identifier, person=person, order=order, site=yard.site)


def secrets(yard: Yard) -> list[str]:
    """Say where the secret still stands: keys of every store, and tables."""
    found = []
    for store in (yard.archive, yard.copy, yard.public):
        for key, body in yard.everything(store).items():
            plain = gzip.decompress(body) if key.endswith(".gz") else body
            found += [f"{store.name} {key}"] if SECRET.encode() in plain else []
    return found + [table for table, rows in dump(yard.catalogue).items() if SECRET in str(rows)]


def test_an_erased_dataset_is_gone_from_every_store_and_table_and_its_neighbour_stays(yard: Yard) -> None:
    doomed, neighbour = yard.archived(published=True), yard.archived("run-2")
    derived = yard.derive(doomed)
    roots = [yard.root(one.dataset_id) for one in (doomed, derived)]
    beside = {store.name: yard.below(store, yard.root(neighbour.dataset_id)) for store in (yard.archive, yard.copy)}
    assert all(yard.below(store, root) for store in (yard.archive, yard.copy) for root in roots)

    done = erase(yard, doomed.dataset_id)

    assert done.state is ErasureState.DONE, done.remains
    assert {one.dataset_id for one in done.objects} == {doomed.dataset_id, derived.dataset_id}
    assert not any(yard.below(store, root) for store in (yard.archive, yard.copy) for root in roots)
    assert beside == {s.name: yard.below(s, yard.root(neighbour.dataset_id)) for s in (yard.archive, yard.copy)}
    for one in (doomed, derived):
        with yard.catalogue.begin() as tx:
            assert tx.datasets.get(one.dataset_id).title == ERASED_TITLE
            assert not tx.datasets.versions(one.dataset_id)
            with pytest.raises(Erased, match="12/2026 of Example University"):
                tx.datasets.get_version(one.version_id)
    rest = [one for one in secrets(yard) if neighbour.dataset_id not in one and SEGMENTS not in one]
    root = yard.root(neighbour.dataset_id)
    assert {place for place in rest if root not in place} <= {"datasets", "versions", "acquisitions"}
    neighbours = {one for rows in dump(yard.catalogue).values() for one in map(str, rows) if SECRET in one}
    assert all(neighbour.dataset_id in one for one in neighbours)


def test_the_public_record_becomes_a_tombstone_that_names_nothing(yard: Yard) -> None:
    doomed = yard.archived(published=True)
    yard.versioned(yard.public)
    yard.publish(doomed.version_id)
    with yard.catalogue.begin() as tx:
        pid = tx.datasets.get(doomed.dataset_id).pid
    name = pid.removeprefix("ark:/")
    assert len(yard.stored_versions(yard.public, name)) > 1

    erase(yard, doomed.dataset_id)

    found = yard.portal.find(pid)
    assert found is not None
    assert (found.tombstone, found.title, found.metadata) == ("The data were erased.", pid, {})
    assert SECRET not in found.model_dump_json()
    assert len(yard.stored_versions(yard.public, name)) == 1


def test_what_stands_outside_is_withdrawn_there_too_and_is_named_until_it_is(yard: Yard) -> None:
    doomed = yard.archived(published=True)
    with yard.catalogue.begin() as tx:
        dataset, version = tx.datasets.get(doomed.dataset_id), tx.datasets.get_version(doomed.version_id)
        wish = new_wish(version, dataset, "memory", person="rosa", next_at=START, now=START)
        tx.deposits.put(wish.model_copy(update={"problem": SECRET}))
    derived = yard.derive(doomed)
    with yard.catalogue.begin() as tx:
        other = new_wish(derived, tx.datasets.get(derived.dataset_id), "other", person="rosa", next_at=None, now=START)
        hidden = {"state": DepositState.WITHDRAWN, "reason": f"It is {SECRET}."}
        tx.deposits.put(other.model_copy(update=hidden))

    done = erase(yard, doomed.dataset_id)

    assert "what stands at the target memory" in {one.what for one in done.remains}
    assert "what stands at the target other" in {one.what for one in done.remains}
    with yard.catalogue.begin() as tx:
        (kept,) = tx.deposits.of(doomed.dataset_id)
        (again,) = tx.deposits.of(derived.dataset_id)
    assert (kept.state, kept.reason, kept.problem) == (DepositState.WITHDRAWING, "The data were erased.", None)
    assert (again.state, again.reason) == (kept.state, kept.reason), "what was said of it is there, and hidden"
    assert secrets(yard) == []


def test_versions_marks_and_unfinished_uploads_go_too(yard: Yard) -> None:
    for store in (yard.archive, yard.copy):
        yard.versioned(store)
    doomed = yard.archived()
    root = yard.root(doomed.dataset_id)
    yard.archive.put(f"{root}/inventory.json", b"another", condition=None)
    yard.archive.delete([f"{root}/0=ocfl_object_1.1"])
    upload = yard.archive.begin_upload(f"{root}/v2/content/abc/large")
    upload.write(b"x" * 9_000_000)
    upload.leave()
    assert len(yard.stored_versions(yard.archive, root)) > len(yard.below(yard.archive, root))

    done = erase(yard, doomed.dataset_id)

    assert done.state is ErasureState.DONE, done.remains
    assert [yard.stored_versions(store, f"{root}/") for store in (yard.archive, yard.copy)] == [[], []]
    assert not list(yard.archive.unfinished_uploads(f"{root}/"))


def test_the_decision_is_on_record_and_the_tombstone_names_nobody_it_concerns(yard: Yard) -> None:
    doomed = yard.archived()

    done = erase(yard, doomed.dataset_id, order=ORDER.model_copy(update={"reason": f"asked for by {SECRET}"}))

    key = f"{TOMBSTONES}{done.erasure_id}.json"
    for store in (yard.archive, yard.copy):
        body = yard.everything(store)[key].decode()
        assert all(word in body for word in ("anna", "Example University", "GDPR Art. 17(1)(b)", "12/2026"))
        assert SECRET not in body
    with yard.catalogue.begin() as tx:
        told = [one.name for one in tx.outbox.history([doomed.dataset_id])]
    assert told == ["erasure.announced", "erasure.begun", "erasure.done"]


def test_show_says_when_by_whom_and_under_which_decision(yard: Yard) -> None:
    doomed = yard.archived()
    done = erase(yard, doomed.dataset_id)

    found = detail_of(doomed.dataset_id, catalogue=yard.catalogue, bucket="archive")

    assert found.erased is not None
    assert all(word in found.erased for word in ("was erased", "anna", "12/2026", "Example University"))
    assert found.erasure == done
    assert (found.version, found.pid, found.object_url) == (None, None, None)


def test_check_repair_restore_and_recovery_take_it_for_erased_and_not_for_damaged(yard: Yard) -> None:
    doomed = yard.archived()
    erase(yard, doomed.dataset_id)

    assert archived_datasets(yard.catalogue) == []
    with pytest.raises(Erased, match="decision 12/2026"):
        check_object(doomed.dataset_id, catalogue=yard.catalogue, store=yard.archive)
    with pytest.raises(Erased):
        keep_object(
            doomed.dataset_id,
            store=yard.archive,
            others=[yard.copy],
            is_copy=False,
            repair=True,
            lease=None,
            catalogue=yard.catalogue,
            clock=yard.facility.clock,
        )
    with pytest.raises(Erased):
        restore_version(
            doomed.version_id,
            to=yard.facility.landing / "back",
            tables=yard.facility.tables,
            catalogue=yard.catalogue,
            store=yard.archive,
        )
    survey = survey_archive(
        catalogue=yard.catalogue, store=yard.archive, clock=yard.facility.clock, upload_grace=timedelta(days=1)
    )
    assert survey.notes == ()
    with yard.catalogue.begin() as tx:
        now = yard.facility.clock.now()
        assert list(tx.copies.lacking("second", first="archive", now=now, limit=9)) == []
        assert list(tx.copies.due("archive", checked_before=now, now=now, limit=9)) == []


def test_a_dry_run_names_what_would_go_and_what_would_not_and_changes_nothing(yard: Yard) -> None:
    doomed = yard.archived(published=True)
    derived = yard.derive(doomed)
    yard.record()
    before = [yard.everything(one) for one in (yard.archive, yard.copy, yard.public)], dump(yard.catalogue)

    plan = plan_erasure(doomed.dataset_id, person="anna", site=yard.site)

    assert [one.dataset_id for one in plan.objects] == [doomed.dataset_id, derived.dataset_id]
    assert {(one.store, one.dataset_id) for one in plan.stores if one.content and one.content.keys > 5} == {
        (store, one.dataset_id) for store in ("archive", "second") for one in (doomed, derived)
    }
    assert len(plan.public) == 1
    whats = {one.what for one in plan.remains}
    assert {"the source copy", "lineage that was delivered"} <= whats
    assert plan.objections == ()
    assert before == ([yard.everything(one) for one in (yard.archive, yard.copy, yard.public)], dump(yard.catalogue))


@pytest.mark.parametrize("scope", list(HoldScope))
def test_a_hold_on_it_its_acquisition_or_project_refuses_and_is_named(yard: Yard, scope: HoldScope) -> None:
    doomed = yard.archived()
    with yard.catalogue.begin() as tx:
        acquisition = tx.datasets.get(doomed.dataset_id).acquisition_id or ""
    target = {HoldScope.DATASET: doomed.dataset_id, HoldScope.ACQUISITION: acquisition, HoldScope.PROJECT: "cells"}
    hold = place_hold(
        target[scope], person="anna", reason="a court asked", catalogue=yard.catalogue, clock=yard.facility.clock
    )
    before = yard.everything(yard.archive)

    with pytest.raises(ErasureRefused, match=f"a court asked; lift {hold.hold_id}"):
        erase(yard, doomed.dataset_id)

    assert yard.everything(yard.archive) == before
    with yard.catalogue.begin() as tx:
        assert tx.erasures.list() == []


def test_a_hold_on_what_was_derived_refuses_as_well(yard: Yard) -> None:
    doomed = yard.archived()
    derived = yard.derive(doomed)
    place_hold(derived.dataset_id, person="anna", reason="cited", catalogue=yard.catalogue, clock=yard.facility.clock)

    with pytest.raises(ErasureRefused, match="cited"):
        erase(yard, doomed.dataset_id)


def test_work_that_somebody_does_refuses_and_work_that_waits_is_ended(yard: Yard) -> None:
    doomed = yard.archived()
    now = yard.facility.clock.now()
    with yard.catalogue.begin() as tx:
        tx.inbox.request(make_work("again", kind=WorkKind.INGEST, subject=doomed.version_id))
        claim = tx.inbox.claim(owner="worker", run_id="run", now=now, lease=timedelta(minutes=1))
    assert claim is not None

    with pytest.raises(ErasureRefused, match=f"ingest {doomed.version_id}"):
        erase(yard, doomed.dataset_id)
    with yard.catalogue.begin() as tx:
        tx.inbox.finish(claim.attempt, outcome="done")
        tx.inbox.request(make_work("later", kind=WorkKind.CHECK, subject=doomed.version_id))
    done = erase(yard, doomed.dataset_id)

    assert done.state is ErasureState.DONE
    with yard.catalogue.begin() as tx:
        assert [one for one in tx.inbox.list() if one.state is not WorkState.DONE] == []


def test_only_an_administrator_decides_and_another_decision_does_not_go_on_with_it(yard: Yard) -> None:
    doomed = yard.archived()

    with pytest.raises(Forbidden, match="no administrator"):
        erase(yard, doomed.dataset_id, person="sten")
    with pytest.raises(Forbidden):
        plan_erasure(doomed.dataset_id, person="sten", site=yard.site)
    with pytest.raises(InvalidInput, match="--controller"):
        erase(yard, doomed.dataset_id, order=None)
    yard.erasers["second"] = Away("second")
    erase(yard, doomed.dataset_id)
    with pytest.raises(InvalidInput, match="another decision"):
        erase(yard, doomed.dataset_id, order=ORDER.model_copy(update={"decision": "13/2026"}))


def test_a_store_that_is_away_leaves_it_incomplete_until_it_is_run_again(yard: Yard) -> None:
    doomed = yard.archived()
    root, back = yard.root(doomed.dataset_id), yard.erasers["second"]
    yard.erasers["second"] = Away("second")

    first = erase(yard, doomed.dataset_id)

    assert first.state is ErasureState.INCOMPLETE
    assert [(one.where, one.is_open) for one in first.remains if one.is_open] == [("second", True)]
    assert not yard.below(yard.archive, root)
    assert yard.below(yard.copy, root)
    found = detail_of(doomed.dataset_id, catalogue=yard.catalogue, bucket="archive")
    assert "not yet everywhere" in (found.erased or "")

    yard.erasers["second"] = back
    second = erase(yard, doomed.dataset_id, order=None)

    assert (second.state, second.erasure_id) == (ErasureState.DONE, first.erasure_id)
    assert not yard.below(yard.copy, root)
    assert erase(yard, doomed.dataset_id, order=None) == second


def test_a_store_that_is_no_longer_configured_is_not_forgotten(yard: Yard) -> None:
    doomed = yard.archived()
    del yard.erasers["second"]

    done = erase(yard, doomed.dataset_id)

    assert done.state is ErasureState.INCOMPLETE
    left = next(one for one in done.remains if one.is_open)
    assert left.where == "second"
    assert yard.root(doomed.dataset_id) in left.reason


def test_an_archive_that_does_not_take_the_tombstone_loses_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    doomed = yard.archived()
    before = yard.everything(yard.archive)

    def refuse(*_args: object, **_named: object) -> None:
        raise StoreUnavailable("archive did not answer")

    with monkeypatch.context() as away:
        away.setattr(yard.archive, "put", refuse)
        with pytest.raises(StoreUnavailable):
            erase(yard, doomed.dataset_id)

    assert yard.everything(yard.archive) == before
    with yard.catalogue.begin() as tx:
        assert tx.datasets.versions(doomed.dataset_id)
        assert tx.erasures.list()[0].state is ErasureState.ANNOUNCED
    assert erase(yard, doomed.dataset_id, order=None).state is ErasureState.DONE


class Deadly:
    """Implements `ports.erasure.Eraser`, and is killed before or after the n-th removal of all stores."""

    bucket = "deadly"

    def __init__(self, real: Eraser, strike: Callable[[], None]) -> None:
        self.store, self._real, self._strike = real.store, real, strike

    def look(self, object_root: str, *, pid: str) -> Content:
        return self._real.look(object_root, pid=pid)

    def remove(self, object_root: str, *, pid: str) -> Removed:
        self._strike()
        found = self._real.remove(object_root, pid=pid)
        self._strike()
        return found

    def remove_segment(self, key: str) -> Removed:
        return self._real.remove_segment(key)

    def remove_replaced(self, pid: str) -> Removed:
        self._strike()
        return self._real.remove_replaced(pid)


def strikes(at: int) -> Callable[[], None]:
    """Kill at the n-th call, once."""
    left: Iterator[int] = iter(range(at + 1))

    def strike() -> None:
        if next(left, None) == at:
            raise Killed

    return strike


@pytest.mark.parametrize("at", [0, 1, 4, 8])
def test_killed_at_any_removal_the_next_run_brings_it_to_the_same_end(yard: Yard, at: int) -> None:
    doomed = yard.archived(published=True)
    derived = yard.derive(doomed)
    roots = [yard.root(one.dataset_id) for one in (doomed, derived)]
    real, strike = dict(yard.erasers), strikes(at)
    for name, one in real.items():
        yard.erasers[name] = Deadly(one, strike)

    with pytest.raises(Killed):
        erase(yard, doomed.dataset_id)
    with yard.catalogue.begin() as tx:
        assert tx.erasures.list()[0].state is ErasureState.BEGUN
    assert any(key.startswith(TOMBSTONES) for key in yard.everything(yard.archive))
    yard.erasers.update(real)
    done = erase(yard, doomed.dataset_id, order=None)

    assert done.state is ErasureState.DONE, done.remains
    assert not any(yard.below(store, root) for store in (yard.archive, yard.copy) for root in roots)
    assert secrets(yard) == []


@pytest.mark.parametrize("step", ["write_tombstone", "_begin", "_carry_out", "_take_out_of_record", "_end"])
def test_killed_between_two_steps_the_next_run_goes_on(yard: Yard, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    doomed = yard.archived(published=True)

    def die(*_args: object, **_named: object) -> None:
        raise Killed

    with monkeypatch.context() as killed:
        killed.setattr(f"cisterna.services.erase.{step}", die)
        with pytest.raises(Killed):
            erase(yard, doomed.dataset_id)
    done = erase(yard, doomed.dataset_id, order=None)

    assert done.state is ErasureState.DONE, done.remains
    assert secrets(yard) == []


def rebuilt(yard: Yard, empty: SqlCatalogue, *, store: object = None) -> SqlCatalogue:
    rebuild_catalogue(catalogue=empty, store=store or yard.archive)  # type: ignore[arg-type]
    return empty


def test_a_rebuild_keeps_the_erasure_and_equals_the_catalogue(yard: Yard, empty_catalogue: SqlCatalogue) -> None:
    doomed, _ = yard.archived(), yard.archived("run-2")
    yard.record()
    erase(yard, doomed.dataset_id)
    yard.record()

    assert dump(rebuilt(yard, empty_catalogue)) == dump(yard.catalogue)
    with empty_catalogue.begin() as tx, pytest.raises(Erased):
        tx.datasets.get_version(doomed.version_id)


def test_a_rebuild_from_a_record_older_than_the_erasure_brings_nothing_back(
    yard: Yard, empty_catalogue: SqlCatalogue
) -> None:
    doomed, neighbour = yard.archived(), yard.archived("run-2")
    yard.record()
    old = yard.everything(yard.copy)
    erase(yard, doomed.dataset_id)
    for key, body in old.items():  # a copy that was away: whole but for the tombstone, which every store is given
        yard.copy.put(key, body)

    rebuilt(yard, empty_catalogue, store=yard.copy)

    with empty_catalogue.begin() as tx:
        assert tx.datasets.versions(neighbour.dataset_id)
        assert tx.datasets.versions(doomed.dataset_id) == []
        assert tx.datasets.get(doomed.dataset_id).title == ERASED_TITLE
        found = tx.erasures.of(doomed.dataset_id)
        assert found is not None
        assert found.order.decision == "12/2026"
        assert list(tx.copies.lacking("second", first="archive", now=yard.facility.clock.now(), limit=9)) == []
        told = [one.name for one in tx.outbox.history([doomed.version_id])]
    assert told == []
    yard.catalogue = empty_catalogue
    yard.facility.catalogue = empty_catalogue
    assert erase(yard, doomed.dataset_id, order=None).state is ErasureState.DONE
    assert not yard.below(yard.copy, yard.root(doomed.dataset_id))


def test_a_tombstone_that_is_none_is_named_and_believed_in_nothing(yard: Yard, empty_catalogue: SqlCatalogue) -> None:
    kept = yard.archived()
    yard.record()
    for name, body in (("a.json", b"{}"), ("b.json", b"\x00" * 100), ("c.txt", b"[" * 5000)):
        yard.archive.put(f"{TOMBSTONES}{name}", body)

    found = rebuild_catalogue(catalogue=empty_catalogue, store=yard.archive)

    assert [fault.where for fault in found.faults] == [f"{TOMBSTONES}{name}" for name in ("a.json", "b.json", "c.txt")]
    with empty_catalogue.begin() as tx:
        assert tx.datasets.versions(kept.dataset_id)


def test_history_goes_only_for_what_is_erased(yard: Yard) -> None:
    doomed, neighbour = yard.archived(), yard.archived("run-2")
    yard.erasers["second"] = Away("second")
    erasure = erase(yard, doomed.dataset_id)

    other = erasure.objects[0].model_copy(update={"dataset_id": neighbour.dataset_id})
    wrong = erasure.model_copy(update={"objects": (other,)})

    with yard.catalogue.begin() as tx, pytest.raises(InvalidInput, match="no dataset that is erased now"):
        tx.erasures.purge(wrong)
    with yard.catalogue.begin() as tx:
        assert tx.datasets.receipts(neighbour.version_id)
        with pytest.raises(AlreadyExists):
            tx.erasures.add(erasure.model_copy(update={"erasure_id": "another"}))


def test_what_names_no_one_dataset_is_refused(yard: Yard) -> None:
    kept = yard.archived()
    before = yard.everything(yard.archive)
    strange = ["", "*", "ds-*", "ds-", "/", ".", "ark:/", "ark:/99999/", "acq-*", "cells", "%", "ds-\x00", "ä" * 900]

    for identifier in (*strange, kept.version_id):
        with pytest.raises(NotFound):
            erase(yard, identifier)

    assert yard.everything(yard.archive) == before


def test_the_same_run_is_known_again_and_not_taken_in(yard: Yard) -> None:
    doomed = yard.archived()
    with yard.catalogue.begin() as tx:
        acquisition = tx.datasets.get(doomed.dataset_id).acquisition_id or ""
    erase(yard, doomed.dataset_id)
    with yard.catalogue.begin() as tx:
        seen = tx.acquisitions.get(acquisition)
        assert "not taken in again" in (seen.held or "")
        changed = seen.model_copy(
            update={"held": None, "fingerprint": "another", "state": AcquisitionState.COMPLETE, "name": SECRET}
        )
        saved, is_new = record_acquisition(tx, seen, changed, clock=yard.facility.clock)

    assert not is_new
    assert "decision 12/2026" in (saved.held or "")
    assert saved.name == ERASED_TITLE
    with pytest.raises(Erased):
        place_hold(acquisition, person="anna", reason="x", catalogue=yard.catalogue, clock=yard.facility.clock)


def test_a_disposal_wants_the_end_of_life_and_leaves_what_was_derived(yard: Yard) -> None:
    doomed = yard.archived()
    derived = yard.derive(doomed)
    order = ORDER.model_copy(update={"kind": RemovalKind.RETENTION})

    with pytest.raises(ErasureRefused, match="no policy says"):
        erase(yard, doomed.dataset_id, order=order)

    class Due:
        def __init__(self, days: int) -> None:
            self.days = days

        def due(self, dataset_id: str) -> object:
            del dataset_id
            return yard.facility.clock.now() + timedelta(days=self.days)

    early = replace(yard.site, end_of_life=Due(1))  # type: ignore[arg-type]
    with pytest.raises(ErasureRefused, match="wait until then"):
        erase_dataset(doomed.dataset_id, person="anna", order=order, site=early)
    over = replace(yard.site, end_of_life=Due(-1))  # type: ignore[arg-type]
    done = erase_dataset(doomed.dataset_id, person="anna", order=order, site=over)

    assert done.state is ErasureState.DONE
    assert "disposed of" in done.words
    assert yard.below(yard.archive, yard.root(derived.dataset_id))
    with yard.catalogue.begin() as tx:
        assert tx.datasets.versions(derived.dataset_id)


def test_work_that_was_asked_for_too_late_is_ended_unbegun(yard: Yard) -> None:
    doomed = yard.archived()
    erase(yard, doomed.dataset_id)
    with yard.catalogue.begin() as tx:
        acquisition = tx.datasets.get(doomed.dataset_id).acquisition_id or ""
        for kind, subject in ((WorkKind.COPY, doomed.version_id), (WorkKind.INGEST, acquisition)):
            tx.inbox.request(make_work(kind.value, kind=kind, subject=subject))

    begun = start_attempt(
        catalogue=yard.catalogue,
        clock=yard.facility.clock,
        owner="worker",
        lease=timedelta(minutes=1),
        place=PLACE,
        attempts_max=3,
    )

    assert begun is None
    with yard.catalogue.begin() as tx:
        told = [(one.state, one.outcome or "") for one in tx.inbox.list()]
    assert len(told) == 2
    assert all(state is WorkState.DONE and "not begun: it was erased" in outcome for state, outcome in told)
