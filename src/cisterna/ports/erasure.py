"""Looking at what a store holds of a dataset, and deleting it for good: the one place of the product that does.

The two are apart, so that whoever shows and decides holds nothing that deletes.
"""

from __future__ import annotations

from typing import Protocol

from cisterna.domain.base import Value


class Content(Value):
    """What a store holds of one object.

    Attributes:
        keys: Objects that anybody sees.
        replaced: Earlier versions and marks of deletions, which a store that keeps versions has beside them.
        uploads: That were begun and never completed.
        size_bytes: Of keys and of earlier versions.
        unseen: Why earlier versions could not be looked for; None when they were.
        lock: What the store says of a legal hold or a retention on the object's inventory; None without one.
    """

    keys: int = 0
    replaced: int = 0
    uploads: int = 0
    size_bytes: int = 0
    unseen: str | None = None
    lock: str | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether the store holds nothing, as far as it lets us see."""
        return not (self.keys or self.replaced or self.uploads)


class Refused(Value):
    """Something that the store did not let go.

    Attributes:
        name: Key, or key and version.
        reason: The store's own words.
    """

    name: str
    reason: str


class Removed(Value):
    """What a removal came to.

    Attributes:
        removed: Keys, versions, marks and uploads that are gone.
        refused: At most 100; `refused_count` counts all.
        left: What is there now, counted after the removal.
    """

    removed: int
    refused: tuple[Refused, ...] = ()
    refused_count: int = 0
    left: Content


class Onlooker(Protocol):
    """One bucket, seen by who wants to know what it holds of an object. Nothing it has deletes.

    It takes a PID and the root that the caller believes it has: whatever is not exactly the root of that PID's object
    is refused before the store is asked anything.

    Every method raises `HostileInput` for such a root, `StoreForbids` when the keys in use may not even list, and
    `StoreUnavailable` when the store does not answer.
    """

    store: str
    """What receipts call the store."""

    def look(self, object_root: str, *, pid: str) -> Content:
        """Count what the store holds of an object."""
        ...


class Eraser(Onlooker, Protocol):
    """One bucket, seen by who may delete from it for good. Every call may be made again.

    It touches only keys below the root that it was given, and raises what looking raises.
    """

    def remove(self, object_root: str, *, pid: str) -> Removed:
        """Remove every key below the root, every earlier version and mark of it, and every unfinished upload.

        With keys that may not delete versions, what everybody sees still goes, and the versions are told as left.
        """
        ...

    def remove_segment(self, key: str) -> Removed:
        """Remove one segment of the archive's record with every earlier version and mark of it; absent is no error.

        Raises:
            HostileInput: The key is not one of a segment; nothing was deleted.
        """
        ...

    def remove_replaced(self, pid: str) -> Removed:
        """Remove the earlier versions of a PID's public records, and leave what stands there now."""
        ...
