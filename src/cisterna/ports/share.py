"""How a share that is taken in where it lies is looked at: one folder at a time, and never changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import NamedTuple, Protocol

from cisterna.ports.source import LandingZone


class EntryKind(StrEnum):
    """What an entry of a folder is."""

    FILE = "file"
    FOLDER = "folder"
    OTHER = "other"
    """A link, a FIFO, a socket or a device: it is told and never followed or opened."""


class Entry(NamedTuple):
    """An entry of a folder, as one `lstat` saw it.

    Attributes:
        name: Written as `domain.source_name` has it.
    """

    name: str
    kind: EntryKind
    size_bytes: int
    mtime_ns: int
    inode: int


class WalkedFolder(Protocol):
    """One open folder.

    Attributes:
        folder: Device and inode.
        is_own_ancestor: Whether it is one of the folders on the way to it: a share that is mounted into itself.
    """

    folder: str
    is_own_ancestor: bool

    def entries(self) -> Iterator[Entry]:
        """Give its entries one by one, in no order; what goes away meanwhile is left out.

        Raises `SourceUnavailable` when the share stops answering.
        """
        ...


class Share(LandingZone, Protocol):
    """A share whose runs lie at any depth: folders are named by their path below it, the share itself by nothing.

    It promises what a landing zone does; besides, nothing in it is ever deleted.
    """

    def walked(self, folder: str) -> AbstractContextManager[WalkedFolder]:
        """Open a folder by its path, for its entries alone.

        Raises:
            NotFound: It is not there any more, or a link or file stands in its way.
            HostileInput: It may not be entered.
            SourceUnavailable: The share does not answer, or another one stands in its place.
        """
        ...
