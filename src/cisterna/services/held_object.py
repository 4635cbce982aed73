"""Reads what an OCFL object in the archive says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from cisterna.domain.digest import DigestAlgorithm, digest_of, sha512_of
from cisterna.domain.errors import ObjectNotFound
from cisterna.domain.ocfl import INVENTORY, SIDECARS, Inventory, read_sidecar
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

    @property
    def digest(self) -> str:
        """Of those bytes, in the algorithm that the object is made of: what the sidecar must name."""
        algorithm = self.inventory.algorithm
        return self.sha512 if algorithm == "sha512" else digest_of(self.body, algorithm=algorithm)


def read_held(object_root: str, *, pid: str, store: ObjectStore) -> HeldObject | None:
    """Read the root inventory, or None when there is none yet. The sidecar is not looked at.

    Raises:
        ObjectInvalid: The inventory breaks a rule or is of another object.
    """
    found = read_optional(f"{object_root}/{INVENTORY}", store=store)
    if found is None:
        return None
    body, etag = found
    return HeldObject(inventory=parse_inventory(body, pid=pid), etag=etag, body=body, sha512=sha512_of(body))


def read_optional(key: str, *, store: ObjectStore) -> tuple[bytes, str] | None:
    """Read a small object's bytes and ETag, or None when there is none."""
    try:
        body, found = store.get(key)
    except ObjectNotFound:
        return None
    return body, found.etag


def sidecar_agrees(folder: str, body: bytes, *, algorithm: DigestAlgorithm, store: ObjectStore) -> bool:
    """Tell whether the sidecar in a folder, of an object that is made of that algorithm, names the digest of bytes."""
    found = read_optional(f"{folder}/{SIDECARS[algorithm]}", store=store)
    return found is not None and read_sidecar(found[0]) == digest_of(body, algorithm=algorithm)
