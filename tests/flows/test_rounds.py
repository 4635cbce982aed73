"""The dispatcher's rounds: a survey that failed is due again at once, one that was done is not for a day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.domain.errors import StoreUnavailable
from cisterna.settings import Settings
from cisterna.testing.clock import SettableClock
from cisterna.testing.memory_store import MemoryStore
from flows.rounds import Rounds


@dataclass
class FewParts:
    """The parts that rounds need."""

    catalogue: SqlCatalogue
    clock: SettableClock
    archive_store: MemoryStore = field(default_factory=MemoryStore)
    settings: Settings = field(default_factory=Settings)
    collected: int = 0

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
