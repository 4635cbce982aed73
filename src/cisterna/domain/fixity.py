"""What reading an object's bytes again says of them."""

from __future__ import annotations

import re
from enum import StrEnum

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.errors import InvalidInput


class Fixity(StrEnum):
    """How a check ended. The three are never mixed up: what could not be read is neither good nor bad."""

    OK = "ok"
    DAMAGED = "damaged"
    COULD_NOT_CHECK = "could-not-check"


class Fault(Value):
    """One file, or one part of the object's structure, and what is wrong with it.

    Attributes:
        path: Relative to the object's root.
        files: Logical paths of the newest version that have these bytes, at most 20.
    """

    path: str
    reason: str = Field(min_length=1)
    files: tuple[str, ...] = ()


class Subset(Value):
    """Part n of t of the bytes: all t parts together are everything, each file is always in the same one."""

    part: int = Field(ge=1)
    parts: int = Field(ge=1)

    def holds(self, sha512: str) -> bool:
        """Tell whether bytes with that digest are in this part."""
        return int(sha512[:15], 16) % self.parts == self.part - 1


class ReadVersion(Value):
    """How much of an object belongs to one of its versions, all of it read with the digests on record."""

    ocfl_version: int = Field(ge=1)
    files_read: int = Field(ge=1)
    bytes_read: int = Field(ge=0)


class ObjectCheck(Value):
    """What was found of one object in one store.

    Attributes:
        store: Name of the store that was read.
        reason: In words; never empty.
        damaged: What is known to be wrong.
        unchecked: What could not be read, and why.
        leftovers: Keys of an unfinished commit; the next one, or the recovery, removes them.
        files_read, bytes_read: Of content.
        inventory_sha512: Of the object's inventory as it was read; None when there was none to be read.
        inventory_head: Its newest version.
        versions: Of a full check that found nothing wrong, every version that was read.
    """

    dataset_id: str
    store: str
    pid: str
    object_root: str
    fixity: Fixity
    reason: str = Field(min_length=1)
    damaged: tuple[Fault, ...] = ()
    unchecked: tuple[Fault, ...] = ()
    leftovers: tuple[str, ...] = ()
    subset: Subset | None = None
    files_read: int = 0
    bytes_read: int = 0
    inventory_sha512: str | None = None
    inventory_head: int = 0
    versions: tuple[ReadVersion, ...] = ()


_SUBSET = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


def parse_subset(text: str) -> Subset:
    """Read `n/t`, such as `1/7`. Raises `InvalidInput`."""
    found = _SUBSET.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        msg = f"'{text[:40]}' is not n/t with n from 1 to t; 1/7 is the first seventh"
        raise InvalidInput(msg, subset=text[:40])
    return Subset(part=int(found[1]), parts=int(found[2]))
