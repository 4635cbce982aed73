"""What hints name, in every form they come in, and what comes of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.cloud_event import read_cloud_event
from cisterna.domain.errors import InvalidInput, MessageRefused
from cisterna.domain.hint import Hint
from cisterna.services.hint import Taken, take_hints
from cisterna.services.hint_message import DEEPEST, MOST_BYTES, hints_of_data, hints_of_store, require_bounded
from cisterna.services.sender import Signed
from cisterna.testing.clock import START, SettableClock
from cisterna.testing.factory import make_instrument

MESSAGE = Signed(sender="scope-pc", timestamp="1", nonce="n" * 22, signature="s")


def record(key: str, bucket: str = "runs") -> dict[str, Any]:
    return {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": bucket}, "object": {"key": key}}}


def store(said: object) -> list[str | None]:
    return [hint.place for hint in hints_of_store(json.dumps(said).encode())]


@pytest.mark.parametrize(
    ("hint", "concerns"),
    [
        (Hint(instrument="squid-1"), True),
        (Hint(instrument="squid-2"), False),
        (Hint(place="/landing/squid-1"), True),
        (Hint(place="/landing/squid-1/"), True),
        (Hint(place="/landing/squid-1/run/0/a.tiff"), True),
        (Hint(place="/landing/squid-10/run"), False),
        (Hint(place="/landing"), False),
        (Hint(place="/landing/squid-1/../squid-2"), False),
        (Hint(place="landing/squid-1/run"), False),
        (Hint(place="s3://landing/squid-1/run"), False),
        (Hint(), False),
    ],
    ids=str,
)
def test_a_hint_concerns_the_instrument_it_names_or_whose_zone_it_lies_in(hint: Hint, *, concerns: bool) -> None:
    assert hint.concerns(make_instrument("squid-1")) is concerns


def test_a_key_concerns_the_instrument_whose_prefix_it_has() -> None:
    zone = make_instrument("ngs", path="s3://runs/novaseq")

    assert Hint(place="s3://runs/novaseq/230101/x").concerns(zone)
    assert not Hint(place="s3://runs/novaseq2/230101/x").concerns(zone)
    assert not Hint(place="s3://other/novaseq/230101/x").concerns(zone)


def test_an_instrument_that_is_not_watched_concerns_nobody() -> None:
    assert not Hint(instrument="squid-1").concerns(make_instrument("squid-1", watched=False))


def test_records_of_s3_name_their_objects_with_the_key_decoded() -> None:
    said = {"Records": [record("novaseq/run+1/a%2Bb%C3%A9.txt"), record("novaseq/x")]}

    assert store(said) == ["s3://runs/novaseq/run 1/a+bé.txt", "s3://runs/novaseq/x"]


@pytest.mark.parametrize(
    "odd",
    [None, 1, "x", [], {}, {"s3": 1}, {"s3": {"bucket": "x", "object": {"key": "y"}}}, record(""), record("x", "")],
    ids=str,
)
def test_a_record_that_names_no_object_concerns_nothing(odd: object) -> None:
    assert store({"Records": [odd]}) == [None]


def test_a_filer_notification_names_the_entry_and_where_it_went() -> None:
    created = {"key": "/buckets/runs/novaseq/a", "event_type": "create", "message": {"new_entry": {"name": "a"}}}
    renamed = {
        "key": "/buckets/runs/tmp/a",
        "event_type": "rename",
        "message": {"new_entry": {"name": "b"}, "new_parent_path": "/buckets/runs/novaseq"},
    }

    assert store(created) == ["s3://runs/novaseq/a"]
    assert store(renamed) == ["s3://runs/tmp/a", "s3://runs/novaseq/b"]


def test_parts_of_an_upload_that_goes_on_are_no_hint() -> None:
    part = {"key": "/buckets/runs/.uploads/1f2e/0001.part", "event_type": "create", "message": {}}

    assert store(part) == []


def test_what_the_filer_keeps_beside_the_buckets_concerns_nothing() -> None:
    assert store({"key": "/etc/iam/identities", "event_type": "update", "message": {}}) == [None]


def test_the_test_message_of_aws_is_taken_and_means_nothing() -> None:
    assert store({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "runs"}) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"nothing",
        b"\xff\xfe",
        b'{"Records": {}}',
        b'{"key": 1, "event_type": "create"}',
        b'{"a": NaN, "Records": []}',
        b"[" * 100_000,
        b'{"Records": ' + b"[" * 50 + b"]" * 50 + b"}",
        b'{"Records": [' + b",".join([b"{}"] * 1001) + b"]}",
        b'{"x": "' + b"a" * MOST_BYTES + b'"}',
    ],
    ids=lambda body: f"{len(body)} {body[:20]!r}",
)
def test_a_body_that_is_no_message_or_too_much_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        hints_of_store(body)


def test_depth_is_counted_outside_of_texts() -> None:
    require_bounded(json.dumps({"text": "[{" * 500 + '\\"' + "[" * 500}).encode())

    with pytest.raises(InvalidInput, match="deep"):
        require_bounded(b"[" * (DEEPEST + 1))


@given(body=st.binary(max_size=300) | st.text('[]{}"\\:,0aRecords \n', max_size=200).map(str.encode))
def test_no_body_does_more_than_be_refused(body: bytes) -> None:
    try:
        hints_of_store(body)
        hints_of_data(read_cloud_event({"content-type": "application/cloudevents+json"}, body))
    except InvalidInput:
        pass


def binary(**changes: str) -> dict[str, str]:
    attributes = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/squid", "ce-type": "run.ended"}
    return attributes | {"content-type": "application/json"} | changes


def test_events_in_both_modes_say_the_same() -> None:
    data = {"instrument": "squid-1", "path": "/landing/squid-1/run"}
    whole = {"specversion": "1.0", "id": "1", "source": "/squid", "type": "run.ended", "data": data}

    in_headers = read_cloud_event(binary(), json.dumps(data).encode())
    in_body = read_cloud_event({"Content-Type": "application/cloudevents+json"}, json.dumps(whole).encode())

    assert in_headers == in_body == data
    assert hints_of_data(data) == [Hint(instrument="squid-1"), Hint(place="/landing/squid-1/run")]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"{}"),
        (binary(**{"ce-id": ""}), b"{}"),
        (binary(**{"ce-specversion": "0.3"}), b"{}"),
        (binary(**{"ce-specversion": "7"}), b"{}"),
        (binary(**{"ce-time": "yesterday"}), b"{}"),
        ({"content-type": "application/cloudevents+json"}, b"[]"),
        ({"content-type": "application/cloudevents+json"}, b'{"specversion": "1.0", "time": 5}'),
        ({"content-type": "application/cloudevents+json"}, b'{"specversion": {}, "data": {}}'),
        ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
    ],
    ids=str,
)
def test_what_is_no_cloudevent_is_refused_by_name(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_cloud_event(headers, body)


@pytest.mark.parametrize(
    "data",
    [None, "squid-1", [], {}, {"instrument": 1}, {"path": "a\0b"}, {"path": "x" * 5000}],
    ids=lambda v: str(v)[:20],
)
def test_data_that_name_nothing_are_refused(data: object) -> None:
    with pytest.raises(InvalidInput, match="neither an instrument nor a path"):
        hints_of_data(data)


def test_taking_hints_rings_for_each_instrument_once_and_counts_what_is_unknown(catalogue: SqlCatalogue) -> None:
    with catalogue.begin() as tx:
        tx.instruments.add(make_instrument("squid-1"))
        tx.instruments.add(make_instrument("squid-2"))
    heard = catalogue.listen(timeout=timedelta(seconds=20))
    assert next(heard) == ""
    places = [Hint(place="/landing/squid-1/run")] * 10 + [Hint(place="/etc/passwd")]

    taken = take_hints(places, signed=None, catalogue=catalogue, now=START)

    assert taken == Taken(instruments=("squid-1",), unknown=1)
    assert next(heard) == "hint:squid-1"
    heard.close()  # type: ignore[attr-defined]


def test_a_replay_is_refused_by_whoever_opens_the_catalogue(catalogue: SqlCatalogue, clock: SettableClock) -> None:
    take_hints([], signed=MESSAGE, catalogue=catalogue, now=clock.now())

    with pytest.raises(MessageRefused) as refusal:
        take_hints([], signed=MESSAGE, catalogue=catalogue, now=clock.now() + timedelta(minutes=4))
    assert refusal.value.facts["why"] == "replayed"
    take_hints([], signed=MESSAGE.model_copy(update={"sender": "other"}), catalogue=catalogue, now=clock.now())


def test_nonces_are_kept_for_as_long_as_a_clock_may_jump_and_then_dropped(catalogue: SqlCatalogue) -> None:
    def is_new(nonce: str, *, hours: float) -> bool:
        now = START + timedelta(hours=hours)
        with catalogue.begin() as tx:
            return tx.hints.take_nonce("scope-pc", nonce, now=now, until=now + timedelta(days=2))

    assert [is_new("a", hours=0), is_new("a", hours=24), is_new("b", hours=24)] == [True, False, True]
    assert is_new("a", hours=48.1)
