"""The archive's record of the catalogue: nothing that changes is forgotten, and nothing written is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text as sql_text

from cisterna.adapters.catalogue_tables import metadata
from cisterna.adapters.s3_obstore import S3Store
from cisterna.domain.errors import ChecksumMismatch, StoreUnavailable
from cisterna.domain.record import KINDS, NOT_KEPT
from cisterna.domain.record_segment import RECORD_ROOT, SEGMENTS, segment_digest
from cisterna.services.health import Condition, look_at_record
from cisterna.services.record import copy_record, record_all, record_changes
from tests.archive.ocfl_judge import dump as copy_bucket
from tests.archive.ocfl_judge import judge
from tests.archive.told import Told, lines_of

pytestmark = pytest.mark.timeout(120)


def test_every_table_is_kept_or_said_why_not() -> None:
    assert set(KINDS) | set(NOT_KEPT) == set(metadata.tables)
    assert not set(KINDS) & set(NOT_KEPT)
    assert all(NOT_KEPT.values())


def test_whatever_changes_is_in_the_next_segment_whoever_changed_it(told: Told) -> None:
    told.record()
    with told.catalogue._engine.begin() as connection:
        connection.execute(sql_text("UPDATE accounts SET body = body WHERE name = 'rosa'"))

    assert told.record() == 1

    _, record = lines_of(told.store.get(told.segments()[-1])[0])
    assert (record["kind"], record["key"], record["content"]["name"]) == ("accounts", '["rosa"]', "rosa")
    assert record["schema_version"] == 1


def test_a_catalogue_at_rest_writes_nothing(told: Told) -> None:
    told.record()
    before = told.segments()

    assert told.record() == 0

    assert told.segments() == before


def test_what_is_removed_is_recorded_as_removed(told: Told) -> None:
    told.record()

    (segment,) = told.segments()
    removed = [one for one in lines_of(told.store.get(segment)[0])[1:] if one["content"] is None]
    assert [(one["kind"], one["key"]) for one in removed] == [("bindings", "[2]")]


def test_segments_are_small_and_each_names_the_one_before(told: Told) -> None:
    clock = told.facility.clock
    while record_changes(catalogue=told.catalogue, store=told.store, clock=clock, limit=3):
        pass

    headers = [lines_of(told.store.get(key)[0])[0] for key in told.segments()]
    digests = [key.rsplit("-", 1)[1].removesuffix(".jsonl.gz") for key in told.segments()]
    assert [one["segment"] for one in headers] == list(range(1, len(headers) + 1))
    assert [one["previous"] for one in headers] == [None, *digests[:-1]]
    assert all(one["records"] <= 3 for one in headers)
    assert all(segment_digest(key.removeprefix(SEGMENTS)) for key in told.segments())


class Died(BaseException):
    """Stands for SIGKILL."""


class DyingStore:
    """The real store, whose writer dies at the nth write, after it took place; or which refuses all writes."""

    def __init__(self, told: Told, *, nth: int, how: type[BaseException] = Died) -> None:
        self._store, self._left, self._how = told.store, nth, how

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def put(self, *values: object, **options: object) -> object:
        self._left -= 1
        if self._left < 0 and self._how is StoreUnavailable:
            raise self._how("the store is away")
        result = self._store.put(*values, **options)  # type: ignore[arg-type]
        if self._left == 0:
            raise self._how
        return result


@pytest.mark.parametrize("nth", range(1, 11))
def test_killed_after_any_write_the_next_run_makes_a_valid_and_whole_record(
    told: Told,
    nth: int,
    ocfl_validate: list[str],
    tmp_path: Path,
) -> None:
    clock = told.facility.clock
    dying = DyingStore(told, nth=nth)
    try:
        record_all(catalogue=told.catalogue, store=dying, clock=clock)  # type: ignore[arg-type]
    except Died:
        clock.advance(60)

    record_all(catalogue=told.catalogue, store=told.store, clock=clock)

    with told.catalogue.begin() as tx:
        assert tx.records.unrecorded() == 0
    root = tmp_path / "root"
    copy_bucket(told.store, root)
    said = judge(ocfl_validate, root) + judge(ocfl_validate, root / RECORD_ROOT)
    assert "is VALID" in said
    assert "[W" not in said, said


def test_what_cannot_be_written_now_waits(told: Told) -> None:
    away = DyingStore(told, nth=0, how=StoreUnavailable)

    with pytest.raises(StoreUnavailable):
        record_all(catalogue=told.catalogue, store=away, clock=told.facility.clock)  # type: ignore[arg-type]

    with told.catalogue.begin() as tx:
        assert tx.records.unrecorded() > 0
    assert told.segments() == []
    assert told.record() > 0


def test_changes_that_wait_too_long_are_a_warning(told: Told) -> None:
    now = told.facility.clock.advance(0)
    with told.catalogue._engine.begin() as connection:
        connection.execute(sql_text("UPDATE changes SET changed_at = :now"), {"now": now})
    on_time = look_at_record(told.catalogue, clock=told.facility.clock)
    told.facility.clock.advance(601)

    late = look_at_record(told.catalogue, clock=told.facility.clock)
    told.record()

    assert [on_time.condition, late.condition] == [Condition.OK, Condition.WARNING]
    assert "in the catalogue alone" in late.message
    assert look_at_record(told.catalogue, clock=told.facility.clock).condition is Condition.OK


def test_a_row_that_changes_while_it_is_written_is_written_again(told: Told) -> None:
    class Meddling(DyingStore):
        def put(self, key: str, *values: object, **options: object) -> object:  # type: ignore[override]
            if key.startswith(SEGMENTS):
                with told.catalogue.begin() as tx:
                    account = tx.accounts.list()[0]
                    tx.accounts.save(account.model_copy(update={"full_name": "Rosa Franklin"}))
            return self._store.put(key, *values, **options)  # type: ignore[arg-type]

    record_changes(catalogue=told.catalogue, store=Meddling(told, nth=0), clock=told.facility.clock)  # type: ignore[arg-type]

    assert told.record() == 1
    newest = lines_of(told.store.get(told.segments()[-1])[0])[1]
    assert newest["content"]["full_name"] == "Rosa Franklin"


def is_free(told: Told) -> bool:
    """Ask whether somebody else could take a turn at the record now."""
    with told.catalogue._engine.begin() as connection:
        asked = sql_text("SELECT pg_try_advisory_xact_lock(hashtextextended('cisterna.record', 0))")
        return bool(connection.scalar(asked))


def test_nobody_else_has_a_turn_while_the_record_is_written_or_copied(
    told: Told, new_store: Callable[..., S3Store]
) -> None:
    free: list[bool] = []

    class Watched(DyingStore):
        def put(self, *values: object, **options: object) -> object:
            free.append(is_free(told))
            return self._store.put(*values, **options)  # type: ignore[arg-type]

    record_all(catalogue=told.catalogue, store=Watched(told, nth=0), clock=told.facility.clock)  # type: ignore[arg-type]
    written = len(free)
    watched = Watched(told, nth=0)
    watched._store = new_store()

    copy_record(store=told.store, to=watched, catalogue=told.catalogue)  # type: ignore[arg-type]

    assert written
    assert len(free) > written
    assert not any(free[:written])
    assert not all(free[written:])  # the storage root's own files are nobody's secret
    assert is_free(told)


def bring(told: Told, copy: S3Store) -> int:
    return copy_record(store=told.store, to=copy, catalogue=told.catalogue)


def test_another_store_gets_what_it_lacks_and_no_more(told: Told, new_store: Callable[..., S3Store]) -> None:
    told.record()
    copy = new_store()
    first = bring(told, copy)
    with told.catalogue.begin() as tx:
        tx.accounts.save(tx.accounts.list()[0].model_copy(update={"full_name": "Rosa"}))
    told.record()

    assert (
        first,
        bring(told, copy),
        bring(told, copy),
    ) == (7, 1, 0)

    assert [one.key for one in copy.list(RECORD_ROOT)] == [one.key for one in told.store.list(RECORD_ROOT)]


def test_a_damaged_segment_is_not_copied(told: Told, new_store: Callable[..., S3Store]) -> None:
    told.record()
    (segment,) = told.segments()
    told.store.put(segment, b"something else")
    copy = new_store()

    with pytest.raises(ChecksumMismatch, match="another copy"):
        bring(told, copy)

    assert copy.head(segment) is None
