"""How names that are not plain text are written in the archive, and how they are read back.

A file system takes any bytes but `/` and NUL for a name, and an archive's paths are Unicode text that people, terminals
and lists of one path a line must stand. So a byte that is no UTF-8, a control character, a line end and a character
that turns the direction of writing are percent-encoded, and so is a `%` that two hexadecimal digits follow, since it
would look like one of those. All other names are what they are, and any percent-decoder turns a path back into the
very bytes.
"""

from __future__ import annotations

import re

from cisterna.domain.errors import HostileInput
from cisterna.domain.path import relative_path

ENCODING = (
    "Percent-encoding of bytes that are not UTF-8, control characters, line ends, characters that turn the direction "
    "of writing, and of a '%' before two hexadecimal digits. Percent-decoding a path gives its bytes as acquired."
)
"""Said in every object that holds such a name."""

_WRITTEN_OTHERWISE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]|%(?=[0-9A-Fa-f]{2})"
)
_CODE = re.compile(rb"%([0-9A-Fa-f]{2})")


def logical_path(source: bytes) -> str:
    """Write a name, or names joined by `/`, as the archive does; two that differ in a byte are never written alike."""
    return _WRITTEN_OTHERWISE.sub(_encoded, source.decode("utf-8", "surrogateescape"))


def source_path(path: str) -> bytes:
    """Give the bytes that a path stands for.

    Raises:
        HostileInput: It climbs or is not normalised, or it is not how the archive writes those bytes, such as `%2E%2E`.
    """
    if relative_path(path).isascii() and "%" not in path:
        return path.encode()  # nearly every path: told at once
    source = _CODE.sub(lambda code: bytes.fromhex(code[1].decode()), path.encode())
    if b"\0" in source or logical_path(source) != path:
        msg = f"'{path}' is not how any name of a file is written here; name it as it was listed"
        raise HostileInput(msg, path=path)
    return source


def is_written_otherwise(path: str) -> bool:
    """Tell whether a path would stand for other bytes than its own, if it was written by `logical_path`."""
    return "%" in path and _CODE.search(path.encode()) is not None


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))
