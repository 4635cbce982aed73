"""Digests, as lower-case hex."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import StringConstraints

Sha512 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
"""A SHA-512 digest: 128 lower-case hex digits (FIPS 180-4)."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest: 64 lower-case hex digits (FIPS 180-4)."""

DigestAlgorithm = Literal["sha512", "sha256"]
"""What an OCFL object may be made of."""

DIGEST_ALGORITHM: DigestAlgorithm = "sha512"
"""What manifests are made of always, and objects unless the archive's profile says otherwise."""


def sha256_of(body: bytes) -> str:
    """Digest bytes."""
    return hashlib.sha256(body).hexdigest()


def digest_of(body: bytes, *, algorithm: DigestAlgorithm) -> str:
    """Digest bytes in the algorithm that an object is made of."""
    return sha512_of(body) if algorithm == "sha512" else sha256_of(body)


def sha512_of(chunks: Iterable[bytes | memoryview] | bytes) -> str:
    """Digest bytes, or the concatenation of chunks of them."""
    digest = hashlib.sha512()
    for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
        digest.update(chunk)
    return digest.hexdigest()
