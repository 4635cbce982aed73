"""An instrument in shadow mode on the real catalogue, and a landing zone that remembers every look at it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cisterna.domain.account import Account, Role
from cisterna.domain.acquisition import Acquisition, Evidence
from cisterna.domain.delivered import DeliveredDigests
from cisterna.domain.errors import NotFound
from cisterna.domain.identifier import acquisition_id
from cisterna.domain.instrument import Instrument
from cisterna.domain.listing import Listing, Obstacle, SeenFile
from cisterna.domain.shadow_report import RuleOutcome, RuleReport, RunReport, ShadowReport
from cisterna.domain.sighting import Sighting
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.profile import Described, Look, Plane
from cisterna.services.detect import SweepMemory, SweepResult, sweep_instrument
from cisterna.services.shadow import begin_shadow
from cisterna.services.shadow_report import shadow_report
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_account, make_instrument, make_project
from cisterna.testing.memory_zone import MemoryZone

_numbers = itertools.count(1)
SECOND_NS = 1_000_000_000
OPERATOR = "olga"


class Entry(tuple[str, int, int, int]):
    """A file as a look sees it: path, size, time of modification, inode."""

    __slots__ = ()


@dataclass(frozen=True)
class LookLog:
    """One look at a run, in the order in which they were made."""

    sweep: int
    at: datetime
    elapsed: float
    folder: str
    entries: frozenset[tuple[str, int, int, int]]


class DonePlan:
    """A kind of run: closed by `done`; a file `plan-N` says that there are N files beside these two."""

    name = "done-plan"
    markers = ("done",)
    quiet_seconds = 10.0
    stalled_seconds = 7200.0

    def claims(self, look: Look) -> bool:
        return bool(look.listing.files)

    def inspect(self, look: Look) -> Evidence:
        paths = look.listing.paths
        planned = next((int(one.removeprefix("plan-")) for one in paths if one.startswith("plan-")), None)
        there = sum(one != "done" and not one.startswith("plan-") for one in paths)
        missing = max(0, planned - there) if planned is not None else 0
        return Evidence(
            markers_missing=() if "done" in paths else ("done",),
            expects=planned is not None,
            expected_files=planned,
            missing_files=missing,
        )

    def describe(self, look: Look) -> Described:
        return Described(title=look.folder, data_type="folder")

    def delivered(self, look: Look) -> DeliveredDigests:
        del look
        return {}

    def is_image(self, path: str) -> bool:
        del path
        return False

    def plane(self, path: str) -> Plane | None:
        del path
        return None


class ShownZone(MemoryZone):
    """Shows folders as a test says, and remembers each look; nothing in it can be read, so that nothing is."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__()
        self.runs: dict[str, dict[str, SeenFile]] = {}
        self.looks: list[LookLog] = []
        self.sweeps: list[tuple[str, ...]] = []
        self._clock = clock

    def put(self, run: str, path: str, size: int, *, mtime: float | None = None) -> None:
        number = next(_numbers)
        seconds = self._clock.now().timestamp() if mtime is None else mtime
        kept = self.runs.setdefault(run, {})
        mtime_ns = int(seconds * SECOND_NS) + (number if mtime is None else 0)
        kept[path] = SeenFile(path=path, size_bytes=size, mtime_ns=mtime_ns, inode=number)

    def folders(self) -> Sequence[str]:
        self.sweeps.append(tuple(sorted(self.runs)))
        return self.sweeps[-1]

    def strays(self) -> Sequence[Obstacle]:
        return ()

    def listing(self, folder: str) -> Listing:
        if folder not in self.runs:
            raise NotFound(f"{folder} is not there", path=folder)
        files = tuple(self.runs[folder][path] for path in sorted(self.runs[folder]))
        entries = frozenset((one.path, one.size_bytes, one.mtime_ns, one.inode) for one in files)
        sweep = len(self.sweeps) - 1
        self.looks.append(LookLog(sweep, self._clock.now(), self._clock.monotonic(), folder, entries))
        return Listing(files=files)

    def read_small(self, folder: str, path: str, *, limit_bytes: int) -> bytes:
        raise AssertionError(f"{limit_bytes} bytes of {folder}/{path} were read")

    read_tail = read_small


