"""A store that is away ends an attempt at a copy in peace; what says nothing of the store does not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cisterna.bootstrap import Home
from cisterna.domain.errors import CatalogueUnavailable, CisternaError, LeaseLost, ObjectInvalid, StoreUnavailable
from cisterna.domain.work import WorkKind
from cisterna.ports.catalogue import Catalogue
from cisterna.services.keep_object import Kept
from cisterna.settings import Dispatch, Settings
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_work
from cisterna.testing.memory_store import MemoryStore
from flows import worker
from flows.dispatcher import commands_of, executors
from flows.keeping import Keeping, settle
from tests.services.world import LEASE, add_acquisition, add_version, found_facility


@pytest.fixture
def keeping(catalogue: Catalogue, clock: SettableClock) -> Keeping:
    """Work on an object that is to be copied to a store `mirror`."""
    found_facility(catalogue, clock)
    first, mirror = MemoryStore(name="archive"), MemoryStore(name="mirror")
    version = add_version(catalogue, clock, first, acquisition=add_acquisition(catalogue, clock))
    with catalogue.begin() as tx:
        tx.copies.register(["archive", "mirror"])
        tx.inbox.request(make_work("copy", kind=WorkKind.COPY, subject=version.version_id))
        claim = tx.inbox.claim(owner="me", run_id=clock.new_id(), now=clock.now(), lease=LEASE, kinds=[WorkKind.COPY])
    assert claim is not None
    core = SimpleNamespace(
        catalogue=catalogue,
        clock=clock,
        archive_store=first,
        copy_stores={"mirror": mirror},
        keeping_stores={"archive": first, "mirror": mirror},
    )
    return Keeping(cast("Any", core), version.version_id, "mirror", lease=claim.attempt)


def failing(error: CisternaError) -> Any:
    def act() -> Kept:
        raise error

    return act


@pytest.mark.parametrize("error", [StoreUnavailable("mirror did not answer"), ObjectInvalid("the archive is damaged")])
def test_what_can_be_named_is_on_record_and_comes_again(
    keeping: Keeping, catalogue: Catalogue, clock: SettableClock, error: CisternaError
) -> None:
    words = settle(keeping, failing(error))

    with catalogue.begin() as tx:
        known = tx.copies.get(keeping.dataset_id, "mirror")
    assert known is not None
    assert (known.fixity, known.reason, known.failures) == (None, str(error), 1)
    assert known.next_at > clock.now()
    assert "it is tried again" in words


@pytest.mark.parametrize("error", [LeaseLost("gone"), CatalogueUnavailable("away")])
def test_what_says_nothing_of_the_store_fails_the_attempt(keeping: Keeping, error: CisternaError) -> None:
    with pytest.raises(type(error)):
        settle(keeping, failing(error))


def test_a_store_that_left_the_settings_is_told_of(keeping: Keeping) -> None:
    assert "'mirror'" in keeping.not_configured()


def test_copies_and_checks_go_where_the_settings_say() -> None:
    assert executors(Settings()) == {}
    to_pool = executors(Settings(dispatch=Dispatch(keep="pool:slow")))
    assert to_pool == {WorkKind.COPY: "slow", WorkKind.CHECK: "slow"}


@pytest.mark.parametrize(("workers", "intake"), [(1, []), (2, ["worker-1"]), (5, ["worker-1"])])
def test_one_of_several_workers_leaves_models_alone_so_that_new_data_never_wait(
    tmp_path: Path, workers: int, intake: list[str]
) -> None:
    parts = SimpleNamespace(settings=Settings(dispatch=Dispatch(workers=workers)), home=Home(tmp_path), companions=list)

    commands = commands_of(cast("Any", parts))

    assert [one.name for one in commands if "--intake" in one.argv] == intake
    assert all(one.sign is not None and one.sign == one.ready for one in commands)


def test_a_worker_for_the_intake_takes_everything_that_is_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    every = {kind: cast("Any", kind.value) for kind in WorkKind}
    monkeypatch.setattr(worker, "flows_of", lambda _parts: every)

    assert worker.intake_flows_of(cast("Any", None)).keys() == set(WorkKind) - {
        WorkKind.INFER,
        WorkKind.CONVERT,
        WorkKind.AHEAD,
    }
