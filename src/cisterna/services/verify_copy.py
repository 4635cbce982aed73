"""Tells which of anybody's files are safe in the archive: by digest, and of what they may see only."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from pydantic import Field

from cisterna.domain.account import Account
from cisterna.domain.base import Value
from cisterna.domain.dataset import Dataset, Version
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import (
    HostileInput,
    InvalidInput,
    NotFound,
    ObjectInvalid,
    ObjectNotFound,
    SourceUnavailable,
)
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.permission import may_see
from cisterna.ports.catalogue import Catalogue, Transaction
from cisterna.ports.clock import Clock
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.ports.source import LandingZone
from cisterna.services.data_manifest import MANIFEST_PATH, load_manifest
from cisterna.services.staging import read_staged

_CHUNK_BYTES = 1024 * 1024
_MOST_KEPT = 500_000
"""Digests of manifests that are kept in memory between two questions: some 100 MB."""


class FoundFile(Value):
    """A file below a folder, as it was read.

    Attributes:
        sha512: None when it could not be read; `problem` says why.
        stores: Names of the stores with a copy that was read back lately.
    """

    path: str
    size_bytes: int = Field(0, ge=0)
    sha512: str | None = None
    stores: tuple[str, ...] = ()
    problem: str | None = None


class ArchivedDigests:
    """Answers which digests the archive holds; one for each process, since it keeps what it read last.

    Args:
        catalogue: Says what is archived, and who may see it.
        store: Holds the manifests.
        stores: Names of every store in use: receipts of others do not count.
        tables: Reads manifests.
        clock: Tells how old receipts are.
        longest_age: Of a receipt that counts.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        store: ObjectStore,
        stores: Sequence[str],
        tables: TableFile,
        clock: Clock,
        longest_age: timedelta,
    ) -> None:
        self._catalogue = catalogue
        self._store = store
        self._stores = frozenset(stores)
        self._tables = tables
        self._clock = clock
        self._longest_age = longest_age
        self._kept: OrderedDict[str, frozenset[bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def stores_of(self, digests: Collection[str], *, account: Account) -> dict[str, tuple[str, ...]]:
        """Name, for each digest, the stores that hold those bytes with a fresh receipt; none are left out.

        What belongs to a project that the person may not see counts as not archived.

        Raises:
            InvalidInput: A digest is none.
            StoreUnavailable, CatalogueUnavailable: It could not be asked; nothing may be concluded.
        """
        wanted = {_raw(digest): digest for digest in digests}
        found: dict[str, set[str]] = {}
        for dataset, version, stores in self._visible(account):
            held = self._digests(dataset, version)
            for raw in wanted.keys() & held:
                found.setdefault(wanted[raw], set()).update(stores)
        return {digest: tuple(sorted(stores)) for digest, stores in found.items()}

    def _visible(self, account: Account) -> Iterator[tuple[Dataset, Version, frozenset[str]]]:
        """Give each manifest that the person may see once, with the stores that have all of its bytes."""
        oldest = self._clock.now() - self._longest_age
        with self._catalogue.begin() as tx:
            projects = {one.slug: one for one in tx.projects.list()}
            rows: list[tuple[Dataset, Version, frozenset[str]]] = []
            for dataset in tx.datasets.list():
                if dataset.part_of is not None or not may_see(account, projects.get(dataset.project or "")):
                    continue
                for version in tx.datasets.versions(dataset.dataset_id):
                    stores = self._proven(tx, version, oldest=oldest)
                    if version.is_archived and stores:
                        rows += self._holding(tx, dataset, version, stores, oldest=oldest)
        yield from rows

    def _holding(
        self, tx: Transaction, dataset: Dataset, version: Version, stores: frozenset[str], *, oldest: datetime
    ) -> Iterator[tuple[Dataset, Version, frozenset[str]]]:
        """Give what holds the files of a version: itself, or each of its parts where both are proven."""
        if not version.parts:
            yield dataset, version, stores
        for part in version.parts:
            held = tx.datasets.get_version(part.version_id)
            both = stores & self._proven(tx, held, oldest=oldest)
            if both and held.manifest_digest == part.manifest_digest:
                yield tx.datasets.get(part.dataset_id), held, both

    def _proven(self, tx: Transaction, version: Version, *, oldest: datetime) -> frozenset[str]:
        return frozenset(
            one.store
            for one in tx.datasets.receipts(version.version_id)
            if one.store in self._stores
            and one.manifest_digest == version.manifest_digest
            and one.verified_at >= oldest
        )

    def _digests(self, dataset: Dataset, version: Version) -> frozenset[bytes]:
        """Read a manifest, or remember it; one that is damaged vouches for nothing."""
        key = version.manifest_digest or ""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        try:
            body = read_staged(version, MANIFEST_PATH, dataset=dataset, store=self._store)
            if sha512_of(body) != version.staged[MANIFEST_PATH].sha512:
                return frozenset()
            manifest = load_manifest(body, tables=self._tables)
        except (InvalidInput, ObjectInvalid, ObjectNotFound):
            return frozenset()
        if manifest.digest != key:
            return frozenset()
        read = frozenset(bytes.fromhex(file.sha512) for file in manifest.files)
        with self._lock:
            self._kept[key] = read
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return read


def verify_folder(
    folder: str, *, zone: LandingZone, archived: ArchivedDigests, account: Account
) -> tuple[FoundFile, ...]:
    """Digest every file below a folder and say where its bytes are safe; nothing is changed or deleted.

    Raises:
        NotFound: There is no such folder.
        SourceUnavailable: The folder cannot be looked at.
        StoreUnavailable, CatalogueUnavailable: As said there.
    """
    listing: Listing = zone.listing(folder)
    read = [_read(seen, folder, zone=zone) for seen in listing.files]
    stores = archived.stores_of({one.sha512 for one in read if one.sha512 is not None}, account=account)
    judged = [one.model_copy(update={"stores": stores.get(one.sha512 or "", ())}) for one in read]
    obstacles = [FoundFile(path=one.shown, problem=one.reason) for one in listing.obstacles]
    return tuple(sorted([*judged, *obstacles], key=lambda one: one.path))


def _read(seen: SeenFile, folder: str, *, zone: LandingZone) -> FoundFile:
    digest, size_bytes, buffer = hashlib.sha512(), 0, memoryview(bytearray(_CHUNK_BYTES))
    try:
        with zone.open(folder, seen.path) as source:
            while count := source.readinto(buffer):
                digest.update(buffer[:count])
                size_bytes += count
            now = source.still()
    except (NotFound, HostileInput, SourceUnavailable) as fault:
        return FoundFile(path=seen.path, size_bytes=seen.size_bytes, problem=str(fault))
    if now != seen or size_bytes != seen.size_bytes:
        return FoundFile(path=seen.path, size_bytes=size_bytes, problem="it changed while it was read; look again")
    return FoundFile(path=seen.path, size_bytes=size_bytes, sha512=digest.hexdigest())


def _raw(digest: str) -> bytes:
    if len(digest) != 128 or not all(one in "0123456789abcdef" for one in digest):
        msg = f"'{digest[:20]}' is no SHA-512: give 128 lower-case hex digits"
        raise InvalidInput(msg)
    return bytes.fromhex(digest)
