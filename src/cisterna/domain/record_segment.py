"""A segment of the record: a compressed file of JSON lines that proves by its name that it is whole.

The first line says which segment it is and which one came before, so that one that is missing is noticed; each further
line is one record. `zcat` shows it, and any tool for JSON lines reads it.

A segment that told of data which were erased is replaced by one that says the same without them. Its name holds the
digest of the first that it stands for, which the next segment goes on naming, and its first line every one that it
replaced and for which erasure.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field, ValidationError

from cisterna.domain.base import Moment, Value
from cisterna.domain.errors import InvalidInput, ObjectInvalid
from cisterna.domain.ocfl import LOGS, object_root
from cisterna.domain.record import SCHEMA_VERSION, Record

RECORD_PID = "urn:x-cisterna:record"
"""Id of the record's object: one in each archive."""

RECORD_ROOT = object_root(RECORD_PID)
SEGMENTS = f"{RECORD_ROOT}/{LOGS}/"

TOMBSTONES = f"{SEGMENTS}erasures/"
"""Where it stands for ever that something was erased. The record's copies bring it to every store."""

LARGEST_SEGMENT_BYTES = 256 * 1024 * 1024
_LARGEST_LINE_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_NAME = re.compile(
    r"(?P<place>[0-9]{8}T[0-9]{6}Z-[0-9]{9,19})-(?P<digest>[0-9a-f]{64})"
    r"(?:-(?P<original>[0-9a-f]{64})-(?P<rewritten>[1-9][0-9]{0,5}))?\.jsonl\.gz"
)
_GZIP = 31  # zlib's word for: expect gzip's own header and check its sum


@dataclass(frozen=True, slots=True)
class SegmentName:
    """What a segment is called.

    Attributes:
        place: When it was written and its number: what replaces it keeps both.
        digest: SHA-256 of its bytes.
        original: Digest of the segment that stood there first, which the next one names.
        rewritten: How often it was replaced; 0 for one that is as it was first written.
    """

    place: str
    digest: str
    original: str
    rewritten: int = 0

    def __str__(self) -> str:
        """Give the name."""
        tail = f"-{self.original}-{self.rewritten}" if self.rewritten else ""
        return f"{self.place}-{self.digest}{tail}.jsonl.gz"

    @property
    def key(self) -> str:
        """Where it lies."""
        return f"{SEGMENTS}{self}"

    @property
    def day(self) -> str:
        """Its first day's name, which sorts as days do."""
        return self.place[:8]


class Replaced(Value):
    """A segment that is no longer there.

    Attributes:
        digest: Of its bytes.
        erasure_id: Of the erasure for which it went.
    """

    digest: str
    erasure_id: str


class SegmentHeader(Value):
    """The first line of a segment.

    Attributes:
        segment: Counts from 1.
        previous: Digest of the segment before it; None for the first.
        records: How many follow.
        replaces: What stood in its place before, oldest first.
    """

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1)
    segment: int = Field(ge=1)
    previous: str | None
    records: int = Field(ge=0)
    written_at: Moment
    replaces: tuple[Replaced, ...] = ()

    def line(self) -> str:
        """Write it as the first line; one that replaces nothing has the form that it always had."""
        return self.model_dump_json(exclude=None if self.replaces else {"replaces"})


@dataclass(frozen=True)
class Segment:
    """A segment as it is stored.

    Attributes:
        digest: SHA-256 of the body; the next segment names it.
    """

    name: str
    body: bytes
    digest: str


def write_segment(records: Sequence[Record], *, number: int, previous: str | None, written_at: Moment) -> Segment:
    """Make a segment; the same records at the same moment make the same bytes."""
    header = SegmentHeader(segment=number, previous=previous, records=len(records), written_at=written_at)
    lines = [header.line(), *(record.model_dump_json() for record in records)]
    body = gzip.compress(("\n".join(lines) + "\n").encode(), compresslevel=6, mtime=0)
    digest = hashlib.sha256(body).hexdigest()
    return Segment(f"{written_at:%Y%m%dT%H%M%SZ}-{number:09d}-{digest}.jsonl.gz", body, digest)


