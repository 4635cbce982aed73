"""A spool that keeps nothing: the file is measured as its bytes come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from cisterna.adapters.file_fault import Fault
from cisterna.adapters.local_service import one_line
from cisterna.adapters.unpacking import Gunzip, Plain
from cisterna.domain.errors import CisternaError, InvalidInput
from cisterna.ports.quality import Reading


class BlockReader(Protocol):
    """Measures a file from its unpacked bytes. Raises `Fault`, `InvalidInput` for what is not read, or anything."""

    def take(self, block: bytes) -> None:
        """Take the next block."""
        ...

    def finish(self) -> Reading:
        """Give the reading of the whole file."""
        ...


class StreamSpool:
    """Implements `ports.quality.Spool`.

    Args:
        reader: Measures.
        unpacker: Makes blocks of what comes.
        names: Of the metrics, none of which a file has that cannot be read.
    """

    def __init__(self, reader: BlockReader, unpacker: Plain | Gunzip, *, names: Sequence[str]) -> None:
        self._reader, self._unpacker = reader, unpacker
        self._nothing: dict[str, float | None] = dict.fromkeys(names)
        self._size_bytes = 0
        self._ended: Reading | None = None

    def write(self, piece: memoryview) -> None:
        """Take the next bytes."""
        self._size_bytes += len(piece)
        if self._ended is None:
            with self._told():
                for block in self._unpacker.feed(piece):
                    self._reader.take(block)

    def read(self, *, keep_on: Callable[[], None]) -> Reading:
        """Give what the bytes came to."""
        keep_on()
        if self._size_bytes == 0:
            return Reading(problem="the file is empty", metrics=self._nothing)
        if self._ended is None:
            with self._told():
                for block in self._unpacker.finish():
                    self._reader.take(block)
                self._ended = self._reader.finish()
        return self._ended or Reading(problem="it could not be read", metrics=self._nothing)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Make a reading of whatever is wrong with the file: no content may end the read that archives it."""
        try:
            yield
        except Fault as fault:
            self._ended = Reading(problem=str(fault), metrics=self._nothing)
        except InvalidInput as refusal:
            self._ended = Reading(unmeasured=str(refusal), metrics=self._nothing)
        except CisternaError:  # what lies beside the file could not be read, which says nothing against it
            raise
        except Exception as error:  # noqa: BLE001 - a library may raise anything
            self._ended = Reading(problem=f"it cannot be read ({one_line(error)})", metrics=self._nothing)
