"""A month of the calendar, in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from cisterna.domain.errors import InvalidInput

MOST_MONTHS = 120
"""Of which one answer tells."""

_WRITTEN = re.compile(r"([12][0-9]{3})-(0[1-9]|1[0-2])", re.ASCII)


class Month(NamedTuple):
    """Sorts by time, and is written as `2026-11`."""

    year: int
    month: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def begin(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def next(self) -> Month:
        """The one after it."""
        return Month(self.year + self.month // 12, self.month % 12 + 1)


def read_month(text: str) -> Month:
    """Read a month. Raises `InvalidInput`."""
    matched = _WRITTEN.fullmatch(text)
    if matched is None:
        raise InvalidInput(f"{text[:40]!a} is no month; write it as 2026-11", field="month")
    return Month(int(matched[1]), int(matched[2]))


def month_of(moment: datetime) -> Month:
    """Tell in which month a moment lies."""
    utc = moment.astimezone(UTC)
    return Month(utc.year, utc.month)


def months(first: Month, last: Month) -> Iterator[Month]:
    """Give every month from the first to the last. Raises `InvalidInput` for none, or for too many."""
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    if not 1 <= count <= MOST_MONTHS:
        msg = f"from {first} to {last} are {max(count, 0)} months; ask for 1 to {MOST_MONTHS}"
        raise InvalidInput(msg, field="month")
    month = first
    for _ in range(count):
        yield month
        month = month.next
