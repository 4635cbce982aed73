"""Reads what an archive tells of a catalogue. Whatever lies in the bucket may be damaged, foreign, or a trap."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, product

from pydantic import TypeAdapter, ValidationError

from cisterna.domain.base import Moment, Value
from cisterna.domain.errors import InvalidInput, ObjectInvalid, ObjectNotFound
from cisterna.domain.ocfl import (
    INVENTORY,
    LOGS,
    OBJECT_DECLARATION,
    Inventory,
    object_root,
)
from cisterna.domain.ocfl_parse import parse_inventory
from cisterna.domain.rebuild import FoundObject, Gathered, RebuildFault, Source
from cisterna.domain.record import SCHEMA_VERSION, read_content
from cisterna.domain.record_segment import (
    LARGEST_SEGMENT_BYTES,
    RECORD_ROOT,
    SEGMENTS,
    TOMBSTONES,
    SegmentHeader,
    SegmentName,
    newest_of,
    open_segment,
    segment_name,
)
from cisterna.ports.object_store import ObjectStore, StoredObject
from cisterna.ports.record import Rebuilding
from cisterna.services.crew import work_through
from cisterna.services.erase_record import read_tombstones
from cisterna.services.held_object import sidecar_agrees

LOGGED = {
    "instrument": "instruments",
    "project": "projects",
    "acquisition": "acquisitions",
    "dataset": "datasets",
    "version": "versions",
    "findings": "findings",
    "metric_samples": "metric_samples",
    "receipts": "receipts",
    "decisions": "decisions",
    "publications": "publications",
    "deposits": "deposits",
}
"""What a file of an object's `logs/` may hold whole, and the kind of row that it is. Lists hold several."""

LARGEST_LOG_BYTES = 64 * 1024 * 1024
_DELETION = "-release.begun-"
"""In the name of a deletion record: of a run of some 200,000 files and more it is larger than that."""
_BATCH = 500
_PREFIXES = tuple("".join(two) for two in product("0123456789abcdef", repeat=2))
_KEY = re.compile(r"(?P<root>[0-9a-f]{3}/[0-9a-f]{3}/[0-9a-f]{3}/[^/]+)/(?P<path>.+)")
_OF_VERSION = re.compile(r"(?P<dataset>ds-[0-9a-z]{26}):v[0-9]+(\.[0-9]+)?")
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


