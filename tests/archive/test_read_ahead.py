"""Reading ahead: what settled of a run that is still written is read once, and taken over at its end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.domain.acquisition import Acquisition, AcquisitionState
from cisterna.domain.ahead import AheadState
from cisterna.domain.dataset import Stage
from cisterna.domain.errors import NoRoom, SourceChanged, StoreUnavailable
from cisterna.domain.listing import SeenFile
from cisterna.domain.work import WorkKind, WorkState
from cisterna.ports.object_store import SourceObject
from cisterna.ports.source import EnteredFolder, SourceFile
from cisterna.services.measurement import METRICS_PATH, PREVIEWS_PATH
from cisterna.services.one_read import ReadFile
from cisterna.services.recovery_round import survey_archive
from cisterna.testing.factory import make_work
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import Facility, SetRoom
from tests.archive.long_run import GRACE, LongRun, time_point
from tests.archive.test_measure import manifest_of, table_of
from tests.archive.whole import logical_state, require_no_strangers, require_whole


class _Counting:
    def __init__(self, file: SourceFile, path: str, bytes_read: Counter[str]) -> None:
        self._file = file
        self._path = path
        self._bytes_read = bytes_read

    @property
    def opened(self) -> SeenFile:
        return self._file.opened

    @property
    def stored(self) -> SourceObject | None:
        return self._file.stored

    def readinto(self, buffer: memoryview) -> int:
        count = self._file.readinto(buffer)
        self._bytes_read[self._path] += count
        return count

    def still(self) -> SeenFile:
        return self._file.still()


class _CountingFolder:
    def __init__(self, folder: EnteredFolder, zone: CountingZone) -> None:
        self._folder = folder
        self._zone = zone

    @contextmanager
    def open(self, path: str) -> Iterator[SourceFile]:
        with self._folder.open(path) as file:
            self._zone.meanwhile(path)
            yield _Counting(file, path, self._zone.bytes_read)


class CountingZone(LandingFolder):
    """A landing folder that counts what is read of each file, and lets something happen while one is open."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.bytes_read: Counter[str] = Counter()
        self.meanwhile: Callable[[str], object] = lambda _path: None

    @contextmanager
    def entered(self, folder: str) -> Iterator[EnteredFolder]:
        with super().entered(folder) as entered:
            yield _CountingFolder(entered, self)


@pytest.fixture
def zone(facility: Facility, monkeypatch: pytest.MonkeyPatch) -> CountingZone:
    counting = CountingZone(str(facility.landing))
    monkeypatch.setattr(Facility, "zone", counting)
    return counting


@pytest.fixture
def run(facility: Facility) -> LongRun:
    made = LongRun(facility)
    made.begin()
    return made


def finish(run: LongRun) -> str:
    """Take the run to its verified archive."""
    version = run.complete().version_id
    run.facility.ingest(version)
    return version


def expected_state(facility: Facility, files: dict[str, bytes]) -> dict[str, dict[str, str]]:
    """Give what an archive of the same files is that nothing was read ahead of."""
    plain = LongRun(facility, name="plain")
    plain.begin()
    plain.write(files)
    return logical_state(facility, finish(plain))


def test_a_settled_byte_is_read_once_between_the_writing_and_a_verified_archive(
    run: LongRun, zone: CountingZone
) -> None:
    for number in range(12):
        run.write(time_point(number, size=2000))
        run.round()
    version = finish(run)

    total = sum(map(len, run.files.values()))
    assert run.facility.version(version).stage is Stage.VERIFIED
    assert total <= sum(zone.bytes_read.values()) <= 1.05 * total
    require_whole(run.facility, version)
    require_no_strangers(run.facility)


def test_the_archive_is_the_same_as_one_that_nothing_was_read_ahead_of(facility: Facility, run: LongRun) -> None:
    for number in range(3):
        run.write(time_point(number))
        run.round()
    run.write({"notes.txt": b"at the end"})
    version = finish(run)

    tables = [table_of(facility, version, path) for path in (METRICS_PATH, PREVIEWS_PATH)]
    assert logical_state(facility, version) == expected_state(facility, run.files)
    assert len(tables[0]["path"]) == sum(path.endswith(".tiff") for path in run.files)
    assert tables[1]["path"]
    assert run.ahead() is None


def test_only_what_was_left_alone_is_read_ahead(run: LongRun, zone: CountingZone) -> None:
    run.write(time_point(0, marked=False))
    assert "nothing has settled" in run.round()
    assert not zone.bytes_read

    run.write(time_point(1, marked=False))
    run.round()

    assert {path.split("/")[0] for path in zone.bytes_read} == {"0"}


