"""The dispatcher's rounds: a survey that failed is due again at once, one that was done is not for a day."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.portal import Portal
from cisterna.adapters.system_clock import SystemClock
from cisterna.adapters.table_parquet import ParquetTables
from cisterna.domain.errors import StoreUnavailable
from cisterna.domain.probe_key import PROBE_GRACE, PROBE_PREFIX, probe_key
from cisterna.ports.catalogue import Transaction
from cisterna.services.access_round import AccessSite, LevelledAccess, level_access
from cisterna.settings import Settings
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from flows.rounds import ACCESS_SECONDS, LEVEL_SECONDS, Rounds


@dataclass
class FewParts:
    """The parts that rounds need."""

    catalogue: SqlCatalogue
    clock: SettableClock
    archive_store: MemoryStore = field(default_factory=MemoryStore)
    public_store: MemoryStore = field(default_factory=lambda: MemoryStore(name="public"))
    copy_stores: dict[str, MemoryStore] = field(default_factory=dict)
    tables: ParquetTables = field(default_factory=ParquetTables)
    settings: Settings = field(default_factory=Settings)
    collected: int = 0
    base_url: str = "http://testserver"

    @property
    def publisher(self) -> Portal:
        return Portal(self.public_store, base_url=self.base_url)

    @property
    def keeping_stores(self) -> dict[str, MemoryStore]:
        return {"archive": self.archive_store, **self.copy_stores}

    def collect_unadmitted(self) -> list[str]:
        self.collected += 1
        return []


def test_a_survey_is_taken_at_the_start_and_a_day_later_and_again_when_it_failed(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    parts: Any = FewParts(catalogue, clock)
    rounds = Rounds(parts)
    parts.archive_store.fail_on("list")
    with pytest.raises(StoreUnavailable):
        rounds.survey()

    for _ in range(3):
        rounds.survey()
    assert parts.archive_store.calls["list"] == 2

    clock.advance(24 * 3600 + 1)
    rounds.survey()
    assert parts.archive_store.calls["list"] == 3
    assert parts.collected == 3


def test_a_round_through_an_archive_at_rest_asks_the_store_nothing(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    parts: Any = FewParts(catalogue, clock)

    Rounds(parts).recover()

    assert not parts.archive_store.calls


def test_the_index_of_what_is_public_is_held_against_the_bucket_at_the_start_and_then_now_and_then(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    parts: Any = FewParts(catalogue, clock)
    rounds = Rounds(parts)
    parts.public_store.fail_on("list")
    with pytest.raises(StoreUnavailable):
        rounds.level_index()

    for _ in range(3):
        rounds.level_index()
    assert parts.public_store.calls["list"] == 2

    clock.advance(LEVEL_SECONDS + 1)
    rounds.level_index()
    assert parts.public_store.calls["list"] == 3


def test_what_descriptions_lack_is_looked_for_at_the_start_and_then_now_and_then(
    catalogue: SqlCatalogue, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: Any = FewParts(catalogue, clock)
    rounds, looks, begin = Rounds(parts), [], catalogue.begin

    def counted() -> AbstractContextManager[Transaction]:
        looks.append(clock.monotonic())
        return begin()

    monkeypatch.setattr(catalogue, "begin", counted)

    for seconds in (0, 1, LEVEL_SECONDS):
        clock.advance(seconds)
        rounds.complete_forms()

    assert len(looks) == 2


def test_access_is_looked_at_at_the_start_and_then_each_minute(
    catalogue: SqlCatalogue, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str | None] = []

    def looked(site: AccessSite, *, after: str | None) -> LevelledAccess:
        looks.append(after)
        return level_access(site, after=after).model_copy(update={"after": "here", "failed": (("ds-1:v1", "away"),)})

    monkeypatch.setattr("flows.rounds.level_access", looked)
    rounds = Rounds(cast("Any", FewParts(catalogue, clock)))

    for _ in range(3):
        rounds.level_access()
    clock.advance(ACCESS_SECONDS + 1)
    rounds.level_access()

    assert looks == [None, "here"]


def test_what_killed_probes_left_goes_from_every_store_also_when_one_is_away(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    parts: Any = FewParts(catalogue, clock, copy_stores={"away": MemoryStore(), "mirror": MemoryStore()})
    stores = [parts.archive_store, *parts.copy_stores.values(), parts.public_store]
    for store in stores:
        store.put(probe_key(SystemClock().new_id(), "store"), b"left")
    parts.copy_stores["away"].fail_on("list")
    clock.set(datetime.now(UTC) + 2 * PROBE_GRACE)

    Rounds(parts).collect_probes()

    assert [len(list(store.list(PROBE_PREFIX))) for store in stores] == [0, 1, 0, 0]


def test_a_survey_goes_through_every_store_of_copies_also_when_one_is_away(
    catalogue: SqlCatalogue, clock: SettableClock
) -> None:
    parts: Any = FewParts(catalogue, clock, copy_stores={"away": MemoryStore(), "mirror": MemoryStore()})
    parts.copy_stores["away"].fail_on("unfinished_uploads")

    Rounds(parts).survey()

    assert parts.copy_stores["mirror"].calls["unfinished_uploads"] == 1
