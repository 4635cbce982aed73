"""How numbers are spread: every value is counted once, whatever it is, and limits are where they belong."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cisterna.domain.errors import InvalidInput
from cisterna.domain.quality_report import Histogram
from cisterna.services.report_histogram import BINS, MOST_HISTOGRAMS, FileLimits, histograms_of
from cisterna.services.report_series import MOST_CHANNELS, series_of

LIMITS = {"focus_min": 0.02, "focus_relative_min": 0.3, "saturated_share_max": 0.01, "snr_min.DAPI": 5.0}


def spread(limits: dict[str, float] | None = None, **columns: list[Any]) -> dict[tuple[str, str | None], Histogram]:
    rows = len(next(iter(columns.values())))
    found, _ = histograms_of(
        series_of({"path": [str(row) for row in range(rows)], **columns}), FileLimits(named=limits or {})
    )
    return {(one.metric, one.channel): one for one in found}


@given(st.lists(st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=3), st.booleans()), max_size=60))
def test_every_finite_number_is_counted_once_and_nothing_else_is(cells: list[Any]) -> None:
    wanted = [one for one in cells if isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one)]

    found = spread(m=cells).values() if cells else []

    assert sum(one.values for one in found) == len(wanted)
    for one in found:
        assert sum(one.counts) == one.values
        assert len(one.counts) == BINS
        assert math.isfinite(one.low)
        assert one.low < one.high
        assert one.minimum <= one.median <= one.maximum


def test_a_constant_column_has_an_axis_all_the_same() -> None:
    assert spread(m=[7.0] * 5)["m", None].low < 7.0 < spread(m=[7.0] * 5)["m", None].high


def test_one_wild_value_does_not_press_the_others_together() -> None:
    one = spread(m=[number / 100 for number in range(1000)] + [1e12])["m", None]

    assert one.high < 100
    assert one.maximum == 1e12
    assert sum(one.counts) == 1001
    assert max(one.counts) < 200


def test_the_limit_of_a_channel_goes_before_that_of_all_and_files_beyond_it_are_counted() -> None:
    found = spread(LIMITS, snr=[1.0, 9.0, 1.0], channel=["DAPI", "DAPI", "GFP"])

    (limit,) = found["snr", "DAPI"].limits
    assert (limit.value, limit.is_least, found["snr", "DAPI"].beyond) == (5.0, True, 1)
    assert limit.origin == "snr_min.DAPI of the suite's limits"
    assert found["snr", "GFP"].limits == ()


def test_the_focus_is_judged_as_the_gate_judges_it() -> None:
    found = spread(LIMITS, focus=[0.2, 0.2, 0.2, 0.05], channel=["BF"] * 4)["focus", "BF"]

    assert found.limits[0].value == pytest.approx(0.06)
    assert found.beyond == 1


def test_a_limit_that_is_far_off_stays_in_words_and_leaves_the_axis_alone() -> None:
    found = spread({"m_max": 1e9}, m=[1.0, 2.0])["m", None]

    assert found.high == 2.0
    assert found.limits[0].value == 1e9


def test_what_is_beyond_a_limit_comes_first_then_what_has_one() -> None:
    found = spread({"c_min": 0.0, "b_min": 5.0}, a=[1.0], b=[1.0], c=[1.0])

    assert [metric for metric, _ in found] == ["b", "c", "a"]


def test_of_very_many_metrics_and_channels_some_are_left_out_and_counted() -> None:
    columns = {"path": ["x"] * 40, "channel": [f"c{number:02}" for number in range(40)]}
    columns |= {f"m{number}": [1.0] * 40 for number in range(200)}

    found, more = histograms_of(series_of(columns), FileLimits())

    assert len(found) == MOST_HISTOGRAMS
    assert more > 0
    assert len({one.channel for one in found}) == MOST_CHANNELS


@pytest.mark.parametrize("columns", [{}, {"m": [1]}, {"path": ["x"], "m": [1, 2]}])
def test_what_is_no_table_of_files_is_refused(columns: dict[str, list[Any]]) -> None:
    with pytest.raises(InvalidInput):
        series_of(columns)
