"""A run as a script: files in the order in which an instrument writes them, and what may go wrong with one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cisterna.testing.writer_pattern import WriterPattern, put


class Mishap(StrEnum):
    """What goes wrong with a run."""

    NONE = "none"
    CRASH = "crash"
    """The program dies half way; nothing comes after."""
    MISSING = "missing"
    """The file is never written."""
    EMPTY = "empty"
    """The file is there and holds nothing."""
    TRUNCATED = "truncated"
    """The file stays cut off after three fifths."""
    GROWING = "growing"
    """Half of the file is there when the last one comes, and the rest follows."""
    LATE = "late"
    """The file comes after the last one, as a slow share delivers it."""


@dataclass(frozen=True)
class ScriptedRun:
    """One run to be written, as often as asked.

    Attributes:
        name: Of its folder.
        files: Content by path, in the order of writing.
        victim: Path of the file that the mishap befalls.
        pattern: How the bytes of a file come onto the disk; a file without any is there at once.
    """

    name: str
    files: Mapping[str, bytes]
    mishap: Mishap = Mishap.NONE
    victim: str = ""
    pattern: WriterPattern = WriterPattern.STEADY

    def write(self, zone: Path) -> Path:
        """Write the whole run into the zone, and return its folder."""
        for _ in self.steps(zone):
            pass
        return zone / self.name

    def steps(self, zone: Path) -> Iterator[Path]:
        """Write the run step by step: whoever drives this looks between any two of them. Yields what was touched."""
        folder = zone / self.name
        folder.mkdir(parents=True)
        yield folder
        rest: tuple[Path, bytes] | None = None
        for number, (name, body) in enumerate(self.files.items()):
            if self.mishap is Mishap.CRASH and number == len(self.files) // 2:
                return
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            now = body if name != self.victim else self._befallen(body)
            if name == self.victim and self.mishap in {Mishap.GROWING, Mishap.LATE}:
                rest = (path, body[len(now or b"") :])
            if now is not None:
                yield from put(path, now, pattern=self.pattern if now else WriterPattern.STEADY)
        if rest is not None:
            with rest[0].open("ab") as file:
                file.write(rest[1])
            yield rest[0]

    def _befallen(self, body: bytes) -> bytes | None:
        """Give what is written of the victim in its turn; None is nothing."""
        match self.mishap:
            case Mishap.MISSING | Mishap.LATE:
                return None
            case Mishap.EMPTY:
                return b""
            case Mishap.TRUNCATED:
                return body[: len(body) * 3 // 5]
            case Mishap.GROWING:
                return body[: len(body) // 2]
            case Mishap.NONE | Mishap.CRASH:
                return body
