"""What an ND2 file says of itself: its map of chunks, and the trees of named values in some of them.

An ND2 file is a row of chunks; the map that its last 40 bytes point to names each with its place and size. From version
3 on, what describes the images is a tree: each item has a kind, a name and a value, and one kind of value is a list of
further items. Where nothing says so, lengths are in bytes and numbers are little-endian.
"""

from __future__ import annotations

import struct
import zlib
from typing import TypeAlias

from cisterna.domain.listing import SeenFile
from cisterna.ports.profile import Look

END_BYTES, CHUNK_BYTES = 40, 16
NEAR_BYTES = 16 * 1024 * 1024
CHUNK, MAP = b"\xda\xce\xbe\x0a", b"ND2 CHUNK MAP SIGNATURE 0000001!"
_TREE_BYTES, _ITEMS_MAX, _DEEPEST = 4 * 1024 * 1024, 200_000, 30
_NUMBERS = {1: "<?", 2: "<i", 3: "<I", 4: "<q", 5: "<Q", 6: "<d", 7: "<Q"}
_TEXT, _BYTES, _LEVEL, _PACKED = 8, 9, 11, 76

Tree: TypeAlias = "dict[str, float | int | str | Tree]"


def chunk_map(look: Look, file: SeenFile) -> dict[bytes, tuple[int, int]]:
    """Give the place and size of each chunk, by name; empty when the map is not there or too large for a look."""
    end = look.tail(file.path, limit_bytes=END_BYTES)
    if len(end) < END_BYTES or end[:32] != MAP:
        return {}
    (at,) = struct.unpack_from("<Q", end, 32)
    if not 0 <= file.size_bytes - at <= NEAR_BYTES:
        return {}
    body = look.tail(file.path, limit_bytes=file.size_bytes - at)
    if len(body) < CHUNK_BYTES or body[:4] != CHUNK:
        return {}
    place, found = CHUNK_BYTES + struct.unpack_from("<I", body, 4)[0], {}
    while (stop := body.find(b"!", place)) >= 0 and stop + 17 <= len(body):
        name = body[place : stop + 1]
        if name == MAP:
            break
        found[name] = struct.unpack_from("<QQ", body, stop + 1)
        place = stop + 17
    return found


def chunk_tree(look: Look, file: SeenFile, place: tuple[int, int] | None) -> Tree:
    """Read the tree in a chunk; empty when it lies too deep in the file, is too large, or is none."""
    if place is None:
        return {}
    head = _near(look, file, place[0], CHUNK_BYTES)
    if len(head) < CHUNK_BYTES or head[:4] != CHUNK:
        return {}
    name_bytes, size = struct.unpack_from("<IQ", head, 4)
    if size > _TREE_BYTES:
        return {}
    return tree(_near(look, file, place[0] + CHUNK_BYTES + name_bytes, size))


def tree(body: bytes) -> Tree:
    """Read a tree; what does not fit the form ends it, and what was read before stays."""
    found: Tree = {}
    _Items(_unpacked(body)).into(found, count=_ITEMS_MAX, deep=0)
    return found


def _unpacked(body: bytes) -> bytes:
    """Undo the packing of a whole tree, within the limit."""
    if body[:1] != bytes([_PACKED]):
        return body
    try:
        return zlib.decompressobj().decompress(body[12:], _TREE_BYTES)
    except zlib.error:
        return b""


def _near(look: Look, file: SeenFile, start: int, length: int) -> bytes:
    """Read a part that lies near one of the file's ends; nothing of any other."""
    if start < 0 or start + length > file.size_bytes:
        return b""
    if start + length <= NEAR_BYTES:
        return look.head(file.path, limit_bytes=start + length)[start:]
    if file.size_bytes - start <= NEAR_BYTES:
        return look.tail(file.path, limit_bytes=file.size_bytes - start)[:length]
    return b""


class _Items:
    """Reads item after item; every read looks first whether there is enough, and none goes back."""

    def __init__(self, body: bytes) -> None:
        self._body, self._at, self._end, self._left = body, 0, len(body), _ITEMS_MAX

    def into(self, found: Tree, *, count: int, deep: int) -> bool:
        """Read so many items; tell whether all were there."""
        for number in range(count):
            if self._at >= self._end:
                return deep == 0
            self._left -= 1
            begin, kind = self._at, self._body[self._at]
            name = self._name()
            value = None if name is None or self._left < 0 else self._value(kind, begin, deep)
            if name is None or value is None:
                return False
            if not isinstance(value, bytes):
                found[name or f"#{number}"] = value
        return True

    def _value(self, kind: int, begin: int, deep: int) -> float | int | str | bytes | Tree | None:
        if kind in _NUMBERS:
            return self._number(_NUMBERS[kind])
        if kind == _TEXT:
            return self._text()
        if kind == _BYTES:
            size = self._number("<Q")
            return None if size is None else self._take(int(size))
        return self._level(begin, deep) if kind == _LEVEL and deep < _DEEPEST else None

    def _level(self, begin: int, deep: int) -> Tree | None:
        count, length = self._number("<I"), self._number("<Q")
        if count is None or length is None or not self._at <= begin + length <= self._end:
            return None
        below: Tree = {}
        outer, self._end = self._end, begin + int(length)  # nothing is read twice, whatever an item claims
        self.into(below, count=int(count), deep=deep + 1)
        self._at, self._end = self._end + 8 * int(count), outer  # the places of the items follow them
        return below

    def _name(self) -> str | None:
        if self._at + 2 > self._end:
            return None
        length = 2 * self._body[self._at + 1]
        self._at += 2
        name = self._take(length)
        return None if name is None else name.decode("utf-16-le", "replace").rstrip("\0")

    def _number(self, form: str) -> float | int | None:
        body = self._take(struct.calcsize(form))
        return None if body is None else struct.unpack(form, body)[0]

    def _text(self) -> str | None:
        end = self._at
        while (end := self._body.find(b"\0\0", end, self._end)) >= 0 and (end - self._at) % 2:
            end += 1
        body = self._take(end - self._at + 2) if end >= 0 else None
        return None if body is None else body.decode("utf-16-le", "replace").rstrip("\0")

    def _take(self, length: int) -> bytes | None:
        begin, end = self._at, self._at + length
        if length < 0 or end > self._end:
            return None
        self._at = end
        return self._body[begin:end]
