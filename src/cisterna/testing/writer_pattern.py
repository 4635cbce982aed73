"""The ways in which programs put a file onto a share: each has fooled somebody's rule for "it is finished"."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import assert_never

_OLD_NS = 1_000_000_000 * 1_500_000_000  # 2017: a copier that keeps the time of the original


class WriterPattern(StrEnum):
    """How the bytes of a file come onto the disk."""

    STEADY = "steady"
    RENAME = "rename"
    """Into a temporary name, then renamed."""
    PREALLOCATED = "preallocated"
    """The full size at once, then the content."""
    MAPPED = "mapped"
    """The full size at once, then the content through memory, which tells no watcher."""
    PAUSING = "pausing"
    """Half, a long pause, the other half."""
    REOPENED = "reopened"
    """Half, closed; opened again and appended to."""
    OLD_TIME = "old-time"
    """The time of the original is put back at every write."""


def put(path: Path, body: bytes, *, pattern: WriterPattern) -> Iterator[Path]:
    """Write a file in steps; whoever drives this looks between any two of them. Yields what was touched."""
    half = len(body) // 2
    match pattern:
        case WriterPattern.STEADY:
            path.write_bytes(body)
            yield path
        case WriterPattern.RENAME:
            temporary = path.with_name(f".{path.name}.part")
            temporary.write_bytes(body[:half])
            yield temporary
            temporary.write_bytes(body)
            temporary.replace(path)
            yield path
        case WriterPattern.PREALLOCATED:
            yield from _preallocated(path, body, half)
        case WriterPattern.MAPPED:
            yield from _mapped(path, body, half)
        case WriterPattern.PAUSING | WriterPattern.REOPENED | WriterPattern.OLD_TIME:
            for piece in (body[:half], body[half:]):
                with path.open("ab") as file:
                    file.write(piece)
                if pattern is WriterPattern.OLD_TIME:
                    os.utime(path, ns=(_OLD_NS, _OLD_NS))
                yield path
        case _:
            assert_never(pattern)


def _preallocated(path: Path, body: bytes, half: int) -> Iterator[Path]:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, len(body))
        yield path
        file.write(body[:half])
        file.flush()
        yield path
        file.write(body[half:])
    yield path


def _mapped(path: Path, body: bytes, half: int) -> Iterator[Path]:
    with path.open("w+b") as file:
        file.truncate(len(body))
        yield path
        with mmap.mmap(file.fileno(), len(body)) as memory:
            memory[:half] = body[:half]
            yield path
            memory[half:] = body[half:]
    yield path
