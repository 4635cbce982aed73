"""Gives a version's logical content back as files, digested as they land."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import AlreadyExists, ChecksumMismatch, InvalidInput, NotFound, ObjectNotFound
from cisterna.domain.manifest import Manifest
from cisterna.domain.ocfl import require_distinct
from cisterna.domain.source_name import is_written_otherwise
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.crew import work_through
from cisterna.services.data_manifest import DATA, MANIFEST_PATH, load_manifest
from cisterna.services.landing import PARTIAL, Landing, Target
from cisterna.services.shelf import Shelf, Shelves, choose, open_object, read_verified

MARKER = ".cisterna-restore.json"
"""Says, in a folder that is not whole yet, what is being restored into it."""


_LONGEST_MARKER = 1024 * 1024


class Restored(Value):
    """What lies in the folder now: every file has the digest that the inventory names.

    Attributes:
        files_present: Files that were there already, with the right bytes, from a run that was cut short.
        files_renamed: Files that have a name as acquired which the archive writes in another way.
    """

    pid: str
    ocfl_version: int = Field(ge=1)
    folder: str
    files: int
    bytes_read: int
    files_present: int
    files_renamed: int = 0


def restore_version(
    version_id: str,
    *,
    to: Path,
    catalogue: Catalogue,
    store: ObjectStore,
    tables: TableFile,
    readable_names: bool = False,
    files: Sequence[str] = (),
    readers: int = 4,
) -> Restored:
    """Write the logical content of an archived version into a folder: `data/`, `metadata/`, `quality/` and the rest.

    A run that was cut short is taken up by the same call: what is there with the right digest stays, and a file of
    which a part is there goes on behind that part.

    Args:
        version_id: Of a version that is archived.
        to: A folder that is empty, is not there yet, or holds the beginnings of this very restore.
        catalogue: Says where the object lies.
        store: The archive, or a store that keeps a copy of it.
        files: Only these: paths in the logical content, or below its `data/`, or shell patterns of either.
        tables: Reads the manifest, when a name is written otherwise than it was acquired.
        readable_names: Leave names as the archive writes them, instead of giving them their own bytes back.
        readers: Threads.

    Files that lie in parts come together in the same `data/`, one part after the other.

    Raises:
        NotFound: There is no such version, it is not archived, or a path or pattern names none of its files.
        InvalidInput: The folder cannot be written, or is full; the same call goes on once there is room.
        AlreadyExists: The folder holds other things.
        ChecksumMismatch: The archive gave other bytes than it should; those files are not in the folder.
        NotReadableNow: Files lie in a storage class that gives nothing at once; `services.thaw` asks for them, and the
            same call goes on with what is there.
        ObjectInvalid: The inventory is damaged; nothing is written.
    """
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
    return restore_object(
        dataset.object_root,
        pid=dataset.pid,
        number=ocfl_number(version, dataset),
        to=to,
        store=store,
        files=files,
        tables=tables,
        readable_names=readable_names,
        readers=readers,
    )


def restore_object(
    object_root: str,
    *,
    pid: str,
    number: int | None,
    to: Path,
    store: ObjectStore,
    files: Sequence[str] = (),
    tables: TableFile,
    readable_names: bool = False,
    readers: int = 4,
) -> Restored:
    """Like `restore_version`, from the archive alone; without a number the newest version."""
    own, chosen = open_object(object_root, pid=pid, number=number, store=store)
    shelves = Shelves(own, store=store, tables=tables)
    wanted = choose(own, shelves.parts, files, opened=shelves.open) if files else None
    first = {} if readable_names else _names(own, shelves.manifest(0), store=store, tables=tables)
    _prepare(to, _marker(pid, chosen, files=files, readable_names=readable_names))
    with Target(to) as target:
        restore = _Restore(own, target, store)
        for place, shelf in shelves.needed(wanted):
            asked = shelf.files if wanted is None else wanted[place]
            names = (
                first
                if readable_names or not place
                else _names(shelf, shelves.manifest(place), store=store, tables=tables)
            )
            restore.take(asked, shelf=shelf, names=names, readers=readers)
        if restore.wrong:
            raise restore.mismatch(pid)
        os.sync()  # once, and not file by file: until the marker goes, the next run digests all that is there
        target.remove(MARKER)
    return Restored(
        pid=pid,
        ocfl_version=chosen,
        folder=str(to),
        files=restore.files,
        bytes_read=restore.bytes_read,
        files_present=restore.files_present,
        files_renamed=restore.files_renamed,
    )


def _names(shelf: Shelf, manifest: Manifest | None, *, store: ObjectStore, tables: TableFile) -> dict[str, str]:
    """Give the names as acquired, as Python names files, of the paths that are written otherwise.

    The manifest says which those are. Paths that only look like it are left alone: of derived data, for example.
    """
    if not any(is_written_otherwise(path) for path in shelf.files):
        return {}
    if manifest is None:
        if MANIFEST_PATH not in shelf.files:
            return {}
        manifest = load_manifest(read_verified(shelf, MANIFEST_PATH, store=store), tables=tables)
    names = {
        f"{DATA}{entry.path}": DATA + os.fsdecode(entry.source_path)
        for entry in manifest.files
        if entry.source_path_base64 is not None and f"{DATA}{entry.path}" in shelf.files
    }
    require_distinct((names.get(path, path) for path in shelf.files), what=f"the restored {shelf.inventory.pid}")
    return names


def ocfl_number(version: Version, dataset: Dataset) -> int:
    """Give the number of the OCFL version that a version is. Raises `NotFound` for one that is not archived."""
    if version.ocfl_version is None:
        msg = f"{version.version_id} of {dataset.title} is {version.stage.value}, not archived yet; try again later"
        raise NotFound(msg, version_id=version.version_id)
    return version.ocfl_version


def _marker(pid: str, number: int, *, files: Sequence[str], readable_names: bool) -> dict[str, object]:
    """Name what is restored, so that no later run mixes it with another."""
    marker: dict[str, object] = {"pid": pid, "version": f"v{number}"}
    if files:
        marker["files"] = sorted(set(files))
    if readable_names:
        marker["names"] = "readable"
    return marker


def _prepare(to: Path, marker: dict[str, object]) -> None:
    """Make the folder ours, or refuse it."""
    try:
        to.mkdir(parents=True, exist_ok=True)
        names = {found.name for found in to.iterdir() if not found.name.startswith(PARTIAL)}
        if not names:
            with Target(to) as target, target.writing(MARKER) as landing:
                landing.begin_anew()
                landing.write(json.dumps(marker).encode())
            return
    except (FileExistsError, NotADirectoryError) as refusal:
        msg = f"{to} is not a folder; give one that is empty or not there yet"
        raise InvalidInput(msg, folder=str(to)) from refusal
    except OSError as refusal:
        msg = f"{to} cannot be written: {refusal.strerror}; give another folder, or mend that"
        raise InvalidInput(msg, folder=str(to)) from refusal
    if MARKER not in names or _read_marker(to / MARKER) != marker:
        msg = f"{to} is not empty and not what this restore of {marker['pid']} began; give an empty folder"
        raise AlreadyExists(msg, folder=str(to))


def _read_marker(file: Path) -> object:
    try:
        return json.loads(file.read_bytes()[:_LONGEST_MARKER]) if file.is_file() and not file.is_symlink() else None
    except ValueError:
        return None


class _Restore:
    """One restore by several threads, from one object after the other."""

    def __init__(self, shelf: Shelf, target: Target, store: ObjectStore) -> None:
        self._shelf = shelf
        self._names: Mapping[str, str] = {}
        self._target = target
        self._store = store
        self._lock = threading.Lock()
        self.files = self.files_renamed = self.bytes_read = self.files_present = 0
        self.wrong: dict[str, str] = {}

    def take(self, wanted: Mapping[str, str], *, shelf: Shelf, names: Mapping[str, str], readers: int) -> None:
        """Write the files that are wanted of an object."""
        self._shelf = shelf
        self._names = {path: name for path, name in names.items() if path in wanted}
        self.files += len(wanted)
        self.files_renamed += len(self._names)
        work_through(sorted(wanted.items()), lambda: self.file, workers=readers, stop=threading.Event())

    def file(self, item: tuple[str, str]) -> None:
        path, digest = item
        if self._target.digest(self._names.get(path, path)) == digest:
            with self._lock:
                self.files_present += 1
            return
        try:
            self._write(path, digest)
        except _Unequal as difference:
            with self._lock:
                self.wrong[path] = str(difference)
        except OSError as refusal:
            what = refusal.strerror or type(refusal).__name__
            msg = f"{self._target.folder} cannot take {path}: {what}; make room there, or mend that, and ask again"
            raise InvalidInput(msg, path=path) from refusal

    def mismatch(self, pid: str) -> ChecksumMismatch:
        paths = sorted(self.wrong)
        msg = (
            f"{len(paths)} files of {pid} were not restored, such as {paths[0]}: {self.wrong[paths[0]]}; "
            "all others are in the folder. Run `cisterna check` on it and use another copy"
        )
        return ChecksumMismatch(msg, pid=pid, paths=paths[:100])

    def _write(self, path: str, digest: str) -> None:
        key = f"{self._shelf.object_root}/{self._shelf.inventory.content_path(digest)}"
        with self._target.writing(self._names.get(path, path)) as landing:
            was_begun = landing.size_bytes > 0
            self._fill(landing, key)
            if landing.sha512 != digest and was_begun:  # the part that was there is not a part of this
                landing.begin_anew()
                self._fill(landing, key)
            if landing.sha512 != digest:
                landing.drop()
                raise _Unequal("the archive has other bytes than it should")

    def _fill(self, landing: Landing, key: str) -> None:
        """Read what is not there yet."""
        begun = landing.size_bytes
        try:
            for chunk in self._store.stream(key, start=begun):
                landing.write(chunk)
        except ObjectNotFound as missing:
            landing.drop()
            raise _Unequal("the archive does not have it") from missing
        with self._lock:
            self.bytes_read += landing.size_bytes - begun


class _Unequal(Exception):
    """The bytes that came are not those that should; the file is not kept."""
