"""Reads hints out of what senders and stores write, within bounds; everything in it was written by others.

Three forms: the data of a CloudEvent, S3 event records (AWS, MinIO, Ceph), and the filer notifications of SeaweedFS.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote_plus

from cisterna.domain.errors import InvalidInput
from cisterna.domain.hint import BUCKET_SCHEME, LONGEST_PLACE, Hint
from cisterna.domain.untrusted import json_object, plain_text

MOST_BYTES = 256 * 1024
"""Largest message: S3 event records take 1 KiB each."""
MOST_RECORDS = 1000
DEEPEST = 16
_BUCKETS = "/buckets/"
_UPLOADS = ".uploads"
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)


def require_bounded(body: bytes) -> None:
    """Refuse a body that is too large or nests too deeply, before anything parses it. Raises `InvalidInput`."""
    if len(body) > MOST_BYTES:
        msg = f"the message has {len(body)} bytes; {MOST_BYTES} are allowed: send several"
        raise InvalidInput(msg, limit_bytes=MOST_BYTES)
    depth = 0
    for sign in _TEXT.sub(b"", body):
        depth += (sign in b"[{") - (sign in b"]}")
        if depth > DEEPEST:
            msg = f"the message nests more than {DEEPEST} deep; no event does"
            raise InvalidInput(msg, deepest=DEEPEST)


def hints_of_data(data: object) -> Sequence[Hint]:
    """Read the data of a CloudEvent: an object with `instrument`, or `path` (also `s3://bucket/key`), or both.

    Raises:
        InvalidInput: It names nothing.
    """
    said = data if isinstance(data, dict) else {}
    instrument = plain_text(said.get("instrument"), longest=200)
    place = plain_text(said.get("path"), longest=LONGEST_PLACE)
    hints = [Hint(instrument=instrument)] if instrument else []
    hints += [Hint(place=place)] if place else []
    if not hints:
        msg = "the event's data name neither an instrument nor a path; send {'instrument': NAME} or {'path': PATH}"
        raise InvalidInput(msg)
    return hints


def hints_of_store(body: bytes) -> Sequence[Hint]:
    """Read what a store posts; parts of unfinished uploads are passed over, since nothing of them is to be seen yet.

    Raises:
        InvalidInput: It is neither form, or has more than `MOST_RECORDS` records.
    """
    require_bounded(body)
    said = json_object(body, "the message")
    records = said.get("Records")
    if isinstance(records, list):
        if len(records) > MOST_RECORDS:
            msg = f"the message has {len(records)} records; {MOST_RECORDS} are allowed: send several"
            raise InvalidInput(msg, limit=MOST_RECORDS)
        return [hint for hint in map(_of_record, records) if hint is not None]
    if said.get("Event") == "s3:TestEvent":  # AWS sends one when notifications are set up
        return []
    if isinstance(said.get("key"), str) and isinstance(said.get("event_type"), str):
        return _of_filer(said)
    msg = "the message is neither S3 event records nor a filer notification; look at what the store is told to send"
    raise InvalidInput(msg)


def _of_record(record: object) -> Hint | None:
    """Read one S3 record; one that names no object concerns no landing zone, and is counted so."""
    bucket = _text_at(record, "s3", "bucket", "name")
    key = unquote_plus(_text_at(record, "s3", "object", "key"))
    return _in_bucket(bucket, key)


def _of_filer(said: dict[str, object]) -> Sequence[Hint]:
    """Read a filer notification: where the entry was and, when it was renamed, where it is now."""
    paths = [str(said["key"])]
    parent = _text_at(said, "message", "new_parent_path")
    name = _text_at(said, "message", "new_entry", "name")
    if parent and name:
        paths.append(f"{parent.rstrip('/')}/{name}")
    hints: dict[str, Hint] = {}
    for path in paths:
        if not path.startswith(_BUCKETS):
            hints[path[:LONGEST_PLACE]] = Hint()  # the filer's own: no bucket, no landing zone
            continue
        bucket, _, key = path.removeprefix(_BUCKETS).partition("/")
        found = _in_bucket(bucket, key)
        if found is not None:
            hints[found.place or path] = found
    return list(hints.values())


def _in_bucket(bucket: str, key: str) -> Hint | None:
    if key.split("/", 1)[0] == _UPLOADS:
        return None
    place = f"{BUCKET_SCHEME}{bucket}/{key}"
    return Hint() if not bucket or not key or len(place) > LONGEST_PLACE else Hint(place=place)


def _text_at(said: object, *names: str) -> str:
    for name in names:
        said = said.get(name) if isinstance(said, dict) else None
    return said if isinstance(said, str) else ""
