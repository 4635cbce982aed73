"""The index of what is public in the catalogue."""

from __future__ import annotations

from cisterna.testing.public_index_contract import PublicIndexContract


class TestSqlPublicIndex(PublicIndexContract):
    """The SQL implementation, on a fresh database a test."""
