"""Keeps the public records that were read last, by their ETags: so many bytes of them, and of more what is short."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

from cisterna.ports.publisher import PublicRecord, PublicVersion


class _Kept(NamedTuple):
    etag: str
    record: PublicRecord
    size_bytes: int


class RecordCache:
    """Safe to share between threads. What it gives is what the store holds under that ETag, and never what it held.

    Args:
        most_bytes: Of records, as they are written; in memory they take some three times that.
        most_versions: Of how many it is kept when they became public.
    """

    def __init__(self, *, most_bytes: int, most_versions: int) -> None:
        self._most_bytes = most_bytes
        self._most_versions = most_versions
        self._records: OrderedDict[str, _Kept] = OrderedDict()
        self._versions: OrderedDict[str, tuple[str, PublicVersion]] = OrderedDict()
        self._lock = Lock()
        self.size_bytes = 0

    def record(self, key: str, etag: str) -> PublicRecord | None:
        """Give a record, if it is kept as it is now."""
        with self._lock:
            kept = self._records.get(key)
            if kept is None or kept.etag != etag:
                return None
            self._records.move_to_end(key)
            return kept.record

    def version(self, key: str, etag: str) -> PublicVersion | None:
        """Give what is short of it."""
        with self._lock:
            kept = self._versions.get(key)
            if kept is None or kept[0] != etag:
                return None
            self._versions.move_to_end(key)
            return kept[1]

    def keep(self, key: str, etag: str, record: PublicRecord, *, size_bytes: int) -> None:
        """Keep a record in the place of an earlier one, and let those go that nobody asked for the longest."""
        with self._lock:
            self._versions[key] = (etag, PublicVersion.of(record))
            self._versions.move_to_end(key)
            if len(self._versions) > self._most_versions:
                self._versions.popitem(last=False)
            earlier = self._records.pop(key, None)
            self.size_bytes -= earlier.size_bytes if earlier else 0
            if size_bytes > self._most_bytes:
                return
            self._records[key] = _Kept(etag, record, size_bytes)
            self.size_bytes += size_bytes
            while self.size_bytes > self._most_bytes:
                self.size_bytes -= self._records.popitem(last=False)[1].size_bytes
