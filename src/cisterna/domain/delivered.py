"""Digests that came with the data: an instrument, or whoever packed a folder, made them before we saw the bytes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

DeliveredDigests = Mapping[str, Mapping[str, str]]
"""Lower-case hex digest by algorithm, by path as it is listed."""

DIGITS = {"crc32": 8, "md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
"""Hex digits of each algorithm that is understood."""

FIXITY_ALGORITHMS = ("md5", "sha1", "sha256")
"""Those that an OCFL inventory's fixity block may name beside the SHA-512 that it is made of; a CRC it may not."""


class _Digest(Protocol):
    def update(self, piece: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


class Crc32:
    """CRC-32 as in ISO 3309 and ZIP, with the manners of `hashlib`."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next bytes."""
        self._value = zlib.crc32(piece, self._value)

    def hexdigest(self) -> str:
        """Give eight digits."""
        return f"{self._value:08x}"


_MAKERS: Mapping[str, Callable[[], _Digest]] = {
    "crc32": Crc32,
    "md5": lambda: hashlib.md5(usedforsecurity=False),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
    "sha512": hashlib.sha512,
}


class Tally:
    """Digests of one file in several algorithms, made from the same pieces while they pass by."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        self._digests = {name: _MAKERS[name]() for name in algorithms}

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next bytes."""
        for digest in self._digests.values():
            digest.update(piece)

    @property
    def found(self) -> dict[str, str]:
        """Digest by algorithm, of all bytes so far."""
        return {name: digest.hexdigest() for name, digest in self._digests.items()}


def disagreement(delivered: Mapping[str, str], found: Mapping[str, str]) -> str | None:
    """Say in which algorithm the bytes are not those that were delivered, with both values; None when they are."""
    for name, digest in delivered.items():
        if found[name] != digest:
            return f"its {name} is {found[name]}, and {digest} came with the data"
    return None
