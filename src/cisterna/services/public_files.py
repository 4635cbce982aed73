"""Says which files a version has, and finds one among a million without holding them: tables name what is many.

What describes a version is named file by file. Its data files are too, where they are few; else it is said which
manifests in the archive name them, one for each object, and a file or a run of files is looked up there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.digest import Sha256, sha512_of
from cisterna.domain.errors import ChecksumMismatch, ObjectInvalid, ObjectNotFound
from cisterna.domain.manifest import Manifest
from cisterna.domain.part import Part
from cisterna.metadata.listing import media_type
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicFile, PublicFiles
from cisterna.ports.quality import TableFile
from cisterna.services.data_manifest import DATA, MANIFEST_PATH, load_manifest
from cisterna.services.part_table import PARTS_PATH, HeldPart, read_part_manifest
from cisterna.services.staging import read_staged

NAMED_FILES = 1_000
"""Most data files that are named one by one."""
_KEPT_TABLES = 4
"""Of up to 100,000 files each, which is some ten megabytes."""


class VersionFiles(NamedTuple):
    """The logical content of a version: what is named one by one, and where the rest is named.

    Attributes:
        sha256: Of what is named, by path; known where the object is made of SHA-256.
    """

    files: tuple[PublicFile, ...]
    lists: tuple[PublicFiles, ...]
    sha256: Mapping[str, Sha256]


def version_files(
    version: Version, dataset: Dataset, parts: Sequence[HeldPart], *, store: ObjectStore, tables: TableFile
) -> VersionFiles:
    """Tell what a version holds, in the order of the paths' bytes; nothing before it is measured.

    Raises:
        ChecksumMismatch: The manifest is not what it was when it was archived.
        ObjectNotFound: The object lacks its manifest.
    """
    if not version.staged.keys() & {MANIFEST_PATH, PARTS_PATH}:
        return VersionFiles((), (), {})
    files = [
        _file(dataset.object_root, path, staged.size_bytes, staged.sha512, staged.content_path)
        for path, staged in version.staged.items()
    ]
    digests = {path: staged.sha256 for path, staged in version.staged.items()}
    lists: tuple[PublicFiles, ...] = ()
    if version.parts:
        lists = tuple(_list(one.version, one.dataset, part=one.part) for one in parts)
    elif version.file_count > NAMED_FILES:
        lists = (_list(version, dataset, part=None),)
    else:
        manifest = load_manifest(read_verified(version, MANIFEST_PATH, dataset=dataset, store=store), tables=tables)
        files += [
            _file(dataset.object_root, f"{DATA}{one.path}", one.size_bytes, one.sha512, one.content_path or "")
            for one in manifest.files
        ]
        digests |= {f"{DATA}{one.path}": one.sha256 for one in manifest.files}
    known = {path: digest for path, digest in digests.items() if digest}
    return VersionFiles(tuple(sorted(files, key=lambda file: file.path.encode())), lists, known)


def proven_manifests(
    version: Version, dataset: Dataset, parts: Sequence[HeldPart], *, store: ObjectStore, tables: TableFile
) -> Iterator[Manifest]:
    """Read each manifest that names data files of a version, one at a time, and hold it against the catalogue.

    Raises:
        ChecksumMismatch, ObjectInvalid: One is not what was archived, or what the version names.
        ObjectNotFound: One is not there.
    """
    if not version.parts:
        yield load_manifest(read_verified(version, MANIFEST_PATH, dataset=dataset, store=store), tables=tables)
        return
    for part, held, whose in parts:
        manifest = read_part_manifest(held, dataset=whose, store=store, tables=tables)
        if (manifest.digest, len(manifest.files)) != (part.manifest_digest, part.file_count):
            msg = f"{part.pid} does not hold the files that its whole names; run `cisterna check` on it"
            raise ObjectInvalid(msg, pid=part.pid)
        yield manifest


def read_verified(version: Version, path: str, *, dataset: Dataset, store: ObjectStore) -> bytes:
    """Read a file of ours. Raises `ChecksumMismatch` when it is not what was archived, `ObjectNotFound`."""
    body = read_staged(version, path, dataset=dataset, store=store)
    _require_digest(
        body,
        version.staged[path].sha512,
        f"{path} of {version.version_id} is not what was archived; run `cisterna check {dataset.dataset_id}`",
    )
    return body


class FileLists:
    """Looks files up in the manifests that lists name, and keeps the tables that were read last, never their rows."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = Lock()

    def find(
        self,
        path: str,
        files: Sequence[PublicFile],
        lists: Sequence[PublicFiles],
        *,
        store: ObjectStore,
        tables: TableFile,
    ) -> PublicFile | None:
        """Find a file by its logical path, such as `data/0/A1_0_0_BF.tiff`.

        Raises:
            ChecksumMismatch: A table is not what it was when the list was made.
            ObjectNotFound, StoreUnavailable: As said there.
        """
        named = next((one for one in files if one.path == path), None)
        if named is not None or not path.startswith(DATA) or not _is_text(path):
            return named
        wanted = path.removeprefix(DATA)
        for one in lists:
            if one.may_hold(wanted):
                found = tables.find(self._table(one, store=store), column="path", value=wanted)
                if found["path"]:
                    return next(iter(_files(one, found)))
        return None

    def run(
        self,
        start: int,
        stop: int,
        files: Sequence[PublicFile],
        lists: Sequence[PublicFiles],
        *,
        store: ObjectStore,
        tables: TableFile,
    ) -> list[PublicFile]:
        """Give the files from place `start` to before `stop`: first those that are named, then those of each list."""
        run, before = list(files[start:stop]), len(files)
        for one in lists:
            begin, end = max(0, start - before), min(stop - before, one.file_count)
            if begin < end:
                run += _files(one, tables.rows(self._table(one, store=store), start=begin, stop=end))
            before += one.file_count
        return run

    def _table(self, one: PublicFiles, *, store: ObjectStore) -> bytes:
        key = (one.table_key, one.table_sha512)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        body, _ = store.get(one.table_key)
        _require_digest(
            body, one.table_sha512, f"the manifest of {one.pid} is not what was archived; run `cisterna check` on it"
        )
        with self._lock:
            self._kept[key] = body
            while len(self._kept) > _KEPT_TABLES:
                self._kept.popitem(last=False)
        return body


