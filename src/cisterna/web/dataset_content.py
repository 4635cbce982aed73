"""The content of archived versions for signed-in people, kept for a while: it never changes once it is staged."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from cisterna.domain.dataset import Version
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.publisher import PublicFile, PublicFiles
from cisterna.ports.quality import TableFile
from cisterna.services.part_table import held_parts
from cisterna.services.public_files import version_files
from cisterna.services.public_record import read_previews

_KEPT_VERSIONS = 24


@dataclass(frozen=True)
class Content:
    """What a version holds.

    Attributes:
        files: Of its logical content, those that are named one by one.
        lists: Where the other data files are named.
        previews: PNG thumbnails by logical path.
    """

    files: tuple[PublicFile, ...]
    lists: tuple[PublicFiles, ...]
    previews: dict[str, bytes]


class ContentCache:
    """Keeps what was read last; a key names the digests, so nothing kept is ever out of date."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Content] = OrderedDict()
        self._lock = Lock()

    def of(self, version: Version, *, catalogue: Catalogue, store: ObjectStore, tables: TableFile) -> Content:
        """Return a version's content; the caller has made sure that the person may see it."""
        key = (version.version_id, "".join(file.sha512 for _, file in sorted(version.staged.items())))
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with catalogue.begin() as tx:
            dataset, held = tx.datasets.get(version.dataset_id), held_parts(tx, version)
        files, lists, _ = version_files(version, dataset, held, store=store, tables=tables)
        content = Content(
            files=files,
            lists=lists,
            previews=read_previews(version, dataset, store=store, tables=tables),
        )
        with self._lock:
            self._kept[key] = content
            while len(self._kept) > _KEPT_VERSIONS:
                self._kept.popitem(last=False)
        return content
