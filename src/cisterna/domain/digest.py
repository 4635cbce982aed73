"""Digests, as lower-case hex."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated

from pydantic import StringConstraints

Sha512 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]
"""A SHA-512 digest: 128 lower-case hex digits (FIPS 180-4)."""

DIGEST_ALGORITHM = "sha512"


def sha512_of(chunks: Iterable[bytes | memoryview] | bytes) -> str:
    """Digest bytes, or the concatenation of chunks of them."""
    digest = hashlib.sha512()
    for chunk in (chunks,) if isinstance(chunks, bytes) else chunks:
        digest.update(chunk)
    return digest.hexdigest()
