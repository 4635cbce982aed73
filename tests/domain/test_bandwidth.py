"""Limits by the hour, as they are written and as they hold."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.bandwidth import BandwidthLimit, limit_at, parse_limit
from cisterna.domain.errors import InvalidInput

hours = st.integers(min_value=0, max_value=23)


def at(hour: int) -> datetime:
    return datetime(2026, 11, 22, hour, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20MB/s", (0, 24, 20_000_000)),
        ("1.5GB", (0, 24, 1_500_000_000)),
        ("08-18=500kB/s", (8, 18, 500_000)),
        ("22-6=1 GB/s", (22, 6, 1_000_000_000)),
    ],
)
def test_a_limit_is_read_as_people_write_it(text: str, expected: tuple[int, int, int]) -> None:
    found = parse_limit(text)
    assert (found.begin_hour, found.end_hour, found.bytes_per_second) == expected


@pytest.mark.parametrize(
    "text", ["", "20", "MB/s", "0MB/s", "0.0001kB", "-5MB", "24-3=1MB", "8-25=1MB", "8=1MB", "1e9MB", "NaNMB", "1MB\n"]
)
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="write 20MB/s"):
        parse_limit(text)


@given(begin=hours, end=st.integers(min_value=0, max_value=24))
def test_a_limit_holds_from_its_first_hour_to_before_its_last_also_over_midnight(begin: int, end: int) -> None:
    limit = BandwidthLimit(begin_hour=begin, end_hour=end, bytes_per_second=1)
    span = [(begin + step) % 24 for step in range((end - begin) % 24 or 24)]
    assert [hour for hour in range(24) if limit.holds_at(at(hour))] == sorted(span)


def test_of_several_limits_the_lowest_counts_and_none_is_no_limit() -> None:
    limits = [parse_limit("08-18=20MB/s"), parse_limit("12-13=5MB/s")]
    assert [limit_at(at(hour), limits) for hour in (7, 8, 12, 18)] == [None, 20_000_000, 5_000_000, None]
