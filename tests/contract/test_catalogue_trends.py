"""Trends in the catalogue."""

from __future__ import annotations

from cisterna.testing.trend_contract import TrendBookContract


class TestSqlTrendBook(TrendBookContract):
    """The SQL implementation, on a fresh database a test."""
