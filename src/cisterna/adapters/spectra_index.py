"""Holds what an indexed mzML says of its own bytes against them: where each spectrum begins, and a SHA-1.

Neither needs the places of all spectra in memory: those that the index names and those that were seen have the same
number, the same sum and the same sum of squares, in whatever order they stand.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict

_CHECKSUM_TAG = b"<fileChecksum>"
_SHA1 = re.compile(r"[0-9a-f]{40}")
_NUMBER = re.compile(r"[0-9]{1,19}")
_WRITTEN_BY_NOBODY = re.compile(r"0*")
"""What writers put who do not make a checksum, such as `0`."""


class _Places:
    """A set of places in a file, by three numbers."""

    __slots__ = ("count", "squares", "total")

    def __init__(self) -> None:
        self.count = self.total = self.squares = 0

    def add(self, place: int) -> None:
        self.count += 1
        self.total += place
        self.squares += place * place

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Places):
            return NotImplemented
        return (self.count, self.total, self.squares) == (other.count, other.total, other.squares)

    __hash__ = None  # type: ignore[assignment] # it changes


class SpectraIndex:
    """What the end of an indexed mzML says, and what was seen before.

    Attributes:
        is_there: Whether the file is of the indexed kind.
        begins_at: Where the list of indexes began; None where none did.
    """

    def __init__(self) -> None:
        self.is_there = False
        self.begins_at: int | None = None
        self._seen: dict[str, _Places] = defaultdict(_Places)
        self._named: dict[str, _Places] = {}
        self._current: _Places | None = None
        self._is_legible = True
        self._offset: str | None = None
        self._stated: str | None = None
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._tail = b""
        self._found: str | None = None

    def digest(self, piece: bytes) -> None:
        """Digest the next bytes: the checksum goes over all up to the end of its own opening tag."""
        joined, done = self._tail + piece, 0
        at = joined.find(_CHECKSUM_TAG)
        while at >= 0:
            end = at + len(_CHECKSUM_TAG) - len(self._tail)
            self._sha1.update(piece[done:end])
            self._found, done = self._sha1.hexdigest(), end
            at = joined.find(_CHECKSUM_TAG, at + 1)
        self._sha1.update(piece[done:])
        self._tail = joined[-len(_CHECKSUM_TAG) + 1 :]

    def see(self, kind: str, place: int) -> None:
        """Take note of where a spectrum or a chromatogram begins."""
        self._seen[kind].add(place)

    def begin(self, attributes: dict[str, str]) -> None:
        """Begin one of the indexes."""
        kind = attributes.get("name", "")
        self._current = self._named.setdefault(kind, _Places()) if kind in {"spectrum", "chromatogram"} else None

    def take(self, name: str, text: str) -> None:
        """Take what one of the elements after the data says."""
        if name == "indexListOffset":
            self._offset = text
        elif name == "fileChecksum":
            self._stated = text.lower()
        elif _NUMBER.fullmatch(text) is None:
            self._is_legible = False
        elif self._current is not None:
            self._current.add(int(text))

    @property
    def is_wrong(self) -> bool | None:
        """Whether the index leads elsewhere than to the spectra; None for a file without."""
        if not self.is_there:
            return None
        named = {"spectrum": _Places(), **self._named}
        leads_there = all(named[kind] == self._seen[kind] for kind in named)
        return not (self._is_legible and leads_there and self._offset == str(self.begins_at))

    @property
    def has_wrong_checksum(self) -> bool | None:
        """Whether the file is another than the one that was written; None where it does not tell."""
        if not self.is_there or self._stated is None or _WRITTEN_BY_NOBODY.fullmatch(self._stated):
            return None
        if _SHA1.fullmatch(self._stated) is None or self._found is None:
            return True
        return self._stated != self._found