@dataclass
class Bench:
    """One instrument."""

    catalogue: Catalogue
    clock: SettableClock
    rules: Sequence[str] = ()
    days: float = 30.0
    settings: Mapping[str, str] = field(default_factory=dict)
    memory: SweepMemory | None = field(default_factory=SweepMemory)
    project: str | None = None
    name: str = field(default_factory=lambda: f"inst-{next(_numbers)}")

    def __post_init__(self) -> None:
        self.zone = ShownZone(self.clock)
        with self.catalogue.begin() as tx:
            if tx.accounts.find(OPERATOR) is None:
                tx.accounts.add(make_account(OPERATOR, Role.OPERATOR, email="olga@example.org"))
                tx.projects.add(make_project())
                tx.outbox.register(["log"])
            made = make_instrument(
                self.name,
                profile="done-plan",
                identity=self.zone.identity(),
                settings={"mass_change_floor": "1000000", **self.settings},
            )
            tx.instruments.add(made)
        self.begin()

    def begin(self) -> Instrument:
        return begin_shadow(
            self.name,
            days=self.days,
            rules=self.rules,
            markers=DonePlan.markers,
            person=OPERATOR,
            reason="to see what it does",
            catalogue=self.catalogue,
            clock=self.clock,
        )

    @property
    def operator(self) -> Account:
        with self.catalogue.begin() as tx:
            found = tx.accounts.find(OPERATOR)
        assert found is not None
        return found

    def instrument(self) -> Instrument:
        with self.catalogue.begin() as tx:
            return tx.instruments.get(self.name)

    def sweep(self, *, after: float = 0.0) -> SweepResult:
        if after:
            self.clock.advance(after)
        return sweep_instrument(
            self.instrument(),
            zone=self.zone,
            profiles={"done-plan": DonePlan()},
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: self.project,
            memory=self.memory,
        )

    def sweep_every(self, seconds: float, *, times: int) -> None:
        for _ in range(times):
            self.sweep(after=seconds)

    def restart(self) -> None:
        """Forget what the process remembers."""
        self.memory = SweepMemory()

    def put(self, run: str, path: str, size: int = 10, **more: Any) -> None:
        self.zone.put(run, path, size, **more)

    def acquisition(self, run: str) -> Acquisition:
        with self.catalogue.begin() as tx:
            return tx.acquisitions.get(acquisition_id(instrument=self.name, folder=run))

    def sightings(self, run: str) -> Sequence[Sighting]:
        with self.catalogue.begin() as tx:
            return tx.sightings.of(acquisition_id(instrument=self.name, folder=run))

    def report(self) -> ShadowReport:
        return shadow_report(self.name, account=self.operator, catalogue=self.catalogue, clock=self.clock)

    def run(self, run: str) -> RunReport:
        (found,) = [one for one in self.report().runs if one.folder == run]
        return found

    def outcome(self, run: str, rule_id: str) -> RuleOutcome | None:
        return next((one for one in self.run(run).outcomes if one.rule_id == rule_id), None)

    def rule(self, rule_id: str) -> RuleReport:
        (found,) = [one for one in self.report().rules if one.rule.rule_id == rule_id]
        return found

    def events(self) -> Iterator[str]:
        with self.catalogue.begin() as tx:
            yield from (event.name for event in tx.outbox.history([self.name]))


def live_through(bench: Bench) -> None:
    """A few days with something of everything: whole runs, late files, a pause, a run without an end, hostile names."""
    for number in range(3):
        run = f"2026-11-2{number}_plate-{number}"
        bench.put(run, "plan-2", 120)
        bench.sweep(after=5.0)
        for path in ("A1/0_0_DAPI.tiff", "A1/0_1_DAPI.tiff"):
            bench.put(run, path, 8_400_000)
            bench.sweep(after=20.0)
        bench.put(run, "done", 0)
        bench.sweep_every(20.0, times=3)
        if number == 1:
            bench.put(run, "A1/<img src=x onerror=alert(1)>.tiff", 16_800_000)
        bench.sweep_every(400.0, times=4)
        bench.sweep(after=43_200.0)
    bench.put("2026-11-24_timelapse", "t0.tiff", 4_200_000)
    bench.sweep_every(190.0, times=4)
    bench.put("2026-11-24_timelapse", "t1.tiff", 4_200_000)
    bench.sweep_every(3_000.0, times=4)
    bench.put("2026-11-25_crash", "t0.tiff", 9_000)
    bench.sweep_every(86_400.0, times=9)
