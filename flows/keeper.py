"""Keeps everything going beside the flows: children, landing zones, leases, outbox, pools. It holds nothing itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog

from cisterna.adapters.child import Child
from cisterna.domain.errors import CisternaError
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.hint import HINT_TOPIC
from cisterna.ports.sink import EventSink
from flows.adopter import Adopter
from flows.drain import Deliver, Drain
from flows.held import owner_name
from flows.repeat import Repeat
from flows.supervisor import Supervisor
from flows.sweeper import Listen, Sweep, Sweeper

STOP_SECONDS = 6.0
"""How long children may take to put back what they hold before they are killed."""

INSTRUMENTS_SECONDS = 1.0
"""How late an instrument that was added is swept for the first time."""

POOLS_SECONDS = 2.0
"""How often pools are asked without a doorbell."""

RECORD_SECONDS = 5.0
"""How long a change may be in the catalogue alone: as one file of the archive each, they would be too many."""

RECORD_COPIES_SECONDS = 300.0
"""How late the record is in further stores: each look lists all of it."""

UPKEEP_SECONDS = 5.0
"""How often it is looked for copies that are missing and checks that are due."""

DEPOSIT_SECONDS = 5.0
"""How late a place outside may get what has become public."""

FOLD_SECONDS = 3600.0
"""How often it is looked for months of deliveries that are long over."""

_log = structlog.get_logger("cisterna.dispatcher")


@dataclass(frozen=True)
class Command:
    """A process to keep running.

    Attributes:
        name: Also of its log; one that begins with `worker` holds leases.
        argv: How it is started.
        ready: File that it makes when it can be used; a worker's holds its name as an owner.
        sign: File that it touches for as long as it lives, once it is there.
        is_patient: It is started only when all others are ready: nobody waits for it.
    """

    name: str
    argv: Sequence[str]
    ready: Path | None = None
    sign: Path | None = None
    is_patient: bool = False


@dataclass(frozen=True)
class Duties:
    """What is done again and again, each harmless to do once too often.

    Attributes:
        sweep: Looks at an instrument.
        listen: Opens what tells of changes in an instrument's landing zone, where there is such a thing.
        expire: Ends attempts whose lease ran out.
        end_leases: Ends the attempts of an owner that is dead.
        deliver: Hands a sink what is due.
        ask_pools: Asks work pools for what is ready, when any kind of work goes to one.
        tidy: Sets flow runs right that nobody is left to end.
        record: Writes to the archive what changed in the catalogue.
        copy_record: Brings that to the further stores, when there are any.
        upkeep: Asks for what is to be done about the copies in each store, by its name.
        recover: Brings objects of the archive to rest that a killed worker left in the middle.
        survey: Looks at the whole archive when that is due; slow.
        collect_probes: Removes what killed probes left in the stores.
        protect: Has the stores hold, lock and mark what holds and retention rules ask for.
        complete_forms: Writes the forms that published versions lack, when that is due.
        level_access: Ends embargoes, and takes from the public what access no longer allows, when that is due.
        level_index: Brings the index of what is public to what the public bucket says, when that is due.
        deposits: Carries what is due to each place outside, by its name.
        plan: Announces the releases that projects' policies ask for.
        fold_uses: Puts together what was taken of deliveries in months that are long over.
        adopter: Takes in shares.
    """

    sweep: Sweep
    expire: Callable[[], object]
    end_leases: Callable[[str], object]
    deliver: Deliver
    listen: Listen | None = None
    ask_pools: Callable[[], object] | None = None
    tidy: Callable[[], object] | None = None
    record: Callable[[], object] | None = None
    copy_record: Callable[[], object] | None = None
    upkeep: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    recover: Callable[[], object] | None = None
    survey: Callable[[], object] | None = None
    collect_probes: Callable[[], object] | None = None
    protect: Callable[[], object] | None = None
    level_access: Callable[[], object] | None = None
    level_index: Callable[[], object] | None = None
    complete_forms: Callable[[], object] | None = None
    deposits: Mapping[str, Callable[[], object]] = field(default_factory=dict)
    plan: Callable[[], object] | None = None
    fold_uses: Callable[[], object] | None = None
    adopter: Adopter | None = None


class Keeper:
    """One per home.

    Args:
        catalogue: What is true now.
        duties: What to do.
        commands: The processes to keep running.
        sinks: Where events go.
        logs: Folder of the children's logs.
        environ: Of the children.
        sweep_seconds: Longest time between two looks at a landing zone.
        lease_seconds: How long a lease lasts.
        recovery_seconds: Between two rounds through the archive.
        plan_seconds: How often releases are planned.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        duties: Duties,
        commands: Sequence[Command],
        sinks: Sequence[EventSink],
        logs: Path,
        environ: Mapping[str, str],
        sweep_seconds: float,
        lease_seconds: float,
        recovery_seconds: float = 60.0,
        plan_seconds: float = 3600.0,
    ) -> None:
        self._catalogue = catalogue
        self._duties = duties
        self._commands = commands
        self._sinks = sinks
        self._logs = logs
        self._environ = environ
        self._sweep_seconds = sweep_seconds
        self._lease_seconds = lease_seconds
        self._recovery_seconds = recovery_seconds
        self._plan_seconds = plan_seconds
        self._wake = threading.Event()
        self._stopping = False
        self._supervisor = Supervisor(self._child_ended)
        self._repeats: list[Repeat] = []
        self._drains: list[Drain] = []

    def run(self, *, ready: Callable[[], object]) -> None:
        """Keep everything going until `stop`. Children are started from this thread and die with it.

        Args:
            ready: Called when every child that is not patient has said that it can be used, and again and again from
                then on, as a sign of life.
        """
        with self._catalogue.begin() as tx:
            tx.outbox.register([sink.name for sink in self._sinks])
        self._bury_dead_workers()
        try:
            self._start_commands(patient=False)
            self._begin_threads()
            told = False
            while not self._stopping:
                self._supervisor.tend()
                if told:
                    ready()
                elif self._supervisor.are_ready():
                    told = True
                    ready()
                    self._start_commands(patient=True)
                    self._begin_rounds()
                self._wake.wait(0.5 if told else 0.1)
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

    def _bury_dead_workers(self) -> None:
        """End the leases of a killed predecessor's workers: they died with it, and each left its name."""
        for command in self._commands:
            if command.ready is not None and command.ready.is_file():
                owner = command.ready.read_text("utf-8", errors="replace").strip()
                if owner:
                    self._duties.end_leases(owner)

    def _start_commands(self, *, patient: bool) -> None:
        for command in self._commands:
            if command.is_patient is patient:
                child = Child(command.name, command.argv, log=self._logs / f"{command.name}.log", env=self._environ)
                self._supervisor.add(child, ready=command.ready, sign=command.sign)

    def _begin_threads(self) -> None:
        duties = self._duties
        sweeper = Sweeper(self._catalogue, sweep=duties.sweep, pause_seconds=self._sweep_seconds, listen=duties.listen)
        self._drains = [Drain(sink, duties.deliver) for sink in self._sinks]
        self._repeats = [
            Repeat("instruments", sweeper.look, every_seconds=INSTRUMENTS_SECONDS, at_end=sweeper.stop),
            Repeat("leases", duties.expire, every_seconds=self._lease_seconds / 3),
        ]
        pools = [Repeat("pools", duties.ask_pools, every_seconds=POOLS_SECONDS)] if duties.ask_pools else []
        if duties.tidy is not None:
            self._repeats.append(Repeat("tidy", duties.tidy, every_seconds=2 * self._lease_seconds))
        if duties.record is not None:
            self._repeats.append(Repeat("record", duties.record, every_seconds=RECORD_SECONDS))
        if duties.copy_record is not None:
            self._repeats.append(Repeat("record-copies", duties.copy_record, every_seconds=RECORD_COPIES_SECONDS))
        for store, turn in duties.upkeep.items():  # a thread each: one store that hangs delays no other
            self._repeats.append(Repeat(f"copies-{store}", turn, every_seconds=UPKEEP_SECONDS))
        for target, turn in duties.deposits.items():  # the same: one that hangs delays no other
            self._repeats.append(Repeat(f"target-{target}", turn, every_seconds=DEPOSIT_SECONDS))
        if duties.plan is not None:
            self._repeats.append(Repeat("plan", duties.plan, every_seconds=self._plan_seconds))
        if duties.fold_uses is not None:
            self._repeats.append(Repeat("delivered", duties.fold_uses, every_seconds=FOLD_SECONDS))
        heard = self._catalogue.listen(timeout=timedelta(seconds=1))
        listening = Repeat("doorbell", lambda: self._hear(heard, pools, sweeper), every_seconds=0)
        self._repeats += [*pools, listening]

    def _begin_rounds(self) -> None:
        """Look after the archive, once the start needs the machine no more."""
        rounds = (
            ("recovery", self._duties.recover),
            ("survey", self._duties.survey),
            ("probes", self._duties.collect_probes),
            ("protect", self._duties.protect),
            ("public-access", self._duties.level_access),
            ("public-index", self._duties.level_index),
            ("public-forms", self._duties.complete_forms),
        )
        every, adopter = self._recovery_seconds, self._duties.adopter
        if adopter is not None:
            looking = Repeat("adopt", adopter.look, every_seconds=INSTRUMENTS_SECONDS, at_end=adopter.stop)
            self._repeats.append(looking)
        self._repeats += [Repeat(name, turn, every_seconds=every) for name, turn in rounds if turn is not None]

    def _hear(self, heard: Iterator[str], pools: Sequence[Repeat], sweeper: Sweeper) -> None:
        """Wait for the catalogue's doorbell and wake whom it concerns; a timeout wakes everybody but sweepers."""
        topic = next(heard)
        if topic.startswith(HINT_TOPIC):
            sweeper.hint(topic.removeprefix(HINT_TOPIC))
            return
        if topic == "pages":
            return
        for drain in self._drains if topic != "inbox" else ():
            drain.wake()
        for pool in pools if topic != "outbox" else ():
            pool.wake()

    def _child_ended(self, name: str, pid: int) -> None:
        """End the leases of a worker that died, at once: nobody has to wait for them to run out."""
        _log.warning("child.ended", child=name, pid=pid, asked_to=self._stopping)
        if not name.startswith("worker"):
            return
        try:
            self._duties.end_leases(owner_name("worker", pid=pid))
        except CisternaError as error:
            _log.warning("leases.wait", child=name, code=error.code, reason=str(error))  # they run out by themselves

    def _end(self) -> None:
        for repeat in self._repeats:
            repeat.ask_to_stop()
        self._supervisor.stop(timeout_seconds=STOP_SECONDS)
        for repeat in self._repeats:
            repeat.stop()
        for drain in self._drains:
            drain.stop()
        self._record_the_rest()

    def _record_the_rest(self) -> None:
        """Leave an archive that tells all; what cannot be written now is written after the next start."""
        if self._duties.record is None:
            return
        try:
            self._duties.record()
        except CisternaError as error:
            _log.warning("record.waits", code=error.code, reason=str(error))