def test_nothing_of_a_version_is_there_before_the_run_is_complete(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0))

    run.round()

    ahead = run.ahead()
    assert ahead is not None
    assert (ahead.files, ahead.state) == (6, AheadState.OPEN)
    assert all(key.startswith(f"{ahead.object_root}/{ahead.staging}/") for key in run.stored())
    with facility.catalogue.begin() as tx:
        assert not tx.datasets.list()
        assert tx.acquisitions.get(run.acquisition_id).dataset_id is None


def test_a_second_round_reads_nothing_twice(run: LongRun, zone: CountingZone) -> None:
    run.write(time_point(0))
    run.round()
    before = dict(zone.bytes_read)

    words = run.round()

    assert "nothing has settled that was not read" in words
    assert zone.bytes_read == before


def test_a_file_that_two_looks_saw_differently_has_not_settled(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0) | time_point(1))
    growing = facility.landing / "run" / "0" / "A1_0_BF.tiff"

    def grow() -> bool:
        growing.write_bytes(growing.read_bytes() + b"more")
        return False

    run.gives_way = grow
    run.round()

    with facility.catalogue.begin() as tx:
        seen = tx.aheads.seen(run.acquisition_id)
    assert "0/A1_0_BF.tiff" not in seen
    assert "0/A1_1_BF.tiff" in seen


def test_a_settled_file_that_changes_is_read_again_and_named(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0))
    run.round()
    run.write({"0/A1_2_BF.tiff": b"written once more" * 40})
    version = finish(run)

    (event,) = run.early()
    assert event.data["paths"] == ["0/A1_2_BF.tiff"]
    assert "had counted as settled" in str(event.data["reason"])
    assert logical_state(facility, version) == expected_state(facility, run.files)


def test_a_file_that_changes_between_two_rounds_is_read_ahead_again_and_counted(run: LongRun) -> None:
    run.write(time_point(0))
    run.round()
    run.write({"0/A1_2_BF.tiff": b"written once more" * 40})
    run.round()
    version = finish(run)

    (event,) = run.early()
    assert event.data["files"] == 1
    assert logical_state(run.facility, version) == expected_state(run.facility, run.files)


def test_a_writer_that_hides_its_changes_is_not_believed_in_anything(facility: Facility, run: LongRun) -> None:
    for number in range(20):
        run.write(time_point(number, size=1000))
    run.round()
    for path in list(run.files):
        if path.endswith("BF.tiff"):
            file = facility.landing / "run" / path
            stat = file.stat()
            body = bytes(reversed(file.read_bytes()))
            with file.open("r+b") as mapped:
                mapped.write(body)
            os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
            run.files[path] = body
    version = finish(run)

    (event,) = run.early()
    assert "without any sign of a change" in str(event.data["reason"])
    assert logical_state(facility, version) == expected_state(facility, run.files)
    require_whole(facility, version)


def test_an_image_that_another_meter_measured_is_measured_again(
    facility: Facility, run: LongRun, zone: CountingZone
) -> None:
    run.write(time_point(0))
    run.round()
    facility.meter.names = ("focus", "brightest", "noise")
    version = finish(run)

    assert zone.bytes_read["0/A1_0_BF.tiff"] == 2 * len(run.files["0/A1_0_BF.tiff"])
    assert table_of(facility, version, METRICS_PATH)["noise"] == [None] * 5


def test_bytes_that_are_gone_from_the_staging_are_brought_again(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0))
    run.round()
    ahead = run.ahead()
    assert ahead is not None
    key = next(one.key for one in facility.store.list("") if one.size_bytes == len(run.files["0/A1_0_BF.tiff"]))
    facility.store.delete([key])
    version = finish(run)

    require_whole(facility, version)
    assert logical_state(facility, version) == expected_state(facility, run.files)


@pytest.mark.parametrize("body", [b"", b"PAR1 no more PAR1"], ids=["empty", "damaged"])
def test_a_table_that_is_not_as_it_was_written_counts_for_nothing(
    facility: Facility, run: LongRun, body: bytes
) -> None:
    run.write(time_point(0))
    run.round()
    (key,) = (key for key in run.stored() if "/ahead-" in key)
    facility.store.put(key, body)
    version = finish(run)

    require_whole(facility, version)
    assert not run.early()


def test_equal_bytes_of_two_time_points_lie_in_one_place(facility: Facility, run: LongRun) -> None:
    same = {"A1_0_BF.tiff": b"same" * 100, "stack_0_BF.tiff": b"large" * 2000, ".done": b""}
    for number in range(3):
        run.write({f"{number}/{name}": body for name, body in same.items()})
        run.round()
    version = finish(run)

    require_whole(facility, version)
    places = {one.content_path for one in manifest_of(facility, version).files}
    assert len(places) == 4


