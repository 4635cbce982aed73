"""Parts: a version with more files than one object takes lies in several, each with a slice of its sorted files.

A part is a dataset of its own that nobody meets by itself: it has an object, copies, checks and repairs, and belongs to
the dataset that people see. That one's object names its parts and is written last, so what is there is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.digest import DigestAlgorithm, Sha512
from cisterna.domain.identifier import Ark, DatasetId
from cisterna.domain.listing import Listing
from cisterna.domain.path import RelativePath

MOST_PARTS = 9_999
"""What four digits count up to."""


class Part(Value):
    """Which version of a part holds a slice of a version's files.

    Attributes:
        number: From 1, in the order of the files.
        ocfl_version: Of the part's object.
        algorithm: What that object is made of.
        manifest_digest: Of the slice.
        first, last: Paths of its files; all between them are in it and in no other.
    """

    number: int = Field(ge=1, le=MOST_PARTS)
    dataset_id: DatasetId
    version_id: str
    pid: Ark
    ocfl_version: int = Field(ge=1)
    algorithm: DigestAlgorithm
    manifest_digest: Sha512
    file_count: int = Field(ge=1)
    total_bytes: int = Field(ge=0)
    first: RelativePath
    last: RelativePath

    def may_hold(self, path: str) -> bool:
        """Tell whether a file of that path, written as the archive writes it, can only be in this part."""
        return self.first.encode() <= path.encode() <= self.last.encode()


class Slice(NamedTuple):
    """What one part takes of a listing."""

    number: int
    listing: Listing


def slices(listing: Listing, *, most_files: int) -> Iterator[Slice]:
    """Cut a listing into runs of `most_files`, in its order; the last one may be shorter."""
    for number, start in enumerate(range(0, len(listing.files), most_files), start=1):
        yield Slice(number, Listing.model_construct(files=listing.files[start : start + most_files], obstacles=()))


def part_pid(pid: str, number: int) -> str:
    """Name a part below the PID of its whole, as ARKs name what something contains."""
    return f"{pid}/part-{number:04d}"


def part_origin(whole: str, number: int) -> str:
    """Say what a part was made from: the same dataset and number is the same part."""
    return f"part {number:04d} of {whole}"