def segment_name(text: str) -> SegmentName | None:
    """Read a segment's name; None for what is not called as segments are."""
    found = _NAME.fullmatch(text)
    if found is None:
        return None
    return SegmentName(
        place=found["place"],
        digest=found["digest"],
        original=found["original"] or found["digest"],
        rewritten=int(found["rewritten"] or 0),
    )


def segment_digest(name: str) -> str | None:
    """Give the SHA-256 that a segment's name says it has; None for what is not called as segments are."""
    found = segment_name(name)
    return found.digest if found else None


def newest_of(names: Iterable[SegmentName]) -> list[SegmentName]:
    """Leave out what another one replaces: both lie there where somebody was killed between writing and removing."""
    found: dict[tuple[str, str], SegmentName] = {}
    every = list(names)
    for one in every:
        held = found.setdefault((one.place, one.original), one)
        if one.rewritten > held.rewritten:
            found[one.place, one.original] = one
    return [one for one in every if one.rewritten == found[one.place, one.original].rewritten]


def segment_mentions(chunks: Iterable[bytes], words: Sequence[bytes]) -> bool:
    """Tell whether any of some words stands anywhere in a segment; one that cannot be read to its end may hold it."""
    try:
        return any(word in line for line in lines_of(chunks) for word in words)
    except InvalidInput:
        return True


def open_segment(name: str, body: bytes) -> tuple[SegmentHeader, str, Iterator[Record | InvalidInput]]:
    """Read a segment; a line that is no record comes as the reason why.

    Returns:
        Its header, its digest, and its records.

    Raises:
        ObjectInvalid: It does not have the digest in its name, is no gzip, or does not begin as a segment does.
    """
    digest = hashlib.sha256(body).hexdigest()
    if segment_digest(name) != digest:
        msg = "its bytes do not have the digest in its name; take this file from another copy of the archive"
        raise ObjectInvalid(msg, segment=name, found=digest)
    lines = lines_of([body])
    header = read_header(name, lines)
    return header, digest, _records(lines, header)


def read_header(name: str, lines: Iterator[bytes]) -> SegmentHeader:
    """Read a segment's first line, which must agree with its name on what it replaces. Raises `ObjectInvalid`."""
    try:
        header = SegmentHeader.model_validate_json(next(lines, b""))
    except (ValidationError, InvalidInput) as error:
        raise ObjectInvalid("it does not begin as a segment of the record does", segment=name) from error
    if header.schema_version > SCHEMA_VERSION:
        msg = f"it has schema {header.schema_version} and this Cisterna reads up to {SCHEMA_VERSION}; use a newer one"
        raise ObjectInvalid(msg, segment=name)
    told = segment_name(name)
    stood_first = header.replaces[0].digest if header.replaces else told and told.digest
    if told is None or told.original != stood_first or told.rewritten != len(header.replaces):
        raise ObjectInvalid("its name says that it replaces other segments than its first line does", segment=name)
    return header


def _records(lines: Iterator[bytes], header: SegmentHeader) -> Iterator[Record | InvalidInput]:
    count = 0
    try:
        for line in lines:
            count += 1
            try:
                yield Record.model_validate_json(line)
            except ValidationError:
                yield InvalidInput(f"line {count + 1} is no record")
    except InvalidInput as refusal:
        yield refusal
        return
    if count != header.records:
        yield InvalidInput(f"it holds {count} records where its first line says {header.records}")


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack line by line as bytes come, and never more than a segment may hold. Raises `InvalidInput`."""
    total, held = 0, b""
    for unpacked in _unpacked(chunks):
        held += unpacked
        *whole, held = held.split(b"\n")
        total += sum(map(len, whole))
        if total > LARGEST_SEGMENT_BYTES or len(held) > _LARGEST_LINE_BYTES:
            raise InvalidInput("it unpacks to more than a segment may hold")
        yield from whole
    if held:
        raise InvalidInput("it ends in the middle of a line")


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack a little at a time; what follows the end of the packed file is read and left."""
    unpacking = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        rest = chunk
        while not unpacking.eof:
            try:
                unpacked = unpacking.decompress(rest, _CHUNK_BYTES)
            except zlib.error as error:
                raise InvalidInput(f"it is no whole gzip file: {error}") from error
            rest = unpacking.unconsumed_tail
            if not unpacked and not rest:
                break
            yield unpacked
    if not unpacking.eof:
        raise InvalidInput("it ends in the middle of a line")
