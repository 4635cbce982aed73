"""What a sweep makes of a landing zone, on a real catalogue and real files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.landing_folder import LandingFolder, read_outside
from cisterna.domain.acquisition import Acquisition, AcquisitionState, SourceState
from cisterna.domain.event import Event
from cisterna.domain.instrument import Instrument
from cisterna.domain.listing import Listing
from cisterna.domain.ocfl import MOST_FILES
from cisterna.domain.work import Work
from cisterna.ports.profile import Described, Look, Profile
from cisterna.profiles.squid import Squid
from cisterna.services.detect import SweepMemory, SweepResult, sweep_instrument
from cisterna.testing.clock import SettableClock
from cisterna.testing.factory import make_instrument, make_project
from cisterna.testing.virtual_squid import Fault, VirtualSquid
from cisterna.testing.writer_pattern import WriterPattern

STARTED = datetime(2026, 11, 22, 8, 30, 1, 250_000, tzinfo=UTC)
W, C, A, P, S, U = AcquisitionState


@dataclass
class Bench:
    """A landing zone, a catalogue, and a sweep over the one into the other."""

    root: Path
    catalogue: SqlCatalogue
    clock: SettableClock
    project: str | None = "cells"
    profiles: dict[str, Profile] = field(default_factory=lambda: {"squid": Squid()})
    memory: SweepMemory | None = None
    watched: LandingFolder | None = None
    declared: Instrument = field(init=False)

    def __post_init__(self) -> None:
        self.zone.mkdir()
        self.declared = make_instrument(
            path=str(self.zone),
            settings={"run_json": str(self.run_json)},
            identity=LandingFolder(str(self.zone)).identity(),
        )
        with self.catalogue.begin() as tx:
            tx.outbox.register(["log"])
            tx.instruments.add(self.declared)
            tx.projects.add(make_project())

    @property
    def zone(self) -> Path:
        return self.root / "zone"

    @property
    def run_json(self) -> Path:
        return self.root / "run.json"

    def squid(self, **changes: object) -> VirtualSquid:
        given: dict[str, object] = {
            "started": STARTED,
            "wells": ("A1",),
            "fovs": 2,
            "run_json": self.run_json,
            "pause": lambda _: None,
        }
        return VirtualSquid(**(given | changes))  # type: ignore[arg-type]

    def write(self, **changes: object) -> Path:
        return self.squid(**changes).write(self.zone)

    def sweep(self, *, after: float = 0.0) -> SweepResult:
        if after:
            self.clock.advance(after)
        return sweep_instrument(
            self.declared,
            zone=self.watched or LandingFolder(str(self.zone)),
            profiles=self.profiles,
            catalogue=self.catalogue,
            clock=self.clock,
            resolve_project=lambda _acquisition, _described: self.project,
            outside=read_outside,
            memory=self.memory,
        )

    def all(self) -> dict[str, Acquisition]:
        with self.catalogue.begin() as tx:
            return {one.folder: one for one in tx.acquisitions.list()}

    def only(self) -> Acquisition:
        (one,) = self.all().values()
        return one

    def work(self) -> list[Work]:
        with self.catalogue.begin() as tx:
            return list(tx.inbox.list())

    def events(self, name: str) -> list[Event]:
        with self.catalogue.begin() as tx:
            return [event for event in tx.outbox.history(list(self._ids(tx))) if event.name == name]

    def change(self, acquisition: Acquisition, **changes: object) -> None:
        with self.catalogue.begin() as tx:
            tx.acquisitions.save(acquisition.model_copy(update=changes))

    @staticmethod
    def _ids(tx: object) -> list[str]:
        return [one.acquisition_id for one in tx.acquisitions.list()]  # type: ignore[attr-defined]


@pytest.fixture
def bench(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    return Bench(tmp_path, catalogue, clock)


def test_a_whole_run_is_complete_at_once_and_its_ingest_requested_once(bench: Bench) -> None:
    bench.write()

    first, second, third = bench.sweep(), bench.sweep(), bench.sweep(after=60)

    one = bench.only()
    assert (one.state, one.project, one.held) == (C, "cells", None)
    assert "all 4 planned files are there" in one.reason
    assert (one.progress, one.completed_at is not None) == (1.0, True)
    (work,) = bench.work()
    assert work.key == f"ingest:{one.acquisition_id}:{one.fingerprint}"
    assert (work.subject, work.fairness) == (one.acquisition_id, "squid-1")
    assert first.requested == (one.acquisition_id,)
    for later in (second, third):
        assert (later.written, later.requested) == ((), ())


def test_a_run_is_never_complete_before_its_last_byte(bench: Bench) -> None:
    states = []
    for _ in bench.squid(time_points=2).steps(bench.zone):
        bench.sweep(after=20)
        states.append(bench.only().state)

    assert states == [W] * (len(states) - 1) + [C]


@pytest.mark.parametrize("pattern", list(WriterPattern))
def test_no_pattern_of_writing_is_taken_for_complete_too_early(bench: Bench, pattern: WriterPattern) -> None:
    squid = bench.squid(pattern=pattern)
    states = []

    for _ in squid.steps(bench.zone):
        bench.sweep(after=300)  # longer than the quiet window, shorter than a stall
        states.append(bench.only().state)

    assert states == [W] * (len(states) - 1) + [C]
    assert len(bench.work()) == 1


@pytest.mark.parametrize(
    ("fault", "state", "says"),
    [
        (Fault.ABORT, A, "somebody stopped the run"),
        (Fault.MISSING, P, "2 of 4 planned files are missing"),
        (Fault.TRUNCATED, P, "cannot be whole"),
        (Fault.CRASH, S, "its end marker is not there"),
    ],
)
def test_a_bad_run_is_held_with_its_reason_and_never_ingested(
    bench: Bench, fault: Fault, state: AcquisitionState, says: str
) -> None:
    bench.write(fault=fault)

    bench.sweep()
    bench.sweep(after=3600)

    one = bench.only()
    assert one.state is state
    assert says in one.reason
    assert one.held == one.reason
    assert bench.work() == []
    assert bench.events("acquisition.held")[-1].data["held"] == one.held


def test_the_end_reason_outlives_the_run_json_that_told_it(bench: Bench) -> None:
    folder = bench.write(fault=Fault.ABORT)
    bench.sweep()
    bench.run_json.write_text('{"experiment_id": "the next run", "status": "running"}')
    (folder / "note.txt").write_text("stopped: out of focus")

    bench.sweep(after=60)

    assert bench.only().state is A


def test_without_an_end_reason_silence_decides(bench: Bench) -> None:
    bench.write(run_json=None)

    at_once = bench.sweep()
    waiting = bench.only()
    bench.sweep(after=29)
    still = bench.only().state
    bench.sweep(after=1)

    assert (waiting.state, still, bench.only().state) == (W, W, C)
    assert "waiting until nothing has changed for 30 s" in waiting.reason
    assert at_once.wake_seconds == 30.0


@pytest.mark.parametrize("fault", [Fault.LATE, Fault.GROWING])
def test_a_late_image_is_waited_for(bench: Bench, fault: Fault) -> None:
    states = []
    for touched in bench.squid(fault=fault).steps(bench.zone):
        bench.sweep(after=10)
        states.append((touched.name, bench.only().state))

    assert states[-2] == (".done", W)
    assert states[-1][1] is C
    assert bench.only().held is None


def test_a_log_that_grows_after_the_marker_is_waited_for(bench: Bench) -> None:
    states = []
    for touched in bench.squid(fault=Fault.LOG_TAIL).steps(bench.zone):
        bench.sweep(after=1)
        states.append((touched.name, bench.only().state))
    bench.sweep(after=5)

    assert states[-2:] == [(".done", W), ("acquisition.log", W)]
    assert bench.only().state is C
    assert len(bench.work()) == 1


def test_a_change_after_completion_reopens_the_run_visibly(bench: Bench) -> None:
    folder = bench.write()
    bench.sweep()
    bench.change(bench.only(), ingested_fingerprint=bench.only().fingerprint)
    (folder / "0" / "A1_0_0_BF_LED_matrix_full.tiff").touch()

    bench.sweep(after=5)
    reopened = bench.only()
    bench.sweep(after=30)

    assert (reopened.state, reopened.source_state) == (W, SourceState.CHANGED)
    assert "it changed after it was complete" in reopened.reason
    assert bench.only().state is C
    assert len({work.key for work in bench.work()}) == 2
    assert [event.data["state"] for event in bench.events("acquisition.state")] == ["writing", "complete"]


def test_a_run_without_a_project_waits_until_it_has_one(bench: Bench) -> None:
    bench.project = None
    bench.write()
    bench.sweep()
    unbound = bench.only()
    bench.project = "cells"

    bench.sweep()

    assert unbound.state is C
    assert "unclaimed" in (unbound.held or "")
    assert (bench.only().project, bench.only().held) == ("cells", None)
    assert len(bench.work()) == 1


def test_a_request_that_a_kill_swallowed_is_made_by_the_next_sweep(bench: Bench) -> None:
    bench.write()
    bench.project = None
    bench.sweep()
    bench.change(bench.only(), project="cells", held=None)  # as if the process died right after the row was written

    result = bench.sweep()

    assert result.requested == (bench.only().acquisition_id,)


def test_a_folder_that_no_profile_recognises_is_held(bench: Bench) -> None:
    (bench.zone / "holiday").mkdir()
    (bench.zone / "holiday" / "beach.jpg").write_bytes(b"x")

    bench.sweep()
    at_once = bench.only()
    bench.sweep(after=30)

    assert (at_once.state, at_once.held) == (W, None)
    assert bench.only().state is S
    assert "does not recognise" in (bench.only().held or "")
    assert bench.work() == []


def test_what_lies_beside_the_folders_is_held_until_it_is_moved(bench: Bench) -> None:
    (bench.zone / "note.txt").write_text("x")

    bench.sweep()
    held = bench.only()
    again = bench.sweep()
    (bench.zone / "note.txt").unlink()
    bench.sweep()

    assert "belongs to none" in (held.held or "")
    assert again.written == ()
    assert (bench.only().state, bench.only().held) == (U, None)


def test_a_folder_in_the_place_of_a_stray_is_a_run_again(bench: Bench) -> None:
    folder = bench.write()
    folder.rename(bench.root / "aside")
    folder.write_text("a file of that name")
    bench.sweep()
    stray = bench.only()
    folder.unlink()
    (bench.root / "aside").rename(folder)

    bench.sweep()

    assert (stray.profile, stray.held is not None) == ("none", True)
    assert (bench.only().profile, bench.only().state, bench.only().held) == ("squid", C, None)


@pytest.mark.parametrize(("given", "waits"), [("5", False), ("600", True), ("soon", True), ("-1", True), ("inf", True)])
def test_an_instrument_may_have_its_own_patience_and_nonsense_changes_nothing(
    bench: Bench, given: str, waits: bool
) -> None:
    bench.declared = bench.declared.model_copy(update={"settings": {"quiet_seconds": given}})
    bench.write()
    bench.sweep()

    bench.sweep(after=6)

    assert (bench.only().state is W) is waits


def test_a_zone_that_is_gone_makes_runs_unavailable_and_its_return_restores_them(bench: Bench) -> None:
    bench.write()
    bench.sweep()
    bench.write(fault=Fault.ABORT, experiment="stopped")
    bench.sweep()
    before = {folder: one.state for folder, one in bench.all().items()}
    bench.zone.rename(bench.root / "unmounted")

    gone = bench.sweep(after=60)
    while_gone = {one.state for one in bench.all().values()}
    (bench.root / "unmounted").rename(bench.zone)
    bench.sweep(after=60)

    assert "cannot be looked at" in (gone.unavailable or "")
    assert while_gone == {U}
    assert {folder: one.state for folder, one in bench.all().items()} == before
    assert {one.source_state for one in bench.all().values()} == {SourceState.PRESENT}


def test_an_empty_folder_in_the_zones_place_is_not_believed(bench: Bench) -> None:
    bench.write()
    bench.sweep()
    bench.change(bench.only(), ingested_fingerprint=bench.only().fingerprint)
    bench.zone.rename(bench.root / "unmounted")
    bench.zone.mkdir()

    result = bench.sweep()

    assert "not the folder that was declared" in (result.unavailable or "")
    assert (bench.only().state, bench.only().source_state) == (C, SourceState.PRESENT)


def test_an_archived_run_whose_folder_vanished_is_missing_at_the_source(bench: Bench) -> None:
    folder = bench.write()
    bench.sweep()
    bench.change(bench.only(), ingested_fingerprint=bench.only().fingerprint)
    shutil.rmtree(folder)

    bench.sweep()

    assert (bench.only().state, bench.only().source_state) == (C, SourceState.MISSING)
    assert bench.events("acquisition.state")[-1].data["source_state"] == "missing"


def test_a_run_whose_folder_vanished_before_it_was_archived_is_held(bench: Bench) -> None:
    folder = bench.write()
    bench.sweep()
    shutil.rmtree(folder)

    bench.sweep()

    assert bench.only().state is U
    assert "before it was archived" in (bench.only().held or "")


class Failing:
    """A profile with a mistake in it."""

    name = "squid"
    quiet_seconds = 30.0
    stalled_seconds = 3600.0
    asked: list[str]

    def __init__(self) -> None:
        self.asked = []
        self._good = Squid()

    def claims(self, look: Look) -> bool:
        self.asked.append(look.folder)
        if look.folder.startswith("broken"):
            raise KeyError("nz")
        return self._good.claims(look)

    def __getattr__(self, name: str) -> Callable[..., object]:
        return getattr(self._good, name)  # type: ignore[no-any-return]


def test_one_folder_that_breaks_the_profile_stops_no_other(bench: Bench) -> None:
    bench.profiles["squid"] = Failing()  # type: ignore[assignment]
    bench.write(experiment="broken")
    bench.write(experiment="good")

    result = bench.sweep()

    broken, good = (
        bench.all()[next(name for name in bench.all() if name.startswith(word))] for word in ("bro", "good")
    )
    assert "KeyError" in (broken.held or "")
    assert good.state is C
    assert list(result.failed) == [broken.folder]


def test_an_unchanged_folder_is_listed_and_nothing_more(bench: Bench) -> None:
    profile = Failing()
    bench.profiles["squid"] = profile  # type: ignore[assignment]
    bench.write()
    bench.sweep()
    record = bench.only().record
    profile.asked.clear()

    for _ in range(3):
        bench.sweep(after=600)

    assert profile.asked == []
    assert bench.only().record == record


def test_a_profile_that_is_not_installed_holds_and_says_so(bench: Bench) -> None:
    bench.profiles.clear()
    bench.write()

    bench.sweep()

    assert "is not installed" in (bench.only().held or "")


def test_a_run_with_more_files_than_an_object_takes_is_asked_for_as_any_other(bench: Bench) -> None:
    run = bench.write()
    (run / "tiles").mkdir()
    for number in range(MOST_FILES + 1):
        os.close(os.open(run / "tiles" / str(number), os.O_CREAT | os.O_WRONLY))

    bench.sweep()

    assert bench.only().held is None
    assert len(bench.work()) == 1


def test_a_hold_of_a_failed_ingest_outlives_the_next_sweep(bench: Bench) -> None:
    run = bench.write()
    bench.sweep()
    bench.change(bench.only(), held="A1.tiff has the MD5 ab, and md5sum.txt says cd")

    bench.sweep()
    held = bench.only().held
    (run / "mended.txt").write_text("x")
    bench.sweep()
    bench.sweep(after=300)

    assert held == "A1.tiff has the MD5 ab, and md5sum.txt says cd"
    assert bench.only().held is None, "a change of the folder is a new run to judge"


def test_a_clock_that_jumps_a_day_makes_nothing_complete(bench: Bench) -> None:
    bench.memory = SweepMemory()
    bench.write(run_json=None)
    bench.sweep()

    bench.clock.set(bench.clock.now() + timedelta(days=1))
    bench.sweep()
    jumped = bench.only().state
    bench.sweep(after=30)

    assert (jumped, bench.only().state) == (W, C)


def test_sweeps_lost_doubled_or_late_end_in_the_same_state(bench: Bench) -> None:
    for fault in (Fault.NONE, Fault.ABORT, Fault.MISSING):
        for number, _ in enumerate(bench.squid(fault=fault, experiment=fault.value).steps(bench.zone)):
            for _ in range(number % 3):
                bench.sweep(after=7)
    bench.sweep(after=60)
    bench.sweep(after=60)

    states = {one.name.split("_")[0]: one.state for one in bench.all().values()}
    assert states == {"none": C, "abort": A, "missing": P}
    assert len(bench.work()) == 1


def test_progress_is_told_while_the_run_is_written(bench: Bench) -> None:
    steps = bench.squid().steps(bench.zone)
    for touched in steps:
        if touched.suffix == ".tiff":
            break

    bench.sweep()

    assert bench.only().progress == 0.25
    assert "1 of 4 planned files are there" in bench.only().reason


def test_a_stalled_run_that_goes_on_is_being_written_again(bench: Bench) -> None:
    steps = bench.squid().steps(bench.zone)
    for touched in steps:
        if touched.suffix == ".tiff":
            break
    bench.sweep()
    bench.sweep(after=3600)
    stalled = bench.only()

    next(steps)
    bench.sweep(after=1)

    assert (stalled.state, stalled.held is not None) == (S, True)
    assert (bench.only().state, bench.only().held) == (W, None)


def test_resolving_gets_what_the_run_says_of_itself(bench: Bench) -> None:
    seen: list[Described] = []
    bench.write()

    sweep_instrument(
        bench.declared,
        zone=LandingFolder(str(bench.zone)),
        profiles=bench.profiles,
        catalogue=bench.catalogue,
        clock=bench.clock,
        resolve_project=lambda _, described: seen.append(described),
        outside=read_outside,
    )

    assert seen[0].fields["objective"] == "20x"


class CountingFolder(LandingFolder):
    """A landing folder that counts how often a run is listed."""

    listed = 0

    def listing(self, folder: str) -> Listing:
        self.listed += 1
        return super().listing(folder)


def test_an_old_run_at_rest_is_listed_seldom_and_still_noticed_when_it_changes(bench: Bench) -> None:
    bench.memory = SweepMemory()
    folder = bench.write()
    bench.sweep()
    bench.change(bench.only(), ingested_fingerprint=bench.only().fingerprint)
    bench.clock.advance(timedelta(hours=1))
    bench.watched = CountingFolder(str(bench.zone))

    for _ in range(30):
        bench.sweep(after=5)
    listed = bench.watched.listed
    (folder / "late.txt").write_text("x")
    for _ in range(16):
        bench.sweep(after=5)

    assert 2 <= listed <= 4
    assert bench.only().source_state is SourceState.CHANGED


def test_a_stalled_run_is_asked_about_once_a_minute_and_no_more(bench: Bench) -> None:
    bench.memory, profile = SweepMemory(), Failing()
    bench.profiles["squid"] = profile  # type: ignore[assignment]
    bench.write(fault=Fault.CRASH)
    bench.sweep()
    bench.sweep(after=3600)
    profile.asked.clear()

    for _ in range(60):
        bench.sweep(after=5)

    assert bench.only().state is S
    assert 4 <= len(profile.asked) <= 6
