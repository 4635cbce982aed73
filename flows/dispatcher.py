"""The light process that keeps everything going: `python -m flows.dispatcher`.

It supervises the warm workers and their companions (quality and model processes), sweeps the landing zones, ends leases
whose owners are gone, drains the outbox and asks work pools. It holds nothing that is not in the catalogue, so it may be
killed at any moment: its children die with it, and the next one carries on.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import structlog

from cisterna.adapters.child import Child
from cisterna.bootstrap import Parts, open_parts
from cisterna.domain.acquisition import Acquisition
from cisterna.domain.errors import CisternaError
from cisterna.domain.instrument import Instrument
from cisterna.domain.work import WorkKind
from cisterna.ports.profile import Described
from cisterna.ports.sink import EventSink
from cisterna.services import attempt as attempts
from cisterna.services.deliver import deliver_due
from cisterna.services.detect import SweepMemory, SweepResult, sweep_instrument
from cisterna.services.project import resolve_project
from cisterna.settings import Settings, load_settings
from flows import _settings
from flows.drain import Drain
from flows.held import owner_name, place_of
from flows.once import Once
from flows.repeat import Repeat
from flows.supervisor import Supervisor
from flows.sweeper import Sweeper

STOP_SECONDS = 6.0
"""How long workers may take to put back what they hold before they are killed."""

LOOK_SECONDS = 1.0
"""How late an instrument that was added is swept for the first time."""

_log = structlog.get_logger("cisterna.dispatcher")


class Dispatcher:
    """Everything that runs beside the workers.

    Args:
        parts: Of this process.
        children: The processes to keep running, by name, as argument lists.
        sinks: Where events go.
        environ: The children's environment.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        children: Sequence[tuple[str, Sequence[str], Path | None]],
        sinks: Sequence[EventSink],
        environ: dict[str, str],
    ) -> None:
        self._parts = parts
        self._children = children
        self._sinks = sinks
        self._environ = environ
        self._wake = threading.Event()
        self._stopping = False
        self._supervisor = Supervisor(self._child_ended)
        self._repeats: list[Repeat] = []
        self._drains: list[Drain] = []

    def run(self, *, ready: Callable[[], None]) -> None:
        """Keep everything going until `stop`; children are started from this thread and die with it.

        Args:
            ready: Called once, when every child has said that it can be used.
        """
        self._register_sinks()
        self._bury_dead_workers()
        folder = self._parts.home.logs
        for name, argv, flag in self._children:
            child = Child(name, argv, log=folder / f"{name}.log", env=self._environ)
            self._supervisor.add(child, ready=flag)
        try:
            self._begin_threads()
            told = False
            while not self._stopping:
                self._supervisor.tend()
                if not told and self._supervisor.are_ready():
                    told = True
                    ready()
                self._wake.wait(0.1 if not told else 0.5)
                self._wake.clear()
        finally:
            self._end()

    def stop(self) -> None:
        """Ask `run` to return; safe in a signal's handler."""
        self._stopping = True
        self._wake.set()

    def nudge(self) -> None:
        """Look after the children now: one of them may have ended. Safe in a signal's handler."""
        self._wake.set()

    def _register_sinks(self) -> None:
        with self._parts.catalogue.begin() as tx:
            tx.outbox.register([sink.name for sink in self._sinks])

    def _bury_dead_workers(self) -> None:
        """End the leases of a killed predecessor's workers, which died with it; each left its name in its ready file."""
        for _, _, flag in self._children:
            if flag is not None and flag.is_file():
                owner = flag.read_text("utf-8", errors="replace").strip()
                self._end_leases(owner)
                flag.unlink(missing_ok=True)

    def _begin_threads(self) -> None:
        parts, settings = self._parts, self._parts.settings
        sweeper = Sweeper(parts.catalogue, sweep=self._sweep, pause_seconds=settings.dispatch.sweep_seconds)
        self._repeats = [
            Repeat("instruments", sweeper.look, every_seconds=LOOK_SECONDS, at_end=sweeper.stop),
            Repeat("leases", self._expire, every_seconds=settings.dispatch.lease_seconds / 3),
        ]
        pools = executors(settings)
        on_inbox: list[Repeat] = []
        if pools:
            from flows.pool import Pools

            asked = Pools(pools, catalogue=parts.catalogue, clock=parts.clock)
            on_inbox.append(Repeat("pools", asked.ask, every_seconds=LOOK_SECONDS))
        self._drains = [Drain(sink, self._deliver) for sink in self._sinks]
        self._repeats += [*on_inbox, Repeat("doorbell", _listening(parts, self._drains, on_inbox), every_seconds=0)]

    def _end(self) -> None:
        for repeat in self._repeats:
            repeat.ask_to_stop()
        self._supervisor.stop(timeout_seconds=STOP_SECONDS)  # first: what they tell last is still delivered
        for repeat in self._repeats:
            repeat.stop()
        for drain in self._drains:
            drain.stop()

    def _child_ended(self, name: str, pid: int) -> None:
        """End the leases of a worker that died, at once: nobody has to wait for them to run out."""
        if not self._stopping:
            _log.warning("child.ended", child=name, pid=pid)
        if not name.startswith("worker"):
            return
        try:
            self._end_leases(owner_name("worker", pid=pid))
        except CisternaError as error:
            _log.warning("leases.wait", child=name, code=error.code, reason=str(error))  # they run out by themselves

    def _end_leases(self, owner: str) -> None:
        parts = self._parts
        attempts.abort_owned_by(owner, place=place_of(parts), catalogue=parts.catalogue, clock=parts.clock)

    def _expire(self) -> None:
        parts = self._parts
        attempts.abort_expired(place=place_of(parts), catalogue=parts.catalogue, clock=parts.clock)

    def _sweep(self, instrument: Instrument, memory: SweepMemory) -> SweepResult:
        parts = self._parts

        def resolve(acquisition: Acquisition, described: Described) -> str | None:
            with parts.catalogue.begin() as tx:
                bindings, projects = tx.projects.bindings(), tx.projects.list()
            return resolve_project(
                acquisition,
                described,
                landing_path=instrument.path,
                bindings=bindings,
                projects=projects,
                tables=parts.booking_tables,
            ).project

        return sweep_instrument(
            instrument,
            zone=parts.zone_of(instrument),
            profiles=parts.profiles,
            catalogue=parts.catalogue,
            clock=parts.clock,
            resolve_project=resolve,
            outside=parts.outside,
            memory=memory,
        )

    def _deliver(self, sink: EventSink) -> int:
        return deliver_due(sink, catalogue=self._parts.catalogue, clock=self._parts.clock)


