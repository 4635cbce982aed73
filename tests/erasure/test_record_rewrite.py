"""The archive's record says nothing of what was erased, in no store and no version of any key, and stays whole."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.erasure import Erasure, ErasureState
from cisterna.domain.errors import HostileInput, StoreUnavailable
from cisterna.domain.rebuild import RebuildOutcome
from cisterna.domain.record_segment import RECORD_ROOT, SEGMENTS, TOMBSTONES, SegmentName, newest_of, segment_name
from cisterna.ports.erasure import Content, Eraser, Removed
from cisterna.services.erase import erase_dataset
from cisterna.services.rebuild import rebuild_catalogue
from cisterna.services.record import record_changes
from tests.archive.told import dump
from tests.erasure.yard import ORDER, SECRET, Away, Killed, Yard

CATALOGUE = "the record of the catalogue"


def erase(yard: Yard, identifier: str, *, first: bool = True) -> Erasure:
    return erase_dataset(identifier, person="anna", order=ORDER if first else None, site=yard.site)


def segments(store: S3Store) -> list[SegmentName]:
    found = (segment_name(one.key.removeprefix(SEGMENTS)) for one in store.list(SEGMENTS))
    return [one for one in found if one is not None]


def lines(store: S3Store, name: SegmentName) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(store.get(name.key)[0]).splitlines()]


def telling(yard: Yard) -> list[str]:
    """Say in which version of which key of which store the secret still stands."""
    found = []
    for store in (yard.archive, yard.copy, yard.public):
        for key, version in yard.stored_versions(store, ""):
            if (store.bucket, key, version) in marks(yard, store):
                continue
            body = yard.client.get_object(Bucket=store.bucket, Key=key, VersionId=version)["Body"].read()
            plain = gzip.decompress(body) if key.endswith(".gz") else body
            found += [f"{store.name} {key} {version}"] if SECRET.encode() in plain else []
    return found


def marks(yard: Yard, store: S3Store) -> set[tuple[str, str, str]]:
    answer: Any = yard.client.list_object_versions(Bucket=store.bucket)
    return {(store.bucket, one["Key"], one["VersionId"]) for one in answer.get("DeleteMarkers", [])}


def recorded(yard: Yard, *runs: str) -> list[str]:
    """Archive runs, and let several segments of the record tell of each; give their datasets."""
    found = [yard.archived(run).dataset_id for run in runs]
    for word in ("first", "second"):
        with yard.catalogue.begin() as tx:
            for one in found:
                tx.datasets.save(tx.datasets.get(one).model_copy(update={"title": f"{SECRET} {word}"}))
        while record_changes(catalogue=yard.catalogue, store=yard.archive, clock=yard.facility.clock, limit=12):
            yard.facility.clock.advance(1)
    yard.record()
    return found


def rebuilt(yard: Yard, empty: SqlCatalogue, store: S3Store) -> list[str]:
    """Rebuild from a store, hold it against the living catalogue, and give what was not believed."""
    found = rebuild_catalogue(catalogue=empty, store=store)
    assert dump(empty) == dump(yard.catalogue)
    return [fault.reason for fault in found.faults]


@pytest.mark.parametrize("keeps_versions", [False, True])
def test_no_version_of_any_key_of_any_store_tells_of_it_and_a_rebuild_equals_the_catalogue(
    yard: Yard, empty_catalogue: SqlCatalogue, *, keeps_versions: bool
) -> None:
    if keeps_versions:
        for store in (yard.archive, yard.copy, yard.public):
            yard.versioned(store)
    (doomed,) = recorded(yard, "run-1")
    before = {one.place: lines(yard.archive, one) for one in segments(yard.archive)}
    assert len([one for one in telling(yard) if SEGMENTS in one]) > 2

    done = erase(yard, doomed)
    yard.record()

    assert done.state is ErasureState.DONE, done.remains
    assert not [one for one in done.remains if one.what == CATALOGUE]
    assert telling(yard) == []
    after = {one.place: lines(yard.archive, one) for one in segments(yard.archive)}
    assert before.keys() <= after.keys()
    for place, rows in before.items():
        same = ("kind", "key", "sequence", "changed_at")
        assert [[one[name] for name in same] for one in rows[1:]] == [
            [one[name] for name in same] for one in after[place][1:]
        ]
    assert rebuilt(yard, empty_catalogue, yard.archive) == []


def test_a_rewritten_segment_says_what_it_replaces_for_which_erasure_and_the_next_still_names_it(yard: Yard) -> None:
    first, second = recorded(yard, "run-1", "run-2")
    original = segments(yard.archive)

    done = erase(yard, first)
    again = erase(yard, second)

    present = {one.place: one for one in segments(yard.archive)}
    twice = [one for one in present.values() if one.rewritten == 2]
    assert twice
    for one in twice:
        replaces = lines(yard.archive, one)[0]["replaces"]
        assert [each["erasure_id"] for each in replaces] == [done.erasure_id, again.erasure_id]
        assert replaces[0]["digest"] == one.original
    assert [present[one.place].original for one in original] == [one.digest for one in original]
    headers = [lines(yard.archive, one)[0] for one in present.values()]
    assert [one["previous"] for one in headers][1:] == [one.original for one in present.values()][:-1]
    assert [str(one) for one in segments(yard.copy)] == [str(one) for one in segments(yard.archive)]


def test_what_the_record_says_of_a_neighbour_stays_byte_for_byte(yard: Yard) -> None:
    first, neighbour = recorded(yard, "run-1", "run-2")

    def told() -> list[dict[str, Any]]:
        return [
            one
            for name in segments(yard.archive)
            for one in lines(yard.archive, name)[1:]
            if neighbour in str(one) and first not in str(one)
        ]

    before = told()

    erase(yard, first)

    assert before
    assert told()[: len(before)] == before


class Dying:
    """The real store, whose writer is killed before or after a write of a segment."""

    def __init__(self, store: S3Store, strike: Callable[[], None]) -> None:
        self._store, self._strike = store, strike
        self.name, self.bucket = store.name, store.bucket

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put(self, key: str, *values: object, **options: object) -> object:
        is_segment = key.startswith(SEGMENTS) and not key.startswith(TOMBSTONES)
        if is_segment:
            self._strike()
        put = self._store.put(key, *values, **options)  # type: ignore[arg-type]
        if is_segment:
            self._strike()
        return put


class DyingEraser:
    """The real eraser, whose caller is killed before or after the removal of a segment."""

    def __init__(self, real: Eraser, strike: Callable[[], None]) -> None:
        self.store, self._real, self._strike = real.store, real, strike

    def look(self, object_root: str, *, pid: str) -> Content:
        return self._real.look(object_root, pid=pid)

    def remove(self, object_root: str, *, pid: str) -> Removed:
        return self._real.remove(object_root, pid=pid)

    def remove_replaced(self, pid: str) -> Removed:
        return self._real.remove_replaced(pid)

    def remove_segment(self, key: str) -> Removed:
        self._strike()
        gone = self._real.remove_segment(key)
        self._strike()
        return gone


def strikes(after: int) -> Callable[[], None]:
    """Kill at every call from the n-th on."""
    left = itertools.count(after, -1)

    def strike() -> None:
        if next(left) <= 0:
            raise Killed

    return strike


def test_killed_before_and_after_every_write_and_removal_the_record_is_whole_and_the_end_is_the_same(
    yard: Yard,
) -> None:
    doomed, neighbour = recorded(yard, "run-1", "run-2")
    archive, copy, erasers = yard.archive, yard.copy, dict(yard.erasers)
    done, kills = None, 0
    while done is None:
        strike = strikes(kills)
        yard.archive, yard.copy = Dying(archive, strike), Dying(copy, strike)  # type: ignore[assignment]
        yard.erasers = {name: DyingEraser(one, strike) for name, one in erasers.items()}
        try:
            done = erase(yard, doomed, first=not kills)
        except Killed:
            kills += 1
        yard.archive, yard.copy, yard.erasers = archive, copy, erasers
        if done is None and kills > 2:  # what the rows came to is in the record by then
            held = rebuild_catalogue(catalogue=yard.catalogue, store=archive)
            assert (held.outcome, held.faults) == (RebuildOutcome.EQUAL, ())

    assert kills > 6
    assert done.state is ErasureState.DONE, done.remains
    assert newest_of(segments(archive)) == segments(archive)
    for store in (archive, copy):
        told = [one for name in segments(store) for one in lines(store, name)[1:] if SECRET in str(one)]
        assert told
        assert all(neighbour in str(one) and doomed not in str(one) for one in told)


def test_a_store_that_is_away_leaves_it_incomplete_and_the_same_call_goes_on(yard: Yard) -> None:
    (doomed,) = recorded(yard, "run-1")
    back = yard.erasers["second"]
    yard.erasers["second"] = Away("second")

    first = erase(yard, doomed)

    assert first.state is ErasureState.INCOMPLETE
    assert {(one.what, one.where) for one in first.remains if one.is_open} == {
        (f"the object of {doomed}", "second"),
        (CATALOGUE, "second"),
    }
    assert not [one for one in telling(yard) if one.startswith("archive")]
    assert [one for one in telling(yard) if SEGMENTS in one]
    yard.erasers["second"] = back

    assert erase(yard, doomed, first=False).state is ErasureState.DONE
    assert telling(yard) == []


class Hiding:
    """The real eraser with keys that may hide a segment and not delete what was there: versions stay."""

    def __init__(self, real: Eraser, store: S3Store) -> None:
        self.store, self._real, self._store = real.store, real, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def remove_segment(self, key: str) -> Removed:
        self._store.delete([key])
        return Removed(removed=1, left=Content(replaced=2))


def test_versions_that_were_only_hidden_go_when_keys_that_may_are_given(yard: Yard) -> None:
    yard.versioned(yard.archive)
    (doomed,) = recorded(yard, "run-1")
    real = yard.erasers["archive"]
    yard.erasers["archive"] = Hiding(real, yard.archive)

    first = erase(yard, doomed)

    assert first.state is ErasureState.INCOMPLETE
    assert [one.where for one in first.remains if one.is_open] == ["archive"]
    assert [one for one in telling(yard) if SEGMENTS in one]
    yard.erasers["archive"] = real

    assert erase(yard, doomed, first=False).state is ErasureState.DONE
    assert telling(yard) == []


def test_a_damaged_segment_is_named_stays_and_leaves_it_incomplete(yard: Yard) -> None:
    (doomed,) = recorded(yard, "run-1")
    one = next(name for name in segments(yard.archive) if SECRET in str(lines(yard.archive, name)))
    body = yard.archive.get(one.key)[0]
    yard.archive.put(one.key, body[:-9])

    first = erase(yard, doomed)

    left = next(each for each in first.remains if each.is_open)
    assert (left.what, left.where) == (CATALOGUE, "archive")
    assert str(one) in left.reason
    yard.archive.put(one.key, body)
    assert erase(yard, doomed, first=False).state is ErasureState.DONE
    assert telling(yard) == []


def test_a_store_that_does_not_keep_what_is_written_loses_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    (doomed,) = recorded(yard, "run-1")
    put, before = yard.archive.put, segments(yard.archive)

    def spoil(key: str, body: bytes, **options: Any) -> object:
        is_new = (segment_name(key.removeprefix(SEGMENTS)) or before[0]).rewritten
        return put(key, body[:-1] if is_new else body, **options)

    with monkeypatch.context() as spoiling:
        spoiling.setattr(yard.archive, "put", spoil)
        first = erase(yard, doomed)

    assert first.state is ErasureState.INCOMPLETE
    assert {str(one) for one in before} <= {str(one) for one in segments(yard.archive)}
    assert any("did not come back" in one.reason for one in first.remains if one.is_open)


def test_a_rewritten_segment_without_its_tombstone_is_named_by_a_rebuild(
    yard: Yard, empty_catalogue: SqlCatalogue
) -> None:
    (doomed,) = recorded(yard, "run-1")
    done = erase(yard, doomed)
    yard.record()
    yard.archive.delete([f"{TOMBSTONES}{done.erasure_id}.json"])

    faults = rebuilt(yard, empty_catalogue, yard.archive)

    assert [one for one in faults if done.erasure_id in one and "no tombstone" in one]


def test_a_segment_of_a_rewritten_place_that_is_lost_is_missed(yard: Yard, empty_catalogue: SqlCatalogue) -> None:
    (doomed,) = recorded(yard, "run-1")
    erase(yard, doomed)
    yard.record()
    lost = next(one for one in segments(yard.archive) if one.rewritten)
    yard.archive.delete([lost.key])

    found = rebuild_catalogue(catalogue=empty_catalogue, store=yard.archive)

    assert [one.where for one in found.faults if "is missing" in one.reason] == [
        f"{SEGMENTS}*-{int(lost.place.split('-')[1]):09d}-{lost.original}.jsonl.gz"
    ]


def test_segments_from_before_the_data_were_seen_are_not_read(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(yard, "run-1")
    old = {one.key for one in segments(yard.archive)}
    yard.facility.clock.advance(3 * 86_400)
    now = yard.facility.clock.now()
    (doomed,) = recorded(yard, "run-2")
    with yard.catalogue.begin() as tx:
        dataset = tx.datasets.get(doomed)
        acquisition = tx.acquisitions.get(dataset.acquisition_id or "")
        tx.datasets.save(dataset.model_copy(update={"created_at": now}))
        tx.acquisitions.save(acquisition.model_copy(update={"first_seen": now}))
    read: list[str] = []
    stream = yard.archive.stream

    def noted(key: str, **options: Any) -> object:
        read.append(key)
        return stream(key, **options)

    monkeypatch.setattr(yard.archive, "stream", noted)

    assert erase(yard, doomed).state is ErasureState.DONE
    assert read
    assert not old.intersection(read)


def test_what_is_called_nearly_like_a_segment_stays_and_stops_nothing(yard: Yard) -> None:
    (doomed,) = recorded(yard, "run-1")
    beside = f"{next(one for one in segments(yard.archive) if SECRET in str(lines(yard.archive, one))).key}.old"
    yard.archive.put(beside, b"somebody's own")

    done = erase(yard, doomed)

    assert done.state is ErasureState.DONE, done.remains
    assert yard.archive.get(beside)[0] == b"somebody's own"
    assert telling(yard) == []


@pytest.mark.parametrize(
    "key", ["", RECORD_ROOT, SEGMENTS, f"{SEGMENTS}x.jsonl.gz", f"{TOMBSTONES}a.json", "20261130T000000Z-000000001-"]
)
def test_nothing_but_a_segment_is_removed_as_one(yard: Yard, key: str) -> None:
    recorded(yard, "run-1")
    before = yard.everything(yard.archive)

    with pytest.raises(HostileInput):
        yard.erasers["archive"].remove_segment(key)

    assert yard.everything(yard.archive) == before


def test_nothing_goes_from_the_record_of_a_copy_that_does_not_take_the_tombstone(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    (doomed,) = recorded(yard, "run-1")
    put, before = yard.copy.put, [str(one) for one in segments(yard.copy)]

    def refuse(key: str, *values: Any, **options: Any) -> object:
        if key.startswith(TOMBSTONES):
            raise StoreUnavailable("second did not answer")
        return put(key, *values, **options)

    with monkeypatch.context() as broken:
        broken.setattr(yard.copy, "put", refuse)
        first = erase(yard, doomed)

    assert [(one.what, one.where) for one in first.remains if one.is_open] == [("the tombstone", "second")]
    assert set(before) <= {str(one) for one in segments(yard.copy)}
    assert erase(yard, doomed, first=False).state is ErasureState.DONE
    assert telling(yard) == []


def test_the_record_that_cannot_be_written_leaves_it_incomplete(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    (doomed,) = recorded(yard, "run-1")
    put = yard.archive.put

    def away(key: str, *values: Any, **options: Any) -> object:
        if key.startswith(SEGMENTS) and not key.startswith(TOMBSTONES):
            raise StoreUnavailable("archive did not answer")
        return put(key, *values, **options)

    with monkeypatch.context() as broken:
        broken.setattr(yard.archive, "put", away)
        first = erase(yard, doomed)

    assert [(one.what, one.where) for one in first.remains if one.is_open] == [(CATALOGUE, "archive")]
    assert erase(yard, doomed, first=False).state is ErasureState.DONE
    assert telling(yard) == []