class Gathering:
    """Hands what several threads read to the one transaction, some hundred rows at a time."""

    def __init__(self, rebuilding: Rebuilding) -> None:
        self._rebuilding = rebuilding
        self._lock = threading.Lock()
        self._rows: list[Gathered] = []
        self._objects: list[FoundObject] = []
        self.faults: list[RebuildFault] = []

    def take(self, rows: Sequence[Gathered]) -> None:
        """Take rows."""
        with self._lock:
            self._rows += rows
            if len(self._rows) >= _BATCH:
                self._flush()

    def find(self, found: FoundObject) -> None:
        """Take an object."""
        with self._lock:
            self._objects.append(found)
            if len(self._objects) >= _BATCH:
                self._flush()

    def blame(self, where: str, reason: str) -> None:
        """Name something that is not believed."""
        with self._lock:
            self.faults.append(RebuildFault(where=where, reason=reason))

    def flush(self) -> None:
        """Hand over what is left."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        objects, self._objects = self._objects, []
        self.faults += self._rebuilding.gather(rows)
        self._rebuilding.find(objects)


@dataclass(frozen=True)
class ReadRecord:
    """How far the record goes.

    Attributes:
        end: Number and digest of its last segment; None when there is none.
        rewritten_for: Erasures that rows were taken out of segments for, each with one of those segments.
    """

    segments: int
    end: tuple[int, str] | None
    rewritten_for: Mapping[str, str]


def read_record(gathering: Gathering, *, store: ObjectStore, readers: int) -> ReadRecord:
    """Read every segment of the record; one that is damaged or missing is named, and the others are read.

    Raises:
        StoreUnavailable: One could not be read, which is not the same as damaged.
    """
    chain = _Chain()

    def read(found: StoredObject) -> None:
        name = found.key.removeprefix(SEGMENTS)
        try:
            _read_segment(found, name, chain, gathering, store=store)
        except (ObjectInvalid, ObjectNotFound) as refusal:
            gathering.blame(found.key, f"no row of this segment was believed: {refusal}")

    work_through(_segments(store, gathering), lambda: read, workers=readers, stop=threading.Event())
    for number, digest in chain.missing():
        gathering.blame(
            f"{SEGMENTS}*-{number:09d}-{digest}.jsonl.gz",
            "this segment of the record is missing: rows that only it tells of are not rebuilt, or are as they were "
            "before; take it from another copy of the archive and rebuild again",
        )
    return ReadRecord(segments=len(chain.numbers), end=chain.end(), rewritten_for=dict(chain.rewritten_for))


def _segments(store: ObjectStore, gathering: Gathering) -> Iterator[StoredObject]:
    """Give the segments that hold: not one that another replaces, whose erasure is not at its end yet."""

    def place(found: StoredObject) -> str:
        name = segment_name(found.key.removeprefix(SEGMENTS))
        return name.place if name else ""

    for _, group in groupby(store.list(SEGMENTS), key=place):
        named: list[tuple[SegmentName, StoredObject]] = []
        for found in group:
            name = segment_name(found.key.removeprefix(SEGMENTS))
            if name is not None:
                named.append((name, found))
            elif not found.key.startswith(TOMBSTONES):
                gathering.blame(found.key, "it is not called as segments of the record are, and was not read")
        holding = set(newest_of(name for name, _ in named))
        yield from (found for name, found in named if name in holding)


def read_erasures(gathering: Gathering, *, store: ObjectStore, rewritten_for: Mapping[str, str]) -> None:
    """Read every tombstone: what it names is not rebuilt, whatever else lies in the archive.

    Args:
        gathering: Takes them.
        store: The archive.
        rewritten_for: Erasures that segments of the record say they were rewritten for, each with one of those
            segments. One without a tombstone is named: nothing else tells that there was such a decision.

    Raises:
        StoreUnavailable: One could not be read, which is not the same as damaged.
    """
    unproven = dict(rewritten_for)
    for key, found in read_tombstones(store):
        if isinstance(found, InvalidInput):
            gathering.blame(key, f"this tombstone was not believed: {found}; what it names may be rebuilt, look at it")
            continue
        row = Gathered(
            source=Source.LOGS,
            kind="erasures",
            key=None,
            sequence=found.record,
            value=found,
            origin=key,
            is_counted=False,
        )
        gathering.take([row])
        unproven.pop(found.erasure_id, None)
    for erasure_id, segment in sorted(unproven.items()):
        reason = f"rows were taken out of this segment for the erasure {erasure_id[:80]}, which has no tombstone"
        gathering.blame(segment, f"{reason}; look for both in another copy of the archive")


class _Chain:
    """Which segments there are, which they name, and which they stand for."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.rewritten_for: dict[str, str] = {}
        self._named: dict[str, int] = {}
        self._stood_for: set[str] = set()

    def add(self, key: str, digest: str, header: SegmentHeader) -> None:
        self.numbers[digest] = header.segment
        for one in header.replaces:
            self._stood_for.add(one.digest)
            self.rewritten_for[one.erasure_id] = key
        if header.previous is not None:
            self._named[header.previous] = header.segment - 1

    def missing(self) -> list[tuple[int, str]]:
        there = self._stood_for.union(self.numbers)
        return sorted((number, digest) for digest, number in self._named.items() if digest not in there)

    def end(self) -> tuple[int, str] | None:
        return max(((number, digest) for digest, number in self.numbers.items()), default=None)


def _read_segment(found: StoredObject, name: str, chain: _Chain, gathering: Gathering, *, store: ObjectStore) -> None:
    if found.size_bytes > LARGEST_SEGMENT_BYTES:
        msg = f"it has {found.size_bytes:,} bytes, more than a segment may have"
        raise ObjectInvalid(msg, key=found.key)
    body, _ = store.get(found.key)
    header, digest, records = open_segment(name, body)
    chain.add(found.key, digest, header)
    rows: list[Gathered] = []
    for record in records:
        if isinstance(record, InvalidInput):
            gathering.blame(found.key, str(record))
            continue
        try:
            value = read_content(record.kind, record.content, schema_version=record.schema_version)
        except InvalidInput as refusal:
            gathering.blame(found.key, f"{record.kind[:80]} {record.key[:200]} is left out: {refusal}")
            continue
        rows.append(
            Gathered(
                source=Source.RECORD,
                kind=record.kind,
                key=record.key,
                sequence=record.sequence,
                value=value,
                origin=found.key,
                is_counted=True,
            )
        )
        if len(rows) == _BATCH:
            gathering.take(rows)
            rows = []
    gathering.take(rows)


def read_objects(gathering: Gathering, *, store: ObjectStore, readers: int) -> int:
    """Look at every object of the storage root: its inventory, and what its `logs/` tell; return how many there are.

    The whole bucket is listed, several parts of it at a time.

    Raises:
        StoreUnavailable: Something could not be read, which is not the same as damaged.
    """
    counted: list[int] = []

    def read(prefix: str) -> None:
        for root, keys in _by_object(store.list(prefix), gathering):
            if root != RECORD_ROOT:
                _Object(root, store, gathering).read(keys)
                counted.append(1)

    work_through(_PREFIXES, lambda: read, workers=readers, stop=threading.Event())
    return len(counted)


def _by_object(keys: Iterator[StoredObject], gathering: Gathering) -> Iterator[tuple[str, list[StoredObject]]]:
    """Group a listing by object; of each only what is read here is kept, however many files it has."""

    def place(found: StoredObject) -> str | None:
        matched = _KEY.fullmatch(found.key)
        return matched["root"] if matched else None

    for root, group in groupby(keys, key=place):
        if root is None:
            for found in group:
                gathering.blame(found.key, "it lies outside of every object; it stays as it is")
            continue
        wanted = (f"{root}/{INVENTORY}", f"{root}/{OBJECT_DECLARATION}")
        yield root, [one for one in group if one.key in wanted or one.key.startswith(f"{root}/{LOGS}/")]


