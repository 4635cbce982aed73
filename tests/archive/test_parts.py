"""A run of more files than one object takes lies in parts, and is one dataset to everybody all the same."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.dataset import Stage, Version
from cisterna.domain.errors import (
    ChecksumMismatch,
    CisternaError,
    InvalidInput,
    NotFound,
    NotReady,
    ObjectInvalid,
    SourceChanged,
)
from cisterna.domain.manifest import Manifest
from cisterna.domain.part import Part, part_pid
from cisterna.services.overview import list_overviews, overview_of
from cisterna.services.part_table import PARTS_PATH, dump_parts, load_parts, read_part_manifest
from cisterna.services.restore import restore_object, restore_version
from cisterna.testing.memory_store import WRITES, MemoryStore
from tests.archive.facility import Facility
from tests.archive.ocfl_judge import judge_all
from tests.archive.test_kill import Killed, KillingCatalogue
from tests.archive.test_restore import data_of, tree
from tests.archive.whole import require_no_strangers, require_whole

MOST = 20
IMAGES = {f"{n // 10}/A1_{n}_BF.tiff": bytes([n]) * (100 + n) for n in range(45)}
RUN = {
    **IMAGES,
    ".done": b"",
    "acquisition.yaml": b"plan: here\n",
    "same/again.txt": bytes([7]) * 107,
    "movie.avi": b"E" * 9_000,
    "zz/last.txt": b"the end",
}
"""Fifty files, of which one is empty, one is large, and one has the bytes of a file in another part."""


@pytest.fixture
def facility(facility: Facility) -> Facility:
    facility.most_files = MOST
    return facility


def ingest(facility: Facility, run: str = "run") -> Version:
    facility.write(run, RUN)
    version = facility.detect(run)
    facility.ingest(version.version_id)
    return facility.version(version.version_id)


def parts_of(facility: Facility, version: Version) -> list[Version]:
    return [facility.version(part.version_id) for part in version.parts]


def restore(facility: Facility, version: Version, to: Path, *files: str) -> dict[str, bytes]:
    restore_version(
        version.version_id,
        to=to,
        catalogue=facility.catalogue,
        store=facility.store,
        tables=facility.tables,
        files=files,
        readers=2,
    )
    return data_of(to)


def manifest_of(facility: Facility, version: Version) -> Manifest:
    """The manifest that the same run would have in one object."""
    files = []
    for part in parts_of(facility, version):
        with facility.catalogue.begin() as tx:
            dataset = tx.datasets.get(part.dataset_id)
        files += read_part_manifest(part, dataset=dataset, store=facility.store, tables=facility.tables).files
    return Manifest(files=tuple(files))


def test_each_slice_of_the_sorted_files_lies_whole_in_an_object_of_its_own(facility: Facility) -> None:
    version = ingest(facility)

    assert version.stage is Stage.VERIFIED
    assert [part.number for part in version.parts] == [1, 2, 3]
    assert [part.file_count for part in version.parts] == [20, 20, 10]
    assert sum(part.total_bytes for part in version.parts) == version.total_bytes == sum(map(len, RUN.values()))
    ordered = sorted(RUN, key=str.encode)
    assert [(part.first, part.last) for part in version.parts] == [
        (ordered[0], ordered[19]),
        (ordered[20], ordered[39]),
        (ordered[40], ordered[49]),
    ]
    for part, held in zip(version.parts, parts_of(facility, version), strict=True):
        assert held.stage is Stage.VERIFIED
        assert (held.manifest_digest, held.file_count) == (part.manifest_digest, part.file_count)
        assert sum(key.startswith("v1/content/") for key in facility.keys(part.version_id)) > 0
    require_no_strangers(facility)


def test_the_manifest_digest_is_the_one_that_the_same_run_has_in_one_object(facility: Facility) -> None:
    in_parts = ingest(facility, "in-parts")
    facility.most_files = 100
    in_one = ingest(facility, "in-one")

    assert in_parts.manifest_digest == in_one.manifest_digest == manifest_of(facility, in_parts).digest
    assert (in_one.parts, in_one.file_count) == ((), len(RUN))


@pytest.mark.timeout(300)
def test_on_a_real_store_it_comes_back_byte_for_byte_and_each_object_is_valid(
    facility: Facility, object_store: S3Store, ocfl_validate: list[str], tmp_path: Path
) -> None:
    facility.store = object_store

    version = ingest(facility)

    assert restore(facility, version, tmp_path / "out") == RUN
    assert judge_all(facility, ocfl_validate, tmp_path / "root").count("is VALID") == 1 + len(version.parts)


def test_people_see_one_dataset(facility: Facility) -> None:
    version = ingest(facility)

    rows = list_overviews(catalogue=facility.catalogue, bucket="archive")
    assert [row.dataset_id for row in rows] == [version.dataset_id]
    assert (rows[0].file_count, rows[0].total_bytes) == (len(RUN), version.total_bytes)
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)
        assert [one.pid for one in tx.datasets.parts_of(version.dataset_id)] == [
            part_pid(dataset.pid, number) for number in (1, 2, 3)
        ]
    part = overview_of(part_pid(dataset.pid, 2), catalogue=facility.catalogue, bucket="archive")
    assert part.dataset_id == version.parts[1].dataset_id


def test_one_file_and_a_pattern_find_their_parts(facility: Facility, tmp_path: Path) -> None:
    version = ingest(facility)

    assert restore(facility, version, tmp_path / "one", "zz/last.txt") == {"zz/last.txt": b"the end"}
    assert restore(facility, version, tmp_path / "some", "3/*", ".done") == {
        path: body for path, body in RUN.items() if path.startswith("3/") or path == ".done"
    }
    with pytest.raises(NotFound, match=r"no file '3/none\.tiff'"):
        restore(facility, version, tmp_path / "none", "3/none.tiff")
    assert not (tmp_path / "none").exists()


def test_the_archive_alone_is_enough(facility: Facility, tmp_path: Path) -> None:
    version = ingest(facility)
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)

    restored = restore_object(
        dataset.object_root,
        pid=dataset.pid,
        number=None,
        to=tmp_path / "out",
        store=facility.store,
        tables=facility.tables,
    )

    assert data_of(tmp_path / "out") == RUN
    assert restored.files == len(RUN) + len(version.staged)


def test_a_restore_that_was_cut_short_in_a_later_part_goes_on(facility: Facility, tmp_path: Path) -> None:
    version = ingest(facility)
    store = facility.store
    assert isinstance(store, MemoryStore)
    store.fail_on("stream", nth=30, error=Killed())

    with pytest.raises(Killed):
        restore(facility, version, tmp_path / "out")
    store.heal()
    there = len(tree(tmp_path / "out"))

    assert there > MOST
    assert restore(facility, version, tmp_path / "out") == RUN


def test_names_of_any_bytes_come_back(facility: Facility, tmp_path: Path) -> None:
    odd = os.fsencode("9/") + b"\xff\xfe new\nline.txt"
    folder = facility.landing / "run" / "9"
    folder.mkdir(parents=True)
    (facility.landing / "run" / os.fsdecode(odd)).write_bytes(b"odd")

    version = ingest(facility)

    assert restore(facility, version, tmp_path / "out") == {**RUN, os.fsdecode(odd): b"odd"}


def test_a_file_that_changes_between_two_parts_holds_the_whole(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run")
    store = facility.store
    assert isinstance(store, MemoryStore)
    store.fail_on("put", nth=40, error=Killed())
    with pytest.raises(Killed):
        facility.ingest(version.version_id)
    store.heal()
    facility.write("run", {"zz/last.txt": b"another end"})

    with pytest.raises(SourceChanged):
        facility.ingest(version.version_id)

    found = facility.version(version.version_id)
    assert (found.stage, found.parts, found.ocfl_version) == (Stage.DETECTED, (), None)


def test_what_was_brought_for_a_listing_that_is_no_more_is_used_as_far_as_it_holds(
    facility: Facility, tmp_path: Path
) -> None:
    """The part that did not change is not read again, and the version names it as it is."""
    facility.write("run", RUN)
    version = facility.detect("run")
    store = facility.store
    assert isinstance(store, MemoryStore)
    store.fail_on("put", nth=60, error=Killed())
    with pytest.raises(Killed):
        facility.ingest(version.version_id)
    store.heal()
    changed = {**RUN, "zz/last.txt": b"another end"}
    facility.write("run", changed)
    turn(facility, version)

    facility.ingest(version.version_id)

    found = facility.version(version.version_id)
    assert restore(facility, found, tmp_path / "out") == changed
    require_no_strangers(facility)


def turn(facility: Facility, version: Version) -> None:
    """Open the version anew for what lies there now, as `complete` does."""
    with facility.catalogue.begin() as tx:
        fresh = tx.datasets.get_version(version.version_id)
        fingerprint = facility.zone.listing("run").fingerprint
        turned = {"source_fingerprint": fingerprint, "staging": None, "staged": {}}
        tx.datasets.save_version(fresh.model_copy(update=turned))


def again(facility: Facility, number: int, **files: bytes | None) -> Version:
    """Change the run and take it in once more."""
    for path, body in files.items():
        if body is None:
            (facility.landing / "run" / path).unlink()
        else:
            facility.write("run", {path: body})
    version = facility.detect("run", number=number)
    facility.ingest(version.version_id)
    return version


def test_a_second_version_shares_the_parts_that_did_not_change(facility: Facility, tmp_path: Path) -> None:
    first = ingest(facility)

    second = facility.version(again(facility, 2, **{"zz/last.txt": b"another end"}).version_id)

    assert [part.version_id for part in second.parts[:2]] == [part.version_id for part in first.parts[:2]]
    assert (second.parts[2].ocfl_version, first.parts[2].ocfl_version) == (2, 1)
    assert restore(facility, first, tmp_path / "first") == RUN
    assert restore(facility, second, tmp_path / "second") == {**RUN, "zz/last.txt": b"another end"}


def test_the_same_bytes_again_make_nothing_new(facility: Facility) -> None:
    first = ingest(facility)
    os.utime(facility.landing / "run" / "zz" / "last.txt", ns=(1, 1))

    second = facility.detect("run", number=2)
    facility.ingest(second.version_id)

    with pytest.raises(NotFound):
        facility.version(second.version_id)
    with facility.catalogue.begin() as tx:
        for part in first.parts:
            assert len(tx.datasets.versions(part.dataset_id)) == 1
    require_no_strangers(facility)


def test_a_run_grows_over_what_one_object_takes_and_shrinks_below_it_again(facility: Facility, tmp_path: Path) -> None:
    few = dict(list(RUN.items())[:12])
    facility.write("run", few)
    first = facility.detect("run")
    facility.ingest(first.version_id)
    second = again(facility, 2, **RUN)
    third = again(facility, 3, **dict.fromkeys(RUN.keys() - few.keys()))

    versions = [facility.version(one.version_id) for one in (first, second, third)]
    assert [len(one.parts) for one in versions] == [0, 3, 0]
    wanted = [few, RUN, few]
    for number, (version, files) in enumerate(zip(versions, wanted, strict=True)):
        assert restore(facility, version, tmp_path / str(number)) == files
    require_no_strangers(facility)


def test_an_object_that_names_parts_is_written_only_when_each_was_read_back(facility: Facility) -> None:
    facility.write("run", RUN)
    version = facility.detect("run")
    lease = facility.lease(version.version_id)
    measured = facility.measure(version.version_id, lease)
    assert measured is not None
    facility.describe(version.version_id, lease)
    forged = tuple(part.model_copy(update={"manifest_digest": "0" * 128}) for part in measured.parts)
    with facility.catalogue.begin() as tx:
        found = tx.datasets.get_version(version.version_id)
        tx.datasets.save_version(found.model_copy(update={"parts": (*measured.parts[:2], forged[2])}))

    with pytest.raises(NotReady, match="part-0003"):
        facility.archive(version.version_id, lease)

    assert not [path for path in facility.keys(version.version_id) if "inventory" in path]


def test_a_part_that_is_damaged_or_gone_is_named_and_nothing_wrong_is_restored(
    facility: Facility, tmp_path: Path
) -> None:
    version = ingest(facility)
    root = facility.root_of(version.parts[1].version_id)
    with facility.catalogue.begin() as tx:
        held, dataset = (
            tx.datasets.get_version(version.parts[1].version_id),
            tx.datasets.get(version.parts[1].dataset_id),
        )
    manifest = read_part_manifest(held, dataset=dataset, store=facility.store, tables=facility.tables)
    key = f"{root}/{manifest.files[3].content_path}"
    body = facility.store.get(key)[0]
    facility.store.put(key, b"X" * len(body))

    with pytest.raises(ChecksumMismatch):
        restore(facility, version, tmp_path / "damaged")
    assert all(RUN.get(path) == got for path, got in data_of(tmp_path / "damaged").items())

    facility.store.delete([f"{root}/inventory.json"])
    with pytest.raises(CisternaError, match="part-0002"):
        restore(facility, version, tmp_path / "gone")


def rows(facility: Facility) -> tuple[Part, ...]:
    return ingest(facility).parts


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda parts: parts[1:], id="the first is missing"),
        pytest.param(lambda parts: (parts[0], *parts), id="one is there twice"),
        pytest.param(lambda parts: (parts[1], parts[0], parts[2]), id="out of order"),
        pytest.param(
            lambda parts: (parts[0].model_copy(update={"pid": "ark:/99999/other/part-0001"}), *parts[1:]),
            id="of another dataset",
        ),
        pytest.param(
            lambda parts: (parts[0].model_copy(update={"last": parts[1].last}), *parts[1:]), id="files in two parts"
        ),
        pytest.param(
            lambda parts: (parts[0].model_copy(update={"first": "z", "last": "a"}), *parts[1:]), id="ends at once"
        ),
        pytest.param(
            lambda parts: (parts[0].model_copy(update={"version_id": "ds-x:v1"}), *parts[1:]), id="a foreign version"
        ),
        pytest.param(lambda parts: (parts[0].model_copy(update={"first": "../out"}), *parts[1:]), id="climbs out"),
        pytest.param(lambda parts: (parts[0].model_copy(update={"ocfl_version": 0}), *parts[1:]), id="version 0"),
        pytest.param(lambda parts: (parts[0].model_copy(update={"file_count": -1}), *parts[1:]), id="fewer than none"),
    ],
)
def test_a_forged_table_of_parts_is_refused(facility: Facility, forge: object) -> None:
    parts = rows(facility)
    pid = parts[0].pid.partition("/part-")[0]
    assert load_parts(dump_parts(parts, tables=facility.tables), pid=pid, tables=facility.tables) == parts

    forged = dump_parts(forge(parts), tables=facility.tables)  # type: ignore[operator]
    with pytest.raises(ObjectInvalid):
        load_parts(forged, pid=pid, tables=facility.tables)


@pytest.mark.parametrize("body", [b"", b"PAR1", b"\x00" * 100])
def test_a_table_of_parts_that_is_none_is_refused(facility: Facility, body: bytes) -> None:
    with pytest.raises((ObjectInvalid, InvalidInput)):
        load_parts(body, pid="ark:/99999/a", tables=facility.tables)


def test_a_table_that_was_put_in_the_place_of_ours_is_not_restored(facility: Facility, tmp_path: Path) -> None:
    version = ingest(facility)
    staged = version.staged[PARTS_PATH]
    facility.store.put(
        f"{facility.root_of(version.version_id)}/{staged.content_path}",
        dump_parts(version.parts[:1], tables=facility.tables),
    )

    with pytest.raises(ChecksumMismatch):
        restore(facility, version, tmp_path / "out")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "after", [pytest.param(False, marks=pytest.mark.torture, id="before"), pytest.param(True, id="after")]
)
def test_a_second_worker_finishes_what_any_write_to_the_store_interrupted(
    facility: Facility, tmp_path: Path, *, after: bool
) -> None:
    step, was_killed = 0, True
    while was_killed:
        step += 7 if step > 40 else 3
        facility.store = store = MemoryStore(part_bytes=4096)
        facility.write(f"run-{step}", RUN)
        version = facility.detect(f"run-{step}")
        fault = store.fail_on(WRITES, nth=step, after=after, error=Killed())
        with suppress(Killed):
            facility.ingest(version.version_id)
        was_killed = fault.fired > 0
        store.heal()
        facility.ingest(version.version_id)

        found = facility.version(version.version_id)
        assert found.stage is Stage.VERIFIED
        assert [part.ocfl_version for part in found.parts] == [1, 1, 1], f"step {step}"
        assert restore(facility, found, tmp_path / str(step)) == RUN
        require_all(facility, found)
    assert step > 80


def require_all(facility: Facility, version: Version) -> None:
    """Each object is whole, was told once and is exactly its inventory; nothing else lies in the store."""
    for one in (version, *parts_of(facility, version)):
        require_whole(facility, one.version_id)
    require_no_strangers(facility)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "after",
    [False, True],
    ids=["before commit", "after commit"],
)
@pytest.mark.torture
def test_a_second_worker_finishes_what_any_transaction_interrupted(
    facility: Facility, tmp_path: Path, *, after: bool
) -> None:
    killing, whole = KillingCatalogue(facility.catalogue), facility.catalogue
    step, was_killed = 0, True
    while was_killed:
        step += 1
        facility.store = MemoryStore(part_bytes=4096)
        facility.write(f"run-{step}", RUN)
        version = facility.detect(f"run-{step}")
        facility.catalogue = killing  # type: ignore[assignment]
        killing.begun, killing.kill_at, killing.after = 0, step, after
        was_killed = False
        try:
            facility.ingest(version.version_id)
        except Killed:
            was_killed = True
        facility.catalogue = whole
        facility.ingest(version.version_id)

        found = facility.version(version.version_id)
        assert [part.ocfl_version for part in found.parts] == [1, 1, 1], f"step {step}"
        assert restore(facility, found, tmp_path / str(step)) == RUN
        require_all(facility, found)
    assert step > 30
