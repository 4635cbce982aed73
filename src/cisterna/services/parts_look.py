"""Shows a profile an acquisition's own files, from the parts that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.errors import NotFound
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.part import Part
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.services.archived_look import ArchivedLook
from cisterna.services.part_table import read_part_manifest

_SEEN = set(SeenFile.model_fields)


class PartsLook:
    """Implements `ports.profile.Look`; of all files it keeps what a listing has, and of one part the rest.

    Args:
        folder: Of the acquisition.
        parts: In their order, each with the version that holds its files.
        store: The archive.
        tables: Reads their manifests.
        settings: Of the instrument.
    """

    def __init__(
        self,
        folder: str,
        parts: Sequence[tuple[Part, Version, Dataset]],
        *,
        store: ObjectStore,
        tables: TableFile,
        settings: Mapping[str, str],
    ) -> None:
        self.folder = folder
        self.settings = settings
        self._parts = parts
        self._store = store
        self._tables = tables
        self._open: tuple[int, ArchivedLook] | None = None
        files: list[SeenFile] = []
        for _, version, dataset in parts:
            manifest = read_part_manifest(version, dataset=dataset, store=store, tables=tables)
            files += (
                SeenFile.model_construct(_SEEN, path=one.path, size_bytes=one.size_bytes, mtime_ns=0, inode=0)
                for one in manifest.files
            )
        self.listing = Listing.model_construct(files=tuple(files), obstacles=())

    def read(self, path: str, *, limit_bytes: int = 8 * 1024 * 1024) -> bytes:
        """Read a small file. Raises `NotFound`, `HostileInput` when it is larger than the limit."""
        return self._part_of(path).read(path, limit_bytes=limit_bytes)

    def head(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the beginning of a file. Raises `NotFound`."""
        return self._part_of(path).head(path, limit_bytes=limit_bytes)

    def tail(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        """Read the end of a file. Raises `NotFound`."""
        return self._part_of(path).tail(path, limit_bytes=limit_bytes)

    def read_setting(self, name: str, *, limit_bytes: int = 1024 * 1024) -> bytes | None:
        """Say that it is not there, as `ArchivedLook` does."""
        del name, limit_bytes
        return None

    def _part_of(self, path: str) -> ArchivedLook:
        for part, version, dataset in self._parts:
            if not part.may_hold(path):
                continue
            if self._open is None or self._open[0] != part.number:
                manifest = read_part_manifest(version, dataset=dataset, store=self._store, tables=self._tables)
                look = ArchivedLook(self.folder, manifest, dataset=dataset, store=self._store, settings=self.settings)
                self._open = (part.number, look)
            return self._open[1]
        raise NotFound(f"no part has a file {path}", path=path)
