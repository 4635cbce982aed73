"""How far a run has come and when it ends: honest for any plan, any pause and any clock."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cisterna.domain.writing import MOST_MARKS, Forecast, Writing, forecast, with_mark
from cisterna.testing.clock import START
from cisterna.testing.factory import make_acquisition

RUN = make_acquisition("run").acquisition_id
MIB = 1024 * 1024


def looked(
    before: Writing | None, files: int, *, since: float = 10.0, now: datetime | None = None, **fields: Any
) -> Writing:
    """Add a look that came a while after the one before."""
    moment = now or (before.noted_at + timedelta(seconds=since) if before else START)
    told = {"expected_files": None, "cadence_seconds": None, **fields}
    return with_mark(
        before, acquisition_id=RUN, files=files, size_bytes=files * MIB, since_seconds=since, now=moment, **told
    )


def steady(files: int, *, seconds: float = 10.0, **fields: Any) -> Writing:
    """Write a file every so many seconds, from nothing."""
    writing = looked(None, 0, since=0.0, **fields)
    for count in range(1, files + 1):
        writing = looked(writing, count, since=seconds, **fields)
    return writing


def seconds_to(moment: datetime | None, writing: Writing) -> float:
    assert moment is not None
    return (moment - writing.noted_at).total_seconds()


def test_a_steady_run_ends_when_the_rest_takes_as_long_as_it_did() -> None:
    writing = steady(100, expected_files=300)

    told = forecast(writing)

    assert told.files_per_hour == pytest.approx(360, rel=0.02)
    assert told.bytes_per_hour == pytest.approx(360 * MIB, rel=0.02)
    assert seconds_to(told.earliest, writing) == pytest.approx(2000, rel=0.02)
    assert seconds_to(told.latest, writing) == pytest.approx(2000, rel=0.02)
    middle = writing.noted_at + timedelta(seconds=2000)
    assert told.words in {f"about {middle + timedelta(minutes=off):%H:%M} UTC" for off in (-1, 0, 1)}


def test_without_a_plan_no_end_is_told_but_the_pace_is() -> None:
    writing = steady(100)

    told = forecast(writing)

    assert told.words == "cannot be told: no plan"
    assert (told.earliest, told.latest) == (None, None)
    assert told.files_per_hour > 0


def test_a_pace_that_changed_is_told_as_a_span() -> None:
    writing = steady(300, expected_files=900)
    for count in range(301, 331):
        writing = looked(writing, count, since=60.0, expected_files=900)

    told = forecast(writing)

    assert told.words.startswith("between ")
    assert seconds_to(told.earliest, writing) < 570 * 20
    assert seconds_to(told.latest, writing) > 570 * 20


@pytest.mark.parametrize("cadence", [None, 3600.0], ids=["pauses seen", "pauses planned"])
@pytest.mark.parametrize("at", [0.0, 0.3, 0.9], ids=["after writing", "in the pause", "before the next"])
def test_pauses_longer_than_the_writing_count_as_part_of_the_run(cadence: float | None, at: float) -> None:
    plan = {"expected_files": 40 * 20, "cadence_seconds": cadence}
    writing = looked(None, 0, since=0.0, **plan)
    for point in range(10):
        for image in range(20):
            writing = looked(writing, point * 20 + image + 1, since=10.0, **plan)
        pause = 3400.0 if point < 9 else 3400.0 * at
        for _ in range(round(pause // 60)):
            writing = looked(writing, (point + 1) * 20, since=60.0, **plan)

    told = forecast(writing)

    truth = 30 * 3600.0
    assert told.earliest is not None
    assert seconds_to(told.earliest, writing) <= truth * 1.15
    assert seconds_to(told.latest, writing) >= truth * 0.85
    assert seconds_to(told.latest, writing) - seconds_to(told.earliest, writing) < truth


def test_a_plan_that_grows_moves_the_end_away() -> None:
    before = steady(100, expected_files=200)
    after = looked(before, 101, expected_files=400)

    sooner, later = forecast(before), forecast(after)

    assert sooner.latest is not None
    assert later.earliest is not None
    assert later.earliest > sooner.latest


@pytest.mark.parametrize("files", [100, 150])
def test_a_plan_that_is_reached_or_passed_is_said_to_be_there(files: int) -> None:
    writing = steady(files, expected_files=100)

    told = forecast(writing)

    assert told.words == "all that was planned is there"
    assert told.latest is None


def test_a_run_at_which_nothing_comes_any_more_has_no_end() -> None:
    writing = steady(100, expected_files=200)
    for _ in range(200):
        writing = looked(writing, 100, since=60.0, expected_files=200)

    told = forecast(writing)

    assert told.words == "cannot be told: nothing of the plan was written for 3:20:00"
    assert told.files_per_hour == 0


@pytest.mark.parametrize("files", [0, 1, 2])
def test_too_little_tells_nothing_yet(files: int) -> None:
    writing = steady(files, expected_files=100)

    assert forecast(writing).words == "cannot be told yet: too little was seen"


def test_what_takes_more_than_a_year_is_not_told_to_the_minute() -> None:
    writing = steady(10, expected_files=100_000_000)

    assert forecast(writing).words.endswith("it takes more than a year")


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1)], ids=["a day on", "a day back"])
def test_a_clock_that_is_set_by_a_day_changes_no_pace(jump: timedelta) -> None:
    before = steady(100, expected_files=300)
    after = looked(before, 101, now=before.noted_at + jump, expected_files=300)

    told = forecast(after)

    assert told.files_per_hour == pytest.approx(360, rel=0.03)
    assert seconds_to(told.latest, after) == pytest.approx(1990, rel=0.03)


def test_another_day_is_named() -> None:
    writing = steady(100, expected_files=20_000)

    told = forecast(writing)

    assert "2026-11-25" in told.words


def test_the_marks_of_a_long_run_stay_few_and_reach_back_to_its_beginning() -> None:
    writing = steady(20_000, seconds=60.0, expected_files=30_000)

    assert len(writing.marks) <= MOST_MARKS
    assert writing.marks[0].watched_seconds == 0
    told = forecast(writing)
    assert seconds_to(told.earliest, writing) == pytest.approx(600_000, rel=0.05)


looks = st.lists(
    st.tuples(
        st.integers(0, 10**7),
        st.floats(-1e6, 1e6),
        st.none() | st.integers(0, 10**7),
        st.none() | st.floats(0, 1e7),
        st.integers(-200_000, 200_000),
    ),
    max_size=80,
)


@given(looks)
@example([(0, 0.0, None, None, 0), (0, 0.0, None, None, 0), (1, 5e-324, None, None, 0)])
def test_no_history_of_looks_breaks_it(history: list[tuple[int, float, int | None, float | None, int]]) -> None:
    writing: Writing | None = None
    now = datetime(2026, 11, 23, tzinfo=UTC)
    for files, since, expected, cadence, jump in history:
        now += timedelta(seconds=jump)
        writing = looked(writing, files, since=since, now=now, expected_files=expected, cadence_seconds=cadence)
    writing = writing or Writing(acquisition_id=RUN, noted_at=now, files=0, bytes=0)

    told = forecast(writing)

    assert told == Forecast.model_validate_json(told.model_dump_json())
    assert math.isfinite(told.files_per_hour)
    assert (told.earliest is None) == (told.latest is None)
    if told.earliest is not None and told.latest is not None:
        assert told.at <= told.earliest <= told.latest
    assert [mark.watched_seconds for mark in writing.marks] == sorted(mark.watched_seconds for mark in writing.marks)


@given(st.integers(2, 60), st.integers(1, 400), st.floats(1.0, 600.0))
def test_more_to_come_never_ends_sooner(files: int, left: int, seconds: float) -> None:
    fewer = forecast(steady(files, seconds=seconds, expected_files=files + left))
    more = forecast(steady(files, seconds=seconds, expected_files=files + 2 * left))

    if fewer.latest is not None and more.earliest is not None:
        assert fewer.earliest is not None
        assert more.earliest >= fewer.earliest