def _listening(parts: Parts, drains: Sequence[Drain], on_inbox: Sequence[Repeat]) -> Callable[[], None]:
    """Make the turn of the thread that hears the catalogue's doorbell and wakes whom it concerns."""
    heard = iter(parts.catalogue.listen(timeout=timedelta(seconds=1)))

    def turn() -> None:
        topic = next(heard)
        for drain in drains if topic != "inbox" else ():
            drain.wake()
        for repeat in on_inbox if topic != "outbox" else ():
            repeat.wake()

    return turn


def executors(settings: Settings) -> dict[WorkKind, str]:
    """Name the pool of each kind of work that does not run inline."""
    dispatch = settings.dispatch
    chosen = {WorkKind.INGEST: dispatch.ingest, WorkKind.INFER: dispatch.infer, WorkKind.PUBLISH: dispatch.publish}
    return {kind: executor.removeprefix("pool:") for kind, executor in chosen.items() if executor != "inline"}


def worker_commands(parts: Parts) -> list[tuple[str, Sequence[str], Path | None]]:
    """Say how each worker is started, and where it says that it is ready."""
    commands: list[tuple[str, Sequence[str], Path | None]] = []
    for number in range(1, parts.settings.dispatch.workers + 1):
        flag = parts.home.run / f"worker-{number}.ready"
        commands.append((f"worker-{number}", [sys.executable, "-m", "flows.worker", "--ready", str(flag)], flag))
    return commands


def serve(
    settings: Settings,
    *,
    commands: Callable[[Parts], Sequence[tuple[str, Sequence[str], Path | None]]],
) -> int:
    """Be the dispatcher of a home until a signal comes; returns the exit code.

    Raises:
        NotReady: Another dispatcher runs on the home.
    """
    with ExitStack() as stack:
        parts = stack.enter_context(open_parts(settings))
        run_folder = parts.home.run
        run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stack.enter_context(Once(run_folder / "dispatcher.lock"))
        ready = run_folder / "dispatcher.ready"
        ready.unlink(missing_ok=True)
        stack.callback(ready.unlink, missing_ok=True)
        environ = dict(os.environ)
        _settings.prepare(environ, api_url=parts.prefect_api_url)
        _settings.prepare(os.environ, api_url=parts.prefect_api_url)
        from flows.doorbell import PrefectEvents

        doorbell = PrefectEvents(parts.prefect_api_url)
        dispatcher = Dispatcher(
            parts, children=commands(parts), sinks=[*parts.sinks(), doorbell], environ=environ
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: dispatcher.stop())
        signal.signal(signal.SIGCHLD, lambda *_: dispatcher.nudge())
        dispatcher.run(ready=ready.touch)
    return 0


def main() -> NoReturn:
    """Run the dispatcher of the home that the environment names."""
    try:
        code = serve(load_settings(), commands=lambda parts: [*companions(parts), *worker_commands(parts)])
    except CisternaError as error:
        print(f"{error.code}: {error}", file=sys.stderr)  # noqa: T201 - a process of its own has no other voice
        code = 1
    sys.stderr.flush()
    os._exit(code)  # a sweep that hangs in a dead share must not hold the process


def companions(parts: Parts) -> list[tuple[str, Sequence[str], Path | None]]:
    """Say how the quality and the model process are started; they are ready when their socket is there."""
    return [(name, argv, socket) for name, argv, socket in parts.companions()]


if __name__ == "__main__":
    main()
