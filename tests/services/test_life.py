"""The life of acquisitions in any order of writes, sweeps, mounts, restarts, clock jumps and work."""

from __future__ import annotations

import hashlib
import itertools
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.account import Role
from cisterna.domain.acquisition import INCOMPLETE, Acquisition, AcquisitionState, SourceState
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import CisternaError, SourceChanged
from cisterna.domain.instrument import Instrument
from cisterna.domain.work import Work, WorkState
from cisterna.profiles.folder import Folder
from cisterna.services.acquisition_record import is_due
from cisterna.services.attempt import complete_attempt, fail_attempt, start_attempt
from cisterna.services.complete import open_version
from cisterna.services.detect import SweepMemory, SweepResult, sweep_instrument
from cisterna.services.mass_change import accept_change
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_account, make_instrument, make_project
from tests.services.world import ATTEMPTS, LEASE, PLACE

C = AcquisitionState.COMPLETE
LIST, DAY = "md5sum.txt", 86_400.0
folders, names = st.integers(0, 4), st.sampled_from(["a.csv", "b.csv", "deep/c.csv"])
_worlds = itertools.count(1)


class Life(RuleBasedStateMachine):
    """One landing zone with everything that can befall it; what is archived is what was read then."""

    catalogue: SqlCatalogue
    root: Path
    steps = 0
    clock = SettableClock()
    """One for all lives, since they share a catalogue and every id in it comes from the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.memory, self.bodies = SweepMemory(), itertools.count(1)
        self.place = self.root / f"world-{next(_worlds)}"
        self.zone, self.away = self.place / "zone", self.place / "away"
        self.zone.mkdir(parents=True)
        self.instrument = self.declare(self.place.name)
        with self.catalogue._engine.begin() as connection:
            connection.execute(sql_text("TRUNCATE lanes, works, attempts"))
        self.read: dict[str, dict[str, bytes]] = {}

    def declare(self, name: str) -> Instrument:
        identity = LandingFolder(self.zone).identity()
        made = make_instrument(name, profile="folder", path=str(self.zone), identity=identity)
        with self.catalogue.begin() as tx:
            tx.instruments.add(made)
        return made

    @property
    def is_mounted(self) -> bool:
        return not self.away.exists()

    def run_folder(self, number: int) -> Path:
        return (self.zone if self.is_mounted else self.away) / f"run-{number}"

    @rule(number=folders, name=names, how=st.sampled_from(["write", "append", "touch", "remove"]))
    def change(self, number: int, name: str, how: str) -> None:
        file = self.run_folder(number) / name
        if how == "write":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"body {next(self.bodies)}")
        elif file.exists() and how == "append":
            with file.open("a") as opened:
                opened.write(f"more {next(self.bodies)}")
        elif file.exists() and how == "touch":
            file.touch()
        elif file.exists():
            file.unlink()

    @rule(number=folders, is_right=st.booleans())
    def close(self, number: int, is_right: bool) -> None:
        run = self.run_folder(number)
        there = sorted(one for one in run.rglob("*.csv")) if run.exists() else []
        if there:
            lines = [f"{hashlib.md5(one.read_bytes()).hexdigest()}  {one.relative_to(run)}\n" for one in there]  # noqa: S324
            lines += [] if is_right else [f"{'0' * 32}  never-written.csv\n"]
            (run / LIST).write_text("".join(lines))

    @rule(numbers=st.sets(folders, min_size=1))
    def write_whole(self, numbers: set[int]) -> None:
        for number in numbers:
            self.change(number, "a.csv", "write")
            self.close(number, is_right=True)

    @rule(is_archived=st.booleans())
    def come_to_rest(self, is_archived: bool) -> None:
        self.sweep()
        self.wait(61.0)
        self.sweep()
        for work in self.works(WorkState.READY) if is_archived else []:
            self.ingest(work)

    @rule(number=folders)
    def take_away(self, number: int) -> None:
        shutil.rmtree(self.run_folder(number), ignore_errors=True)

    @rule(foreign=st.booleans())
    @precondition(lambda self: self.is_mounted)
    def unmount(self, foreign: bool) -> None:
        self.zone.rename(self.away)
        self.zone.mkdir()
        if foreign:
            (self.zone / "run-0").mkdir()
            (self.zone / "run-0" / "a.csv").write_text("of another instrument")

    @rule()
    @precondition(lambda self: not self.is_mounted)
    def mount(self) -> None:
        shutil.rmtree(self.zone)
        self.away.rename(self.zone)

    @rule(foreign=st.booleans())
    @precondition(lambda self: self.is_mounted)
    def archive_all_and_be_away_for_a_while(self, foreign: bool) -> None:
        self.write_whole({0, 1, 2})
        self.come_to_rest(is_archived=True)
        self.unmount(foreign)
        self.sweep()
        self.mount()
        self.sweep()

    @rule(seconds=st.sampled_from([1.0, 61.0, 3600.0, DAY]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(days=st.sampled_from([-1, 1]))
    def jump(self, days: int) -> None:
        self.clock.set(self.clock.now() + timedelta(days=days))

    @rule()
    def restart(self) -> None:
        self.memory = SweepMemory()

    @rule()
    def sweep(self) -> None:
        before = self.rows()
        result = self.look(self.instrument, self.memory)

        after = self.rows()
        assert (result.unavailable is None) == self.is_mounted
        for folder, row in after.items():
            was = before[folder].source_state if folder in before else SourceState.PRESENT
            if row.source_state is SourceState.MISSING and was is not SourceState.MISSING:
                assert self.is_mounted
                assert not (self.zone / folder).exists()
            if not self.is_mounted:
                assert row.source_state is was
                is_safe = row.ingested_fingerprint is not None and row.ingested_fingerprint == row.fingerprint
                assert is_safe or row.state is AcquisitionState.UNAVAILABLE

    @rule()
    def accept(self) -> None:
        if self.guarded():
            accept_change(
                self.instrument.name, person="olga", reason="meant", catalogue=self.catalogue, clock=self.clock
            )

    @rule(is_written_meanwhile=st.booleans())
    def work(self, is_written_meanwhile: bool) -> None:
        for work in self.works(WorkState.READY)[:1]:
            self.ingest(work, is_written_meanwhile=is_written_meanwhile)

    def ingest(self, work: Work, *, is_written_meanwhile: bool = False) -> None:
        """Do what an ingest does as far as the acquisition's life goes: open, list, read, compare, mark."""
        means = {"catalogue": self.catalogue, "clock": self.clock, "place": PLACE}
        begun = start_attempt(
            owner="worker",
            lease=LEASE,
            attempts_max=ATTEMPTS,
            work_id=work.work_id,
            **means,  # type: ignore[arg-type]
        )
        if begun is None:
            return
        zone = LandingFolder(self.zone, declared=self.instrument.identity)
        try:
            version = open_version(
                work.subject,
                lease=begun.attempt,
                zone=zone,
                profile=Folder(),
                catalogue=self.catalogue,
                clock=self.clock,
            )
            with self.catalogue.begin() as tx:
                run = tx.acquisitions.get(work.subject)
            listing = zone.listing(run.folder)
            if is_written_meanwhile:
                self.change(int(run.folder[-1]), "a.csv", "append")
            if listing.fingerprint != version.source_fingerprint:
                raise SourceChanged("it is not what was judged")
            bodies = {}
            for seen in listing.files:
                with zone.open(run.folder, seen.path) as file:
                    buffer = bytearray(seen.size_bytes + 100)
                    bodies[seen.path] = bytes(buffer[: file.readinto(memoryview(buffer))])
                    if file.still() != seen:
                        raise SourceChanged(f"{seen.path} changed while it was read")
        except CisternaError as error:
            fail_attempt(begun, error, attempts_max=ATTEMPTS, **means)  # type: ignore[arg-type]
            return
        with self.catalogue.begin() as tx:
            tx.datasets.save_version(version.model_copy(update={"stage": Stage.VERIFIED}))
            run = tx.acquisitions.get(work.subject)
            tx.acquisitions.save(run.model_copy(update={"ingested_fingerprint": version.source_fingerprint}))
        complete_attempt(begun, outcome="verified", **means)  # type: ignore[arg-type]
        self.read[f"{work.subject} {version.source_fingerprint}"] = bodies

    @invariant()
    def state_reason_and_work_never_contradict_each_other(self) -> None:
        type(self).steps += 1
        asked = {work.key for work in self.works(None)}
        for row in self.rows().values():
            assert row.reason
            assert not (is_due(row) and row.held)
            if row.state in INCOMPLETE:
                assert row.held  # no policy keeps them here
            if row.state is AcquisitionState.UNAVAILABLE:
                assert row.held
                assert row.ingested_fingerprint is None or row.ingested_fingerprint != row.fingerprint
            if row.state is C and row.held is None:
                # archived, or on its way: nothing that was seen whole is ever neither
                is_asked = f"ingest:{row.acquisition_id}:{row.fingerprint}" in asked
                assert is_asked or row.ingested_fingerprint == row.fingerprint
            if row.ingested_fingerprint is not None:
                assert f"{row.acquisition_id} {row.ingested_fingerprint}" in self.read

    def teardown(self) -> None:
        """Come to rest: then the history does not matter, and what is whole is archived byte for byte or held."""
        if not self.is_mounted:
            self.mount()
        self.memory = SweepMemory()
        for _ in range(3):
            self.look(self.instrument, self.memory)
            self.accept()
            self.look(self.instrument, self.memory)
            self.clock.advance(DAY + 60)
            self.memory.forget_rest()
        for work in self.works(WorkState.READY):
            self.ingest(work)
        newcomer, memory = self.declare(f"{self.instrument.name}-again"), SweepMemory()
        for _ in range(2):
            self.look(newcomer, memory)
            self.clock.advance(DAY + 60)
        self.look(newcomer, memory)

        known, fresh, zone = self.rows(), self.rows(newcomer), LandingFolder(self.zone)
        for folder in zone.folders():
            row, listing = known[folder], zone.listing(folder)
            assert row.fingerprint == listing.fingerprint
            assert (row.state, row.file_count) == (fresh[folder].state, fresh[folder].file_count), (row, fresh[folder])
            if row.state is C and row.held is None:
                there = {file.path: (self.zone / folder / file.path).read_bytes() for file in listing.files}
                assert self.read[f"{row.acquisition_id} {row.ingested_fingerprint}"] == there
            else:
                assert row.held
        for folder in known.keys() - set(zone.folders()):
            assert known[folder].source_state is SourceState.MISSING or known[folder].held
        shutil.rmtree(self.place)

    def look(self, instrument: Instrument, memory: SweepMemory) -> SweepResult:
        return sweep_instrument(
            instrument,
            zone=LandingFolder(self.zone, declared=instrument.identity),
            profiles={"folder": Folder()},
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: "cells",
            memory=memory,
        )

    def rows(self, instrument: Instrument | None = None) -> dict[str, Acquisition]:
        with self.catalogue.begin() as tx:
            return {one.folder: one for one in tx.acquisitions.list(instrument=(instrument or self.instrument).name)}

    def works(self, state: WorkState | None) -> list[Work]:
        with self.catalogue.begin() as tx:
            return [one for one in tx.inbox.list(state=state) if one.fairness == self.instrument.name]

    def guarded(self) -> bool:
        with self.catalogue.begin() as tx:
            return tx.instruments.get(self.instrument.name).guard is not None


def live(catalogue: SqlCatalogue, root: Path, *, lives: int, steps: int) -> type[Life]:
    """Let a machine live so many lives of at most so many steps; give it, with the steps that it took."""

    class Machine(Life):
        pass

    Machine.catalogue, Machine.root = catalogue, root
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=lives, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    return Machine


@pytest.fixture
def facility(catalogue: SqlCatalogue) -> SqlCatalogue:
    """A catalogue with a project and an operator."""
    with catalogue.begin() as tx:
        tx.outbox.register(["log"])
        tx.projects.add(make_project())
        tx.accounts.add(make_account("olga", Role.OPERATOR))
    return catalogue


def test_no_order_of_events_loses_mixes_up_or_leaves_unsaid_what_an_instrument_wrote(
    facility: SqlCatalogue, quick_path: Path
) -> None:
    assert live(facility, quick_path, lives=25, steps=30).steps >= 200


@pytest.mark.torture
@pytest.mark.timeout(7200)
def test_ten_thousand_steps_lose_mix_up_and_leave_unsaid_nothing(facility: SqlCatalogue, quick_path: Path) -> None:
    taken = 0
    while taken < 10_000:
        taken += live(facility, quick_path, lives=100, steps=60).steps
