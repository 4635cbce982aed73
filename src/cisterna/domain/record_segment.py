"""A segment of the record: a compressed file of JSON lines that proves by its name that it is whole.

The first line says which segment it is and which one came before, so that one that is missing is noticed; each further
line is one record. `zcat` shows it, and any tool for JSON lines reads it.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field, ValidationError

from cisterna.domain.base import Moment, Value
from cisterna.domain.errors import InvalidInput, ObjectInvalid
from cisterna.domain.record import SCHEMA_VERSION, Record

LARGEST_SEGMENT_BYTES = 256 * 1024 * 1024
_LARGEST_LINE_BYTES = 64 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9]{9,}-(?P<digest>[0-9a-f]{64})\.jsonl\.gz")
_GZIP = 31  # zlib's word for: expect gzip's own header and check its sum


class SegmentHeader(Value):
    """The first line of a segment.

    Attributes:
        segment: Counts from 1.
        previous: Digest of the segment before it; None for the first.
        records: How many follow.
    """

    schema_version: int = Field(default=SCHEMA_VERSION, ge=1)
    segment: int = Field(ge=1)
    previous: str | None
    records: int = Field(ge=0)
    written_at: Moment


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
    lines = [header.model_dump_json(), *(record.model_dump_json() for record in records)]
    body = gzip.compress(("\n".join(lines) + "\n").encode(), compresslevel=6, mtime=0)
    digest = hashlib.sha256(body).hexdigest()
    return Segment(f"{written_at:%Y%m%dT%H%M%SZ}-{number:09d}-{digest}.jsonl.gz", body, digest)


def segment_digest(name: str) -> str | None:
    """Give the SHA-256 that a segment's name says it has; None for what is not called as segments are."""
    found = _NAME.fullmatch(name)
    return found["digest"] if found else None


def segment_mentions(body: bytes, words: Sequence[str]) -> bool:
    """Tell whether any of some words stands anywhere in a segment; one that cannot be read to its end may hold it."""
    wanted = [word.encode() for word in words]
    try:
        return any(word in line for line in _lines(body) for word in wanted)
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
    lines = _lines(body)
    try:
        header = SegmentHeader.model_validate_json(next(lines, b""))
    except (ValidationError, InvalidInput) as error:
        raise ObjectInvalid("it does not begin as a segment of the record does", segment=name) from error
    if header.schema_version > SCHEMA_VERSION:
        msg = f"it has schema {header.schema_version} and this Cisterna reads up to {SCHEMA_VERSION}; use a newer one"
        raise ObjectInvalid(msg, segment=name)
    return header, digest, _records(lines, header)


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


def _lines(body: bytes) -> Iterator[bytes]:
    """Unpack line by line, and never more than a segment may hold. Raises `InvalidInput`."""
    unpacking, rest, total, held = zlib.decompressobj(_GZIP), body, 0, b""
    while not unpacking.eof:
        try:
            chunk = unpacking.decompress(rest, _CHUNK_BYTES)
        except zlib.error as error:
            raise InvalidInput(f"it is no whole gzip file: {error}") from error
        rest = unpacking.unconsumed_tail
        if not chunk and not rest:
            break
        held += chunk
        *whole, held = held.split(b"\n")
        total += sum(map(len, whole))
        if total > LARGEST_SEGMENT_BYTES or len(held) > _LARGEST_LINE_BYTES:
            raise InvalidInput("it unpacks to more than a segment may hold")
        yield from whole
    if not unpacking.eof or held:
        raise InvalidInput("it ends in the middle of a line")
