"""Our own landing pages as a target: one record a version in the public bucket, which has credentials of its own.

Layout: `<naan>/<name>/<version>/record.json`. The web process makes public pages from these records alone.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock

from pydantic import ValidationError

from cisterna.domain.errors import ObjectInvalid, ObjectNotFound
from cisterna.ports.object_store import IfAbsent, IfMatch, ObjectStore
from cisterna.ports.publisher import PublicRecord, ShelfMark

_PID = re.compile(r"ark:/([0-9]{5})/([0-9a-z]{1,64})")
_VERSION = re.compile(r"v([1-9][0-9]{0,5})(?:\.([1-9][0-9]{0,5}))?")
_KEY = re.compile(r"([0-9]{5})/([0-9a-z]{1,64})/(v[1-9][0-9]{0,5}(?:\.[1-9][0-9]{0,5})?)/record\.json")
_CACHED_RECORDS = 64
_KEPT = ("title", "creators", "publisher", "publication_year", "data_type")
"""What stays of the description of what is withdrawn: how it was cited, and in which set harvesters know it."""


class Portal:
    """Implements `ports.publisher.Publisher` and `PublicShelf`.

    Records are cached by their ETag, so a page costs one HEAD; safe to share between threads.

    Args:
        store: The public bucket.
        base_url: Address under which landing pages are served.
    """

    name = "portal"

    def __init__(self, store: ObjectStore, *, base_url: str) -> None:
        self._store = store
        self._base_url = base_url.rstrip("/")
        self._cache: OrderedDict[str, tuple[str, PublicRecord]] = OrderedDict()
        self._lock = Lock()

    def publish(self, record: PublicRecord) -> str:
        """Write the record and return the address of its landing page; the same record again changes nothing."""
        self._write(record)
        return f"{self._base_url}/{record.pid}"

    def withdraw(self, record: PublicRecord) -> None:
        """Replace the record by its tombstone: how it was cited and its type stay, nothing that it held or led to."""
        kept = {name: record.metadata[name] for name in _KEPT if name in record.metadata}
        empty: dict[str, object] = {
            "files": (),
            "lists": (),
            "previews": {},
            "documents": {},
            "related": {},
            "elsewhere": (),
        }
        self._write(record.model_copy(update={**empty, "metadata": kept}))

    def find(self, pid: str, *, version: str | None = None) -> PublicRecord | None:
        """Read the version named, or the newest that stands, or else the newest tombstone."""
        if version is not None:
            key = _key(pid, version)
            return self._read(key) if key else None
        every = self.versions(pid)
        return next((record for record in every if record.tombstone is None), every[0] if every else None)

    def versions(self, pid: str) -> Sequence[PublicRecord]:
        """Read every version under a PID, newest first."""
        matched = _PID.fullmatch(pid)
        if matched is None:
            return []
        prefix = f"{matched[1]}/{matched[2]}/"
        labels = []
        for found in self._store.list(prefix):
            label, _, rest = found.key.removeprefix(prefix).partition("/")
            if rest == "record.json" and _VERSION.fullmatch(label):
                labels.append(label)
        labels.sort(key=_order, reverse=True)
        records = (self._read(f"{prefix}{label}/record.json") for label in labels)
        return [record for record in records if record is not None]

    def marks(self) -> Iterator[ShelfMark]:
        """List the bucket; what is no record of ours is passed over."""
        for found in self._store.list(""):
            matched = _KEY.fullmatch(found.key)
            if matched is not None:
                yield ShelfMark(f"ark:/{matched[1]}/{matched[2]}", matched[3], found.etag)

    def _write(self, record: PublicRecord) -> None:
        key = _key(record.pid, record.version)
        if key is None:
            msg = f"'{record.pid}' {record.version} names no version that could have a landing page"
            raise ObjectInvalid(msg, pid=record.pid, version=record.version)
        if self._read(key) == record:
            return
        present = self._store.head(key)
        condition = IfMatch(etag=present.etag) if present else IfAbsent()
        self._store.put(key, record.model_dump_json().encode(), condition=condition, content_type="application/json")

    def _read(self, key: str) -> PublicRecord | None:
        present = self._store.head(key)
        if present is None:
            return None
        with self._lock:
            cached = self._cache.get(key)
            if cached is not None and cached[0] == present.etag:
                self._cache.move_to_end(key)
                return cached[1]
        try:
            body, found = self._store.get(key)
            record = PublicRecord.model_validate_json(body)
        except ObjectNotFound:  # removed since the HEAD
            return None
        except ValidationError as error:
            msg = f"{key} in the public bucket is not a record of ours; publish the version again"
            raise ObjectInvalid(msg, key=key) from error
        with self._lock:
            self._cache[key] = (found.etag, record)
            while len(self._cache) > _CACHED_RECORDS:
                self._cache.popitem(last=False)
        return record


def _key(pid: str, version: str) -> str | None:
    matched = _PID.fullmatch(pid)
    if matched is None or _VERSION.fullmatch(version) is None:
        return None
    return f"{matched[1]}/{matched[2]}/{version}/record.json"


def _order(label: str) -> tuple[int, int]:
    matched = _VERSION.fullmatch(label)
    return (int(matched[1]), int(matched[2] or 0)) if matched else (0, 0)
