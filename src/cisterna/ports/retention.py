"""How long things are kept: the rules, what the stores were asked to do about it, and what has come to its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cisterna.domain.identifier import DatasetId
from cisterna.domain.protection import Protection
from cisterna.domain.retention import RetentionRule


class EndOfLife(Protocol):
    """Tells whether a dataset's time is over; whoever deletes asks here first. What is uncertain is never due."""

    def due(self, dataset_id: DatasetId) -> datetime | None:
        """Give the moment at which its life ended, or None: not yet, deferred, never, or it could not be found out.

        Raises:
            NotFound: There is no such dataset.
            CatalogueUnavailable: Nothing can be said.
        """
        ...


class RetentionRules(Protocol):
    """Rules on how long datasets are kept; none is ever removed or changed, only ended."""

    def add(self, rule: RetentionRule) -> None:
        """Raises `AlreadyExists` when a standing rule matches the same."""
        ...

    def end(self, rule: RetentionRule) -> None:
        """Write the rule with its end. Raises `Conflict` when somebody has ended it already, `NotFound`."""
        ...

    def get(self, rule_id: str) -> RetentionRule:
        """Raises `NotFound`."""
        ...

    def list(self, *, standing: bool | None = None) -> Sequence[RetentionRule]:
        """Newest first."""
        ...


class Protections(Protocol):
    """What stores were asked to do for objects."""

    def put(self, protection: Protection) -> None:
        """Insert or replace."""
        ...

    def find(self, dataset_id: str, store: str) -> Protection | None:
        """Give one."""
        ...

    def of(self, dataset_id: str) -> Sequence[Protection]:
        """Those of one object, by store."""
        ...

    def list(self) -> Sequence[Protection]:
        """All of them."""
        ...