class _Object:
    """One object and what it tells."""

    def __init__(self, root: str, store: ObjectStore, gathering: Gathering) -> None:
        self._root = root
        self._store = store
        self._gathering = gathering

    def read(self, keys: Sequence[StoredObject]) -> None:
        """Read it; what is wrong with it is named and the rest of it is used."""
        present = {found.key for found in keys}
        inventory = self._inventory() if f"{self._root}/{INVENTORY}" in present else None
        if inventory is not None and f"{self._root}/{OBJECT_DECLARATION}" not in present:
            self._blame(OBJECT_DECLARATION, "the declaration is missing; the first look after the rebuild mends it")
        self._gathering.find(
            FoundObject(
                object_root=self._root,
                pid=inventory.pid if inventory else None,
                head=inventory.head if inventory else None,
            )
        )
        for found in keys:
            if found.key.startswith(f"{self._root}/{LOGS}/"):
                self._log(found)

    def _inventory(self) -> Inventory | None:
        body, _ = self._store.get(f"{self._root}/{INVENTORY}")
        try:
            inventory = parse_inventory(body)
        except ObjectInvalid as refusal:
            self._blame(INVENTORY, str(refusal))
            return None
        if not sidecar_agrees(self._root, body, algorithm=inventory.algorithm, store=self._store):
            self._blame(INVENTORY, "it does not have the digest of its sidecar; `cisterna check` looks closer")
        if object_root(inventory.pid) != self._root:
            self._blame(INVENTORY, f"it is of {inventory.pid[:200]!r}, whose place is another one")
            return None
        return inventory

    def _log(self, found: StoredObject) -> None:
        if found.size_bytes > LARGEST_LOG_BYTES:
            if _DELETION in found.key.rpartition("/")[2]:
                return  # it names every file that was to go, and its rows are told by the logs around it
            self._gathering.blame(found.key, f"it has {found.size_bytes:,} bytes, more than a log may have")
            return
        try:
            body, _ = self._store.get(found.key)
            self._gathering.take(list(_logged(body, found.key, root=self._root)))
        except (InvalidInput, ObjectNotFound) as refusal:
            self._gathering.blame(found.key, f"nothing of this log was believed: {refusal}")

    def _blame(self, path: str, reason: str) -> None:
        self._gathering.blame(f"{self._root}/{path}", reason)


def _logged(body: bytes, key: str, *, root: str) -> Iterator[Gathered]:
    """Read the rows of one log. Raises `InvalidInput` unless all of it is believed."""
    document = _document(body)
    schema_version, moment = _frame(document)
    told: list[tuple[str, Value | None]] = []
    for name, kind in LOGGED.items():
        content = document.get(name)
        several = content if isinstance(content, list) else [] if content is None else [content]
        told += [(kind, read_content(kind, one, schema_version=schema_version)) for one in several]
    _require_own(told, root=root)
    for kind, value in told:
        count = getattr(value, "record", None)
        yield Gathered(
            source=Source.LOGS,
            kind=kind,
            key=None,
            sequence=count if isinstance(count, int) else int(moment.timestamp() * 1_000_000),
            value=value,
            origin=key,
            is_counted=count is not None,
        )


def _document(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("it is no JSON") from error
    if not isinstance(document, dict):
        raise InvalidInput("it is no JSON object")
    return document


def _frame(document: dict[str, object]) -> tuple[int, datetime]:
    """Read what every log begins with: its schema, and the event that it tells of."""
    version, event = document.get("schema_version"), document.get("event")
    if not isinstance(version, int) or version < 1 or not isinstance(event, dict):
        raise InvalidInput("it does not have the form of a log of Cisterna")
    if version > SCHEMA_VERSION:
        msg = f"it has schema {version} and this Cisterna reads up to {SCHEMA_VERSION}; use a newer Cisterna"
        raise InvalidInput(msg)
    try:
        return version, _MOMENT.validate_python(event.get("occurred_at"))
    except ValidationError as error:
        raise InvalidInput("its event has no time") from error


def _require_own(told: Sequence[tuple[str, Value | None]], *, root: str) -> None:
    """Refuse a log that tells of another object than the one it lies in. Raises `InvalidInput`."""
    datasets = [value for kind, value in told if kind == "datasets"]
    if [getattr(one, "object_root", None) for one in datasets] != [root]:
        raise InvalidInput("it does not tell of the dataset whose object it lies in")
    own = getattr(datasets[0], "dataset_id", "")
    for kind, value in told:
        version = getattr(value, "version_id", None)
        if version is None:
            continue
        found = _OF_VERSION.fullmatch(str(version))
        if found is None or found["dataset"] != own:
            msg = f"it tells of {kind} of {str(version)[:100]}, which is no version of the dataset that it lies with"
            raise InvalidInput(msg)
