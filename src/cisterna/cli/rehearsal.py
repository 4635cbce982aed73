"""Dry runs: the real act, in transactions that are never committed, so that it is refused as the real one would be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from cisterna.ports.catalogue import Catalogue, Transaction


class _Over(Exception):
    """The rehearsal has come to its end; all of it is rolled back."""


class Rehearsal:
    """Implements `ports.catalogue.Catalogue`: what is done in it is checked by the database, and nothing stays.

    For acts of one transaction; of several, each begins as if there had been none before.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """Open a transaction that is rolled back at its end."""
        with suppress(_Over), self._catalogue.begin() as tx:
            yield tx
            raise _Over

    def migrate(self) -> None:
        """Change nothing."""

    def listen(self, *, timeout: timedelta) -> Iterator[str]:
        """Listen as the catalogue does."""
        return self._catalogue.listen(timeout=timeout)


def catalogue_for(catalogue: Catalogue, *, dry_run: bool) -> Catalogue:
    """Give the catalogue itself, or one in which everything is tried and nothing stays."""
    return Rehearsal(catalogue) if dry_run else catalogue