def _list(version: Version, dataset: Dataset, *, part: Part | None) -> PublicFiles:
    staged = version.staged.get(MANIFEST_PATH)
    if staged is None:
        msg = f"{version.version_id} names no manifest of its files; run `cisterna check` on {dataset.dataset_id}"
        raise ObjectNotFound(msg, version_id=version.version_id)
    return PublicFiles(
        pid=dataset.pid,
        object_root=dataset.object_root,
        table_key=f"{dataset.object_root}/{staged.content_path}",
        table_sha512=staged.sha512,
        file_count=version.file_count,
        total_bytes=version.total_bytes,
        first=part.first if part else None,
        last=part.last if part else None,
    )


def _files(one: PublicFiles, columns: dict[str, list[Any]]) -> Iterator[PublicFile]:
    for path, size_bytes, digest, content_path in zip(
        *(columns[name] for name in ("path", "size_bytes", "sha512", "content_path")), strict=True
    ):
        yield _file(one.object_root, f"{DATA}{path}", size_bytes, digest, content_path)


def _file(object_root: str, path: str, size_bytes: int, sha512: str, content_path: str) -> PublicFile:
    return PublicFile(
        path=path,
        size_bytes=size_bytes,
        sha512=sha512,
        media_type=media_type(path),
        content_key=f"{object_root}/{content_path}",
    )


def _require_digest(body: bytes, expected: str, msg: str) -> None:
    found = sha512_of(body)
    if found != expected:
        raise ChecksumMismatch(msg, expected=expected, found=found)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
