"""What the catalogue keeps of shares that are taken in: what was asked, what was found, which folders are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from pydantic import Field

from cisterna.domain.acquisition import Acquisition
from cisterna.domain.adoption import Adoption, Archiving, Find, FindKind, Registering, Standing, Sureness, Walk
from cisterna.domain.base import Moment, Value


class PendingFolder(NamedTuple):
    """A folder that is to be walked.

    Attributes:
        run: Path of the find that it belongs to, None where it is on the way to runs.
    """

    path: str
    run: str | None = None


class WalkedThrough(NamedTuple):
    """What walking one folder gave.

    Attributes:
        children: Folders in it that were not staged.
        run: Path of the find that all folders in it belong to, the staged ones too.
        is_staged: Whether some were staged.
        find: What begins here.
        file_count, total_bytes, newest_ns: Of the files directly in it.
    """

    folder: PendingFolder
    children: Sequence[PendingFolder] = ()
    run: str | None = None
    is_staged: bool = False
    find: Find | None = None
    file_count: int = 0
    total_bytes: int = 0
    newest_ns: int = 0


class FindsWanted(Value):
    """Which finds are asked for; None is any."""

    sure: Sureness | None = None
    kind: FindKind | None = None
    standing: Standing | None = None
    under: str = Field(default="", max_length=4096)


class FoundRow(Value):
    """A find and how far it has come.

    Attributes:
        reason: Why it stands so, where that is not the guesses' own.
    """

    find: Find
    standing: Standing
    reason: str | None = None


class Sum(Value):
    """How many finds stand alike, and how much they are."""

    standing: Standing
    kind: FindKind
    sure: Sureness
    finds: int
    file_count: int
    total_bytes: int


class Archived(Value):
    """What came into the archive in one hour."""

    hour: Moment
    runs: int
    total_bytes: int


class Adoptions(Protocol):
    """Shares that are taken in; parts of a transaction of the catalogue."""

    def add(self, adoption: Adoption) -> None:
        """Raises `AlreadyExists` when one of the name is there."""
        ...

    def save(self, adoption: Adoption) -> Adoption:
        """Raises `Conflict`, `NotFound`."""
        ...

    def get(self, name: str) -> Adoption:
        """Raises `NotFound`."""
        ...

    def find(self, name: str) -> Adoption | None:
        """Like `get`, with None for an unknown name."""
        ...

    def list(self) -> Sequence[Adoption]:
        """All of them, by name."""
        ...

    def walk(self, name: str) -> Walk | None:
        """How far the inventory is; None when none was begun, or the catalogue was rebuilt."""
        ...

    def begin_walk(self, name: str, walk: Walk) -> Walk:
        """Begin an inventory anew, with the share's own folder as the only one that is to be walked."""
        ...

    def next_folders(self, name: str, *, limit: int) -> Sequence[PendingFolder]:
        """Give folders that are to be walked, those that were found last first: a run is ended before the next."""
        ...

    def pending(self, name: str) -> int:
        """Count the folders that are known and not walked."""
        ...

    def stage(self, name: str, *, parent: PendingFolder, children: Sequence[str]) -> None:
        """Put aside folders of a parent that has very many; they count once the parent is walked through."""
        ...

    def unstage(self, name: str, *, parent: PendingFolder) -> None:
        """Forget what an attempt that did not come to its end put aside."""
        ...

    def save_walk(self, name: str, walk: Walk) -> Walk:
        """Raises `Conflict` when somebody else wrote it since it was read."""
        ...

    def checkpoint(self, name: str, walk: Walk, walked: Sequence[WalkedThrough]) -> Walk:
        """Write down that folders were walked, what was found in them, and which are to be walked for it.

        All or nothing, so nothing is counted twice, whoever is killed when. Raises `Conflict` as `save_walk` does.
        """
        ...

    def twin(self, find: Find) -> str | None:
        """Give the path of another find of the same inventory that is the same folder, reached another way."""
        ...

    def save_find(self, find: Find) -> None:
        """Write its guesses, and what became of it; what the inventory counted stays."""
        ...

    def finds(self, name: str, wanted: FindsWanted, *, limit: int | None = None, offset: int = 0) -> Sequence[FoundRow]:
        """In the order of their paths."""
        ...

    def count(self, name: str, wanted: FindsWanted) -> int:
        """Count them."""
        ...

    def sums(self, name: str) -> Sequence[Sum]:
        """Count all finds."""
        ...

    def to_register(self, name: str, asked: Sequence[Registering], *, now: datetime, limit: int) -> Sequence[Find]:
        """Give runs that are walked to their end, are asked for, are no acquisitions yet and may be looked at now."""
        ...

    def to_look_again(self, name: str, *, now: datetime, limit: int) -> Sequence[Find]:
        """Give registered runs that have not come to rest and may be looked at now."""
        ...

    def to_archive(self, name: str, wanted: Archiving, *, lanes: Sequence[str], limit: int) -> Sequence[Find]:
        """Give registered runs that wait for their turn, in the order that is asked for."""
        ...

    def under_way(self, lanes: Sequence[str]) -> int:
        """Count the ingests of these instruments that have not come to an end."""
        ...

    def waiting_beside(self, lanes: Sequence[str], *, now: datetime) -> int:
        """Count the ingests of all other instruments that are ready and that nobody has begun."""
        ...

    def put_off(self, lanes: Sequence[str], *, until: datetime) -> int:
        """Let ingests of these instruments that nobody has begun wait; tell how many."""
        ...

    def bring_forward(self, lanes: Sequence[str], *, now: datetime) -> int:
        """Let ingests of these instruments that wait for longer than a day begin now; tell how many."""
        ...

    def alike(self, *, file_count: int, total_bytes: int, limit: int) -> Sequence[Acquisition]:
        """Give acquisitions with as many files and bytes."""
        ...

    def archived_since(self, lanes: Sequence[str], *, since: datetime) -> Sequence[Archived]:
        """Tell what of these instruments proved to be in the archive, by the hour."""
        ...

    def kept_at(self, places: Mapping[str, str]) -> Acquisition | None:
        """Find an acquisition by the folders, by instrument, that it may have."""
        ...
