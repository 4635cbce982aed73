"""Gives a version's logical content back as files, digested as they land."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import AlreadyExists, ChecksumMismatch, InvalidInput, NotFound, ObjectInvalid
from cisterna.domain.ocfl import Inventory, require_distinct
from cisterna.domain.source_name import is_written_otherwise
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.crew import work_through
from cisterna.services.data_manifest import DATA, MANIFEST_PATH, load_manifest
from cisterna.services.held_object import HeldObject, read_held, sidecar_agrees
from cisterna.services.landing import PARTIAL, Target
from cisterna.services.reread import read_back

MARKER = ".cisterna-restore.json"
"""Says, in a folder that is not whole yet, what is being restored into it."""


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
    readers: int = 4,
) -> Restored:
    """Write the logical content of an archived version into a folder: `data/`, `metadata/`, `quality/` and the rest.

    A run that was cut short is taken up by the same call: what is there with the right digest stays.

    Args:
        version_id: Of a version that is archived.
        to: A folder that is empty, is not there yet, or holds the beginnings of this very restore.
        catalogue: Says where the object lies.
        store: The archive.
        tables: Reads the manifest, when a name is written otherwise than it was acquired.
        readable_names: Leave names as the archive writes them, instead of giving them their own bytes back.
        readers: Threads.

    Raises:
        NotFound: There is no such version, or it is not archived.
        AlreadyExists: The folder holds other things.
        ChecksumMismatch: The archive gave other bytes than it should; those files are not in the folder.
        ObjectInvalid: The inventory is damaged; nothing is written.
    """
    with catalogue.begin() as tx:
        version = tx.datasets.get_version(version_id)
        dataset = tx.datasets.get(version.dataset_id)
    return restore_object(
        dataset.object_root,
        pid=dataset.pid,
        number=_number(version, dataset),
        to=to,
        store=store,
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
    tables: TableFile,
    readable_names: bool = False,
    readers: int = 4,
) -> Restored:
    """Like `restore_version`, from the archive alone; without a number the newest version."""
    held = read_held(object_root, pid=pid, store=store)
    if held is None:
        msg = f"the archive holds no object {pid}; look for it by `cisterna list`"
        raise NotFound(msg, pid=pid)
    if not sidecar_agrees(object_root, sha512=held.sha512, store=store):
        msg = f"the inventory of {pid} does not have the digest of its sidecar; run `cisterna check` on it"
        raise ObjectInvalid(msg, pid=pid)
    chosen = number or held.inventory.head
    files = held.inventory.files(chosen)
    names: dict[str, str] = {}
    if not readable_names:
        names = _names(files, held.inventory, object_root=object_root, store=store, tables=tables)
    _prepare(to, held, chosen, readable_names=readable_names)
    with Target(to) as target:
        restore = _Restore(object_root, held.inventory, names, target, store)
        work_through(sorted(files.items()), lambda: restore.file, workers=readers, stop=threading.Event())
        if restore.wrong:
            raise restore.mismatch(pid)
        os.sync()  # once, and not file by file: until the marker goes, the next run digests all that is there
        target.remove(MARKER)
    return Restored(
        pid=pid,
        ocfl_version=chosen,
        folder=str(to),
        files=len(files),
        bytes_read=restore.bytes_read,
        files_present=restore.files_present,
        files_renamed=len(names),
    )


def _names(
    files: Mapping[str, str], inventory: Inventory, *, object_root: str, store: ObjectStore, tables: TableFile
) -> dict[str, str]:
    """Give the names as acquired, as Python names files, of the paths that are written otherwise.

    The manifest says which those are. Paths that only look like it are left alone: of derived data, for example.
    """
    if MANIFEST_PATH not in files or not any(is_written_otherwise(path) for path in files):
        return {}
    digest = files[MANIFEST_PATH]
    body, _ = store.get(f"{object_root}/{inventory.content_path(digest)}")
    if sha512_of(body) != digest:
        msg = f"{MANIFEST_PATH} of {inventory.pid} has other bytes than it should; run `cisterna check` on it"
        raise ChecksumMismatch(msg, pid=inventory.pid, paths=[MANIFEST_PATH])
    manifest = load_manifest(body, tables=tables)
    names = {
        f"{DATA}{entry.path}": DATA + os.fsdecode(entry.source_path)
        for entry in manifest.files
        if entry.source_path_base64 is not None and f"{DATA}{entry.path}" in files
    }
    require_distinct((names.get(path, path) for path in files), what=f"the restored {inventory.pid}")
    return names


def _number(version: Version, dataset: Dataset) -> int:
    if version.ocfl_version is None:
        msg = f"{version.version_id} of {dataset.title} is {version.stage.value}, not archived yet; try again later"
        raise NotFound(msg, version_id=version.version_id)
    return version.ocfl_version


def _prepare(to: Path, held: HeldObject, number: int, *, readable_names: bool) -> None:
    """Make the folder ours, or refuse it."""
    marker = {"pid": held.inventory.pid, "version": f"v{number}"}
    if readable_names:
        marker["names"] = "readable"  # so that no later run mixes the two
    try:
        to.mkdir(parents=True, exist_ok=True)
        names = {found.name for found in to.iterdir() if not found.name.startswith(PARTIAL)}
    except (FileExistsError, NotADirectoryError) as refusal:
        msg = f"{to} is not a folder; give one that is empty or not there yet"
        raise InvalidInput(msg, folder=str(to)) from refusal
    if not names:
        with Target(to) as target, target.writing(MARKER) as descriptor:
            os.write(descriptor, json.dumps(marker).encode())
        return
    if MARKER not in names or _read_marker(to / MARKER) != marker:
        msg = f"{to} is not empty and nothing of {held.inventory.pid} v{number} was begun there; give an empty folder"
        raise AlreadyExists(msg, folder=str(to))


def _read_marker(file: Path) -> object:
    try:
        return json.loads(file.read_bytes()[:4096]) if file.is_file() and not file.is_symlink() else None
    except ValueError:
        return None


class _Restore:
    """One restore by several threads."""

    def __init__(
        self, object_root: str, inventory: Inventory, names: Mapping[str, str], target: Target, store: ObjectStore
    ) -> None:
        self._root = object_root
        self._inventory = inventory
        self._names = names
        self._target = target
        self._store = store
        self._lock = threading.Lock()
        self.bytes_read = 0
        self.files_present = 0
        self.wrong: dict[str, str] = {}

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
            msg = (
                f"{self._target.folder} cannot take {path}: {refusal.strerror}; make room there or give another folder"
            )
            raise InvalidInput(msg, path=path) from refusal

    def mismatch(self, pid: str) -> ChecksumMismatch:
        paths = sorted(self.wrong)
        msg = (
            f"{len(paths)} files of {pid} were not restored, such as {paths[0]}: {self.wrong[paths[0]]}; "
            "all others are in the folder. Run `cisterna check` on it and use another copy"
        )
        return ChecksumMismatch(msg, pid=pid, paths=paths[:100])

    def _write(self, path: str, digest: str) -> None:
        content_path = self._inventory.content_path(digest)
        with self._target.writing(self._names.get(path, path)) as descriptor:
            found = read_back(
                content_path,
                object_root=self._root,
                store=self._store,
                taken=lambda chunk: _write_all(descriptor, chunk),
            )
            if found.is_missing:
                raise _Unequal("the archive does not have it")
            if found.sha512 != digest:
                raise _Unequal("the archive has other bytes than it should")
        with self._lock:
            self.bytes_read += found.size_bytes


class _Unequal(Exception):
    """The bytes that came are not those that should; the file is not kept."""


def _write_all(descriptor: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
