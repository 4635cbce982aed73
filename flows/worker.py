"""A warm worker: `python -m flows.worker` takes work from the inbox and runs its flow in process.

Everything that is needed is imported and opened before it says `ready`, so that event to code takes milliseconds. It
may be killed at any moment: its lease runs out, or is ended by the dispatcher, which sees it die, and another carries
on.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from cisterna.adapters.life_sign import give_life_signs
from cisterna.adapters.loading import begin_loading, end_loading
from cisterna.domain.errors import CisternaError, LeaseLost, NotReady
from cisterna.domain.work import SPARE, WorkKind
from cisterna.settings import INLINE, load_settings
from flows import _settings
from flows.parts import use_parts

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun
    from prefect.flows import Flow

    from cisterna.bootstrap import Parts
    from cisterna.services.attempt import Begun
    from flows.engine import Engine
    from flows.held import Held
    from flows.parts import CoreParts

LOOK_AGAIN = timedelta(seconds=1)
"""How long it sleeps without a doorbell: work that was put back for later rings for nobody."""

LAST_WORDS_SECONDS = 2.0
"""How long a worker that was asked to stop may take before it just ends; whoever takes over copes with that."""

NICE = 10
"""How far copying and checking step back when others want the processor."""

SLOW = frozenset({WorkKind.INFER, WorkKind.CONVERT}) | SPARE
"""What may take minutes and can wait: one worker leaves it alone, so that new data never wait for it."""

_log = structlog.get_logger("cisterna.worker")


class Stopping(BaseException):
    """This process was asked to stop; raised by the signal wherever the main thread is, as a kill would strike."""


class Worker:
    """Takes work, one piece at a time, and runs its flow.

    Args:
        core: Catalogue, clock and settings.
        flows: The flow of each kind of work that this worker does.
        engine: The Prefect server.
        owner: Its name as holder of leases.
    """

    def __init__(
        self, core: CoreParts, *, flows: Mapping[WorkKind, Flow[..., Any]], engine: Engine, owner: str
    ) -> None:
        self._core = core
        self._flows = flows
        self._engine = engine
        self._owner = owner
        self._owed: deque[FlowRun] = deque(maxlen=1000)

    def serve(self) -> NoReturn:
        """Take work for ever: at once after a doorbell, and at least every second."""
        while True:
            for topic in self._core.catalogue.listen(timeout=LOOK_AGAIN):
                if topic in {"", "inbox"}:
                    self.take_all()

    def take_all(self) -> None:
        """Do what is ready, one piece after the other, until nothing is; spare work when there is no other."""
        self._pay()
        while True:
            try:
                claim = self._take(set(self._flows) - SPARE) or self._take(set(self._flows) & SPARE)
            except CisternaError as error:
                _log.warning("inbox.away", code=error.code, reason=str(error))
                return  # the next look finds it back
            if claim is None:
                return
            self.do(claim)

    def _take(self, kinds: AbstractSet[WorkKind]) -> Begun | None:
        from flows.held import start

        return start(self._core, owner=self._owner, kinds=sorted(kinds)) if kinds else None

    def do(self, claim: Begun) -> None:
        """Carry out one piece of work, and tell its end once."""
        from flows.held import Held, holding, tell_failure, tell_success

        held, error = Held(claim, self._core), None
        with holding(held):
            try:
                self._run(held)
            except BaseException as caught:  # noqa: BLE001 - whatever ends a flow ends its attempt, and is told
                error = caught
            stopping = error is not None and not isinstance(error, Exception) and not _is_prefects(error)
            if held.is_done():
                self._finish(held, tell_success)
            elif stopping:
                tell_failure(held, NotReady("the worker was asked to stop"), self._core, stopping=True)
            elif error is not None:
                _log.warning("attempt.failed", work_id=held.work.work_id, subject=held.work.subject, reason=str(error))
                tell_failure(held, error, self._core, stopping=False)
        if error is not None and stopping:
            raise error

    def _finish(self, held: Held, tell: Callable[[Held, CoreParts], None]) -> None:
        """Record success; while the catalogue is away the lease may run out; then the next attempt finds it done."""
        while True:
            try:
                tell(held, self._core)
            except LeaseLost:
                return
            except CisternaError as error:
                if not error.retryable or held.is_lost:
                    return
                time.sleep(0.2)
            else:
                return

    def _run(self, held: Held) -> None:
        """Run the flow, again if Prefect's server went away before the flow's code had said how it ended."""
        from flows.engine import ServerTrouble, is_away

        flow = self._flows[held.work.kind]
        while not held.is_done():
            flow_run = self._begin(held, flow)
            try:
                self._engine.run(flow, flow_run)
            except ServerTrouble as error:
                if not is_away(error):
                    raise
                _log.warning("prefect.away", work_id=held.work.work_id, is_done=held.is_done(), why=str(error))
                if held.is_done():
                    self._owed.append(flow_run)

    def _begin(self, held: Held, flow: Flow[..., Any]) -> FlowRun:
        """Create the flow run; while Prefect's server is away the work waits here, with its lease kept alive."""
        from flows import _policy

        pause = 0.1
        while True:
            held.require()
            try:
                if held.work.attempts > 1:
                    reason = f"its worker is gone; attempt {held.work.attempts} took the work over"
                    self._engine.crash_leftovers(_policy.work_tag(held.work.work_id), reason=reason)
                flow_run = self._engine.begin(
                    flow,
                    name=_policy.flow_run_name(held.work, title=held.title),
                    parameters={"work_id": held.work.work_id},
                    tags=_policy.flow_run_tags(held.work),
                    key=_policy.attempt_key(held.lease),
                )
            except NotReady as error:
                _log.warning("work.waits", work_id=held.work.work_id, reason=str(error))
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
            else:
                break
        with self._core.catalogue.begin() as tx:
            tx.inbox.note_flow_run(held.lease, str(flow_run.id))
        return flow_run

    def _pay(self) -> None:
        """Tell Prefect's server which runs were completed while it was away."""
        from prefect.exceptions import ObjectNotFound
        from prefect.states import Completed

        from flows.engine import ServerTrouble

        while self._owed:
            try:
                self._engine.tell(self._owed[0].id, Completed(message="told late: the server was away"))
            except NotReady:
                return
            except (*ServerTrouble, ObjectNotFound) as error:  # it knows the run no more: that ends no worker
                _log.warning("prefect.refused", flow_run_id=str(self._owed[0].id), reason=str(error))
            self._owed.popleft()


