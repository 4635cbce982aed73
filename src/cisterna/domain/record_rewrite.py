"""What the record goes on saying of data that were erased, and a segment written anew so.

Every line stays where it is, with its kind, its key, its number and its moment; only what it said of the data goes, as
the rows of the catalogue went. So a rebuild reads the same history without it.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue, ValidationError

from cisterna.domain.erasure import ERASED_TITLE, PUBLIC_WORDS, Erasure
from cisterna.domain.errors import InvalidInput, ObjectInvalid
from cisterna.domain.record import SCHEMA_VERSION, Record
from cisterna.domain.record_segment import (
    Replaced,
    Segment,
    SegmentHeader,
    SegmentName,
    lines_of,
    read_header,
)

_GZIP = 31
_PACKED_AT_ONCE = 6

Content = dict[str, JsonValue]
Rule = Callable[[Content, Erasure], Content | None]


@dataclass(frozen=True)
class Rewriting:
    """What reading a segment for an erasure came to.

    Attributes:
        segment: That stands in its place; None when this one says nothing of the data.
        replaced: What was replaced for this very erasure, by this segment or by ones before it; none of it may stay.
    """

    segment: Segment | None
    replaced: tuple[SegmentName, ...]


def words_of(erasure: Erasure) -> tuple[bytes, ...]:
    """Name the data as lines of the record name them; a line without any of these is of other data."""
    names = {word for one in erasure.objects for word in (one.dataset_id, one.pid)}
    return tuple(sorted(word.encode() for word in {*names, *_own_ids(erasure)}))


def without(record: Record, erasure: Erasure) -> Record:
    """Give a record without what it says of erased data; one of other data is given back as it is.

    Raises:
        InvalidInput: This Cisterna does not know what the record tells of.
    """
    rule = RULES.get(record.kind)
    if rule is None or record.schema_version > SCHEMA_VERSION:
        msg = f"'{record.kind[:80]}' of schema {record.schema_version} is not known to this Cisterna; use a newer one"
        raise InvalidInput(msg, kind=record.kind[:80])
    if record.content is None:
        return record
    content = rule(record.content, erasure)
    return record if content == record.content else record.model_copy(update={"content": content})


def rewrite_segment(name: SegmentName, chunks: Iterable[bytes], *, erasure: Erasure) -> Rewriting:
    """Write a segment without what it says of erased data: the same segment and erasure always make the same bytes.

    It is read as it comes; only the packed bytes of the new one are held.

    Raises:
        ObjectInvalid: It does not have the digest in its name, is no segment, or holds a line of the data that cannot
            be understood; it stays as it is.
    """
    read = _Digested(chunks)
    lines, words = lines_of(read), words_of(erasure)
    is_changed = False
    try:
        header = read_header(str(name), lines)
        packed = _Packed()
        packed.add(_next_header(header, name, erasure).line().encode())
        for number, line in enumerate(lines, start=2):
            kept = _line_without(line, number, erasure) if any(word in line for word in words) else line
            is_changed = is_changed or kept is not line
            packed.add(kept)
    except InvalidInput as refusal:
        raise ObjectInvalid(f"it cannot be written anew: {refusal}", segment=str(name)) from refusal
    if read.digest != name.digest:
        msg = "its bytes do not have the digest in its name; take this file from another copy of the archive"
        raise ObjectInvalid(msg, segment=str(name), found=read.digest)
    segment = _as_segment(name, packed.end()) if is_changed else None
    return Rewriting(segment=segment, replaced=tuple(_replaced(name, header, erasure)))


def _next_header(header: SegmentHeader, name: SegmentName, erasure: Erasure) -> SegmentHeader:
    replaced = Replaced(digest=name.digest, erasure_id=erasure.erasure_id)
    return header.model_copy(update={"replaces": (*header.replaces, replaced)})


def _as_segment(name: SegmentName, body: bytes) -> Segment:
    digest = hashlib.sha256(body).hexdigest()
    new = SegmentName(place=name.place, digest=digest, original=name.original, rewritten=name.rewritten + 1)
    return Segment(str(new), body, digest)


def _replaced(name: SegmentName, header: SegmentHeader, erasure: Erasure) -> Iterator[SegmentName]:
    for count, one in enumerate(header.replaces):
        if one.erasure_id == erasure.erasure_id:
            yield SegmentName(place=name.place, digest=one.digest, original=name.original, rewritten=count)


def _line_without(line: bytes, number: int, erasure: Erasure) -> bytes:
    try:
        record = Record.model_validate_json(line)
    except ValidationError as error:
        raise InvalidInput(f"line {number} names the data and is no record") from error
    kept = without(record, erasure)
    return line if kept is record else kept.model_dump_json().encode()


class _Digested:
    """Digests bytes as they are read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._sha256 = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._sha256.update(chunk)
            yield chunk

    @property
    def digest(self) -> str:
        return self._sha256.hexdigest()


