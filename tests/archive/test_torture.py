"""Promise 4 with real processes: SIGKILL to worker and store, at every write and at random, and nothing is different.

The worker is a process of its own, which reaches a real SeaweedFS through a proxy that knows which write is under way.
A small part runs always; `make torture` runs all of it, prints the seed, and takes `--strikes`, `--seed`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from random import Random

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.probe_key import PROBE_GRACE
from cisterna.services.probe_left import collect_probes
from cisterna.testing.clock import SettableClock
from cisterna.testing.fault_proxy import FaultProxy
from tests.archive.facility import Facility
from tests.archive.ocfl_judge import dump, judge
from tests.archive.torture import EVERY_KIND, Blow, Moment, Step, Torture, Victim, is_write
from tests.archive.whole import logical_state, require_no_strangers, require_whole
from tests.archive.worker_nursery import DONE, Nursery, Task
from tests.store_fixtures import SHORT, new_seaweedfs

Outcome = dict[str, dict[str, str]]
RUNS_OF_A_BUCKET = 25
"""Then the bucket is judged and deleted, and another begun, so that the disk does not fill."""
_buckets = count(1)


@dataclass
class Trials:
    """Runs that go through two versions, a copy and the release of their source, with blows on the way to each.

    Attributes:
        writes, seconds: Of each step, undisturbed.
        expected: What each version must come to.
        valid: Objects that ocfl-py found valid.
        probes_left: Keys that killed probes had left, and that were collected.
    """

    torture: Torture
    validator: list[str]
    folder: Path
    expected: list[Outcome] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    valid: int = 0
    probes_left: int = 0
    _runs: list[str] = field(default_factory=list)

    def undisturbed(self) -> None:
        """Learn what a run comes to, with how many writes and how fast."""
        for step in self.torture.steps("reference"):
            self.torture.proxy.requests.clear()
            began = time.monotonic()
            self.torture.begin(step)
            ended = self.torture.nursery.wait()
            assert ended.code == DONE, (step, ended)
            self.seconds.append(time.monotonic() - began)
            self.writes.append(sum(is_write(one) for one in self.torture.proxy.requests))
            if step.task is Task.INGEST:
                require_whole(self.torture.facility, step.subject)
                self.expected.append(logical_state(self.torture.facility, step.subject))
        self._runs.append("reference")

    def run(self, strike: Callable[[int, Step], None]) -> None:
        """Take a new run through every step; `strike` is told which of them, from 0, and the step."""
        if len(self._runs) >= RUNS_OF_A_BUCKET:  # before a run and not after it, so that none ends on an empty bucket
            self.judge()
        run = f"run-{self.torture.done.total()}-{len(self._runs)}"
        self._runs.append(run)
        before: dict[str, bytes] = {}
        version = ""
        for number, step in enumerate(self.torture.steps(run)):
            strike(number, step)
            self.torture.finish(step)
            version = step.subject if step.task is Task.INGEST else version
            require_whole(self.torture.facility, version)
            wanted = self.expected[min(number, len(self.expected) - 1)]
            assert logical_state(self.torture.facility, version) == wanted
            now = self.torture.facility.keys(version)
            kept = {path: body for path, body in before.items() if path.startswith("v1/")}
            assert {path: now[path] for path in kept} == kept
            before = now

    def judge(self) -> None:
        """Let ocfl-py judge every object of the bucket and every copy, and begin others."""
        torture, count_of = self.torture, len(self._runs)
        later = SettableClock(datetime.now(UTC) + 2 * PROBE_GRACE)  # keys of probes tell the machine's time
        for store in (torture.store, torture.second):
            self.probes_left += len(collect_probes(store, clock=later))
        require_no_strangers(torture.facility)
        assert not list(torture.second.unfinished_uploads(""))
        for store in (torture.store, torture.second):
            folder = self.folder / store.bucket
            dump(store, folder)
            roots = sorted({"/".join(one.key.split("/")[:4]) for one in store.list("") if "/v1/" in one.key})
            assert len(roots) == count_of
            said = judge(self.validator, folder, *(folder / root for root in roots))
            assert said.count("is VALID") == count_of, said
            shutil.rmtree(folder)
            self.valid += count_of
            store.control.delete_bucket()
        self._runs.clear()
        torture.use(*new_buckets(torture.server))


def new_buckets(server: EmbeddedSeaweedFS) -> tuple[S3Store, S3Store]:
    """Give stores on buckets that were not there: the archive's, and the copies'."""
    number = next(_buckets)
    stores = [
        S3Store(server.archive_access, bucket=f"{name}-{number}", name=name, patience=SHORT)
        for name in ("archive", "second")
    ]
    for store in stores:
        store.create_bucket()
    return stores[0], stores[1]


@pytest.fixture
def own_seaweedfs(tmp_path: Path) -> Iterator[EmbeddedSeaweedFS]:
    """Give a server that nobody else needs, to be killed."""
    server = new_seaweedfs(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> Random:
    """Give what is left to chance; the seed is told, so that a bad one can be had again."""
    seed = request.config.getoption("--seed") or time.time_ns()
    print(f"seed {seed}")  # noqa: T201
    return Random(seed)


@pytest.fixture
def torture(facility: Facility, own_seaweedfs: EmbeddedSeaweedFS, dsn: str, chance: Random) -> Iterator[Torture]:
    """Give a facility whose worker and store may be killed."""
    with FaultProxy(own_seaweedfs.endpoint) as proxy, Nursery() as nursery:
        stores = new_buckets(own_seaweedfs)
        made = Torture(facility, *stores, own_seaweedfs, proxy, nursery, dsn, chance)
        made.use(*stores)
        with facility.catalogue.begin() as tx:
            tx.copies.register([one.name for one in stores])
        yield made
        made.store.close()
        made.second.close()


@pytest.fixture
def trials(torture: Torture, ocfl_validate: list[str], tmp_path: Path) -> Trials:
    """Give trials that know what undisturbed workers come to."""
    made = Trials(torture, ocfl_validate, tmp_path / "judged")
    made.undisturbed()
    return made


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_some_kills_at_writes_and_at_random_change_nothing(trials: Trials) -> None:
    torture = trials.torture
    for turn in range(2):

        def strike(number: int, step: Step, turn: int = turn) -> None:
            victim, moment = EVERY_KIND[(2 * turn + number) % len(EVERY_KIND)]
            sure = max(1, trials.writes[number] * 9 // 10)  # their number differs a little from run to run
            assert torture.strike(step, Blow(victim, moment, nth=1 + torture.chance.randrange(sure)))
            if moment is Moment.TORN:
                torture.strike_some_time(step, victim, within_seconds=trials.seconds[number])

        trials.run(strike)
    trials.judge()

    assert torture.done.total() >= len(EVERY_KIND)


def strike_once(trials: Trials, blow: Blow, number: int, step: Step) -> None:
    if blow.nth <= trials.writes[number]:
        trials.torture.strike(step, blow)


@pytest.mark.torture
@pytest.mark.timeout(7200)
def test_kills_at_every_write_and_at_random_change_nothing(trials: Trials, request: pytest.FixtureRequest) -> None:
    torture, began = trials.torture, time.monotonic()
    for nth in range(1, max(trials.writes) + 1):
        for victim, moment in EVERY_KIND:
            blow = Blow(victim, moment, nth)
            trials.run(partial(strike_once, trials, blow))
    at_writes = torture.done.total()

    def strike_at_random(number: int, step: Step) -> None:
        for _ in range(torture.chance.choice((1, 1, 2))):
            victim = Victim.STORE if torture.chance.random() < 0.25 else Victim.CLIENT
            torture.strike_some_time(step, victim, within_seconds=trials.seconds[number])

    while torture.done.total() < request.config.getoption("--strikes"):
        trials.run(strike_at_random)
    trials.judge()

    print(  # noqa: T201 - the figures are what this is run for
        f"{torture.done.total()} kills in {time.monotonic() - began:.0f} s, {at_writes} of them at each of "
        f"{trials.writes} writes (v1, v2, copy, release): {dict(torture.done)}; struck writes: {dict(torture.writes)}; "
        f"{trials.valid} objects valid by ocfl-py, 0 corrupt, 0 missing, 0 duplicated; "
        f"{trials.probes_left} keys of killed probes collected"
    )
    assert at_writes >= 5 * sum(trials.writes)
