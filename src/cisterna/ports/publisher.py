"""The one way by which anything becomes public: the plug-in point `cisterna.publishers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import Field, JsonValue

from cisterna.domain.base import Moment, Value
from cisterna.domain.digest import Sha512
from cisterna.domain.identifier import Ark


class PublicFile(Value):
    """A file of a public dataset.

    Attributes:
        path: Logical path in the object, such as `data/0/A1_0_0_BF.tiff`.
        content_key: Key of its bytes in the archive bucket.
    """

    path: str
    size_bytes: int
    sha512: Sha512
    media_type: str
    content_key: str


class PublicRecord(Value):
    """Everything the public may see of one version, and nothing else. Pages are made from this alone.

    Attributes:
        documents: Serialisations by registered media type (JSON-LD, DataCite JSON, ...), as text.
        previews: PNG thumbnails by logical path.
        tombstone: Why it was withdrawn; then `files`, `previews` are empty.
    """

    pid: Ark
    dataset_id: str
    version: str
    title: str
    metadata: dict[str, JsonValue]
    documents: dict[str, str] = Field(default_factory=dict)
    files: tuple[PublicFile, ...] = ()
    previews: dict[str, bytes] = Field(default_factory=dict)
    related: dict[str, str] = Field(default_factory=dict)
    published_at: Moment
    withdrawn_at: Moment | None = None
    tombstone: str | None = None


class Publisher(Protocol):
    """One target."""

    name: str

    def publish(self, record: PublicRecord) -> str:
        """Make the record public and return its address; the same record again changes nothing.

        Raises:
            StoreUnavailable: The target did not answer; try again later.
        """
        ...

    def withdraw(self, record: PublicRecord) -> None:
        """Replace it by its tombstone; harmless when that stands already."""
        ...

    def find(self, pid: str, *, version: str | None = None) -> PublicRecord | None:
        """Read back what is public under a PID: the newest version, or the one named."""
        ...


class PublicShelf(Protocol):
    """What pages for the public are made from; there is no path from here to what is not public."""

    def find(self, pid: str, *, version: str | None = None) -> PublicRecord | None:
        """Read what is public under a PID: the newest version that stands, else the newest tombstone, or the one named.

        Raises:
            StoreUnavailable: The target did not answer; try again later.
        """
        ...

    def versions(self, pid: str) -> Sequence[PublicRecord]:
        """Every version that was ever public under a PID, tombstones included, newest first."""
        ...
