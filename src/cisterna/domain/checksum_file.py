"""Reads the checksum files that come with data: of coreutils, of BSD, of BagIt, and SFV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from cisterna.domain.delivered import DIGITS
from cisterna.domain.errors import HostileInput, InvalidInput
from cisterna.domain.path import inner_path
from cisterna.domain.source_name import logical_path

MOST_LINES = 1_000_000
LIMIT_BYTES = 256 * 1024 * 1024

_PLAIN = re.compile(rb"(\\?)([0-9A-Fa-f]{32,128})(?: [ *]|[ \t]+\*?)(.+)", re.DOTALL)
"""Coreutils puts two characters before the name, which may itself begin with a blank; others are not so exact."""
_TAGGED = re.compile(rb"(\\?)(MD5|SHA1|SHA256|SHA512) ?\((.+)\) ?= ?([0-9A-Fa-f]+)", re.DOTALL)
_SFV = re.compile(rb"(.+?)[ \t]+([0-9A-Fa-f]{8})[ \t]*", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"\\": b"\\"}
_RAW = ("utf-8", "surrogateescape")
_BAG_CODE = re.compile(rb"%(0[AaDd]|25)")
_BY_DIGITS = {digits: name for name, digits in DIGITS.items()}


class Listed(NamedTuple):
    """One line: a file and the digest that it had for whoever wrote the list.

    Attributes:
        path: As it is listed here, whatever bytes the name has; relative to the folder that holds the list.
        digest: Lower-case hex.
    """

    path: str
    algorithm: str
    digest: str


def read_checksums(body: bytes, name: str, *, is_bag: bool = False) -> list[Listed]:
    """Read a checksum file.

    Args:
        body: Its bytes; names in it may be of any.
        name: Of the file; one that ends in `.sfv` is read as such.
        is_bag: It is a manifest of a BagIt bag, which writes line ends in names as `%0A` and `%0D` (RFC 8493).

    Raises:
        InvalidInput: A line is none of a checksum file, it has too many, or it lists one file with two digests.
        HostileInput: A path leads out of the folder.
    """
    found: dict[tuple[str, str], Listed] = {}
    for number, line in _lines(body, name):
        one = _sfv(line) if name.lower().endswith(".sfv") else _listed(line, is_bag=is_bag)
        if one is None:
            msg = f"line {number} of {name} is no line of a checksum file; look at the file"
            raise InvalidInput(msg, path=name, line=number)
        source, algorithm, digest = one
        try:
            path = logical_path(inner_path(source.removeprefix(b"./").decode(*_RAW)).encode(*_RAW))
        except HostileInput as refusal:
            msg = f"line {number} of {name} names a file outside its folder; look at the file"
            raise HostileInput(msg, path=name, line=number) from refusal
        listed = Listed(path, algorithm, digest.decode().lower())
        if found.setdefault((path, algorithm), listed) != listed:
            msg = f"{name} lists {path} with two {algorithm} digests; look at the file"
            raise InvalidInput(msg, path=name, line=number)
    return list(found.values())


def read_sidecar(body: bytes, name: str) -> tuple[str, str]:
    """Read the checksum file of one file, such as `reads.fastq.gz.md5`, and give algorithm and lower-case digest.

    The file is the one that it is named for, whatever path its only line gives: that is of another machine.

    Raises:
        InvalidInput: It is not one line with one digest.
    """
    lines = [line for _, line in _lines(body, name)]
    first = lines[0].strip() if len(lines) == 1 else b""
    one = _listed(first if b" " in first or b"\t" in first else first + b"  it", is_bag=False)
    if one is None:
        msg = f"{name} is no checksum file of one file; look at the file"
        raise InvalidInput(msg, path=name)
    return one[1], one[2].decode().lower()


def _lines(body: bytes, name: str) -> Iterator[tuple[int, bytes]]:
    lines = body.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if len(lines) > MOST_LINES:
        msg = f"{name} has more than {MOST_LINES:,} lines; no folder of this kind is that large"
        raise InvalidInput(msg, path=name)
    comment = b";" if name.lower().endswith(".sfv") else b"#"
    told = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith(comment)]
    is_dos = all(line.endswith(b"\r") for _, line in told)  # else it is the end of a name
    for number, line in told:
        yield number, line.removesuffix(b"\r") if is_dos else line


def _listed(line: bytes, *, is_bag: bool) -> tuple[bytes, str, bytes] | None:
    plain, tagged = _PLAIN.fullmatch(line), _TAGGED.fullmatch(line)
    if plain is not None:
        mark, digest, source = plain.groups()
        algorithm = _BY_DIGITS.get(len(digest))
    elif tagged is not None:
        mark, tag, source, digest = tagged.groups()
        algorithm = tag.decode().lower()
    else:
        return None
    if algorithm is None or len(digest) != DIGITS[algorithm]:
        return None
    if mark:
        source = _ESCAPE.sub(lambda one: _ESCAPED.get(one[1], one[0]), source)
    if is_bag:
        source = _BAG_CODE.sub(lambda one: bytes.fromhex(one[1].decode()), source)
    return source, algorithm, digest


def _sfv(line: bytes) -> tuple[bytes, str, bytes] | None:
    found = _SFV.fullmatch(line)
    return (found[1], "crc32", found[2]) if found else None
