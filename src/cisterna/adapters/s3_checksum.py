"""CRC64NVME: the checksum that the store verifies of everything we send; and those that a store may tell of a copy.

It costs a twentieth of a SHA-256, and the checksums of an object's parts combine into the object's own. It guards
against accidents on the way; the proof that the archive holds what was read is the re-reading with SHA-512.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping


def crc64nvme(body: bytes | bytearray | memoryview) -> int:
    """Compute it of one piece."""
    from awscrt import checksums

    return int(checksums.crc64nvme(body))


def _crc32(body: bytes) -> bytes:
    from awscrt import checksums

    return int(checksums.crc32(body)).to_bytes(4, "big")


def _crc32c(body: bytes) -> bytes:
    from awscrt import checksums

    return int(checksums.crc32c(body)).to_bytes(4, "big")


_MADE_BY: Mapping[str, Callable[[bytes], bytes]] = {
    "ChecksumCRC64NVME": lambda body: crc64nvme(body).to_bytes(8, "big"),
    "ChecksumCRC32": _crc32,
    "ChecksumCRC32C": _crc32c,
    "ChecksumSHA1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "ChecksumSHA256": lambda body: hashlib.sha256(body).digest(),
}
"""How the checksums of S3 are made of a whole, by the names that boto gives them."""
CHECKSUM_NAMES = tuple(_MADE_BY)


def checksum_of(body: bytes | memoryview, *, name: str) -> str:
    """Compute one of `CHECKSUM_NAMES` and write it as S3 does."""
    return base64.b64encode(_MADE_BY[name](bytes(body))).decode("ascii")


def followed_by(first: int, second: int, *, second_bytes: int) -> int:
    """Compute it of two pieces, one after the other, from theirs."""
    from awscrt import checksums

    return int(checksums.combine_crc64nvme(first, second, second_bytes))


def in_s3_form(value: int) -> str:
    """Write it as S3 does: 8 bytes, big end first, in base64."""
    return base64.b64encode(value.to_bytes(8, "big")).decode("ascii")


def from_s3_form(text: str | None) -> int | None:
    """Read it as S3 writes it; None for none, and for what is not one."""
    try:
        body = base64.b64decode(text or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return int.from_bytes(body, "big") if len(body) == 8 else None
