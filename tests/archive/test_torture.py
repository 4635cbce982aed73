"""Promise 4 with real processes: SIGKILL to worker and store, at every write and at random, and nothing is different.

The worker is a process of its own, which reaches a real SeaweedFS through a proxy that knows which write is under way.
A small part runs always; `make torture` runs all of it, prints the seed, and takes `--strikes`, `--seed`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from random import Random

import pytest

from cisterna.adapters.embedded_seaweedfs import EmbeddedSeaweedFS
from cisterna.adapters.s3_obstore import S3Store
from cisterna.testing.fault_proxy import FaultProxy
from tests.archive.facility import Facility
from tests.archive.ocfl_judge import dump, judge
from tests.archive.torture import EVERY_KIND, Blow, Moment, Torture, Victim, is_write
from tests.archive.whole import logical_state, require_no_strangers, require_whole
from tests.archive.worker_nursery import DONE, Nursery
from tests.store_fixtures import SHORT, new_seaweedfs

Outcome = dict[str, dict[str, str]]
Outcome = dict[str, dict[str, str]]
RUNS_OF_A_BUCKET = 25
"""Then the bucket is judged and deleted, and another begun, so that the disk does not fill."""
_buckets = count(1)


@dataclass
class Trials:
    """Runs that go through two versions each, with blows on the way, and the outcome they must come to."""

    torture: Torture
    validator: list[str]
    folder: Path
    expected: list[Outcome] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    seconds: float = 0.0
    valid: int = 0
    _runs: list[str] = field(default_factory=list)

    def undisturbed(self) -> None:
        """Learn what a run comes to, with how many writes and how fast."""
        for version in (lambda: self.torture.open("reference"), lambda: self.torture.reopen("reference")):
            self.torture.proxy.requests.clear()
            name, began = version(), time.monotonic()
            self.torture.begin(name)
            assert self.torture.nursery.wait().code == DONE
            self.seconds = max(self.seconds, time.monotonic() - began)
            require_whole(self.torture.facility, name)
            self.writes.append(sum(is_write(one) for one in self.torture.proxy.requests))
            self.expected.append(logical_state(self.torture.facility, name))
        self._runs.append("reference")

    def run(self, strike: Callable[[int, str], None]) -> None:
        """Take a new run through both versions; `strike` is told which of them (0 or 1) and its id."""
        run = f"run-{self.torture.done.total()}-{len(self._runs)}"
        self._runs.append(run)
        before: dict[str, bytes] = {}
        for number, opened in enumerate((self.torture.open, self.torture.reopen)):
            version = opened(run)
            strike(number, version)
            self.torture.finish(version)
            require_whole(self.torture.facility, version)
            assert logical_state(self.torture.facility, version) == self.expected[number]
            now = self.torture.facility.keys(version)
            kept = {path: body for path, body in before.items() if path.startswith("v1/")}
            assert {path: now[path] for path in kept} == kept
            before = now
        if len(self._runs) >= RUNS_OF_A_BUCKET:
            self.judge()

    def judge(self) -> None:
        """Let ocfl-py judge every object of the bucket, and begin another."""
        torture, count_of = self.torture, len(self._runs)
        require_no_strangers(torture.facility)
        folder = self.folder / torture.store.bucket
        dump(torture.store, folder)
        roots = sorted({"/".join(one.key.split("/")[:4]) for one in torture.store.list("") if "/v1/" in one.key})
        assert len(roots) == count_of
        said = judge(self.validator, folder, *(folder / root for root in roots))
        assert said.count("is VALID") == count_of, said
        shutil.rmtree(folder)
        self.valid += count_of
        self._runs.clear()
        torture.store.control.delete_bucket()
        torture.use(new_bucket(torture.server))


def new_bucket(server: EmbeddedSeaweedFS) -> S3Store:
    """Give a store on a bucket that was not there."""
    store = S3Store(server.archive_access, bucket=f"torture-{next(_buckets)}", name="archive", patience=SHORT)
    store.create_bucket()
    return store


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
        store = new_bucket(own_seaweedfs)
        made = Torture(facility, store, own_seaweedfs, proxy, nursery, dsn, chance)
        made.use(store)
        yield made
        made.store.close()


@pytest.fixture
def trials(torture: Torture, ocfl_validate: list[str], tmp_path: Path) -> Trials:
    """Give trials that know what undisturbed workers come to."""
    made = Trials(torture, ocfl_validate, tmp_path / "judged")
    made.undisturbed()
    return made


@pytest.mark.timeout(300)
def test_some_kills_at_writes_and_at_random_change_nothing(trials: Trials) -> None:
    torture = trials.torture
    for victim, moment in EVERY_KIND:

        def strike(number: int, version: str, victim: Victim = victim, moment: Moment = moment) -> None:
            sure = trials.writes[number] * 9 // 10  # their number differs a little from run to run
            assert torture.strike(version, Blow(victim, moment, nth=1 + torture.chance.randrange(sure)))
            if moment is Moment.TORN:
                torture.strike_some_time(version, victim, within_seconds=trials.seconds)

        trials.run(strike)
    trials.judge()

    assert torture.done.total() >= 2 * len(EVERY_KIND)


def strike_once(trials: Trials, blow: Blow, number: int, version: str) -> None:
    if blow.nth <= trials.writes[number]:
        trials.torture.strike(version, blow)


@pytest.mark.torture
@pytest.mark.timeout(7200)
def test_kills_at_every_write_and_at_random_change_nothing(trials: Trials, request: pytest.FixtureRequest) -> None:
    torture, began = trials.torture, time.monotonic()
    for nth in range(1, max(trials.writes) + 1):
        for victim, moment in EVERY_KIND:
            blow = Blow(victim, moment, nth)
            trials.run(partial(strike_once, trials, blow))
    at_writes = torture.done.total()

    def strike_at_random(_number: int, version: str) -> None:
        for _ in range(torture.chance.choice((1, 1, 2))):
            victim = Victim.STORE if torture.chance.random() < 0.25 else Victim.CLIENT
            torture.strike_some_time(version, victim, within_seconds=trials.seconds)

    while torture.done.total() < request.config.getoption("--strikes"):
        trials.run(strike_at_random)
    trials.judge()

    print(  # noqa: T201 - the figures are what this is run for
        f"{torture.done.total()} kills in {time.monotonic() - began:.0f} s, {at_writes} of them at each of "
        f"{trials.writes} writes (v1, v2): {dict(torture.done)}; struck writes: {dict(torture.writes)}; "
        f"{trials.valid} objects valid by ocfl-py, 0 corrupt, 0 missing, 0 duplicated"
    )
    assert at_writes >= 5 * sum(trials.writes)
