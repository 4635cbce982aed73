"""Reading ahead is for a worker that has nothing else to do, and never ends in a question to a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.errors import CisternaError, LeaseLost, NotFound, StoreUnavailable
from cisterna.domain.work import WorkKind
from cisterna.services.attempt import Begun
from cisterna.settings import Dispatch, Settings
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_work
from flows import ahead
from flows._policy import flow_run_tags
from flows.worker import Worker


@dataclass
class FewParts:
    """The parts that taking work needs."""

    catalogue: SqlCatalogue
    clock: SettableClock
    settings: Settings = field(default_factory=Settings)


class Noting(Worker):
    """A worker that notes what it takes, and ends it at once."""

    def __init__(self, core: FewParts, *kinds: WorkKind) -> None:
        flows = {kind: cast("Any", kind.value) for kind in kinds}
        super().__init__(core, flows=flows, engine=cast("Any", None), owner="host:worker:1")
        self.taken: list[WorkKind] = []
        self._end = core.catalogue

    def do(self, claim: Begun) -> None:
        self.taken.append(claim.work.kind)
        with self._end.begin() as tx:
            tx.inbox.finish(claim.attempt, outcome="done")


def request(catalogue: SqlCatalogue, *kinds: WorkKind) -> None:
    with catalogue.begin() as tx:
        for place, kind in enumerate(kinds):
            work = make_work(f"{kind.value}-{place}", kind=kind)
            lane = "ahead squid-1" if kind is WorkKind.AHEAD else "squid-1"
            tx.inbox.request(work.model_copy(update={"fairness": lane}))


def test_a_worker_reads_ahead_only_when_nothing_else_is_ready(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, WorkKind.AHEAD, WorkKind.AHEAD, WorkKind.INGEST, WorkKind.PUBLISH, WorkKind.INGEST)
    worker = Noting(FewParts(catalogue, clock), WorkKind.AHEAD, WorkKind.INGEST, WorkKind.PUBLISH)

    worker.take_all()

    assert len(worker.taken) == 5
    assert worker.taken[3:] == [WorkKind.AHEAD, WorkKind.AHEAD]


def test_a_worker_for_the_intake_reads_nothing_ahead(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    request(catalogue, WorkKind.AHEAD)
    worker = Noting(FewParts(catalogue, clock), WorkKind.INGEST)

    worker.take_all()

    assert worker.taken == []


@pytest.mark.parametrize(
    ("dispatch", "ready", "gives_way"),
    [
        (Dispatch(), WorkKind.INGEST, True),
        (Dispatch(), WorkKind.INFER, True),
        (Dispatch(), WorkKind.AHEAD, False),
        (Dispatch(), WorkKind.CHECK, False),
        (Dispatch(infer="pool:gpu"), WorkKind.INFER, False),
        (Dispatch(ahead="pool:slow"), WorkKind.INGEST, False),
    ],
    ids=["ingest", "infer", "ahead", "keeping", "of a pool", "in a pool"],
)
def test_it_gives_way_to_what_a_worker_like_its_own_would_do(
    catalogue: SqlCatalogue,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
    dispatch: Dispatch,
    ready: WorkKind,
    *,
    gives_way: bool,
) -> None:
    core = FewParts(catalogue, clock, Settings(dispatch=dispatch))
    monkeypatch.setattr(ahead, "parts", lambda: core)
    request(catalogue, ready)

    assert ahead._others_wait() is gives_way


@pytest.mark.parametrize(
    ("error", "ends"),
    [(NotFound("the folder went away"), True), (StoreUnavailable("away"), False), (LeaseLost("gone"), False)],
)
def test_what_waiting_does_not_mend_is_left_to_the_end_of_the_run(
    monkeypatch: pytest.MonkeyPatch, error: CisternaError, *, ends: bool
) -> None:
    def refuse(_acquisition: str) -> str:
        raise error

    monkeypatch.setattr(ahead, "read_settled", refuse)
    mine = cast("Any", SimpleNamespace(require=lambda: None, work=make_work(kind=WorkKind.AHEAD)))

    if ends:
        assert "no person is needed: the folder went away" in ahead._ahead(mine)
        return
    with pytest.raises(type(error)):
        ahead._ahead(mine)


def test_its_flow_runs_are_tagged_by_the_instrument() -> None:
    work = make_work(kind=WorkKind.AHEAD, parameters={"instrument": "squid-1"}, fairness="ahead squid-1")

    assert "instrument:squid-1" in flow_run_tags(work)
