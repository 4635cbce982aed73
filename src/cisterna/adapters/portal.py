"""Our own landing pages as a target: one record a version in the public bucket, which has credentials of its own.

Layout: `<naan>/<name>/<version>/record.json`. The web process makes public pages from these records alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pydantic import ValidationError

from cisterna.adapters.portal_cache import RecordCache
from cisterna.domain.access import Extent
from cisterna.domain.errors import ObjectInvalid, ObjectNotFound
from cisterna.ports.object_store import IfAbsent, IfMatch, ObjectStore
from cisterna.ports.publisher import PublicRecord, PublicVersion, ShelfMark

_PID = re.compile(r"ark:/([0-9]{5})/([0-9a-z]{1,64})")
_VERSION = re.compile(r"v([1-9][0-9]{0,5})(?:\.([1-9][0-9]{0,5}))?")
_KEY = re.compile(r"([0-9]{5})/([0-9a-z]{1,64})/(v[1-9][0-9]{0,5}(?:\.[1-9][0-9]{0,5})?)/record\.json")
_KEPT_BYTES = 64 * 1024 * 1024
_KEPT_VERSIONS = 20_000
_KEPT = ("title", "creators", "publisher", "publication_year", "data_type")
"""What stays of the description of what is withdrawn: how it was cited, and in which set harvesters know it."""


class Portal:
    """Implements `ports.publisher.Publisher` and `PublicShelf`; safe to share between threads.

    Records are kept by their ETags, which a HEAD or a listing of the dataset tells each time: what another process
    withdraws is gone here at once, and a page costs the same two requests however many versions there are.

    Args:
        store: The public bucket.
        base_url: Address under which landing pages are served.
    """

    name = "portal"

    def __init__(self, store: ObjectStore, *, base_url: str) -> None:
        self._store = store
        self._base_url = base_url.rstrip("/")
        self._kept = RecordCache(most_bytes=_KEPT_BYTES, most_versions=_KEPT_VERSIONS)

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
            "extent": Extent.NOTHING,
            "elsewhere": (),
        }
        self._write(record.model_copy(update={**empty, "metadata": kept}))

    def find(self, pid: str, *, version: str | None = None) -> PublicRecord | None:
        """Read the version named, or the newest that stands, or else the newest tombstone."""
        if version is not None:
            key = _key(pid, version)
            return self._read(key) if key else None
        every = list(self._versions(pid))
        chosen = next((one for one in every if not one[1].is_gone), every[0] if every else None)
        return self._read_as(*chosen[0]) if chosen else None

    def versions(self, pid: str) -> Sequence[PublicVersion]:
        """Tell every version under a PID, newest first."""
        return [one for _, one in self._versions(pid)]

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

    def _versions(self, pid: str) -> Iterator[tuple[tuple[str, str], PublicVersion]]:
        """Give what is short of every version, with the key and the ETag of its record; those known are not read."""
        matched = _PID.fullmatch(pid)
        if matched is None:
            return
        prefix = f"{matched[1]}/{matched[2]}/"
        found = [(one, _KEY.fullmatch(one.key)) for one in self._store.list(prefix)]
        labelled = [(one, matched[3]) for one, matched in found if matched is not None]
        for one, _ in sorted(labelled, key=lambda pair: _order(pair[1]), reverse=True):
            version = self._kept.version(one.key, one.etag)
            if version is None:
                record = self._read_as(one.key, one.etag)
                version = PublicVersion.of(record) if record else None
            if version is not None:
                yield (one.key, one.etag), version

    def _read(self, key: str) -> PublicRecord | None:
        present = self._store.head(key)
        return self._read_as(key, present.etag) if present else None

    def _read_as(self, key: str, etag: str) -> PublicRecord | None:
        """Read a record that was seen with this ETag just now; None when it went since."""
        kept = self._kept.record(key, etag)
        if kept is not None:
            return kept
        try:
            body, found = self._store.get(key)
            record = PublicRecord.model_validate_json(body)
        except ObjectNotFound:
            return None
        except ValidationError as error:
            msg = f"{key} in the public bucket is not a record of ours; publish the version again"
            raise ObjectInvalid(msg, key=key) from error
        self._kept.keep(key, found.etag, record, size_bytes=len(body))
        return record


def _key(pid: str, version: str) -> str | None:
    matched = _PID.fullmatch(pid)
    if matched is None or _VERSION.fullmatch(version) is None:
        return None
    return f"{matched[1]}/{matched[2]}/{version}/record.json"


def _order(label: str) -> tuple[int, int]:
    matched = _VERSION.fullmatch(label)
    return (int(matched[1]), int(matched[2] or 0)) if matched else (0, 0)
