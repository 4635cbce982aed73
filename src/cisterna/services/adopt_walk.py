"""Walks one folder of a share: counts all that lies directly in it, and finds out what it is unless that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from cisterna.domain.adoption import Adoption, Find, FindKind, Guess, corrected
from cisterna.domain.listing import Listing
from cisterna.ports.adoption import PendingFolder, WalkedThrough
from cisterna.ports.booking import BookingTables
from cisterna.ports.catalogue import Catalogue
from cisterna.ports.clock import Clock
from cisterna.ports.profile import Profile
from cisterna.ports.share import Entry, EntryKind, Share, WalkedFolder
from cisterna.services.adopt_glimpse import Sample, glimpse_of
from cisterna.services.adopt_guess import Known, guess_instrument, guess_project
from cisterna.services.adopt_recognise import Recognised, recognise
from cisterna.services.look import FolderLook

STAGED_AT = 5000
"""Folders in one folder beyond which they are written down while it is still being listed."""
_AT_A_TIME = 100
_BESIDE = "these files lie directly in the share and so belong to no run; give them a folder"


class Counted(NamedTuple):
    """What one folder gave.

    Attributes:
        others: Links, FIFOs, sockets and devices.
    """

    through: WalkedThrough
    others: int


@dataclass(frozen=True, kw_only=True)
class Walker:
    """What walking stands on.

    Attributes:
        looked_at: Called with the number of names that were looked at; waits, and raises when it must stop.
        was_read: The same with the number of bytes.
    """

    adoption: Adoption
    share: Share
    known: Known
    profiles: Mapping[str, Profile]
    tables: BookingTables
    catalogue: Catalogue
    clock: Clock
    looked_at: Callable[[int], object]
    was_read: Callable[[int], object]

    def count(self, folder: PendingFolder, opened: WalkedFolder) -> Counted:
        """Count a folder. Raises `SourceUnavailable`, and what `looked_at` and `was_read` do."""
        sample, folders = Sample(), _Folders(folder, self)
        files = size = newest = others = 0
        for entry in self._paced(opened.entries()):
            match entry.kind:
                case EntryKind.FILE:
                    files, size, newest = files + 1, size + entry.size_bytes, max(newest, entry.mtime_ns)
                    if folder.run is None:
                        sample.offer(entry)
                case EntryKind.FOLDER:
                    folders.add(entry.name)
                case EntryKind.OTHER:
                    others += 1
        find, run = None, folder.run
        if run is None:
            find = self._find(folder.path, opened.folder, sample, folders.names)
        if find is not None:
            find = find.model_copy(update={"file_count": files, "total_bytes": size, "newest_ns": newest})
            run = None if find.kind is FindKind.LOOSE else find.path
        through = WalkedThrough(
            folder,
            children=folders.rest(run),
            run=run,
            is_staged=folders.is_staged,
            find=find,
            file_count=files,
            total_bytes=size,
            newest_ns=newest,
        )
        return Counted(through, others)

    def _paced(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        count = 0
        for entry in entries:
            count += 1
            if count == _AT_A_TIME:
                self.looked_at(count)
                count = 0
            yield entry
        self.looked_at(count + 1)  # the folder itself is a name as well

    def _find(self, path: str, identity: str, sample: Sample, folders: Sequence[str]) -> Find | None:
        """Tell what a folder is. The share itself is never a run: what lies directly in it lies beside those."""
        glimpse = glimpse_of(path, sample.files, folders, share=self.share, looked_at=self.looked_at)
        source = _Metered(FolderLook(path, Listing(), self.share), self.was_read)
        found = recognise(glimpse, profiles=self.profiles, source=source)
        if not path:
            found = Recognised(FindKind.LOOSE, Guess(reason=_BESIDE)) if glimpse.files else None
        if found is None:
            return None
        return corrected(self._guessed(path, identity, found), self.adoption.assignments)

    def _guessed(self, path: str, identity: str, found: Recognised) -> Find:
        share, described = self.adoption.path, found.described
        instrument = guess_instrument(
            path, share=share, profile=found.profile.value, described=described, known=self.known
        )
        now = self.clock.now()
        return Find(
            adoption=self.adoption.name,
            path=path,
            kind=found.kind,
            round=self.adoption.scanning.round,
            folder=identity,
            settled_since=now,
            profile=found.profile,
            instrument=instrument,
            project=guess_project(
                path,
                share=share,
                instrument=instrument,
                described=described,
                known=self.known,
                tables=self.tables,
                now=now,
            ),
        )


@dataclass
class _Folders:
    """The folders in a folder; of very many, all but the last few are in the catalogue and not in memory."""

    parent: PendingFolder
    walker: Walker
    names: list[str] = field(default_factory=list)
    is_staged: bool = False
    _waiting: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Note one."""
        if len(self.names) < STAGED_AT:
            self.names.append(name)
        self._waiting.append(name)
        if len(self._waiting) == STAGED_AT:
            self._stage()

    def rest(self, run: str | None) -> Sequence[PendingFolder]:
        """Give those that are not staged, the first name last: what is written last is walked first."""
        return [PendingFolder(self._path(name), run) for name in sorted(self._waiting, reverse=True)]

    def _stage(self) -> None:
        adoption = self.walker.adoption.name
        with self.walker.catalogue.begin() as tx:
            if not self.is_staged:
                tx.adoptions.unstage(adoption, parent=self.parent)
            tx.adoptions.stage(adoption, parent=self.parent, children=[self._path(name) for name in self._waiting])
        self.is_staged = True
        self._waiting = []

    def _path(self, name: str) -> str:
        return f"{self.parent.path}/{name}" if self.parent.path else name


@dataclass(frozen=True)
class _Metered:
    """Implements `ports.profile.Look`, and tells how much was read."""

    look: FolderLook
    was_read: Callable[[int], object]

    @property
    def folder(self) -> str:
        return self.look.folder

    @property
    def listing(self) -> Listing:
        return self.look.listing

    @property
    def settings(self) -> Mapping[str, str]:
        return self.look.settings

    def read(self, path: str, *, limit_bytes: int = 8 * 1024 * 1024) -> bytes:
        return self._told(self.look.read(path, limit_bytes=limit_bytes))

    def head(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        return self._told(self.look.head(path, limit_bytes=limit_bytes))

    def tail(self, path: str, *, limit_bytes: int = 4096) -> bytes:
        return self._told(self.look.tail(path, limit_bytes=limit_bytes))

    def read_setting(self, name: str, *, limit_bytes: int = 1024 * 1024) -> bytes | None:
        return self.look.read_setting(name, limit_bytes=limit_bytes)

    def _told(self, content: bytes) -> bytes:
        self.was_read(len(content))
        return content
