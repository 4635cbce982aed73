"""How the core looks at what instruments write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from cisterna.domain.instrument import Identity
from cisterna.domain.listing import Listing, Obstacle, SeenFile
from cisterna.domain.release import ProvenFile
from cisterna.ports.object_store import SourceObject, Witness


class SourceFile(Protocol):
    """An open file of an acquisition, read once from the front."""

    @property
    def opened(self) -> SeenFile:
        """The file as it was when it was opened."""
        ...

    @property
    def stored(self) -> SourceObject | None:
        """The object that is read, where the file is one."""
        ...

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer from where the last read ended; 0 at the end."""
        ...

    def still(self) -> SeenFile:
        """Stat the open file again: whoever reads compares this with what was listed."""
        ...


class EnteredFolder(Protocol):
    """A folder of a landing zone in which one thread opens file after file."""

    def open(self, path: str) -> AbstractContextManager[SourceFile]:
        """Open a file for its one read. Raises as `LandingZone.open` does."""
        ...


class LandingZone(Protocol):
    """The folder, or the prefix of a bucket, that an instrument writes to.

    Nothing here ever writes or renames, and one method deletes.

    Links are never followed and only regular files are opened. Every method raises `SourceUnavailable` when the zone
    cannot be looked at or is not the one that was declared; that is never the same as empty. Names and paths, given and
    taken, are written as `domain.source_name` has them: whatever bytes a name is made of, it is one line of text.
    """

    def identity(self) -> Identity:
        """Tell which folder or prefix this is, as the system or the store knows it and as the sentinel in it says."""
        ...

    def require_identity(self, declared: Identity | None) -> None:
        """Raises `SourceUnavailable` when another folder (or an empty mount point) stands in the zone's place."""
        ...

    def witness(self) -> Witness | None:
        """Give what a store copies to show that it reaches this zone; None where the archive's is not to copy from it.

        Raises `SourceUnavailable` too where there should be one and is none.
        """
        ...

    def folders(self) -> Sequence[str]:
        """Name the folders directly in the zone, in the order of their names."""
        ...

    def strays(self) -> Sequence[Obstacle]:
        """Name what lies directly in the zone and is no folder nor its sentinel: nothing there belongs to a run."""
        ...

    def listing(self, folder: str) -> Listing:
        """List everything below a folder of the zone. Raises `NotFound` when there is none."""
        ...

    def read_small(self, folder: str, path: str, *, limit_bytes: int) -> bytes:
        """Read a small file whole. Raises `NotFound`, `HostileInput` (a link, a FIFO, larger than the limit)."""
        ...

    def read_tail(self, folder: str, path: str, *, limit_bytes: int) -> bytes:
        """Read the last bytes that a file has now, without the rest. Raises `NotFound`, `HostileInput`."""
        ...

    def open(self, folder: str, path: str) -> AbstractContextManager[SourceFile]:
        """Open a file for its one read. Raises `NotFound`, `HostileInput`."""
        ...

    def entered(self, folder: str) -> AbstractContextManager[EnteredFolder]:
        """Let one thread open many files of a folder; in the order of the listing this costs a third.

        The folder that the last file lay in may stay open until the end. Raises `HostileInput` for a name that no
        folder has; whether it is there shows when a file is opened.
        """
        ...

    def delete(self, folder: str, files: Iterable[ProvenFile], *, keep_on: Callable[[], None]) -> int:
        """Delete files that were proven, one by one, then the folders left empty; tell how many files went.

        The only way by which anything at a source is ever removed; `services.release` alone calls it. Each file is
        read and digested once more before its name goes. What is gone already is passed over, so a deletion that was
        cut short is ended by the same call.

        Args:
            folder: Of the acquisition.
            files: As they were read for the deletion record.
            keep_on: Called before each file; raises when the deletion must stop.

        Raises:
            SourceChanged: A file is not as it was read, or something else is in the folder: it stays.
            HostileInput: A link or another thing stands where a folder or file was.
            ReleaseRefused: The system, or the lack of a declared identity, does not allow it.
        """
        ...


class OutsideReader(Protocol):
    """Reads a small file outside every landing zone, named by an administrator's setting."""

    def __call__(self, path: str, *, limit_bytes: int) -> bytes | None:
        """Return its content, or None when it is not there. Raises `HostileInput` (a link, a FIFO, too large)."""
        ...


class SentinelWriter(Protocol):
    """Puts the sentinel into a landing zone, once and when an administrator asks; nothing else writes there."""

    def __call__(self, path: str, text: str) -> None:
        """Make the file in the zone at the path. Raises `AlreadyExists`, `Forbidden`, `SourceUnavailable`."""
        ...