def _is_prefects(error: BaseException) -> bool:
    """Tell Prefect's own signals (a run cancelled or paused in its pages) from being asked to stop."""
    from prefect.exceptions import PrefectSignal, TerminationSignal

    return isinstance(error, PrefectSignal) and not isinstance(error, TerminationSignal)


def serve(
    open_core: Callable[[], AbstractContextManager[CoreParts]],
    flows: Callable[[], Mapping[WorkKind, Flow[..., Any]]],
    *,
    api_url: str,
    ready: Path | None = None,
) -> int:
    """Be a worker until a signal comes; returns the exit code.

    Args:
        open_core: Opens what the flows need.
        flows: Imports the flows.
        api_url: Prefect's API.
        ready: File that gets this worker's name when everything is imported and open.
    """
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        _settings.prepare(os.environ, api_url=api_url)
        from flows import engine, held

        owner = held.owner_name("worker")
        with open_core() as core, engine.opened(api_url) as connection:
            worker = Worker(core, flows=flows(), engine=connection, owner=owner)
            end_loading()
            if ready is not None:
                ready.write_text(owner, "utf-8")
                give_life_signs(ready)
            worker.serve()
    except Stopping:
        return 0


def _stop(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, LAST_WORDS_SECONDS)
    raise Stopping


def keeping_flows_of(parts: Parts) -> Mapping[WorkKind, Flow[..., Any]]:
    """Import the flows that look after what is archived: a worker of their own keeps them out of everybody's way."""
    from flows.check import check
    from flows.copy import copy

    _ = parts.keeping_stores
    return {WorkKind.COPY: copy, WorkKind.CHECK: check} if parts.settings.dispatch.keep == INLINE else {}


def intake_flows_of(parts: Parts) -> Mapping[WorkKind, Flow[..., Any]]:
    """Give the same flows as `flows_of`, but those of slow work."""
    return {kind: flow for kind, flow in flows_of(parts).items() if kind not in SLOW}


def flows_of(parts: Parts) -> Mapping[WorkKind, Flow[..., Any]]:
    """Import the flow of each other kind of work that runs inline, and make the parts that they use."""
    from flows.ahead import ahead
    from flows.convert import convert
    from flows.erase import erase
    from flows.infer import infer
    from flows.ingest import ingest
    from flows.publish import publish
    from flows.reprocess import reprocess
    from flows.retain import retain

    parts.warm()
    _ = parts.archive_store, parts.tables, parts.meters, parts.gate, parts.inference, parts.publisher, parts.profiles
    every = {
        WorkKind.INGEST: ingest,
        WorkKind.AHEAD: ahead,
        WorkKind.INFER: infer,
        WorkKind.PUBLISH: publish,
        WorkKind.REPROCESS: reprocess,
        WorkKind.CONVERT: convert,
        WorkKind.RETAIN: retain,
        WorkKind.ERASE: erase,
    }
    return {kind: flow for kind, flow in every.items() if parts.settings.dispatch.executor_of(kind) == INLINE}


class Absent:
    """Keeps a package out of this process, as if it were not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raises `ModuleNotFoundError` for the package, and leaves all others to the finders behind."""
        del path, target
        if name == self._name:
            raise ModuleNotFoundError(f"{name} is kept out of this process", name=name)


def main() -> NoReturn:
    """Run a worker on the home that the environment names."""
    begin_loading()
    from cisterna.bootstrap import open_parts

    parser = argparse.ArgumentParser(prog="flows.worker", description="Takes work from the inbox and runs its flow.")
    parser.add_argument("--ready", type=Path, help="file to make when everything is imported and open")
    parser.add_argument("--keeping", action="store_true", help="copy and check what is archived, and nothing else")
    parser.add_argument("--intake", action="store_true", help="leave models and conversions to other workers")
    options = parser.parse_args()
    if options.keeping:
        os.nice(NICE)
    chosen = keeping_flows_of if options.keeping else intake_flows_of if options.intake else flows_of
    # pyarrow imports pandas when it is there, to know its types: 2 CPU seconds and 40 MB for what no flow of ours uses
    sys.meta_path.insert(0, Absent("pandas"))
    with open_parts(load_settings()) as parts:
        use_parts(parts)
        code = serve(
            lambda: nullcontext(parts), lambda: chosen(parts), api_url=parts.prefect_api_url, ready=options.ready
        )
    sys.stdout.flush()
    os._exit(code)  # Prefect's event thread would hold the process for 15 s while its server is away


if __name__ == "__main__":
    main()
