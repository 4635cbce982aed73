"""Restore: what was kept comes back as files, nowhere else, and never with other bytes."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import AlreadyExists, ChecksumMismatch, HostileInput, InvalidInput, NotFound, ObjectInvalid
from cisterna.domain.ocfl import sidecar
from cisterna.ports.object_store import ObjectStore
from cisterna.services.landing import PARTIAL, Target
from cisterna.services.restore import MARKER, Restored, restore_object, restore_version
from cisterna.testing.memory_store import MemoryStore
from tests.archive.facility import RUN, Facility


@pytest.fixture
def archived(facility: Facility) -> str:
    facility.write("run", RUN)
    version = facility.detect("run").version_id
    facility.ingest(version)
    return version


def restore(facility: Facility, version: str, to: Path) -> Restored:
    return restore_version(
        version, to=to, catalogue=facility.catalogue, store=facility.store, tables=facility.tables, readers=2
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def data_of(folder: Path) -> dict[str, bytes]:
    return tree(folder / "data")


def test_every_file_comes_back_byte_for_byte_beside_what_we_added(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    restored = restore(facility, archived, tmp_path / "out")

    assert data_of(tmp_path / "out") == RUN
    ours = tree(tmp_path / "out").keys() - {f"data/{path}" for path in RUN}
    assert ours == facility.version(archived).staged.keys()
    assert restored.files == len(tree(tmp_path / "out"))
    assert restored.files_present == 0


def test_an_earlier_version_comes_back_as_it_was(facility: Facility, archived: str, tmp_path: Path) -> None:
    facility.write("run", {"0/A1_0_BF.tiff": b"changed", "late.txt": b"late"})
    second = facility.detect("run", number=2).version_id
    facility.ingest(second)

    restore(facility, archived, tmp_path / "v1")
    restore(facility, second, tmp_path / "v2")

    assert data_of(tmp_path / "v1") == RUN
    assert data_of(tmp_path / "v2") == {**RUN, "0/A1_0_BF.tiff": b"changed", "late.txt": b"late"}


def test_the_archive_alone_is_enough(facility: Facility, archived: str, tmp_path: Path) -> None:
    version = facility.version(archived)
    with facility.catalogue.begin() as tx:
        dataset = tx.datasets.get(version.dataset_id)

    restore_object(
        dataset.object_root,
        pid=dataset.pid,
        number=None,
        to=tmp_path / "out",
        store=facility.store,
        tables=facility.tables,
    )

    assert data_of(tmp_path / "out") == RUN


@pytest.mark.parametrize("what", ["file", "marker of another", "broken marker"])
def test_a_folder_that_holds_something_is_refused(facility: Facility, archived: str, tmp_path: Path, what: str) -> None:
    content = {
        "file": ("notes.txt", "mine"),
        "marker of another": (MARKER, json.dumps({"pid": "ark:/99999/0other", "version": "v1"})),
        "broken marker": (MARKER, "{"),
    }
    name, text = content[what]
    (tmp_path / name).write_text(text)
    (tmp_path / "keep").write_text("mine")

    with pytest.raises(AlreadyExists, match="not empty"):
        restore(facility, archived, tmp_path)
    assert (tmp_path / "keep").read_text() == "mine"
    assert not (tmp_path / "data").exists()


def test_a_finished_restore_is_not_written_over(facility: Facility, archived: str, tmp_path: Path) -> None:
    restore(facility, archived, tmp_path / "out")

    with pytest.raises(AlreadyExists):
        restore(facility, archived, tmp_path / "out")


def test_a_target_that_is_a_file_is_refused(facility: Facility, archived: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")

    with pytest.raises(InvalidInput, match="not a folder"):
        restore(facility, archived, tmp_path / "out")


@pytest.mark.parametrize("nth", range(1, 15, 3))
def test_a_restore_that_was_killed_goes_on_where_it_stopped(
    facility: Facility, archived: str, tmp_path: Path, nth: int
) -> None:
    assert isinstance(facility.store, MemoryStore)
    facility.store.fail_on("stream", nth=nth, after=True, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        restore(facility, archived, tmp_path / "out")
    facility.store.heal()
    landed = len([path for path in tree(tmp_path / "out") if PARTIAL not in path and MARKER not in path])

    restored = restore(facility, archived, tmp_path / "out")

    assert data_of(tmp_path / "out") == RUN
    assert restored.files_present == landed
    assert not [path for path in tree(tmp_path / "out") if PARTIAL in path or MARKER in path]


def test_a_file_that_was_changed_between_two_runs_is_written_again(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    assert isinstance(facility.store, MemoryStore)
    facility.store.fail_on("stream", nth=12, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        restore(facility, archived, tmp_path / "out")
    facility.store.heal()
    victim = next((tmp_path / "out/data").rglob("*.tiff"))
    victim.write_bytes(b"half")

    restore(facility, archived, tmp_path / "out")

    assert data_of(tmp_path / "out") == RUN


def test_a_kill_before_the_marker_stands_leaves_a_folder_that_is_accepted(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{PARTIAL}0123456789abcdef").write_text("{")

    restore(facility, archived, tmp_path / "out")

    assert data_of(tmp_path / "out") == RUN


def test_damaged_bytes_do_not_land_and_all_others_do(facility: Facility, archived: str, tmp_path: Path) -> None:
    root = facility.root_of(archived)
    key = next(path for path, body in facility.keys(archived).items() if body == RUN["0/A1_0_BF.tiff"])
    assert isinstance(facility.store, MemoryStore)
    facility.store.flip_byte(f"{root}/{key}")

    with pytest.raises(ChecksumMismatch) as refusal:
        restore(facility, archived, tmp_path / "out")

    assert refusal.value.facts["paths"] == ["data/0/A1_0_BF.tiff"]
    assert data_of(tmp_path / "out") == {path: body for path, body in RUN.items() if path != "0/A1_0_BF.tiff"}


def test_missing_bytes_are_named(facility: Facility, archived: str, tmp_path: Path) -> None:
    key = next(path for path, body in facility.keys(archived).items() if body == RUN["0/movie.avi"])
    facility.store.delete([f"{facility.root_of(archived)}/{key}"])

    with pytest.raises(ChecksumMismatch, match="does not have it"):
        restore(facility, archived, tmp_path / "out")


@pytest.mark.parametrize("path", ["../out.txt", "/etc/cron.d/x", "data/../../x", "data/\\u0000x"])
def test_an_inventory_with_a_path_that_leads_out_writes_nothing(
    facility: Facility, archived: str, tmp_path: Path, path: str
) -> None:
    root = facility.root_of(archived)
    body = facility.keys(archived)["inventory.json"].replace(b'"data/.done"', f'"{path}"'.encode())
    facility.store.put(f"{root}/inventory.json", body)
    facility.store.put(f"{root}/inventory.json.sha512", sidecar(sha512_of(body)))

    with pytest.raises(ObjectInvalid, match="could harm"):
        restore(facility, archived, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_inventory_without_its_digest_writes_nothing(facility: Facility, archived: str, tmp_path: Path) -> None:
    facility.store.put(f"{facility.root_of(archived)}/inventory.json.sha512", sidecar("0" * 128))

    with pytest.raises(ObjectInvalid, match="sidecar"):
        restore(facility, archived, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["data", "data/0"])
def test_a_link_in_the_target_is_not_followed(facility: Facility, archived: str, tmp_path: Path, place: str) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    assert isinstance(facility.store, MemoryStore)
    facility.store.fail_on("stream", error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        restore(facility, archived, out)
    facility.store.heal()
    (out / place).parent.mkdir(exist_ok=True)
    if (out / place).exists():
        (out / place).rename(tmp_path / "aside")
    (out / place).symlink_to(outside)

    with pytest.raises(HostileInput, match="link or a file"):
        restore(facility, archived, out)
    assert list(outside.iterdir()) == []


def test_a_link_in_a_files_place_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").symlink_to(tmp_path / "victim")

    with Target(tmp_path / "out") as target:
        assert target.digest("file") is None
        with target.writing("file") as landing:
            landing.write(b"new")

    assert (tmp_path / "victim").read_text() == "mine"
    assert (tmp_path / "out/file").read_text() == "new"


@pytest.mark.parametrize("path", ["", "/x", "../x", "a/../../x", "a//b", "a\0b"])
def test_a_target_takes_only_paths_that_stay_inside(tmp_path: Path, path: str) -> None:
    with Target(tmp_path) as target, pytest.raises(HostileInput), target.writing(path):
        pass


def test_what_is_not_archived_cannot_be_restored(facility: Facility, tmp_path: Path) -> None:
    facility.write("run", RUN)
    version = facility.detect("run").version_id

    with pytest.raises(NotFound, match="not archived yet"):
        restore(facility, version, tmp_path / "out")


def test_an_object_that_is_not_there_is_named(facility: Facility, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no object"):
        restore_object(
            "abc/def",
            pid="ark:/99999/0none",
            number=None,
            to=tmp_path / "out",
            store=facility.store,
            tables=facility.tables,
        )


class CutStore:
    """A store that gives chunks of some bytes and dies after some of them; it remembers where reading began."""

    def __init__(self, store: ObjectStore, *, chunks: int | None = None) -> None:
        self._store, self._left = store, chunks
        self.starts: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def stream(self, key: str, *, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        self.starts.append(start)
        body = b"".join(self._store.stream(key, start=start, end=end))
        for at in range(0, len(body), 1000):
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    raise KeyboardInterrupt
            yield body[at : at + 1000]


def cut(facility: Facility, version: str, to: Path, *, chunks: int | None, files: Sequence[str]) -> CutStore:
    """Restore by one thread from a store that may die midway."""
    store = CutStore(facility.store, chunks=chunks)
    try:
        restore_version(
            version, to=to, catalogue=facility.catalogue, store=store, tables=facility.tables, files=files, readers=1
        )  # type: ignore[arg-type]
    except KeyboardInterrupt:
        assert chunks is not None
    return store


@pytest.mark.parametrize("chunks", [0, 1, 5, 9])
def test_a_large_file_goes_on_from_what_is_there(
    facility: Facility, archived: str, tmp_path: Path, chunks: int
) -> None:
    cut(facility, archived, tmp_path / "out", chunks=chunks, files=["0/stack_0_BF.tiff"])

    store = cut(facility, archived, tmp_path / "out", chunks=None, files=["0/stack_0_BF.tiff"])

    assert store.starts == [chunks * 1000]
    assert data_of(tmp_path / "out") == {"0/stack_0_BF.tiff": RUN["0/stack_0_BF.tiff"]}
    assert tree(tmp_path / "out").keys() == {"data/0/stack_0_BF.tiff"}


@pytest.mark.parametrize("spoil", [b"x" * 5000, b"D" * 20_000, b""], ids=["other bytes", "too long", "emptied"])
def test_a_part_that_is_not_of_this_file_is_not_kept(
    facility: Facility, archived: str, tmp_path: Path, spoil: bytes
) -> None:
    cut(facility, archived, tmp_path / "out", chunks=5, files=["0/stack_0_BF.tiff"])
    (partial,) = [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(PARTIAL)]
    partial.write_bytes(spoil)

    cut(facility, archived, tmp_path / "out", chunks=None, files=["0/stack_0_BF.tiff"])

    assert tree(tmp_path / "out") == {"data/0/stack_0_BF.tiff": RUN["0/stack_0_BF.tiff"]}


@pytest.mark.parametrize("make", ["link", "hard link", "pipe", "folder of nothing"])
def test_what_stands_in_the_place_of_a_part_is_not_written_through(
    facility: Facility, archived: str, tmp_path: Path, make: str
) -> None:
    cut(facility, archived, tmp_path / "out", chunks=5, files=["0/stack_0_BF.tiff"])
    (partial,) = [path for path in (tmp_path / "out").rglob("*") if path.name.startswith(PARTIAL)]
    partial.unlink()
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    match make:
        case "link":
            partial.symlink_to(victim)
        case "hard link":
            partial.hardlink_to(victim)
        case "pipe":
            os.mkfifo(partial)
        case _:
            pass

    cut(facility, archived, tmp_path / "out", chunks=None, files=["0/stack_0_BF.tiff"])

    assert victim.read_bytes() == b"mine"
    assert tree(tmp_path / "out") == {"data/0/stack_0_BF.tiff": RUN["0/stack_0_BF.tiff"]}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["data/0/movie.avi"], {"data/0/movie.avi"}),
        (["0/movie.avi", "README.md"], {"data/0/movie.avi", "README.md"}),
        (["*.tiff"], {f"data/{path}" for path in RUN if path.endswith(".tiff")}),
        (["0/A1_[01]_*"], {"data/0/A1_0_BF.tiff", "data/0/A1_1_BF.tiff"}),
    ],
    ids=["logical path", "path as acquired", "pattern", "pattern below data"],
)
def test_only_the_files_that_are_asked_for_come_back(
    facility: Facility, archived: str, tmp_path: Path, files: list[str], expected: set[str]
) -> None:
    cut(facility, archived, tmp_path / "out", chunks=None, files=files)

    assert tree(tmp_path / "out").keys() == expected


def test_a_file_that_is_not_there_is_named_and_nothing_is_made(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match=r"no file 'late\.avi'"):
        cut(facility, archived, tmp_path / "out", chunks=None, files=["late.avi"])

    assert not (tmp_path / "out").exists()


def test_a_folder_begun_for_other_files_is_refused(facility: Facility, archived: str, tmp_path: Path) -> None:
    cut(facility, archived, tmp_path / "out", chunks=5, files=["0/stack_0_BF.tiff"])

    with pytest.raises(AlreadyExists):
        restore(facility, archived, tmp_path / "out")


def test_a_disk_that_is_full_is_a_named_refusal_and_the_rest_comes_later(
    facility: Facility, archived: str, tmp_path: Path
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, most))  # the kernel refuses as it does on a full disk
    try:
        with pytest.raises(InvalidInput, match=r"cannot take data/0/stack_0_BF\.tiff: .*make room"):
            cut(facility, archived, tmp_path / "out", chunks=None, files=["0/stack_0_BF.tiff"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    store = cut(facility, archived, tmp_path / "out", chunks=None, files=["0/stack_0_BF.tiff"])

    assert store.starts == [4000]
    assert data_of(tmp_path / "out") == {"0/stack_0_BF.tiff": RUN["0/stack_0_BF.tiff"]}


def test_a_target_that_cannot_be_written_is_a_named_refusal(facility: Facility, archived: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be written"):
        restore(facility, archived, Path("/proc/cisterna"))


def test_a_copy_at_another_store_is_as_good(facility: Facility, archived: str, tmp_path: Path) -> None:
    copy = MemoryStore()
    for found in facility.store.list(""):
        copy.put(found.key, facility.store.get(found.key)[0])
    facility.store.delete([found.key for found in facility.store.list("")])

    restore_version(archived, to=tmp_path / "out", catalogue=facility.catalogue, store=copy, tables=facility.tables)

    assert data_of(tmp_path / "out") == RUN
