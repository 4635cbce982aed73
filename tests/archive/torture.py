"""Blows to a worker or to its store at a named write, or at any moment, and the judgement of what is left."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from urllib.parse import unquote

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_obstore import S3Store
from cisterna.services.recover import recover_object
from cisterna.testing.fault_proxy import Effect, FaultProxy, Request, Rule
from tests.archive.facility import RUN, Facility
from tests.archive.worker_nursery import DONE, FAILED, Nursery

LARGE = {**RUN, "0/large.avi": b"large" * (9 * 1024 * 1024 // 5), "0/two\nlines.txt": b"a name over two lines"}
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


@dataclass
class Torture:
    """A facility whose worker and store are killed, and the count of what was done to them.

    Attributes:
        facility: The undisturbed view: it reaches the store directly.
        proxy: What the worker reaches the store through.
        done: Blows that struck, by victim and moment.
        writes: What was being written when a blow struck, and how often.
        missed: Random blows that came when the worker had ended.
    """

    facility: Facility
    store: S3Store
    server: EmbeddedSeaweedFS
    proxy: FaultProxy
    nursery: Nursery
    dsn: str
    chance: Random
    done: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    missed: int = 0

    def use(self, store: S3Store) -> None:
        """Go on with another bucket."""
        self.store = self.facility.store = store

    def open(self, run: str) -> str:
        """Put a new run into the landing zone, complete, and return its first version."""
        self.facility.write(run, LARGE)
        return self.facility.detect(run).version_id

    def reopen(self, run: str) -> str:
        """Let the run change and come to rest again, and return its second version."""
        self.facility.write(run, SECOND)
        return self.facility.detect(run, number=2).version_id

    def begin(self, version: str) -> int:
        """Start a worker on a version, by taking the work away from whoever had it; return its pid."""
        access = self.server.archive_access
        return self.nursery.start(
            {
                "dsn": self.dsn,
                "endpoint": self.proxy.url,
                "key": access.access_key_id,
                "secret": access.secret_access_key.get_secret_value(),
                "bucket": self.store.bucket,
                "landing": str(self.facility.landing),
                "version": version,
                "lease": self.facility.lease(version).model_dump(mode="json"),
            }
        )

    def strike(self, version: str, blow: Blow) -> bool:
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
        pid[0] = self.begin(version)
        known.set()
        ended = self.nursery.wait()
        self.proxy.heal()
        self.server.start()
        expected = DONE if not rule.fired else FAILED if blow.victim is Victim.STORE else -signal.SIGKILL
        assert ended.code == expected, (blow, ended)
        if rule.fired:
            self.done[f"{blow.victim} {blow.moment} a write"] += 1
        return rule.fired > 0

    def strike_some_time(self, version: str, victim: Victim, *, within_seconds: float) -> None:
        """Kill at a random moment; a store comes back while the worker may still be at it, or not."""
        pid = self.begin(version)
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
        assert ended.code in {DONE, FAILED if victim is Victim.STORE else -signal.SIGKILL}, ended
        if ended.code == DONE and victim is Victim.CLIENT:
            self.missed += 1
        else:
            self.done[f"{victim} at random"] += 1

    def finish(self, version: str) -> None:
        """Let somebody else carry on, after a recovery or not, as it happens."""
        dataset = self.facility.version(version).dataset_id
        for _ in range(self.chance.choice((0, 1, 2))):
            recover_object(dataset, lease=None, catalogue=self.facility.catalogue, store=self.store)
        self.begin(version)
        ended = self.nursery.wait()
        assert ended.code == DONE, ended


def what_of(request: Request) -> str:
    """Name what a write was of, such as `part` or `root inventory.json`."""
    if "uploadId=" in request.query:
        return {"PUT": "part", "POST": "completion", "DELETE": "abortion"}[request.method]
    if request.method == "POST":
        return "upload" if "uploads" in request.query else "deletion"
    *_, folder, name = unquote(request.path).split("/")
    if "/content/" in request.path:
        return "content"
    return f"version's {name}" if _VERSION_FOLDER.fullmatch(folder) else f"root {name}"


_VERSION_FOLDER = re.compile(r"v[0-9]+")
