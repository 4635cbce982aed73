"""Reads the tree of a Zarr store by its metadata files alone: groups, arrays, and how many chunks of them are there.

Zarr v2 (`.zgroup`, `.zattrs`, `.zarray`) and v3 (`zarr.json`, with or without sharding). A chunk that is not there is
legal: it holds the fill value, so what is there is counted beside the whole grid and judged by nobody here.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from itertools import islice

from cisterna.domain.base import Value
from cisterna.domain.errors import InvalidInput, NotFound
from cisterna.domain.untrusted import json_object, whole_number
from cisterna.ports.profile import Look

NODE = "zarr.json"
_V2_ATTRIBUTES, _V2_ARRAY, _V2_GROUP = ".zattrs", ".zarray", ".zgroup"
METADATA_NAMES = frozenset({NODE, _V2_ATTRIBUTES, _V2_ARRAY, _V2_GROUP, ".zmetadata"})
_CHUNK = re.compile(r"c|c[/.]\d+([/.]\d+)*|\d+([/.]\d+)*")
_LARGEST = 2**63
_MOST_AXES = 32
_NODE_BYTES = 16 * 1024 * 1024


class ZarrArray(Value):
    """One array, as its metadata have it.

    Attributes:
        grid: How many chunk files the array has along each axis when all are there; shards, where it is sharded.
    """

    shape: tuple[int, ...]
    grid: tuple[int, ...]
    is_sharded: bool = False

    @property
    def chunk_count(self) -> int:
        """How many chunk files there are at most."""
        return math.prod(self.grid)


class ZarrTree:
    """Implements looking into a store that lies in a folder of an acquisition."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def has_node(self, path: str) -> bool:
        """Tell whether a group or an array is at the path."""
        return bool({_join(path, NODE), _join(path, _V2_GROUP), _join(path, _V2_ARRAY)} & self._look.listing.paths)

    def attributes(self, path: str) -> dict[str, object]:
        """Give the attributes of a group. Raises `InvalidInput`, `NotFound`."""
        name = _join(path, NODE)
        if name in self._look.listing.paths:
            found = self._node(name).get("attributes")
            return found if isinstance(found, dict) else {}
        return self._node(_join(path, _V2_ATTRIBUTES))

    def array(self, path: str) -> ZarrArray:
        """Give an array. Raises `InvalidInput`, `NotFound`."""
        name = _join(path, NODE)
        if name in self._look.listing.paths:
            return _array_v3(self._node(name), name)
        name = _join(path, _V2_ARRAY)
        node = self._node(name)
        shape = _sizes(node.get("shape"), name, least=0)
        return ZarrArray(shape=shape, grid=_grid(shape, _sizes(node.get("chunks"), name, least=1), name))

    def chunks_there(self, path: str) -> int:
        """Count the chunk files that lie below an array."""
        return self._chunks.get(path, 0)

    @cached_property
    def _chunks(self) -> Counter[str]:
        """Count the chunks below each folder that holds the metadata of an array."""
        paths = self._look.listing.paths
        arrays = {path.rpartition("/")[0] for path in paths if path.rpartition("/")[2] in {NODE, _V2_ARRAY}}
        found: Counter[str] = Counter()
        for path in paths:
            parts = path.split("/")
            for count in range(len(parts) - 1, -1, -1):
                owner = "/".join(parts[:count])
                if owner in arrays:
                    found[owner] += bool(_CHUNK.fullmatch("/".join(parts[count:])))
                    break
        return found

    def _node(self, name: str) -> dict[str, object]:
        if name not in self._look.listing.paths:
            raise NotFound(f"there is no {name}", path=name)
        return json_object(self._look.read(name, limit_bytes=_NODE_BYTES), name)


def chunk_note(arrays: Iterable[tuple[str, ZarrArray]], tree: ZarrTree) -> tuple[str, ...]:
    """Say how many of the arrays' chunks are there, when some are not."""
    there = whole = 0
    for path, array in arrays:
        there += min(tree.chunks_there(path), array.chunk_count)
        whole += array.chunk_count
    if there == whole:
        return ()
    return (f"{there} of {whole} chunks are there; a chunk may be left out when it holds nothing but the fill value",)


def named(value: object, what: str, *, key: str = "path", most: int = 100_000) -> list[str]:
    """Read a list of objects that name a path each, as plates, wells and images do. Raises `InvalidInput`."""
    found = []
    for one in islice(value if isinstance(value, list) else [], most + 1):
        path = one.get(key) if isinstance(one, dict) else None
        if not isinstance(path, str) or not is_inside(path):
            msg = f"{what} names a {key} that leads nowhere in it; look at the file"
            raise InvalidInput(msg, path=what)
        found.append(path)
    if not 0 < len(found) <= most:
        msg = f"{what} names {'no' if not found else 'too many'} {key}; look at the file"
        raise InvalidInput(msg, path=what)
    return found


def is_inside(path: str) -> bool:
    """Tell whether a path that others wrote stays where it is used; `.` is the place itself."""
    parts = path.split("/")
    is_sound = 0 < len(path) <= 500 and path.isprintable() and len(parts) <= 16
    return path == "." or (is_sound and all(part not in {"", ".", ".."} for part in parts))


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _array_v3(node: dict[str, object], name: str) -> ZarrArray:
    if node.get("node_type") != "array":
        msg = f"{name} is no array; look at the file"
        raise InvalidInput(msg, path=name)
    grid = node.get("chunk_grid")
    configuration = grid.get("configuration") if isinstance(grid, dict) and grid.get("name") == "regular" else None
    chunks = configuration.get("chunk_shape") if isinstance(configuration, dict) else None
    codecs = node.get("codecs")
    first = codecs[0] if isinstance(codecs, list) and codecs else None
    shape = _sizes(node.get("shape"), name, least=0)
    return ZarrArray(
        shape=shape,
        grid=_grid(shape, _sizes(chunks, name, least=1), name),
        is_sharded=isinstance(first, dict) and first.get("name") == "sharding_indexed",
    )


def _sizes(value: object, name: str, *, least: int) -> tuple[int, ...]:
    sizes = [whole_number(size, least=least, most=_LARGEST) for size in (value if isinstance(value, list) else [None])]
    if len(sizes) > _MOST_AXES or None in sizes:
        msg = f"{name} does not give the size of every axis; look at the file"
        raise InvalidInput(msg, path=name)
    return tuple(size for size in sizes if size is not None)


def _grid(shape: tuple[int, ...], chunks: tuple[int, ...], name: str) -> tuple[int, ...]:
    if len(shape) != len(chunks):
        msg = f"{name} has {len(shape)} axes and chunks of {len(chunks)}; look at the file"
        raise InvalidInput(msg, path=name)
    return tuple(-(-size // chunk) for size, chunk in zip(shape, chunks, strict=True))
