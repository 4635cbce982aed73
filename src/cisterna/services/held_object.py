"""Reads what an OCFL object in the archive says of itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cisterna.domain.errors import ObjectNotFound
from cisterna.domain.ocfl import INVENTORY, SIDECAR, Inventory, read_sidecar
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.ports.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class HeldObject:
    """A root inventory as it was read.

    Attributes:
        etag: Of `inventory.json`, for the condition of the next write.
        body: The very bytes.
        sha512: Of those bytes.
    """

    inventory: Inventory
    etag: str
    body: bytes
    sha512: str


def read_held(object_root: str, *, pid: str, store: ObjectStore) -> HeldObject | None:
    """Read the root inventory, or None when there is none yet. The sidecar is not looked at.

    Raises:
        ObjectInvalid: The inventory breaks a rule or is of another object.
    """
    found = read_optional(f"{object_root}/{INVENTORY}", store=store)
    if found is None:
        return None
    body, etag = found
    return HeldObject(
        inventory=parse_inventory(body, pid=pid), etag=etag, body=body, sha512=hashlib.sha512(body).hexdigest()
    )


def read_optional(key: str, *, store: ObjectStore) -> tuple[bytes, str] | None:
    """Read a small object's bytes and ETag, or None when there is none."""
    try:
        body, found = store.get(key)
    except ObjectNotFound:
        return None
    return body, found.etag


def sidecar_agrees(folder: str, *, sha512: str, store: ObjectStore) -> bool:
    """Tell whether the sidecar in a folder names that digest."""
    found = read_optional(f"{folder}/{SIDECAR}", store=store)
    return found is not None and read_sidecar(found[0]) == sha512
