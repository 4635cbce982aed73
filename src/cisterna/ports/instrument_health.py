"""Counts of what came from an instrument, as part of a transaction of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from cisterna.domain.base import Value
from cisterna.domain.instrument_health import CheckCount, DayCount, RunBegin


class Within(Value):
    """Whose data count.

    Attributes:
        instrument: Its runs alone.
        projects: Of these; None leaves none out.
        unclaimed: With `projects`, what no project claims as well.
    """

    instrument: str
    projects: frozenset[str] | None = None
    unclaimed: bool = True


class InstrumentHealthBook(Protocol):
    """Reads counts whose cost does not grow with what came before the time that is asked for."""

    def days(self, within: Within, *, since: datetime, now: datetime) -> Sequence[DayCount]:
        """Count datasets whose runs were first seen since then, by day and the verdict of their newest version."""
        ...

    def failing(self, within: Within, *, since: datetime, of: int, limit: int) -> Sequence[CheckCount]:
        """Count what did not pass and was not left out, by check and outcome, the most frequent first.

        Args:
            within: Whose data count.
            since: Of runs that were first seen since then.
            of: Only the newest so many of them.
            limit: At most so many checks.
        """
        ...

    def data_types(self, instrument: str, *, since: datetime, of: int) -> Sequence[str]:
        """Name the data types of its newest so many runs since then."""
        ...

    def begun(self, within: Within, *, limit: int) -> Sequence[RunBegin]:
        """Tell when the newest runs began, the last that was first seen first.

        Of more than `limit` runs those that were first seen together with the last of them are left out: the others of
        them are not known. None is left out where all of them came together.
        """
        ...

    def is_writing(self, within: Within) -> bool:
        """Tell whether a run is being written."""
        ...