def test_a_run_of_more_files_than_one_object_takes_is_read_at_its_end(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0))
    run.round()
    facility.most_files = 8
    run.write(time_point(1))

    assert "more files than one object takes" in run.round()
    version = finish(run)

    assert len(facility.parts(version)) == 2
    assert run.collect() == [run.acquisition_id]
    assert run.ahead() is None
    require_no_strangers(facility)


def test_an_ingest_in_parts_gives_up_what_was_read_ahead_into_one_object(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0) | time_point(1))
    run.round()
    facility.most_files = 8
    version = finish(run)

    assert len(facility.parts(version)) == 2
    assert run.collect() == [run.acquisition_id]
    require_no_strangers(facility)


def test_it_stops_when_the_run_is_complete_and_the_ingest_takes_what_is_there(
    facility: Facility, run: LongRun, zone: CountingZone
) -> None:
    for number in range(3):
        run.write(time_point(number))
    facility.readers = 1
    lease = run.lease()
    opened: list[str] = []

    def complete_meanwhile(path: str) -> None:
        opened.append(path)
        if len(opened) == 4:
            run.become(AcquisitionState.COMPLETE)
        facility.clock.advance(2.0)

    zone.meanwhile = complete_meanwhile
    words = run.round(lease)
    zone.meanwhile = lambda _path: None
    run.release()
    version = finish(run)

    assert "it is not written any more" in words
    assert len(opened) < len(run.files)
    total = sum(map(len, run.files.values()))
    assert sum(zone.bytes_read.values()) <= 1.05 * total + max(map(len, run.files.values()))
    require_whole(facility, version)


def test_an_ingest_waits_for_a_reader_and_then_adopts_its_folder(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0))
    lease = run.lease()
    run.become(AcquisitionState.COMPLETE)
    version = facility.detect("run").version_id
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            with facility.desk.begin() as tx:
                tx.inbox.finish(lease, outcome="stopped")
            run.leases.clear()

    facility.wait = wait
    facility.ingest(version)

    assert len(waits) == 3
    assert facility.version(version).stage is Stage.VERIFIED


def test_a_reader_that_hangs_is_not_waited_for_and_its_late_batch_is_nobodys(
    facility: Facility, run: LongRun, zone: CountingZone
) -> None:
    run.write(time_point(0))
    run.round()
    run.write(time_point(1))
    lease = run.lease()
    done: list[str] = []

    def overtaken(path: str) -> None:
        if path.startswith("1/") and not done:
            done.append(path)
            zone.meanwhile = lambda _path: None
            run.become(AcquisitionState.COMPLETE)
            version = facility.detect("run").version_id
            lease_of_ingest = facility.lease(version)
            facility.measure(version, lease_of_ingest)
            done.append(version)

    facility.readers = 1
    facility.wait = lambda _seconds: None
    zone.meanwhile = overtaken
    words = run.round(lease)

    version = done[1]
    facility.ingest(version)
    assert "it is not written any more" in words
    require_whole(facility, version)
    require_no_strangers(facility)


def test_a_file_that_changes_under_the_ingest_does_not_cost_what_was_read_ahead(
    facility: Facility, run: LongRun, zone: CountingZone
) -> None:
    run.write(time_point(0))
    run.round()
    run.write({"acquisition.log": b"the last line is missing"})
    version = run.complete().version_id

    def grow(path: str) -> None:
        if path == "acquisition.log":
            zone.meanwhile = lambda _path: None
            run.write({"acquisition.log": b"the last line is here now"})

    zone.meanwhile = grow
    with pytest.raises(SourceChanged):
        facility.ingest(version)
    with facility.catalogue.begin() as tx:
        turned = {"source_fingerprint": zone.listing("run").fingerprint, "staging": None}
        tx.datasets.save_version(tx.datasets.get_version(version).model_copy(update=turned))
    zone.bytes_read.clear()
    facility.ingest(version)

    assert sum(count for path, count in zone.bytes_read.items() if path.startswith("0/")) <= 0.05 * 12_000
    assert run.ahead() is None
    require_whole(facility, version)
    require_no_strangers(facility)


def test_it_gives_way_to_other_work_and_asks_for_another_round(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0))
    asked: list[int] = []
    run.gives_way = lambda: bool(asked.append(1)) or len(asked) > 3

    words = run.round()

    assert "it gave way to other work" in words
    with facility.catalogue.begin() as tx:
        works = tx.inbox.list(subject=run.acquisition_id, state=WorkState.READY)
    assert [work.kind for work in works] == [WorkKind.AHEAD]
    assert works[0].not_before > facility.clock.now() - timedelta(seconds=1)


