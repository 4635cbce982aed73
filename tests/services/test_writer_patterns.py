"""Seven ways of writing against four kinds of profile: a sign of the end is never early, and silence can be undone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.acquisition import AcquisitionState, Evidence
from cisterna.ports.profile import Described, Look, Profile
from cisterna.profiles.folder import Folder
from cisterna.services.detect import SweepMemory
from cisterna.testing.clock import SettableClock
from cisterna.testing.writer_pattern import WriterPattern, put
from tests.services.test_detect import Bench
from tests.services.world import NotesProfile

WRITING, COMPLETE = AcquisitionState.WRITING, AcquisitionState.COMPLETE
LONGER_THAN_THE_WINDOW = 300.0
PAGE_BYTES = 4096
BODIES = {"a.raw": b"a" * 20_000, "acquisition.json": b'{"title": "T"}', "deep/b.raw": b"b" * 90_000}


class Plain(NotesProfile):
    """Recognises any folder, and knows of no marker, plan or end reason: silence is all there is."""

    name = "squid"
    quiet_seconds = 30.0
    stalled_seconds = 3600.0

    def claims(self, look: Look) -> bool:
        return bool(look.listing.files)

    def inspect(self, look: Look) -> Evidence:
        del look
        return Evidence()

    def describe(self, look: Look) -> Described:
        return Described(title=look.folder, data_type="folder")


class Counting(Plain):
    """Knows which files there will be and how large each is, as a plan tells, and of no end reason.

    What is preallocated has its full size from the first moment: no plan tells it from what is written, only a look
    into the file does, as Squid's profile takes one into each image.
    """

    def inspect(self, look: Look) -> Evidence:
        short = tuple(file.path for file in look.listing.files if file.size_bytes != len(BODIES.get(file.path, b"")))
        missing = tuple(sorted(BODIES.keys() - look.listing.paths))
        return Evidence(expects=True, expected_files=len(BODIES), missing=missing, faults=short)


@pytest.fixture
def bench(tmp_path: Path, catalogue: SqlCatalogue, clock: SettableClock) -> Bench:
    made = Bench(tmp_path, catalogue, clock)
    made.memory = SweepMemory()
    return made


def use(bench: Bench, profile: Profile) -> None:
    bench.profiles = {"squid": profile}


def write(run: Path, pattern: WriterPattern) -> Iterator[Path]:
    for name, body in BODIES.items():
        if pattern is WriterPattern.MAPPED and len(body) < 3 * PAGE_BYTES:
            continue  # a page that was written through memory and is written again shows in no listing
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        yield from put(run / name, body, pattern=pattern)


@pytest.mark.parametrize("pattern", list(WriterPattern))
def test_a_folder_that_a_list_closes_is_never_complete_before_its_list(bench: Bench, pattern: WriterPattern) -> None:
    use(bench, Folder())
    run = bench.zone / "run"
    states = []

    for _ in write(run, pattern):
        bench.sweep(after=LONGER_THAN_THE_WINDOW)
        states.append(bench.only().state)
    there = {name: (run / name).read_bytes() for name in BODIES if (run / name).exists()}
    lines = [f"{hashlib.md5(body).hexdigest()}  {name}\n" for name, body in there.items()]  # noqa: S324 - the format
    (run / "md5sum.txt").write_text("".join(lines))
    bench.sweep(after=LONGER_THAN_THE_WINDOW)
    listed = bench.only().state
    bench.sweep(after=LONGER_THAN_THE_WINDOW)

    assert COMPLETE not in states
    assert (listed, bench.only().state) == (WRITING, COMPLETE)
    assert len(bench.work()) == 1


@pytest.mark.parametrize("pattern", list(WriterPattern))
def test_without_any_sign_of_the_end_every_later_change_reopens_the_run(bench: Bench, pattern: WriterPattern) -> None:
    use(bench, Plain())
    run = bench.zone / "run"
    at_once, later = [], []

    for _ in write(run, pattern):
        bench.sweep(after=1)
        at_once.append(bench.only().state)
        bench.sweep(after=LONGER_THAN_THE_WINDOW)
        later.append(bench.only().state)

    assert set(at_once) == {WRITING}  # each change was seen, however long the silence before it
    assert set(later) == {COMPLETE}  # and silence is believed, for want of anything better
    assert len(bench.work()) == len(later)
    assert bench.work()[-1].parameters["fingerprint"] == bench.only().fingerprint


@pytest.mark.parametrize(
    "pattern", [one for one in WriterPattern if one not in {WriterPattern.PREALLOCATED, WriterPattern.MAPPED}]
)
def test_with_an_expected_count_and_sizes_a_pause_longer_than_the_window_completes_nothing(
    bench: Bench, pattern: WriterPattern
) -> None:
    use(bench, Counting())
    states = []

    for _ in write(bench.zone / "run", pattern):
        bench.sweep(after=LONGER_THAN_THE_WINDOW)
        bench.sweep(after=LONGER_THAN_THE_WINDOW)
        states.append(bench.only().state)

    assert COMPLETE not in states[:-1]
    assert states[-1] is COMPLETE
    assert len(bench.work()) == 1


@pytest.mark.parametrize("days", [1, -1, 400, -400])
def test_a_clock_that_jumps_neither_shortens_nor_prolongs_the_silence(
    bench: Bench, clock: SettableClock, days: int
) -> None:
    bench.write(run_json=None)
    bench.sweep()
    clock.set(clock.now() + timedelta(days=days))

    bench.sweep(after=29)
    before = bench.only().state
    bench.sweep(after=1)

    assert (before, bench.only().state) == (WRITING, COMPLETE)


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_stalls_no_run(bench: Bench, clock: SettableClock, days: int) -> None:
    use(bench, Folder())
    run = bench.zone / "run"
    run.mkdir()
    (run / "a.csv").write_text("a")
    (run / "a.csv.md5").write_text("")  # a list that is not written yet
    bench.sweep()

    clock.set(clock.now() + timedelta(days=days))
    bench.sweep(after=1)

    assert bench.only().state is WRITING
