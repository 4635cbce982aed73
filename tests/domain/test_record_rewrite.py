"""What the record says of erased data: a rule for every kind of row, and segments that stay what they were."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

import pytest

from cisterna.domain.erasure import ERASED_TITLE, ErasedObject, Erasure, Order
from cisterna.domain.errors import InvalidInput, ObjectInvalid
from cisterna.domain.identifier import dataset_id
from cisterna.domain.ocfl import object_root
from cisterna.domain.record import KINDS, Record
from cisterna.domain.record_rewrite import RULES, rewrite_segment, without
from cisterna.domain.record_segment import SegmentName, newest_of, open_segment, segment_name, write_segment
from cisterna.testing.clock import START

OURS, THEIRS = dataset_id(origin="acq-1"), dataset_id(origin="acq-2")
ACQUISITION = "acq-00000000000000000000000001"
ARK = "ark:/99999/abcd"
ERASURE = Erasure(
    erasure_id="erasure-1",
    target=OURS,
    acquisition_id=ACQUISITION,
    objects=(ErasedObject(dataset_id=OURS, pid=ARK, object_root=object_root(ARK)),),
    stores=("archive",),
    person="anna",
    order=Order(controller="c", basis="b", decision="d"),
    announced_at=START,
)
SECRET = "patient Zero Doe"


def record(kind: str, content: Any, **more: Any) -> Record:
    return Record(**{"kind": kind, "key": '["x"]', "sequence": 3, "changed_at": START, "content": content, **more})


def test_every_kind_of_row_has_a_rule_and_no_other() -> None:
    assert set(RULES) == set(KINDS)


GONE = [
    ("versions", {"dataset_id": OURS}),
    ("copies", {"dataset_id": OURS}),
    ("protections", {"dataset_id": OURS}),
    *((kind, {"version_id": f"{OURS}:v1.2"}) for kind in ("findings", "receipts", "decisions", "publications")),
    ("releases", {"version_id": f"{OURS}:v1"}),
    *((kind, {"version_id": f"{OURS}:v1"}) for kind in ("data_deliveries", "delivery_keys", "delivery_uses")),
    ("alerts", {"acquisition_id": ACQUISITION}),
    ("works", {"subject": ACQUISITION}),
    ("works", {"subject": f"{OURS}:v1"}),
    ("events", {"name": "receipt.issued", "subject": f"{OURS}:v1"}),
    ("events", {"name": "acquisition.seen", "subject": ACQUISITION}),
    ("events", {"name": "hold.placed", "subject": "h", "data": {"dataset_id": OURS}}),
    ("events", {"name": "x", "subject": "y", "data": {"version_id": f"{OURS}:v3"}}),
]
KEPT = [
    *((kind, {"dataset_id": THEIRS, "version_id": f"{THEIRS}:v1", "subject": THEIRS}) for kind in sorted(KINDS)),
    *((kind, {"dataset_id": OURS, "target": OURS}) for kind in ("holds", "erasures", "projects", "accounts", "lanes")),
    ("events", {"name": "erasure.begun", "subject": OURS, "data": {"datasets": [OURS]}}),
    ("events", {"name": "x", "subject": 7, "data": [OURS]}),
    ("events", {"name": None, "subject": None, "data": None}),
    ("works", {"subject": f"infer {OURS}"}),
    ("versions", {"dataset_id": [OURS]}),
    ("versions", {}),
    ("versions", None),
]


@pytest.mark.parametrize(("kind", "content"), GONE, ids=[f"{kind}-{at}" for at, (kind, _) in enumerate(GONE)])
def test_a_row_of_erased_data_is_told_as_removed(kind: str, content: dict[str, Any]) -> None:
    before = record(kind, {**content, "title": SECRET})

    assert without(before, ERASURE) == before.model_copy(update={"content": None})


@pytest.mark.parametrize(("kind", "content"), KEPT, ids=[f"{kind}-{at}" for at, (kind, _) in enumerate(KEPT)])
def test_a_row_of_other_data_is_left_as_it_is(kind: str, content: dict[str, Any] | None) -> None:
    before = record(kind, content)

    assert without(before, ERASURE) is before


def test_the_dataset_keeps_its_ids_and_loses_its_title_and_again_changes_nothing() -> None:
    once = without(record("datasets", {"dataset_id": OURS, "title": SECRET, "pid": ARK}), ERASURE)

    assert once.content == {"dataset_id": OURS, "title": ERASED_TITLE, "pid": ARK}
    assert without(once, ERASURE) is once


def test_the_acquisition_keeps_what_makes_it_known_again_and_nothing_that_it_said_of_itself() -> None:
    told = {"acquisition_id": ACQUISITION, "folder": "f", "name": SECRET, "reason": SECRET, "held": SECRET}

    once = without(record("acquisitions", {**told, "end_reason": "error", "progress": 0.5, "release": "r"}), ERASURE)

    assert once.content is not None
    assert SECRET not in str(once.content)
    assert (once.content["folder"], once.content["name"]) == ("f", ERASED_TITLE)
    assert [once.content[name] for name in ("end_reason", "progress", "release")] == [None, None, None]
    assert without(once, ERASURE) is once


@pytest.mark.parametrize("more", [{"kind": "new_table"}, {"schema_version": 999}])
def test_what_this_cisterna_does_not_know_is_refused_and_not_guessed(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="use a newer one"):
        without(record("versions", {"dataset_id": OURS}).model_copy(update=more), ERASURE)


def written(*records: Record) -> tuple[SegmentName, bytes]:
    segment = write_segment(records, number=4, previous="ab" * 32, written_at=START)
    name = segment_name(segment.name)
    assert name is not None
    return name, segment.body


def named(text: str) -> SegmentName:
    found = segment_name(text)
    assert found is not None
    return found


def test_a_segment_is_written_anew_with_the_same_lines_and_says_what_it_replaces() -> None:
    kept = record("versions", {"dataset_id": THEIRS, "n": "ä\u2028"})
    name, body = written(record("versions", {"dataset_id": OURS, "title": SECRET}), kept)

    found = rewrite_segment(name, [body[at : at + 1] for at in range(len(body))], erasure=ERASURE)

    assert found.segment is not None
    header, _, records = open_segment(found.segment.name, found.segment.body)
    assert list(records) == [record("versions", None), kept]
    assert (header.segment, header.previous, header.records) == (4, "ab" * 32, 2)
    assert [(one.digest, one.erasure_id) for one in header.replaces] == [(name.digest, "erasure-1")]
    assert named(found.segment.name).original == name.digest
    assert SECRET.encode() not in gzip.decompress(found.segment.body)
    assert rewrite_segment(name, [body], erasure=ERASURE) == found


def test_rewritten_again_it_still_stands_for_the_first_and_names_what_went_for_whom() -> None:
    name, body = written(record("versions", {"dataset_id": OURS}), record("versions", {"dataset_id": THEIRS}))
    pid = "ark:/99999/other"
    theirs = ErasedObject(dataset_id=THEIRS, pid=pid, object_root=object_root(pid))
    other = ERASURE.model_copy(update={"erasure_id": "erasure-2", "objects": (theirs,), "acquisition_id": None})
    once = rewrite_segment(name, [body], erasure=ERASURE).segment
    assert once is not None

    twice = rewrite_segment(named(once.name), [once.body], erasure=other).segment

    assert twice is not None
    assert (named(twice.name).original, named(twice.name).rewritten) == (name.digest, 2)
    assert rewrite_segment(named(twice.name), [twice.body], erasure=ERASURE).replaced == (name,)
    assert rewrite_segment(named(twice.name), [twice.body], erasure=other).replaced == (named(once.name),)


def test_a_segment_of_other_data_is_not_written_anew() -> None:
    name, body = written(record("versions", {"dataset_id": THEIRS}))

    found = rewrite_segment(name, [body], erasure=ERASURE)

    assert (found.segment, found.replaced) == (None, ())


@pytest.mark.parametrize("spoil", [lambda body: body[:-3], lambda body: body + b"x", lambda _: b"", lambda _: b"\x1f"])
def test_a_segment_without_its_digest_is_refused(spoil: Any) -> None:
    name, body = written(record("versions", {"dataset_id": OURS}))

    with pytest.raises(ObjectInvalid):
        rewrite_segment(name, [spoil(body)], erasure=ERASURE)


def test_a_line_of_the_data_that_is_no_record_is_refused_and_not_passed_over() -> None:
    name, body = written(record("versions", {"dataset_id": THEIRS}))
    lines = gzip.decompress(body).splitlines()
    spoilt = gzip.compress(b"\n".join([lines[0], OURS.encode() + b" {", b""]), mtime=0)
    digest = hashlib.sha256(spoilt).hexdigest()

    with pytest.raises(ObjectInvalid, match="line 2 names the data and is no record"):
        rewrite_segment(SegmentName(name.place, digest, digest), [spoilt], erasure=ERASURE)


@pytest.mark.parametrize("claimed", [("f" * 64, 1), (None, 2)], ids=["of another place", "too often"])
def test_a_segment_that_claims_by_its_name_to_replace_others_is_believed_by_nobody(
    claimed: tuple[str | None, int],
) -> None:
    name, body = written(record("versions", {"dataset_id": OURS}), record("versions", {"dataset_id": THEIRS}))
    once = rewrite_segment(name, [body], erasure=ERASURE).segment
    assert once is not None
    false = SegmentName(name.place, once.digest, claimed[0] or name.digest, claimed[1])

    with pytest.raises(ObjectInvalid, match="replaces other segments"):
        open_segment(str(false), once.body)
    with pytest.raises(ObjectInvalid, match="replaces other segments"):
        rewrite_segment(false, [once.body], erasure=ERASURE)


def test_of_several_in_one_place_the_one_that_was_rewritten_most_often_holds() -> None:
    first, other = SegmentName("p", "a" * 64, "a" * 64), SegmentName("p", "b" * 64, "b" * 64)
    once, twice = SegmentName("p", "c" * 64, "a" * 64, 1), SegmentName("p", "d" * 64, "a" * 64, 2)

    assert newest_of([first, once, twice, other]) == [twice, other]
    assert newest_of([once, first]) == [once]
    assert newest_of([]) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        f"20261130T000000Z-000000001-{'a' * 64}-{'b' * 64}-0.jsonl.gz",
        f"20261130T000000Z-1-{'a' * 64}.jsonl.gz",
    ],
)
def test_what_is_not_called_as_segments_are_is_none(text: str) -> None:
    assert segment_name(text) is None
