"""Hours of every day in which something may be done, on the clock of the machine that does it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from pydantic import Field, model_validator

from cisterna.domain.base import Value
from cisterna.domain.errors import InvalidInput

_GIVEN = re.compile(r"([0-9]{1,2})(?::([0-5][0-9]))?-([0-9]{1,2})(?::([0-5][0-9]))?")
_DAY_MINUTES = 24 * 60


class Hours(Value):
    """From one time of the day until just before another.

    Attributes:
        begin_minute: Of the day, from 0.
        end_minute: Of the day; one that is not after `begin_minute` is the next day's.
    """

    begin_minute: int = Field(ge=0, lt=_DAY_MINUTES)
    end_minute: int = Field(ge=0, le=_DAY_MINUTES)

    @model_validator(mode="after")
    def _lasts(self) -> Hours:
        if self.begin_minute == self.end_minute:
            msg = "they begin when they end; leave them out for the whole day"
            raise ValueError(msg)
        return self

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether a time of day lies within."""
        minute = moment.hour * 60 + moment.minute
        if self.begin_minute < self.end_minute:
            return self.begin_minute <= minute < self.end_minute
        return minute >= self.begin_minute or minute < self.end_minute

    def next_beginning(self, moment: datetime) -> datetime:
        """Give the first beginning that is not before a moment, in that moment's zone."""
        midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        begins = midnight + timedelta(minutes=self.begin_minute)
        return begins if begins >= moment else begins + timedelta(days=1)

    @property
    def words(self) -> str:
        """As people write them: `20:00-06:00`."""
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.begin_minute, self.end_minute))


def parse_hours(text: str) -> Hours:
    """Read `20:00-06:00`, or `20-6`. Raises `InvalidInput`."""
    found = _GIVEN.fullmatch(text.strip())
    if found is not None:
        begin, end = (int(found[at]) * 60 + int(found[at + 1] or 0) for at in (1, 3))
        if begin < _DAY_MINUTES and end <= _DAY_MINUTES and begin != end:
            return Hours(begin_minute=begin, end_minute=end)
    shown = text[:80].encode("unicode_escape").decode("ascii")
    msg = f"'{shown}' are no hours of a day; write 20:00-06:00"
    raise InvalidInput(msg, hours=shown)


def are_open(hours: Hours | None, moment: datetime) -> bool:
    """Tell whether a time of day lies in hours, where none are the whole day."""
    return hours is None or hours.holds_at(moment)
