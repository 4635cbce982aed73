"""The one way by which anything becomes public: the plug-in point `cisterna.publishers`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from pydantic import Field, JsonValue

from cisterna.domain.access import Extent
from cisterna.domain.base import Moment, Value
from cisterna.domain.deposit import Doi, OutsideAddress
from cisterna.domain.digest import Sha512
from cisterna.domain.identifier import Ark, Slug
from cisterna.domain.path import RelativePath


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


class PublicFiles(Value):
    """Data files of a public dataset that are too many for its record: those of one object, in its order.

    Attributes:
        pid: Of the object.
        object_root: Below which their bytes lie in the archive bucket.
        table_key: Of the object's manifest, which names each file.
        table_sha512: Of the manifest; a table of other bytes is not believed.
        first, last: Paths of its files as acquired; None where no other object has files of the dataset.
    """

    pid: str
    object_root: str
    table_key: str
    table_sha512: Sha512
    file_count: int = Field(ge=1)
    total_bytes: int = Field(ge=0)
    first: RelativePath | None = None
    last: RelativePath | None = None

    def may_hold(self, path: str) -> bool:
        """Tell whether a data file of that path can be among them."""
        first, last = self.first or path, self.last or path
        return first.encode() <= path.encode() <= last.encode()


class Elsewhere(Value):
    """Where else the version stands.

    Attributes:
        target: Name of the target outside.
        title: Of the target, for people.
        address: Of what stands there.
        doi: That it has there.
    """

    target: Slug
    title: str
    address: OutsideAddress | None = None
    doi: Doi | None = None


class PublicRecord(Value):
    """Everything the public may see of one version, and nothing else. Pages are made from this alone.

    Attributes:
        extent: How much of the version this tells. Of `metadata` there are no files, lists and previews.
        documents: Serialisations by registered media type (JSON-LD, DataCite JSON, ...), as text.
        files: Each that the record names itself: what describes the dataset, and its data files where they are few.
        lists: Where the other data files are named, in their order.
        previews: PNG thumbnails by logical path.
        doi: That was reserved for it; it stands in the documents too.
        doi_leads_here: Whether who gives it has said so: from then on the version is cited by it.
        elsewhere: Places outside where it stands as well.
        tombstone: Why it was withdrawn; then `files`, `lists`, `previews` are empty.
    """

    pid: Ark
    dataset_id: str
    version: str
    title: str
    extent: Extent = Extent.FILES
    metadata: dict[str, JsonValue]
    documents: dict[str, str] = Field(default_factory=dict)
    files: tuple[PublicFile, ...] = ()
    lists: tuple[PublicFiles, ...] = ()
    previews: dict[str, bytes] = Field(default_factory=dict)
    related: dict[str, str] = Field(default_factory=dict)
    doi: Doi | None = None
    doi_leads_here: bool = False
    elsewhere: tuple[Elsewhere, ...] = ()
    published_at: Moment
    withdrawn_at: Moment | None = None
    tombstone: str | None = None

    @property
    def is_bare(self) -> bool:
        """Whether it tells nothing of what it names but its identifiers."""
        return not self.metadata and self.title == self.pid

    @property
    def file_count(self) -> int:
        """How many files are public, wherever they are named."""
        return len(self.files) + sum(one.file_count for one in self.lists)

    @property
    def total_bytes(self) -> int:
        """Sum of their sizes."""
        return sum(one.size_bytes for one in self.files) + sum(one.total_bytes for one in self.lists)


class PublicVersion(NamedTuple):
    """That a version is or was public, and since when: what of its record the pages of other versions show."""

    version: str
    published_at: datetime
    withdrawn_at: datetime | None
    is_gone: bool

    @classmethod
    def of(cls, record: PublicRecord) -> PublicVersion:
        """Take it from the record."""
        return cls(record.version, record.published_at, record.withdrawn_at, record.tombstone is not None)


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


class ShelfMark(NamedTuple):
    """That there is a record.

    Attributes:
        mark: Of the state it is in: another one whenever the record is.
    """

    pid: str
    version: str
    mark: str


class PublicShelf(Protocol):
    """What pages for the public are made from; there is no path from here to what is not public."""

    def find(self, pid: str, *, version: str | None = None) -> PublicRecord | None:
        """Read what is public under a PID: the newest version that stands, else the newest tombstone, or the one named.

        Raises:
            StoreUnavailable: The target did not answer; try again later.
        """
        ...

    def versions(self, pid: str) -> Sequence[PublicVersion]:
        """Every version that was ever public under a PID, those that are gone included, newest first."""
        ...

    def marks(self) -> Iterator[ShelfMark]:
        """Say of every record that it is there and in which state, in the order of the PIDs; none is read.

        Raises:
            StoreUnavailable: Also midway; what was given so far is not all.
        """
        ...
