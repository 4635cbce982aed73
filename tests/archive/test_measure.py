"""The one read: every file as it was declared complete, once, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cisterna.adapters.landing_folder import LandingFolder
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.dataset import Stage
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import (
    CatalogueUnavailable,
    HostileInput,
    LeaseLost,
    NotReady,
    SourceChanged,
    SourceUnavailable,
)
from cisterna.domain.instrument import ZoneIdentity
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.quality import Reading
from cisterna.ports.source import EnteredFolder, SourceFile
from cisterna.services.data_manifest import MANIFEST_PATH, load_manifest
from cisterna.services.measurement import METRICS_PATH, PREVIEWS_PATH, Measurement
from cisterna.services.one_read import ReadFile
from cisterna.services.staging import read_staged
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import RUN, ByteMeter, Facility, TiffProfile


class BusyFolder:
    """An entered folder in which something happens while a file is open, or just before."""

    def __init__(self, folder: EnteredFolder, *, meanwhile: Callable[[str], None], before: bool) -> None:
        self._folder = folder
        self._meanwhile = meanwhile
        self._before = before

    @contextmanager
    def open(self, path: str) -> Iterator[SourceFile]:
        if self._before:
            self._meanwhile(path)
        with self._folder.open(path) as file:
            if not self._before:
                self._meanwhile(path)
            yield file


class BusyZone(LandingFolder):
    """A landing folder whose entered folders are busy ones."""

    def __init__(self, path: str, *, meanwhile: Callable[[str], None], before: bool = False) -> None:
        super().__init__(path)
        self._meanwhile = meanwhile
        self._before = before

    @contextmanager
    def entered(self, folder: str) -> Iterator[EnteredFolder]:
        with super().entered(folder) as entered:
            yield BusyFolder(entered, meanwhile=self._meanwhile, before=self._before)


def busy(facility: Facility, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[str], None], **how: bool) -> None:
    zone = BusyZone(str(facility.landing), meanwhile=meanwhile, **how)
    monkeypatch.setattr(Facility, "zone", zone)


def manifest_of(facility: Facility, version: str) -> Manifest:
    found = facility.version(version)
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(found.dataset_id)
    body = read_staged(found, MANIFEST_PATH, dataset=dataset, store=facility.store)
    return load_manifest(body, tables=facility.tables)


def table_of(facility: Facility, version: str, path: str) -> dict[str, list[object]]:
    found = facility.version(version)
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(found.dataset_id)
    return facility.tables.load(read_staged(found, path, dataset=dataset, store=facility.store))


def test_every_file_is_in_the_manifest_with_the_digest_of_its_bytes(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    measured = facility.measure(version, facility.lease(version))

    assert measured is not None
    manifest = manifest_of(facility, version)
    assert {file.path: (file.sha512, file.size_bytes) for file in manifest.files} == {
        path: (sha512_of(body), len(body)) for path, body in RUN.items()
    }
    assert measured.stage is Stage.MEASURED
    assert measured.manifest_digest == manifest.digest
    assert (measured.file_count, measured.total_bytes) == (len(RUN), sum(map(len, RUN.values())))


def test_the_manifest_tells_where_each_files_bytes_lie(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    facility.measure(version, facility.lease(version))

    keys = facility.keys(version)
    for file in manifest_of(facility, version).files:
        assert keys[file.content_path or ""] == RUN[file.path]


def test_equal_bytes_are_uploaded_once(facility: Facility) -> None:
    facility.write(
        "run", {f"0/A1_{n}_BF.tiff": b"the same" for n in range(20)} | {"x.avi": b"M" * 9000, "y.avi": b"M" * 9000}
    )
    version = facility.detect("run").version_id

    facility.measure(version, facility.lease(version))

    folder = facility.version(version).staging
    content = [body for path, body in facility.keys(version).items() if path.startswith(f"{folder}/")]
    assert sorted(body for body in content if body in {b"the same", b"M" * 9000}) == [b"M" * 9000, b"the same"]
    assert isinstance(facility.store, MemoryStore)
    assert facility.store.calls["complete"] == 1
    assert facility.store.calls["abort"] >= 1


def test_bytes_that_the_object_has_are_not_sent_again(facility: Facility) -> None:
    facility.write("run", RUN)
    facility.ingest(facility.detect("run").version_id)
    facility.write("run", {"0/A1_9_BF.tiff": b"new"})
    second = facility.detect("run", number=2).version_id

    facility.measure(second, facility.lease(second))

    staged = {body for path, body in facility.keys(second).items() if path.startswith("v2/")}
    assert staged & set(RUN.values()) == set()
    assert b"new" in staged


def test_each_image_has_a_row_and_what_is_too_large_says_so(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    facility.measure(version, facility.lease(version))

    table = table_of(facility, version, METRICS_PATH)
    assert list(table) == [
        "path",
        "region",
        "field",
        "channel",
        "z",
        "t",
        "planes_in_file",
        "problem",
        "unmeasured",
        "focus",
        "brightest",
    ]
    rows = dict(
        zip(
            table["path"],
            zip(table["region"], table["field"], table["problem"], table["focus"], table["unmeasured"], strict=True),
            strict=True,
        )
    )
    assert rows.keys() == {path for path in RUN if path.endswith(".tiff")}
    assert rows["0/A1_0_BF.tiff"] == ("A1", "0", None, float(ord("A")), None)
    assert rows["0/A1_3_BF.tiff"] == ("A1", "3", "0/A1_3_BF.tiff is no image", None, None)
    region, _, problem, focus, unmeasured = rows["0/stack_0_BF.tiff"]
    assert (region, problem, focus) == ("stack", None, None)
    assert "10000 bytes are more than measure.image_limit_bytes, 4096" in str(unmeasured)


class BrokenMeter(ByteMeter):
    """Fails at an image."""

    def read(self, body: memoryview, *, path: str) -> Reading:
        if path.endswith("A1_3_BF.tiff"):
            raise IndexError("out of range")
        return super().read(body, path=path)


def test_a_meter_that_fails_costs_one_file_its_metrics_and_the_run_nothing(facility: Facility) -> None:
    facility.meter = BrokenMeter()
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    facility.measure(version, facility.lease(version))

    assert facility.version(version).stage is Stage.MEASURED
    table = table_of(facility, version, METRICS_PATH)
    rows = dict(zip(table["path"], zip(table["unmeasured"], table["focus"], strict=True), strict=True))
    assert rows["0/A1_3_BF.tiff"] == ("what measures it failed (IndexError: out of range)", None)
    assert rows["0/A1_0_BF.tiff"] == (None, float(ord("A")))
    assert {file.path for file in manifest_of(facility, version).files} == set(RUN)


def test_a_run_without_images_has_an_empty_table_and_not_none(facility: Facility) -> None:
    facility.write("run", {"notes.txt": b"nothing to see"})
    version = facility.detect("run").version_id

    facility.measure(version, facility.lease(version))

    assert table_of(facility, version, METRICS_PATH)["path"] == []
    assert table_of(facility, version, PREVIEWS_PATH)["png"] == []


def test_previews_are_spread_evenly_and_hold_the_worst() -> None:
    files = tuple(SeenFile(path=f"A1_{n:04}_BF.tiff", size_bytes=1, mtime_ns=1, inode=n) for n in range(1000))
    profile, meter = TiffProfile(), ByteMeter()
    measurement = Measurement(Listing(files=files), meter=meter, is_measured=profile.is_image, plane=profile.plane)

    for index in reversed(range(1000)):
        focus = 0.0 if 500 <= index < 510 else 100.0
        reading = Reading(metrics={"focus": focus}, thumbnail=str(index).encode())
        measurement.take(index, ReadFile(_entry(files[index]), reading))

    table = ParquetTables().load(measurement.previews(tables=ParquetTables()))
    chosen = [int(png) for png in table["png"] if isinstance(png, bytes)]
    assert set(range(500, 510)) <= set(chosen)
    assert 96 <= len(chosen) <= 120
    assert chosen == sorted(chosen)
    gaps = [second - first for first, second in pairwise(chosen)]
    assert max(gaps) <= 12


def _entry(file: SeenFile) -> FileEntry:
    return FileEntry(path=file.path, size_bytes=1, sha512=sha512_of(file.path.encode()))


def change_size(file: Path) -> None:
    with file.open("ab") as growing:
        growing.write(b"more")


def change_time(file: Path) -> None:
    os.utime(file, ns=(0, 0))


def change_inode(file: Path) -> None:
    stat = file.stat()
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)


def cut_short(file: Path) -> None:
    os.truncate(file, 10)


@pytest.mark.parametrize("victim", ["0/A1_0_BF.tiff", "0/movie.avi"], ids=["small", "streamed"])
@pytest.mark.parametrize("change", [change_size, change_time, cut_short])
def test_a_file_that_changes_while_it_is_read_is_named_and_nothing_stays_staged(
    facility: Facility, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], victim: str
) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    busy(facility, monkeypatch, lambda path: change(facility.landing / "run" / path) if path == victim else None)

    with pytest.raises(SourceChanged, match=victim.replace(".", r"\.")) as refusal:
        facility.measure(version, facility.lease(version))
    assert refusal.value.facts["path"] == victim
    assert facility.keys(version) == {}
    assert facility.version(version).stage is Stage.DETECTED


@pytest.mark.parametrize("change", [change_size, change_time, change_inode, cut_short])
def test_a_file_that_was_replaced_before_its_turn_is_named(
    facility: Facility, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    victim = "0/A1_2_BF.tiff"
    done: list[str] = []

    def once(path: str) -> None:
        if path == victim and not done:
            done.append(path)
            change(facility.landing / "run" / path)

    busy(facility, monkeypatch, once, before=True)

    with pytest.raises(SourceChanged, match="A1_2_BF"):
        facility.measure(version, facility.lease(version))
    assert facility.keys(version) == {}


@pytest.mark.parametrize("what", ["added", "removed"])
def test_a_folder_that_is_not_the_one_declared_complete_is_not_read(facility: Facility, what: str) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    if what == "added":
        facility.write("run", {"late.tiff": b"late"})
    else:
        (facility.landing / "run/.done").unlink()

    with pytest.raises(SourceChanged, match="declared complete"):
        facility.measure(version, facility.lease(version))
    assert isinstance(facility.store, MemoryStore)
    assert facility.store.calls["put"] == 0


def test_another_folder_in_the_zones_place_is_not_read(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    with facility.catalogue.begin() as tx:
        instrument = tx.instruments.get("squid-1")
        tx.instruments.save(instrument.model_copy(update={"identity": ZoneIdentity(device=1, inode=1)}))

    with pytest.raises(SourceUnavailable):
        facility.measure(version, facility.lease(version))


def test_a_link_among_the_files_holds_the_whole_run(facility: Facility) -> None:
    facility.write("run", RUN)
    (facility.landing / "run/link").symlink_to("/etc/passwd")
    version = facility.detect("run").version_id

    with pytest.raises(HostileInput):
        facility.measure(version, facility.lease(version))


def test_bytes_that_the_archive_has_make_no_new_version(facility: Facility) -> None:
    facility.write("run", RUN)
    facility.ingest(facility.detect("run").version_id)
    before = facility.keys(facility.detect("run", number=2).version_id)
    os.utime(facility.landing / "run/.done", ns=(1, 1))  # the folder looks changed, its bytes are the same
    second = facility.detect("run", number=3).version_id

    assert facility.measure(second, facility.lease(second)) is None

    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.list()[0]
        acquisition = tx.acquisitions.get(dataset.acquisition_id or "")
        names = [event.name for event in tx.outbox.history([second])]
        assert [version.number for version in tx.datasets.versions(dataset.dataset_id)] == [1, 2]
    assert names == ["version.removed"]
    assert acquisition.ingested_fingerprint == facility.zone.listing("run").fingerprint
    first = f"{dataset.dataset_id}:v1"
    assert facility.keys(first) == before


def test_a_reprocessing_of_the_same_bytes_is_a_new_version(facility: Facility) -> None:
    facility.write("run", RUN)
    facility.ingest(facility.detect("run").version_id)
    second = facility.detect("run", number=2, cause="the channel names were wrong").version_id

    measured = facility.measure(second, facility.lease(second))

    assert measured is not None
    assert measured.stage is Stage.MEASURED


def test_a_second_run_returns_what_is_measured(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    lease = facility.lease(version)
    first = facility.measure(version, lease)

    assert facility.measure(version, lease) == first


def test_versions_of_a_dataset_take_turns(facility: Facility) -> None:
    facility.write("run", RUN)
    first = facility.detect("run").version_id
    facility.measure(first, facility.lease(first))
    facility.write("run", {"more.tiff": b"more"})
    second = facility.detect("run", number=2).version_id

    with pytest.raises(NotReady, match="waits until v1, which is measured, is archived"):
        facility.measure(second, facility.lease(second))


def test_a_version_that_was_overtaken_while_it_was_read_is_read_anew(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    facility.write("run", RUN)
    first = facility.detect("run").version_id
    second = facility.detect("run", number=2, cause="again").version_id
    lease = facility.lease(second)
    zone, once = facility.zone, [True]

    def overtake(path: str) -> None:
        if once:
            once.clear()
            monkeypatch.setattr(Facility, "zone", zone)
            facility.ingest(first)

    busy(facility, monkeypatch, overtake)
    facility.readers = 1

    with pytest.raises(NotReady, match="overtaken"):
        facility.measure(second, lease)
    assert not [path for path in facility.keys(second) if path.startswith("v2/")]
    facility.ingest(second)


def test_a_version_that_was_opened_anew_while_it_was_read_is_read_anew(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    once = [True]

    def open_anew(path: str) -> None:
        if once:
            once.clear()
            with facility.catalogue.begin() as tx:
                found = tx.datasets.get_version(version)
                tx.datasets.save_version(found.model_copy(update={"staging": None, "staged": {}}))

    busy(facility, monkeypatch, open_anew)

    with pytest.raises(NotReady, match="opened anew"):
        facility.measure(version, facility.lease(version))
    assert facility.keys(version) == {}


def test_what_others_note_on_a_version_meanwhile_is_kept(facility: Facility, monkeypatch: pytest.MonkeyPatch) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    once = [True]

    def assign(path: str) -> None:
        if once:
            once.clear()
            with facility.catalogue.begin() as tx:
                tx.datasets.save_version(tx.datasets.get_version(version).model_copy(update={"assignee": "sten"}))

    busy(facility, monkeypatch, assign)

    measured = facility.measure(version, facility.lease(version))

    assert measured is not None
    assert (measured.stage, measured.assignee) == (Stage.MEASURED, "sten")


def test_a_worker_that_lost_its_lease_stops_and_leaves_what_it_brought_to_who_has_it(
    facility: Facility, monkeypatch: pytest.MonkeyPatch
) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    lease = facility.lease(version)
    seen: list[str] = []

    def lose(path: str) -> None:
        seen.append(path)
        if len(seen) == 2:
            facility.lease(version)
            facility.clock.advance(timedelta(seconds=2))

    busy(facility, monkeypatch, lose)
    facility.readers = 1

    with pytest.raises(LeaseLost):
        facility.measure(version, lease)
    assert len(seen) == 2
    staging = facility.version(version).staging
    assert all(path.startswith(f"{staging}/") for path in facility.keys(version))
    assert facility.ingest(version) is not None


def test_what_was_staged_stays_when_it_is_unknown_whether_the_catalogue_took_it(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    lease = facility.lease(version)
    facility.catalogue = LostAnswer(facility.catalogue)  # type: ignore[assignment]

    with pytest.raises(CatalogueUnavailable):
        facility.measure(version, lease)

    facility.catalogue = facility.desk
    assert facility.version(version).stage is Stage.MEASURED
    facility.ingest(version)


class LostAnswer:
    """The real catalogue, whose answer is lost when it commits that a version is measured."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        with self._catalogue.begin() as tx:
            yield tx
            is_last = any(found.stage is Stage.MEASURED for found in tx.datasets.list_versions())
        if is_last:
            msg = "the connection broke before the commit was acknowledged"
            raise CatalogueUnavailable(msg)


def test_times_that_no_calendar_has_are_left_out(facility: Facility) -> None:
    facility.write("run", {"old.tiff": b"old", "odd.tiff": b"odd"})
    os.utime(facility.landing / "run/old.tiff", ns=(0, -1))
    version = facility.detect("run").version_id

    facility.measure(version, facility.lease(version))

    times = {file.path: file.modified for file in manifest_of(facility, version).files}
    assert times["old.tiff"] is not None
    assert times["old.tiff"].year == 1969
