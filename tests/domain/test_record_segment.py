"""Segments of the record: what is written comes back, and what is not whole is never taken for it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.errors import InvalidInput, ObjectInvalid
from cisterna.domain.record import KINDS, Record
from cisterna.domain.record_segment import Segment, open_segment, segment_digest, write_segment
from cisterna.testing.clock import START

TEXT = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=30)
CONTENT = st.dictionaries(
    TEXT, st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, st.lists, max_leaves=5)
)
RECORDS = st.lists(
    st.builds(
        Record,
        kind=st.sampled_from(sorted(KINDS)),
        key=TEXT.map(lambda text: json.dumps([text], ensure_ascii=False)),
        sequence=st.integers(1, 2**62),
        changed_at=st.just(START),
        content=st.none() | CONTENT,
    ),
    max_size=6,
)


def segment_of(records: list[Record]) -> Segment:
    return write_segment(records, number=7, previous="ab" * 32, written_at=START)


@given(RECORDS)
def test_what_is_written_comes_back(records: list[Record]) -> None:
    segment = segment_of(records)

    header, digest, found = open_segment(segment.name, segment.body)

    assert (header.segment, header.previous, header.records) == (7, "ab" * 32, len(records))
    assert digest == segment.digest == segment_digest(segment.name)
    assert list(found) == records


@given(RECORDS, st.data())
def test_a_segment_with_any_other_byte_or_length_is_refused(records: list[Record], data: st.DataObject) -> None:
    segment = segment_of(records)
    at = data.draw(st.integers(0, len(segment.body) - 1))
    changed = segment.body[:at] + bytes([segment.body[at] ^ data.draw(st.integers(1, 255))]) + segment.body[at + 1 :]

    for body in (changed, segment.body[:at], segment.body + b"x"):
        with pytest.raises(ObjectInvalid, match="digest in its name"):
            open_segment(segment.name, body)


@given(st.binary(max_size=300))
def test_any_bytes_under_their_own_digest_are_a_segment_or_a_named_refusal(body: bytes) -> None:
    import hashlib

    name = f"20261122T120000Z-000000001-{hashlib.sha256(body).hexdigest()}.jsonl.gz"

    try:
        _, _, found = open_segment(name, body)
        for one in found:
            assert isinstance(one, Record | InvalidInput)
    except ObjectInvalid:
        pass
