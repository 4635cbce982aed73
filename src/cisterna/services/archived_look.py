"""Shows a profile an acquisition's own files, from the archive."""

from __future__ import annotations

from collections.abc import Mapping

from cisterna.domain.dataset import Dataset
from cisterna.domain.errors import HostileInput, NotFound
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.manifest import FileEntry, Manifest
from cisterna.ports.object_store import ObjectStore


class ArchivedLook:
    """Implements `ports.profile.Look` on files that were measured: what is described is what is kept.

    The source is not read a second time, and need not be there any more.
    """

    def __init__(
        self, folder: str, manifest: Manifest, *, dataset: Dataset, store: ObjectStore, settings: Mapping[str, str]
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.listing = Listing(files=tuple(_seen(entry) for entry in manifest.files))
        self._entries = {entry.path: entry for entry in manifest.files}
        self._dataset = dataset
        self._store = store

    def read(self, path: str, *, limit_bytes: int = 8 * 1024 * 1024) -> bytes:
        """Read a small file. Raises `NotFound`, `HostileInput` when it is larger than the limit."""
        entry = self._entry(path)
        if entry.size_bytes > limit_bytes:
            msg = f"{path} has {entry.size_bytes:,} bytes where at most {limit_bytes:,} are read"
            raise HostileInput(msg, path=path)
        body, _ = self._store.get(self._key(entry))
        return body

    def head(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the beginning of a file. Raises `NotFound`."""
        entry = self._entry(path)
        end = min(limit_bytes, entry.size_bytes)
        return b"".join(self._store.stream(self._key(entry), start=0, end=end)) if end else b""

    def tail(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the end of a file. Raises `NotFound`."""
        entry = self._entry(path)
        start = max(0, entry.size_bytes - limit_bytes)
        end = entry.size_bytes
        return b"".join(self._store.stream(self._key(entry), start=start, end=end)) if start < end else b""

    def read_setting(self, name: str, *, limit_bytes: int = 1024 * 1024) -> bytes | None:
        """Say that it is not there: what lies outside the folder speaks of the end of a run, and that was judged."""
        del name, limit_bytes
        return None

    def _entry(self, path: str) -> FileEntry:
        entry = self._entries.get(path)
        if entry is None or entry.content_path is None:
            msg = f"{self._dataset.dataset_id} has no file {path}"
            raise NotFound(msg, path=path)
        return entry

    def _key(self, entry: FileEntry) -> str:
        return f"{self._dataset.object_root}/{entry.content_path}"


def _seen(entry: FileEntry) -> SeenFile:
    mtime_ns = int(entry.modified.timestamp() * 1_000_000_000) if entry.modified else 0
    return SeenFile(path=entry.path, size_bytes=entry.size_bytes, mtime_ns=mtime_ns, inode=0)
