"""How fast an instrument's acquisitions may be read, by the hour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from cisterna.domain.base import Value
from cisterna.domain.errors import InvalidInput

_GIVEN = re.compile(
    r"(?:(?P<begin>[0-9]{1,2})-(?P<end>[0-9]{1,2})=)?(?P<number>[0-9]{1,6}(?:\.[0-9]{1,3})?) ?(?P<unit>[kMG])B(?:/s)?"
)
_UNIT = {"k": 1_000, "M": 1_000_000, "G": 1_000_000_000}


class BandwidthLimit(Value):
    """A limit for some hours of every day, on the clock of the machine that reads.

    Attributes:
        begin_hour: First hour it holds in.
        end_hour: Hour it no longer holds in; one that is not after `begin_hour` is the next day's.
    """

    begin_hour: int = Field(default=0, ge=0, le=23)
    end_hour: int = Field(default=24, ge=0, le=24)
    bytes_per_second: int = Field(gt=0)

    def holds_at(self, moment: datetime) -> bool:
        """Tell whether it holds at a time of day."""
        if self.begin_hour < self.end_hour:
            return self.begin_hour <= moment.hour < self.end_hour
        return moment.hour >= self.begin_hour or moment.hour < self.end_hour


def limit_at(moment: datetime, limits: Sequence[BandwidthLimit]) -> int | None:
    """Give the bytes a second that may be read at a time of day; of several limits the lowest, None for no limit."""
    return min((one.bytes_per_second for one in limits if one.holds_at(moment)), default=None)


def share_of(limit: int, others: Sequence[float | None]) -> float:
    """Give what one reader may take of a limit beside others, so that all together never take more than it.

    An even share, once the others have made room for it; until then what they leave, which may be nothing. So whoever
    comes begins only when those who are there have come down, and whoever stays goes up when one has gone.

    Args:
        limit: Of the instrument, bytes a second.
        others: What each other reader has taken; None for one that knew of no limit yet, and keeps to an even share.
    """
    even = limit / (len(others) + 1)
    taken = sum(even if one is None else one for one in others)
    return max(0.0, min(even, limit - taken))


def parse_limit(text: str) -> BandwidthLimit:
    """Read `20MB/s`, or `08-18=20MB/s` for the hours from 8 to before 18. Raises `InvalidInput`."""
    found = _GIVEN.fullmatch(text)
    bytes_per_second = round(float(found["number"]) * _UNIT[found["unit"]]) if found else 0
    begin, end = (int(found[name] or default) if found else 0 for name, default in (("begin", 0), ("end", 24)))
    if found is None or bytes_per_second < 1 or not (0 <= begin <= 23 and 0 <= end <= 24):
        shown = text[:80].encode("unicode_escape").decode("ascii")
        msg = f"'{shown}' is no limit; write 20MB/s, or 08-18=20MB/s for the hours from 8 to before 18"
        raise InvalidInput(msg, limit=shown)
    return BandwidthLimit(begin_hour=begin, end_hour=end, bytes_per_second=bytes_per_second)
