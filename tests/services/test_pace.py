"""Readers keep to their instrument's bandwidth together, and their progress can be told."""

from __future__ import annotations

from datetime import datetime

import pytest

from cisterna.domain.bandwidth import parse_limit
from cisterna.domain.errors import LeaseLost
from cisterna.services.pace import Pace
from cisterna.testing.clock import SettableClock

MB = 1_000_000


def paced(*limits: str, total_bytes: int = 100 * MB) -> tuple[Pace, SettableClock]:
    clock = SettableClock()
    made = Pace(
        [parse_limit(one) for one in limits],
        instrument="squid-1",
        total_bytes=total_bytes,
        clock=clock,
        keep_on=lambda: None,
        wait=clock.advance,
    )
    return made, clock


def test_bytes_take_the_time_that_the_limit_says() -> None:
    pace, clock = paced("10MB/s")

    for _ in range(100):
        pace.take(MB)

    assert clock.monotonic() == pytest.approx(10.0, abs=0.3)


def test_what_was_not_read_is_not_made_up_for_later() -> None:
    pace, clock = paced("10MB/s")
    pace.take(MB)
    clock.advance(3600.0)
    began = clock.monotonic()

    for _ in range(50):
        pace.take(MB)

    assert clock.monotonic() - began == pytest.approx(5.0, abs=0.3)


def test_without_a_limit_nobody_waits() -> None:
    pace, clock = paced()
    pace.take(10**15)
    assert clock.monotonic() == 0.0


def test_a_limit_counts_in_its_hours_only() -> None:
    pace, clock = paced("00-01=1MB/s")
    now = datetime.now().astimezone()
    clock.set(now.replace(hour=0, minute=10))
    pace.take(5 * MB)
    limited = clock.monotonic()
    clock.set(now.replace(hour=2))
    pace.take(50 * MB)
    assert limited == pytest.approx(5.0, abs=0.3)
    assert clock.monotonic() == pytest.approx(limited, abs=0.3)


def test_a_reader_that_waits_long_still_learns_that_it_must_stop() -> None:
    clock = SettableClock()
    looks: list[float] = []

    def keep_on() -> None:
        looks.append(clock.monotonic())
        if len(looks) == 3:
            msg = "another has it"
            raise LeaseLost(msg)

    pace = Pace(
        [parse_limit("1kB/s")], instrument="squid-1", total_bytes=1, clock=clock, keep_on=keep_on, wait=clock.advance
    )

    with pytest.raises(LeaseLost):
        pace.take(100 * MB)

    assert looks == [0.0, 0.5, 1.0]


def test_progress_tells_share_rate_and_time_left() -> None:
    pace, clock = paced()
    pace.take(20 * MB)
    clock.advance(2.0)

    told = pace.progress()

    assert (told.done_bytes, told.total_bytes, told.bytes_per_second) == (20 * MB, 100 * MB, 10.0 * MB)
    assert (told.share, told.seconds_left) == (0.2, 8.0)


def test_the_rate_is_of_the_last_seconds_and_nothing_is_promised_while_nothing_moves() -> None:
    pace, clock = paced()
    pace.take(50 * MB)
    for _ in range(30):
        clock.advance(1.0)
        told = pace.progress()
    assert (told.bytes_per_second, told.seconds_left, told.share) == (0.0, None, 0.5)


def test_one_that_hangs_keeps_its_share_from_nobody() -> None:
    pace, clock = paced("10MB/s")
    other = pace.progress(10.0 * MB)
    assert pace.share_beside([other]) == 0.0

    clock.advance(60.0)

    assert pace.share_beside([other]) == 10 * MB


def test_what_others_take_counts_for_what_waits_already() -> None:
    pace, clock = paced("10MB/s")
    pace.take_share(10.0 * MB)
    lowered: list[float] = []

    def lower(seconds: float) -> None:
        clock.advance(seconds)
        if clock.monotonic() >= 5.0 and not lowered:
            lowered.append(clock.monotonic())
            pace.come_down_to(5.0 * MB)

    pace._bucket._wait = lower
    pace.take(100 * MB)

    assert clock.monotonic() == pytest.approx(15.0, abs=0.6)


def test_an_acquisition_without_bytes_is_done() -> None:
    pace, _ = paced(total_bytes=0)
    assert pace.progress().share == 1.0
