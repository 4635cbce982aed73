"""Typed proof that something happened; never a bool."""

from __future__ import annotations

from pydantic import Field

from cisterna.domain.base import Moment, Value
from cisterna.domain.digest import Sha512


class CopyReceipt(Value):
    """Every byte of a version was read back from one store and digested, and all digests agreed.

    Attributes:
        store: Name of the store that holds the copy.
        inventory_sha512: Of the object's inventory that was read back, which names every digest.
        bytes_read: Bytes of content that were read back.
    """

    receipt_id: str
    version_id: str
    store: str
    object_root: str
    ocfl_version: int = Field(ge=1)
    inventory_sha512: Sha512
    manifest_digest: Sha512
    files_read: int = Field(ge=1)
    bytes_read: int = Field(ge=0)
    verified_at: Moment
