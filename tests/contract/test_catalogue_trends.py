"""Trends in the catalogue."""

from __future__ import annotations

import pytest

from cisterna.adapters.catalogue_sql import SqlCatalogue
from cisterna.adapters.catalogue_trend import SqlTrendBook
from cisterna.testing.trend_contract import TrendBookContract, of


class TestSqlTrendBook(TrendBookContract):
    """The SQL implementation, on a fresh database a test."""

    def test_a_channel_that_is_seldom_used_is_looked_for_among_the_newest_alone(
        self, catalogue: SqlCatalogue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A page never reads all that an instrument ever made."""
        monkeypatch.setattr(SqlTrendBook, "searched", 3)
        for day in range(4):
            self.keep(catalogue, f"run-{day}", 1.0, *([5.0] if day < 2 else []), day=day)

        assert [one.value for one in of(catalogue, channel="channel 0")] == [5.0]
        assert len(of(catalogue)) == 3
