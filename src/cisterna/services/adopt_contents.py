"""Tells whether a run is a copy of one that is known: by the ends of a few files, and then by every name and size.

Runs of one protocol often have the very same names and sizes, so these alone say nothing; and reading all of a run to
find out would cost what archiving it costs. A few files are looked at where two runs are likely to differ, small side
files and the largest; a copy agrees in all of them, and in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.digest import sha512_of
from cisterna.domain.errors import CisternaError
from cisterna.domain.instrument import Instrument
from cisterna.domain.listing import Listing, SeenFile
from cisterna.domain.manifest import FileEntry
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.object_store import ObjectStore
from cisterna.ports.quality import TableFile
from cisterna.ports.source import LandingZone
from cisterna.services.data_manifest import MANIFEST_PATH, load_manifest
from cisterna.services.look import FolderLook
from cisterna.services.public_files import read_verified

_END_BYTES = 64 * 1024
_DIGESTED_BYTES = 8 * 1024 * 1024
_SIDE_BYTES = 1024 * 1024
_MOST_SIDE = 3

Names = frozenset[tuple[str, int]]
"""The path and size of each file of a run."""


@dataclass(frozen=True)
class RunFiles:
    """The files of a run where they lie."""

    zone: LandingZone
    folder: str

    def ends(self, file: SeenFile) -> bytes:
        """Read the beginning and the end of a file.

        Raises `NotFound`, `HostileInput`, `SourceUnavailable`.
        """
        look = FolderLook(self.folder, Listing(), self.zone)
        return look.head(file.path, limit_bytes=_END_BYTES) + look.tail(file.path, limit_bytes=_END_BYTES)

    def sha512(self, file: SeenFile) -> str | None:
        """Digest a file; None for one that is large."""
        if file.size_bytes > _DIGESTED_BYTES:
            return None
        return sha512_of(self.zone.read_small(self.folder, file.path, limit_bytes=_DIGESTED_BYTES))


class KnownRun(Protocol):
    """A run that is known, whose files are compared with those of another."""

    def is_same(self, file: SeenFile, of: RunFiles) -> bool:
        """Tell whether it has a file like this one at the same path, as far as is looked."""
        ...

    def names(self) -> Names | None:
        """Give all its files; None when nobody can tell."""
        ...


@dataclass(frozen=True)
class PresentRun:
    """Implements `KnownRun` on a run that lies where it lay."""

    files: RunFiles

    def is_same(self, file: SeenFile, of: RunFiles) -> bool:
        """Compare the ends of the two files."""
        try:
            theirs = self.files.ends(file)
        except CisternaError:
            return False
        return theirs == of.ends(file)

    def names(self) -> Names | None:
        """List it."""
        try:
            files = self.files.zone.listing(self.files.folder).files
        except CisternaError:
            return None
        return frozenset((one.path, one.size_bytes) for one in files)


@dataclass(frozen=True)
class ArchivedRun:
    """Implements `KnownRun` on the manifest of a run that is archived."""

    entries: Mapping[str, FileEntry]

    def is_same(self, file: SeenFile, of: RunFiles) -> bool:
        """Compare the digests of the two files; of a large one only the size is."""
        entry = self.entries.get(file.path)
        if entry is None or entry.size_bytes != file.size_bytes:
            return False
        own = of.sha512(file)
        return own is None or own == entry.sha512

    def names(self) -> Names | None:
        """Give what the manifest says."""
        return frozenset((one.path, one.size_bytes) for one in self.entries.values())


def is_copy(listing: Listing, of: RunFiles, *, known: KnownRun) -> bool:
    """Tell whether a run has all that a known one has, as far as is looked.

    Args:
        listing: Of the run.
        of: Its files.
        known: The other one.

    Raises:
        NotFound, HostileInput, SourceUnavailable: The run's own files cannot be read.
    """
    if not all(known.is_same(file, of) for file in telling_files(listing)):
        return False
    return known.names() == frozenset((one.path, one.size_bytes) for one in listing.files)


def telling_files(listing: Listing) -> Sequence[SeenFile]:
    """Choose files in which two runs of one protocol are likely to differ: side files first, since they are small."""
    by_size = sorted((one for one in listing.files if one.size_bytes), key=lambda one: (-one.size_bytes, one.path))
    side = [one for one in by_size if one.size_bytes <= _SIDE_BYTES][:_MOST_SIDE]
    return [*side, *(one for one in by_size[:1] if one not in side)]


def known_run(
    acquisition: Acquisition,
    *,
    catalogue: Catalogue,
    zone_of: Callable[[Instrument], LandingZone],
    store: Callable[[], ObjectStore],
    tables: TableFile,
) -> KnownRun | None:
    """Open a known run: by the archive's manifest, which has every digest, or else where it lies.

    Args:
        acquisition: That is known.
        catalogue: Says where it lies.
        zone_of: Opens its landing zone.
        store: Opens the archive.
        tables: Reads manifests.
    """
    with catalogue.begin() as tx:
        instrument = tx.instruments.get(acquisition.instrument)
        dataset = tx.datasets.get(acquisition.dataset_id) if acquisition.dataset_id else None
        versions = tx.datasets.versions(dataset.dataset_id) if dataset else ()
    newest = next((one for one in reversed(versions) if one.is_archived and not one.parts), None)
    try:
        if newest is not None and dataset is not None:
            body = read_verified(newest, MANIFEST_PATH, dataset=dataset, store=store())
            return ArchivedRun({one.path: one for one in load_manifest(body, tables=tables).files})
        return PresentRun(RunFiles(zone_of(instrument), acquisition.folder))
    except CisternaError:
        return None  # nobody can tell now: nothing is held for what nobody saw
