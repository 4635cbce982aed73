"""Reads HDF5 as far as it can be trusted: nothing outside the file, nothing vast, nothing that was never written.

An HDF5 file may name other files in four ways (external links, external storage, virtual datasets, filters that are
loaded from a folder). None is followed: whoever could write a file would otherwise read what the facility holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import ceil, prod
from typing import Any, BinaryIO

import h5py
import numpy as np
from numpy.typing import NDArray

from cisterna.adapters.file_fault import Fault
from cisterna.domain.errors import InvalidInput
from cisterna.domain.untrusted import plain_text

Numbers = NDArray[Any]
Node = Any
"""A group or an array of h5py's."""

_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""Deflate, shuffle, Fletcher's checksum, SZIP, n-bit, scale-offset, and LZF, which h5py brings."""
_MOST_PACKED = 1100
"""Deflate packs at most 1,032 bytes into one."""
_ATTRIBUTE_BYTES = 64 * 1024
_CHUNK_BYTES = 256 * 1024 * 1024
_TEXTS_AT_ONCE, _TEXT_BYTES = 65_536, 4096
_MEMBERS_MAX = 1000


class GuardedFile:
    """An open file whose parts are asked for by name.

    Args:
        file: That is open; its library asks for its bytes here, since a file without a name is not opened by one.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._size_bytes = os.fstat(file.fileno()).st_size
        self.root = h5py.File(file, "r", rdcc_nbytes=16 * 1024 * 1024)

    def find(self, group: h5py.Group, name: str) -> Node:
        """Give a part, or None where there is none of this name. Raises `Fault` for what lies elsewhere."""
        if "/" in name or name in {"", ".", ".."}:
            raise Fault(f"it names {_shown(name)} where the name of one of its own parts must be")
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, h5py.HardLink):
            raise Fault(f"its {_shown(name)} is a link to another place ({type(link).__name__}), which is not followed")
        found = group[name]
        if isinstance(found, h5py.Group):
            return found
        if not isinstance(found, h5py.Dataset):
            raise Fault(f"its {_shown(name)} is neither a group nor an array")
        self._require_sound(found, name)
        return found

    def members(self, group: h5py.Group) -> list[str]:
        """Name the parts of a group, the first thousand."""
        return [name for name, _ in zip(group, range(_MEMBERS_MAX), strict=False)]

    def attribute(self, node: Node, name: str) -> Any:
        """Give a small attribute; None where there is none. Raises `Fault` for a vast one."""
        if name not in node.attrs:
            return None
        raw = h5py.h5a.open(node.id, name.encode())
        if raw.get_storage_size() > _ATTRIBUTE_BYTES or prod(raw.shape) * raw.dtype.itemsize > _ATTRIBUTE_BYTES:
            raise Fault(f"its attribute {_shown(name)} is larger than 64 KiB, which no note is")
        value = node.attrs[name]
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def texts(self, dataset: h5py.Dataset, *, field: str | None = None) -> Iterator[list[bytes]]:
        """Give an array of texts in blocks. Raises `Fault` for one of anything else."""
        kind = dataset.dtype[field] if field else dataset.dtype
        if dataset.ndim != 1 or not (h5py.check_string_dtype(kind) or kind.kind in "iu"):
            raise Fault(f"its {_shown(dataset.name)} holds {kind} where texts must be")
        step = max(1, min(_TEXTS_AT_ONCE, _CHUNK_BYTES // dataset.dtype.itemsize))
        for start in range(0, dataset.shape[0], step):
            block = dataset[start : start + step]
            values = (block[field] if field else block).tolist()
            yield [_bytes(value)[:_TEXT_BYTES] for value in values]

    def _require_sound(self, dataset: h5py.Dataset, name: str) -> None:
        shown, plan = _shown(name), dataset.id.get_create_plist()
        if dataset.shape is None:
            raise Fault(f"its {shown} is an array without any shape")
        if dataset.is_virtual:
            raise Fault(f"its {shown} is put together from other files (a virtual dataset), which are not opened")
        if plan.get_external_count():
            raise Fault(f"its {shown} keeps its values in another file, which is not opened")
        unknown = [code for at in range(plan.get_nfilters()) if (code := plan.get_filter(at)[0]) not in _FILTERS]
        if unknown:
            raise InvalidInput(f"its {shown} is packed in a way that is not read here (HDF5 filter {unknown[0]})")
        if plan.get_layout() == h5py.h5d.COMPACT:
            return
        claimed = prod(dataset.shape) * dataset.dtype.itemsize
        if claimed > self._size_bytes * (_MOST_PACKED if dataset.chunks else 1):
            raise Fault(
                f"its {shown} claims {' x '.join(f'{side:,}' for side in dataset.shape)} values, "
                f"more than a file of {self._size_bytes:,} bytes can hold"
            )
        if claimed and not dataset.id.get_storage_size():
            raise Fault(f"its {shown} tells of values and none were written")
        if dataset.chunks:
            self._require_chunks(dataset, shown)

    def _require_chunks(self, dataset: h5py.Dataset, shown: str) -> None:
        if prod(dataset.chunks) * dataset.dtype.itemsize > _CHUNK_BYTES:
            raise InvalidInput(f"its {shown} is kept in pieces of more than 256 MiB, which are not read here")
        wanted = prod(ceil(side / piece) for side, piece in zip(dataset.shape, dataset.chunks, strict=True))
        there = dataset.id.get_num_chunks()
        if there < wanted:
            raise Fault(f"its {shown} has {there:,} of the {wanted:,} pieces it tells of; the rest was never written")


def numbers(dataset: h5py.Dataset, start: int, stop: int) -> Numbers:
    """Give values of an array of one dimension. Raises `Fault` when they are no numbers."""
    if dataset.ndim != 1 or dataset.dtype.kind not in "biuf":
        raise Fault(f"its {_shown(dataset.name)} holds {dataset.dtype} where a row of numbers must be")
    return np.asarray(dataset[start:stop])


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return str(value).encode("utf-8", "replace")


def _shown(name: object) -> str:
    return plain_text(name, longest=100) or "part"
