"""Blows to a worker or to its store at a named write, or at any moment, and the judgement of what is left."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from urllib.parse import unquote

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.release import ReleaseState
from cisterna.domain.work import Attempt
from cisterna.services.recover import recover_object
from cisterna.testing.fault_proxy import Effect, FaultProxy, Request, Rule
from tests.archive.facility import RUN, Facility
from tests.archive.whole import require_nothing_lost
from tests.archive.worker_nursery import DONE, FAILED, Nursery, Task
from tests.release.world import ReleaseWorld

LARGE = {**RUN, "0/large.avi": b"large" * (17 * 1024 * 1024 // 5), "0/two\nlines.txt": b"a name over two lines"}
"""More than one part of an upload: its parts, its completion and its abortion are writes too."""
SECOND = {"0/A1_0_BF.tiff": b"new pixels" * 30, "0/A1_9_BF.tiff": b"one more", "0/late.avi": b"F" * 9_000}


class Victim(StrEnum):
    """Whom SIGKILL strikes."""

    CLIENT = "client"
    STORE = "store"


class Moment(StrEnum):
    """When it strikes, as seen from one write on its way to the store."""

    BEFORE = "before"
    TORN = "torn"
    AFTER = "after"


@dataclass(frozen=True)
class Blow:
    """One kill: of whom, and at which write (counted from 1 in the life of the worker)."""

    victim: Victim
    moment: Moment
    nth: int


EVERY_KIND = tuple((victim, moment) for victim in Victim for moment in Moment)
_EFFECTS = {Moment.BEFORE: Effect.RESET, Moment.TORN: Effect.TORN, Moment.AFTER: Effect.LOSE}


def is_write(request: Request) -> bool:
    """Tell whether a request changes the store."""
    return request.method in {"PUT", "POST", "DELETE"}


@dataclass(frozen=True)
class Step:
    """One thing that a worker does to a run, and may be killed at.

    Attributes:
        subject: A version's id, or a release's.
        lease: Takes the work away from whoever has it.
        require_safe: Looks, after each blow, at what must be true at any moment.
    """

    task: Task
    subject: str
    lease: Callable[[], Attempt]
    require_safe: Callable[[], None] = lambda: None


@dataclass
class Torture:
    """A facility whose worker and store are killed, and the count of what was done to them.

    Attributes:
        facility: The undisturbed view: it reaches the store directly.
        second: Where copies go, at the same server.
        proxy: What the worker reaches the store through.
        done: Blows that struck, by victim and moment.
        writes: What was being written when a blow struck, and how often.
        missed: Random blows that came when the worker had ended.
    """

    facility: Facility
    store: S3Store
    second: S3Store
    server: EmbeddedSeaweedFS
    proxy: FaultProxy
    nursery: Nursery
    dsn: str
    chance: Random
    done: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    missed: int = 0

    def use(self, store: S3Store, second: S3Store) -> None:
        """Go on with other buckets."""
        self.store = self.facility.store = store
        self.second = second

    def steps(self, run: str) -> Iterator[Step]:
        """Give what happens to a new run one after the other; each begins when the one before is over."""
        self.facility.write(run, LARGE)
        version = self.facility.detect(run).version_id
        yield Step(Task.INGEST, version, lambda: self.facility.lease(version))
        self.facility.write(run, SECOND)
        version = self.facility.detect(run, number=2).version_id
        yield Step(Task.INGEST, version, lambda: self.facility.lease(version))
        yield Step(Task.COPY, version, lambda: self.facility.lease(version))
        world = ReleaseWorld(self.facility, run=run)
        world.adopt(version)
        release, held = world.announce_and_wait(), list[Attempt]()

        def lease() -> Attempt:
            for one in held:
                world.put_back(one)
            held[:] = [world.lease()]
            return held[0]

        def require_safe() -> None:
            require_nothing_lost(
                {**LARGE, **SECOND},
                world.release(release),
                facility=self.facility,
                folder=world.folder,
                stores=(self.store, self.second),
            )

        yield Step(Task.RELEASE, release.release_id, lease, require_safe)
        with self.facility.catalogue.begin() as tx:
            tx.inbox.finish(held[0], outcome="released")
        ended = world.release(release)
        assert ended.state is ReleaseState.DONE, ended
        assert not world.folder.exists()

    def begin(self, step: Step) -> int:
        """Start a worker on a step, by taking the work away from whoever had it; return its pid."""
        access = self.server.archive_access
        lease = step.lease()
        return self.nursery.start(
            {
                "dsn": self.dsn,
                "endpoint": self.proxy.url,
                "key": access.access_key_id,
                "secret": access.secret_access_key.get_secret_value(),
                "bucket": self.store.bucket,
                "second": self.second.bucket,
                "landing": str(self.facility.landing),
                "task": step.task,
                "subject": step.subject,
                "lease": lease.model_dump(mode="json"),
                "now": self.facility.clock.now().isoformat(),
            }
        )

    def strike(self, step: Step, blow: Blow) -> bool:
        """Kill at one write, and tell whether the worker came so far; it is dead or has given up after this."""
        known, pid = threading.Event(), [0]

        def kill(request: Request) -> None:
            if blow.victim is Victim.STORE:
                self.server.kill()
            else:
                known.wait(10)
                os.kill(pid[0], signal.SIGKILL)
            self.writes[what_of(request)] += 1

        at_once = blow.moment is Moment.BEFORE or (blow.moment is Moment.TORN and blow.victim is Victim.CLIENT)
        hook = {"before": kill} if at_once else {"after": kill}
        rule = self.proxy.add(Rule(_EFFECTS[blow.moment], when=is_write, skip=blow.nth - 1, **hook))
        pid[0] = self.begin(step)
        known.set()
        ended = self.nursery.wait()
        self.proxy.heal()
        self.server.start()
        expected = DONE if not rule.fired else FAILED if blow.victim is Victim.STORE else -signal.SIGKILL
        assert ended.code == expected, (step, blow, ended)
        step.require_safe()
        if rule.fired:
            self.done[f"{blow.victim} {blow.moment} a write"] += 1
        return rule.fired > 0

    def strike_some_time(self, step: Step, victim: Victim, *, within_seconds: float) -> None:
        """Kill at a random moment; a store comes back while the worker may still be at it, or not."""
        pid = self.begin(step)
        time.sleep(self.chance.uniform(0.0, within_seconds))
        if victim is Victim.STORE:
            self.server.kill()
            if self.chance.random() < 0.5:
                self.server.start()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended = self.nursery.wait()
        self.server.start()
        assert ended.code in {DONE, FAILED if victim is Victim.STORE else -signal.SIGKILL}, (step, ended)
        step.require_safe()
        if ended.code == DONE and victim is Victim.CLIENT:
            self.missed += 1
        else:
            self.done[f"{victim} at random"] += 1

    def finish(self, step: Step) -> None:
        """Let somebody else carry on, after a recovery or not, as it happens."""
        if step.task is Task.INGEST:
            dataset = self.facility.version(step.subject).dataset_id
            for _ in range(self.chance.choice((0, 1, 2))):
                recover_object(dataset, lease=None, catalogue=self.facility.catalogue, store=self.store)
        self.begin(step)
        ended = self.nursery.wait()
        assert ended.code == DONE, (step, ended)


def what_of(request: Request) -> str:
    """Name what a write was of, such as `part` or `root inventory.json`."""
    if "uploadId=" in request.query:
        return {"PUT": "part", "POST": "completion", "DELETE": "abortion"}[request.method]
    if request.method == "POST":
        return "upload" if "uploads" in request.query else "deletion"
    *_, folder, name = unquote(request.path).split("/")
    if "/content/" in request.path:
        return "content"
    if folder == "logs":
        return "record"
    return f"version's {name}" if _VERSION_FOLDER.fullmatch(folder) else f"root {name}"


_VERSION_FOLDER = re.compile(r"v[0-9]+")