def test_each_batch_tells_of_its_images_with_their_previews(run: LongRun) -> None:
    told: list[tuple[str, Sequence[ReadFile]]] = []

    def listen(acquisition: Acquisition, images: Sequence[ReadFile]) -> None:
        told.append((acquisition.acquisition_id, images))

    run.measured = listen
    run.write(time_point(0))
    run.round()

    ((identity, images),) = told
    assert identity == run.acquisition_id
    assert {one.entry.path for one in images} == {path for path in run.files if path.endswith(".tiff")}
    previews = [one.reading.thumbnail for one in images if one.reading is not None]
    assert sum(one is not None for one in previews) == 4
    assert all(one.reading and one.reading.metrics for one in images if "stack" not in one.entry.path)


@pytest.mark.parametrize(
    "fields",
    [
        {"project": None},
        {"held": "a person is needed"},
        {"state": AcquisitionState.STALLED},
        {"ingested_fingerprint": "f" * 64},
    ],
    ids=["unclaimed", "held", "stalled", "archived before"],
)
def test_what_is_not_on_its_first_way_to_the_archive_is_not_read_ahead(
    facility: Facility, fields: dict[str, object]
) -> None:
    run = LongRun(facility)
    run.begin(**fields)
    run.write(time_point(0))

    assert "nothing was read" in run.round()
    assert run.ahead() is None
    assert not run.stored()


def test_it_reads_nothing_that_has_no_room(facility: Facility, run: LongRun) -> None:
    facility.room = SetRoom(free=2000)
    run.write(time_point(0))

    with pytest.raises(NoRoom):
        run.round()

    assert not run.stored()


def test_an_instrument_may_switch_it_off(facility: Facility, run: LongRun) -> None:
    with facility.catalogue.begin() as tx:
        instrument = tx.instruments.get("squid-1")
        tx.instruments.save(instrument.model_copy(update={"settings": {"read_ahead": "off"}}))
    run.write(time_point(0))

    assert "not to be read ahead" in run.round()


@pytest.mark.parametrize("state", [AcquisitionState.ABORTED, AcquisitionState.STALLED, AcquisitionState.UNAVAILABLE])
def test_what_was_read_ahead_of_a_run_that_ends_otherwise_goes_after_its_grace(
    facility: Facility, run: LongRun, state: AcquisitionState
) -> None:
    run.write(time_point(0))
    run.round()
    run.become(state)
    run.release()

    facility.clock.advance(GRACE - timedelta(hours=1))
    assert run.collect() == []
    assert run.stored()
    facility.clock.advance(timedelta(hours=2))

    assert run.collect() == [run.acquisition_id]
    assert run.ahead() is None
    assert not run.stored()


def test_what_is_read_ahead_of_a_run_that_is_written_stays_however_long_nothing_comes(
    facility: Facility, run: LongRun
) -> None:
    run.write(time_point(0))
    run.round()
    run.release()
    facility.clock.advance(30 * GRACE)

    assert run.collect() == []
    survey = survey_archive(
        catalogue=facility.catalogue, store=facility.store, clock=facility.clock, upload_grace=GRACE
    )

    assert survey.notes == ()
    version = finish(run)
    require_whole(facility, version)


def test_what_an_ingest_waits_to_take_is_not_collected(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0))
    run.round()
    run.become(AcquisitionState.COMPLETE)
    run.release()
    with facility.catalogue.begin() as tx:
        tx.inbox.request(make_work("ingest", kind=WorkKind.INGEST, subject=run.acquisition_id))
    facility.clock.advance(3 * GRACE)

    assert run.collect() == []


def test_what_was_read_ahead_stays_when_the_dataset_is_recovered_before_its_ingest_begins(
    facility: Facility, run: LongRun
) -> None:
    run.write(time_point(0))
    run.round()
    before = run.stored()
    run.complete()

    survey_archive(catalogue=facility.catalogue, store=facility.store, clock=facility.clock, upload_grace=GRACE)

    assert run.stored() == before


def test_a_removal_that_was_cut_short_is_ended_by_the_next_one(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0))
    run.round()
    run.become(AcquisitionState.ABORTED)
    run.release()
    facility.clock.advance(2 * GRACE)
    store = facility.store
    assert isinstance(store, MemoryStore)
    store.fail_on("delete")
    with pytest.raises(StoreUnavailable):
        run.collect()
    store.heal()

    assert run.collect() == [run.acquisition_id]
    assert not run.stored()


def test_of_two_batches_with_a_file_the_later_one_counts(facility: Facility, run: LongRun) -> None:
    run.write(time_point(0))
    run.round()
    run.write({"0/A1_0_BF.tiff": b"again" * 99})
    run.round()

    with facility.catalogue.begin() as tx:
        seen = tx.aheads.seen(run.acquisition_id)
        numbers = [batch.number for batch in tx.aheads.batches(run.acquisition_id)]
    assert seen["0/A1_0_BF.tiff"].size_bytes == 495
    assert numbers == [1, 2]