class _Packed:
    """Packs lines; the same lines make the same bytes, for the packed file tells no time."""

    def __init__(self) -> None:
        self._packing = zlib.compressobj(_PACKED_AT_ONCE, zlib.DEFLATED, _GZIP)
        self._parts: list[bytes] = []

    def add(self, line: bytes) -> None:
        self._parts.append(self._packing.compress(line + b"\n"))

    def end(self) -> bytes:
        self._parts.append(self._packing.flush())
        return b"".join(self._parts)


def _own_ids(erasure: Erasure) -> set[str]:
    return {*erasure.dataset_ids, *([erasure.acquisition_id] if erasure.acquisition_id else [])}


def _names_it(name: JsonValue, erasure: Erasure) -> bool:
    """Tell whether a dataset's, version's or acquisition's id is of what was erased."""
    return isinstance(name, str) and (name in _own_ids(erasure) or name.partition(":")[0] in erasure.dataset_ids)


def _kept(content: Content, erasure: Erasure) -> Content | None:
    """It stays in the catalogue too."""
    del erasure
    return content


def _gone_by(field: str) -> Rule:
    """Make the rule of rows that are removed when the field names what was erased."""

    def rule(content: Content, erasure: Erasure) -> Content | None:
        return None if _names_it(content.get(field), erasure) else content

    return rule


def _event(content: Content, erasure: Erasure) -> Content | None:
    if str(content.get("name", "")).startswith("erasure."):
        return content
    data = content.get("data")
    named = [data.get("dataset_id"), data.get("version_id")] if isinstance(data, dict) else []
    return None if any(_names_it(one, erasure) for one in (content.get("subject"), *named)) else content


def _dataset(content: Content, erasure: Erasure) -> Content | None:
    return {**content, "title": ERASED_TITLE} if _names_it(content.get("dataset_id"), erasure) else content


def _acquisition(content: Content, erasure: Erasure) -> Content | None:
    """Keep that the run was there, under the folder that makes it known again, and nothing that it said of itself."""
    if not _names_it(content.get("acquisition_id"), erasure) or content.get("name") == ERASED_TITLE:
        return content
    told: Content = {"name": ERASED_TITLE, "reason": "erased", "held": "its data were erased"}
    return {**content, **told, "end_reason": None, "progress": None, "release": None}


def _deposit(content: Content, erasure: Erasure) -> Content | None:
    """Keep what stands outside, which is still to be withdrawn there, and no words about it."""
    if not _names_it(content.get("dataset_id"), erasure):
        return content
    reason = None if content.get("reason") is None else PUBLIC_WORDS
    return {**content, "reason": reason, "problem": None}


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("instruments", "projects", "bindings", "adoptions", "lanes", "retention_rules"), _kept),
    **dict.fromkeys(("accounts", "api_tokens", "setup_links", "holds", "erasures"), _kept),
    **dict.fromkeys(("versions", "metric_samples", "copies", "protections"), _gone_by("dataset_id")),
    **dict.fromkeys(("findings", "receipts", "decisions", "publications", "releases"), _gone_by("version_id")),
    **dict.fromkeys(("data_deliveries", "delivery_keys", "delivery_uses"), _gone_by("version_id")),
    "deposits": _deposit,
    "alerts": _gone_by("acquisition_id"),
    "works": _gone_by("subject"),
    "sightings": _gone_by("acquisition_id"),
    "events": _event,
    "datasets": _dataset,
    "acquisitions": _acquisition,
}
"""What becomes of each kind of row. A test fails for a kind that has no rule."""
