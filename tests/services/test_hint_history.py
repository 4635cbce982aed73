"""Whatever becomes of the hints of a history, the final state is that of the history: level, never edge."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState
from cisterna.domain.hint import Hint
from cisterna.profiles.folder import Folder
from cisterna.services.detect import SweepMemory, sweep_instrument
from cisterna.services.hint import take_hints
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_instrument, make_project
from cisterna.testing.memory_zone import MemoryZone

RUNS, FILES = ("run-a", "run-b"), ("1.dat", "2.dat", "3.dat")
_numbers = itertools.count(1)


class Write(NamedTuple):
    run: str
    file: str
    body: bytes


class Remove(NamedTuple):
    run: str
    file: str


class Close(NamedTuple):
    run: str


class Pause(NamedTuple):
    seconds: int


class Unmount(NamedTuple):
    is_away: bool


Step = Write | Remove | Close | Pause | Unmount
runs = st.sampled_from(RUNS)
steps = st.one_of(
    st.builds(Write, runs, st.sampled_from(FILES), st.binary(min_size=1, max_size=3)),
    st.builds(Remove, runs, st.sampled_from(FILES)),
    st.builds(Close, runs),
    st.builds(Pause, st.integers(1, 90)),
    st.builds(Unmount, st.booleans()),
)


@dataclass
class Player:
    """Plays a history into a landing zone, with sweeps by the clock and by hints."""

    catalogue: SqlCatalogue
    clock: SettableClock = field(default_factory=SettableClock)
    zone: MemoryZone = field(default_factory=MemoryZone)
    memory: SweepMemory = field(default_factory=SweepMemory)
    looks: int = 0

    def __post_init__(self) -> None:
        self.name = f"sequencer-{next(_numbers)}"
        self.instrument = make_instrument(
            self.name, profile="folder", settings={"quiet_seconds": "30"}, identity=self.zone.identity()
        )
        with self.catalogue.begin() as tx:
            tx.instruments.add(self.instrument)

    def play(self, history: Sequence[Step], hints: Sequence[Sequence[int]]) -> None:
        """Take each step, then the hints that come after it; a hint tells of the step that it has the number of."""
        for number, step in enumerate(history):
            self.take(step)
            for told in hints[number]:
                self.hear(self.hint_of(history[told]))
            if number % 5 == 4:
                self.sweep()
        self.zone.is_away = False
        for _ in range(12):
            self.clock.advance(3600)
            self.sweep()

    def take(self, step: Step) -> None:
        files = self.zone
        match step:
            case Write(run, file, body):
                files.write(f"{run}/{file}", body)
            case Remove(run, file):
                files.write(f"{run}/{file}", b"")
                files.write(f"{run}/note", file.encode())
                files.remove(f"{run}/{file}")
            case Close(run):
                lines = [f"{hashlib.sha256(file.encode()).hexdigest()}  {file}\n" for file in FILES]
                files.write(f"{run}/manifest.sha256", "".join(lines).encode())
            case Pause(seconds):
                self.clock.advance(seconds)
            case Unmount(is_away):
                files.is_away = is_away

    def hint_of(self, step: Step) -> Hint:
        """Tell of a step as a program would; some tell of nothing that is there."""
        match step:
            case Write(run, file, _) | Remove(run, file):
                return Hint(place=f"/landing/{self.name}/{run}/{file}")
            case Close():
                return Hint(instrument=self.name)
            case Pause():
                return Hint(place="/etc/passwd")
            case Unmount():
                return Hint(instrument="nobody")

    def hear(self, hint: Hint) -> None:
        taken = take_hints([hint], signed=None, catalogue=self.catalogue, now=self.clock.now())
        if self.name in taken.instruments:
            self.sweep()

    def sweep(self) -> None:
        self.looks += 1
        sweep_instrument(
            self.instrument,
            zone=self.zone,
            profiles={"folder": Folder()},
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: "cells",
            memory=self.memory,
        )

    def final(self) -> dict[str, tuple[object, ...]]:
        """Give what is true in the end of each run: its state, what is held and why, and whether its ingest waits."""
        with self.catalogue.begin() as tx:
            works = {work.key for work in tx.inbox.list()}
            found = [one for one in tx.acquisitions.list() if one.instrument == self.name]
        return {
            one.folder: (
                one.state,
                one.held,
                one.fingerprint,
                one.file_count,
                one.total_bytes,
                one.source_state,
                one.project,
                f"ingest:{one.acquisition_id}:{one.fingerprint}" in works,
            )
            for one in found
        }


def spread(told: Sequence[int], *, among: int, seed: int) -> list[list[int]]:
    """Let hints come at any time and in any order, also before what they tell of."""
    chance, times = random.Random(seed), [[] for _ in range(among)]
    shuffled = list(told)
    chance.shuffle(shuffled)
    for one in shuffled:
        times[chance.randrange(among)].append(one)
    return times


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(history=st.lists(steps, min_size=1, max_size=14), seed=st.integers(0, 2**16))
def test_dropped_doubled_and_shuffled_hints_lead_to_the_same_final_state(
    catalogue: SqlCatalogue, history: list[Step], seed: int
) -> None:
    with catalogue.begin() as tx:
        if not tx.projects.list():
            tx.projects.add(make_project("cells"))
    every = range(len(history))
    variants = {
        "clean": [[one] for one in every],
        "dropped": [[] for _ in every],
        "doubled": [[one] * 10 for one in every],
        "shuffled": spread(list(every) * 3, among=len(history), seed=seed),
        "half": [[one] if one % 2 else [] for one in every],
    }
    finals = {}
    for name, hints in variants.items():
        player = Player(catalogue)
        player.play(history, hints)
        finals[name] = player.final()

    for name, final in finals.items():
        assert final == finals["clean"], name


def test_the_histories_hold_runs_that_end_complete(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.projects.add(make_project("cells"))
    history: list[Step] = [Write("run-a", file, b"x") for file in FILES] + [Close("run-a"), Pause(60)]
    player = Player(catalogue)

    player.play(history, [[number] for number in range(len(history))])

    state, held, *_, is_requested = player.final()["run-a"]
    assert (state, held, is_requested) == (AcquisitionState.COMPLETE, None, True)
    assert player.looks > 12 + len(history) // 5
